import { renderToString } from "react-dom/server";
import { Gallery } from "./Gallery";

/** The components as a server renders them. */
console.log(renderToString(<Gallery lang="en" shows="everything" options={{}} />));
