/* Short messages above the page. Without JavaScript, acts answer with a page and Django's message. */

const LASTS = 6000;
const ICONS = { ok: "check", warn: "warning", error: "warning", info: "info" };

/** Show a message; `state` is ok, warn, error or info. An error stays until it is closed. */
export function showToast(text, state = "ok", link = null) {
    const toast = document.createElement("div");
    toast.className = `toast toast-${state}`;
    const words = document.createElement("span");
    words.textContent = text;
    if (link) {
        words.append(" ", anchor(link));
    }
    toast.append(icon(ICONS[state]), words, closeButton(toast));
    document.getElementById("toasts").append(toast);
    if (state !== "error") {
        leaveLater(toast);
    }
    return toast;
}

function leaveLater(toast) {
    setTimeout(() => {
        if (toast.matches(":hover, :focus-within")) {
            leaveLater(toast);
        } else {
            toast.remove();
        }
    }, LASTS);
}

function closeButton(toast) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button-quiet copy-like";
    button.setAttribute("aria-label", "Close this message");
    button.append(icon("close"));
    button.addEventListener("click", () => toast.remove());
    return button;
}

function anchor({ href, text }) {
    const link = document.createElement("a");
    link.href = href;
    link.textContent = text;
    return link;
}

/** Return an icon of icons.svg, from the address that the page itself uses. */
export function icon(name) {
    const space = "http://www.w3.org/2000/svg";
    const used = document.querySelector(".icon use").getAttribute("href").split("#")[0];
    const svg = document.createElementNS(space, "svg");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    const use = document.createElementNS(space, "use");
    use.setAttribute("href", `${used}#${name}`);
    svg.append(use);
    return svg;
}
