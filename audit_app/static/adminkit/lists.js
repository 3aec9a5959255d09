/* J and K move to the next and the previous row of a list, and Enter opens it. One box ticks all rows.
   Without JavaScript, Tab leads through the same links, and each row is ticked on its own. */

const ROWS = "#result_list tbody tr, .admin-section tbody tr";

document.addEventListener("keydown", (event) => {
    const step = { j: 1, k: -1 }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const links = [...document.querySelectorAll(ROWS)].map((row) => row.querySelector("th a, td a")).filter(Boolean);
    const current = links.findIndex((link) => link.closest("tr").contains(document.activeElement));
    const next = current === -1 ? 0 : Math.min(Math.max(current + step, 0), links.length - 1);
    links[next]?.focus();
    links[next]?.closest("tr").scrollIntoView({ block: "nearest" });
});

function isTyping(element) {
    return element.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
}

document.addEventListener("change", ({ target }) => {
    if (!target.matches("#action-toggle")) return;
    for (const box of document.querySelectorAll("#result_list input[name=chosen]")) box.checked = target.checked;
});
