/* Offers matches under a search box while somebody types a support code, an id, a hash or a key.
   Nothing else is sent before Enter: see backoffice_app/search/suggestions.py.
   Without JavaScript the box has no list, and Enter searches as always. */

const PAUSE = 150;

for (const form of document.querySelectorAll("form[data-suggestions]")) {
    suggest(form, form.querySelector("input[name=q]"));
}

function suggest(form, box) {
    const pattern = new RegExp(form.dataset.pattern);
    const list = part("ul", { id: `${box.id}-list`, role: "listbox", "aria-label": "Matches" });
    const status = part("p", { role: "status", class: "visually-hidden" });
    let active = -1;
    let timer = 0;
    let asked = null;

    list.hidden = true;
    list.className = "search-suggestions";
    box.after(list, status);
    for (const [name, value] of Object.entries({
        role: "combobox",
        "aria-autocomplete": "list",
        "aria-controls": list.id,
        "aria-expanded": "false",
    })) {
        box.setAttribute(name, value);
    }

    const close = () => {
        clearTimeout(timer);
        asked?.abort();
        show([]);
        status.textContent = "";
    };

    const show = (found) => {
        list.replaceChildren(...found.map((match, place) => option(match, `${list.id}-${place}`)));
        list.hidden = found.length === 0;
        box.setAttribute("aria-expanded", String(!list.hidden));
        mark(-1);
    };

    const mark = (place) => {
        active = place;
        [...list.children].forEach((one, at) => one.setAttribute("aria-selected", String(at === place)));
        const chosen = list.children[place];
        if (chosen) {
            box.setAttribute("aria-activedescendant", chosen.id);
            chosen.scrollIntoView({ block: "nearest" });
        } else {
            box.removeAttribute("aria-activedescendant");
        }
    };

    const ask = async () => {
        asked = new AbortController();
        try {
            const answer = await fetch(form.dataset.suggestions, {
                method: "POST",
                body: new FormData(form),
                redirect: "error",
                signal: asked.signal,
            });
            if (!answer.ok) return;
            const { suggestions } = await answer.json();
            show(suggestions);
            status.textContent = said(suggestions.length);
        } catch {
            // Offline, signed out or replaced by a newer question: Enter still searches.
        }
    };

    box.addEventListener("input", () => {
        close();
        if (pattern.test(box.value.trim())) timer = setTimeout(ask, PAUSE);
    });
    box.addEventListener("keydown", (event) => {
        const count = list.children.length;
        if (list.hidden || event.isComposing) return;
        if (event.key === "ArrowDown") mark((active + 1) % count);
        else if (event.key === "ArrowUp") mark((Math.max(active, 0) - 1 + count) % count);
        else if (event.key === "Escape") close();
        else if (event.key === "Enter" && active >= 0) location.assign(list.children[active].dataset.url);
        else return;
        event.preventDefault();
    });
    box.addEventListener("blur", close);
    // The box keeps the focus, so that the list stays until the click.
    list.addEventListener("mousedown", (event) => event.preventDefault());
    list.addEventListener("click", (event) => {
        const chosen = event.target.closest("[role=option]");
        if (chosen) location.assign(chosen.dataset.url);
    });
}

function option({ label, note, url }, id) {
    const made = part("li", { id, role: "option", "aria-selected": "false" });
    const name = part("strong", {});
    const about = part("span", { class: "search-note" });
    made.dataset.url = url;
    name.textContent = label;
    about.textContent = note;
    made.append(name, " ", about);
    return made;
}

function part(tag, attributes) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
}

function said(count) {
    if (count === 0) return "No matches yet.";
    return `${count} ${count === 1 ? "match" : "matches"}. Choose with the arrow keys and Enter.`;
}
