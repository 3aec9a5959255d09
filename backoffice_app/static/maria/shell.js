/* Keys, copy buttons, menus and relative times of every page.
   Without JavaScript: no keys, no copy buttons, a menu closes by its button, and times are those of
   the moment when the page was made. */
import { showToast } from "./toasts.js";

const MINUTE = 60_000;

document.documentElement.toggleAttribute("data-copy", "clipboard" in navigator);

document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-copy]");
    if (button) {
        copy(button);
    }
    const opener = event.target.closest("button[data-opens]");
    if (opener) {
        open(opener.dataset.opens);
    }
    closeMenus(event.target.closest("details.menu"));
});

document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
        closeMenus(null);
    } else if (opensSearch(event)) {
        const box = document.querySelector("form[role=search] input[name=q]");
        if (box) {
            event.preventDefault();
            box.focus();
            box.select();
        }
    } else if (event.key === "?" && !isTyping(event)) {
        open("keyboard-help");
    }
});

setInterval(() => document.querySelectorAll("time.ago").forEach(renew), MINUTE);

/** Open a <dialog>. The browser returns the focus when it closes. */
function open(id) {
    const dialog = document.getElementById(id);
    if (dialog && !document.querySelector("dialog[open]")) {
        dialog.showModal();
    }
}

function opensSearch(event) {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        return true;
    }
    return event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event);
}

/** Whether a key belongs to the element that has the focus. */
export function isTyping(event) {
    return event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
}

async function copy(button) {
    try {
        await navigator.clipboard.writeText(button.dataset.copy);
        button.dataset.copied = "";
        setTimeout(() => delete button.dataset.copied, 2000);
        showToast("Copied.");
    } catch {
        showToast("The browser did not allow copying.", "error");
    }
}

function closeMenus(except) {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
        if (menu !== except) {
            const hadFocus = menu.contains(document.activeElement);
            menu.open = false;
            if (hadFocus && !except) {
                menu.querySelector("summary").focus();
            }
        }
    }
}

function renew(time) {
    const minutes = Math.trunc((Date.now() - Date.parse(time.dateTime)) / MINUTE);
    if (minutes >= 1 && minutes < 60) {
        time.textContent = `${minutes} min ago`;
    } else if (minutes >= 60 && minutes < 24 * 60) {
        time.textContent = `${Math.trunc(minutes / 60)} h ago`;
    }
}
