// The values of charts by pointer, touch and keyboard: a slider over the bars chooses a time.
// Without JavaScript the bars have titles, and each chart is also a table.

const HOVERED = "(hover: hover)";

function start(figure) {
  const pick = figure.querySelector(".chart-pick");
  place(figure, pick);
  pick.hidden = false;
  if ("started" in pick) return;
  pick.started = true;
  pick.addEventListener("input", () => show(figure));
  pick.addEventListener("focus", () => show(figure));
  pick.addEventListener("blur", () => clear(figure));
  pick.addEventListener("pointermove", (event) => follow(figure, event));
  pick.addEventListener("pointerleave", () => document.activeElement === pick || clear(figure));
}

/** Lay the slider over the part of the drawing that has bars. */
function place(figure, pick) {
  const { width } = figure.querySelector("svg").viewBox.baseVal;
  const [from, to] = edges(figure);
  pick.style.left = `${(100 * from) / width}%`;
  pick.style.width = `${(100 * (to - from)) / width}%`;
}

function edges(figure) {
  const axis = figure.querySelector(".chart-zero");
  return [Number(axis.getAttribute("x1")), Number(axis.getAttribute("x2"))];
}

/** A mouse needs no button. A finger moves the slider itself. */
function follow(figure, event) {
  if (!matchMedia(HOVERED).matches || event.pointerType !== "mouse") return;
  const pick = event.currentTarget;
  const { left, width } = pick.getBoundingClientRect();
  const count = Number(pick.max) + 1;
  pick.value = Math.floor((count * (event.clientX - left)) / width);
  show(figure);
}

function show(figure) {
  const pick = figure.querySelector(".chart-pick");
  const row = figure.querySelectorAll("tbody tr")[pick.value];
  const labels = [...figure.querySelectorAll("thead th")].slice(1).map((one) => one.textContent.toLowerCase());
  const values = [...row.querySelectorAll("td")].map((one, nth) => `${one.textContent} ${labels[nth]}`);
  const text = `${row.querySelector("th").textContent}: ${values.join(", ")}`;
  pick.setAttribute("aria-valuetext", text);
  figure.querySelector(".chart-value").textContent = text;
  mark(figure, Number(pick.value), Number(pick.max) + 1);
}

function mark(figure, nth, count) {
  const [from, to] = edges(figure);
  const cursor = figure.querySelector(".chart-cursor");
  cursor.setAttribute("width", (to - from) / count);
  cursor.setAttribute("x", from + ((to - from) / count) * nth);
}

function clear(figure) {
  figure.querySelector(".chart-value").textContent = "";
  figure.querySelector(".chart-cursor").setAttribute("width", 0);
}

/** Start all charts, also those that a renewal has brought; go on showing the chosen time. */
function startAll() {
  for (const figure of document.querySelectorAll("figure.chart")) {
    start(figure);
    if (figure.contains(document.activeElement)) show(figure);
  }
}

document.addEventListener("renewed", startAll);
startAll();
