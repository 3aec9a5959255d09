/* Opens the form of an act in a dialog on the page: links and buttons with data-dialog.
   Without JavaScript, and if the form cannot be loaded, the link leads to the page with the same form. */
document.addEventListener("click", (event) => {
    const opener = event.target.closest("a[data-dialog], button[data-dialog]");
    if (opener && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
        event.preventDefault();
        open(addressOf(opener));
    }
});

function addressOf(opener) {
    if (opener.matches("a")) {
        return opener.href;
    }
    const chosen = new URLSearchParams(new FormData(opener.form));
    return `${opener.formAction}?${chosen}`;
}

async function open(address) {
    const content = await load(address);
    if (!content) {
        location.assign(address);
        return;
    }
    const dialog = document.createElement("dialog");
    dialog.className = "dialog act-dialog";
    dialog.append(closeButton(dialog), content);
    dialog.setAttribute("aria-labelledby", content.querySelector("h2").id);
    dialog.addEventListener("close", () => dialog.remove());
    dialog.addEventListener("click", (event) => {
        if (event.target === dialog || event.target.closest(".closelink")) {
            event.preventDefault();
            dialog.close();
        }
    });
    document.body.append(dialog);
    document.querySelectorAll("details.menu[open]").forEach((menu) => (menu.open = false));
    dialog.showModal();
    for (const form of dialog.querySelectorAll("form")) {
        form.action = address;
        form.addEventListener("submit", (event) => send(event, dialog));
        if (content.dataset.atOnce) {
            sendAtOnce(form, content.dataset.atOnce);
        }
    }
}

/** A click on a ready reason sends the form. The keyboard only chooses: it passes over others. */
function sendAtOnce(form, button) {
    const hint = document.createElement("p");
    hint.className = "help";
    hint.textContent = `A click on a reason does it at once: “${button}”.`;
    form.prepend(hint);
    let isSent = false;
    form.addEventListener("click", (event) => {
        if (event.detail === 0 || isSent || !event.target.closest('label, [name="why"]')) {
            return;
        }
        setTimeout(() => {
            const chosen = form.querySelector('[name="why"]:checked');
            if (chosen && chosen.value !== "other" && !isSent) {
                isSent = true;
                form.requestSubmit();
            }
        });
    });
}

/** Return the form of a page with its heading, or null if there is none to show here. */
async function load(address) {
    try {
        const answer = await fetch(address, { headers: { Accept: "text/html" } });
        if (!answer.ok || answer.redirected) {
            return null;
        }
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const act = page.querySelector("[data-act]");
        return act ? withHeading(document.adoptNode(act)) : null;
    } catch {
        return null;
    }
}

function withHeading(act) {
    const heading = document.createElement("h2");
    heading.id = "act-heading";
    heading.textContent = act.dataset.act;
    act.prepend(heading);
    return act;
}

/** Ask for a reason before the form is sent. A sent form leads to a page, or to a file. */
function send(event, dialog) {
    const form = event.target;
    const written = form.elements.namedItem("reason");
    const chosen = form.querySelector('[name="why"]:checked');
    const isMissing = written && !written.value.trim() && (!chosen || chosen.value === "other");
    written?.setCustomValidity(isMissing ? "Choose a reason or write one." : "");
    if (isMissing) {
        event.preventDefault();
        written.reportValidity();
        written.addEventListener("input", () => written.setCustomValidity(""), { once: true });
        return;
    }
    setTimeout(() => dialog.close());
}

function closeButton(dialog) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button-quiet button-icon act-close";
    button.setAttribute("aria-label", "Close");
    button.textContent = "×";
    button.addEventListener("click", () => dialog.close());
    return button;
}
