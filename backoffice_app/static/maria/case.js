/* The parts of a session's page as tabs, also after a part was renewed.
   Without JavaScript the style sheet shows the part that the address names. */
const page = document.querySelector(".case");
const links = [...page.querySelectorAll(".tabs a")];

function show() {
    const parts = links.map((link) => link.hash.slice(1));
    const named = location.hash.slice(1);
    page.dataset.part = parts.includes(named) ? named : parts[0];
    for (const link of links) {
        if (link.hash === `#${page.dataset.part}`) {
            link.setAttribute("aria-current", "true");
        } else {
            link.removeAttribute("aria-current");
        }
    }
}

// The answer to an act stands above the part that the address names. Browsers scroll to that part
// until the first frame after the page was loaded.
if (document.querySelector(".messagelist")) {
    const afterFrame = (then) => requestAnimationFrame(then);
    addEventListener("load", () => afterFrame(() => afterFrame(() => scrollTo(0, 0))));
}
addEventListener("hashchange", show);
show();
