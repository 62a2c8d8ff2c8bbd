"use strict";
/* What the page does more with a script: evidence opens where you are, and arrows walk through the matrix.
   Rule: without it everything is there and readable; it makes no markup but of what the page already holds. */
(() => {
  const root = document.querySelector(".cloison-view");
  if (!root || !window.HTMLDialogElement) return;

  const panel = document.createElement("dialog");
  panel.className = "pv-panel";
  panel.setAttribute("aria-label", "Evidence");
  root.append(panel);
  panel.addEventListener("click", (event) => { if (event.target === panel) panel.close(); });

  const show = (section) => {
    const close = document.createElement("button");
    close.type = "button";
    close.className = "pv-close";
    close.textContent = "Close";
    close.addEventListener("click", () => panel.close());
    const table = document.createElement("table");
    const copy = section.cloneNode(true);
    copy.removeAttribute("id");
    copy.removeAttribute("class");
    table.append(section.parentElement.tHead.cloneNode(true), copy);
    panel.replaceChildren(close, table);
    panel.showModal();
  };

  root.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#e']");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const section = document.getElementById(link.getAttribute("href").slice(1));
    if (!section || section.tagName !== "TBODY") return;
    event.preventDefault();
    show(section);
  });

  const opened = () => {
    const section = document.getElementById(location.hash.slice(1));
    const details = section && section.closest("details");
    if (details && !details.open) { details.open = true; section.scrollIntoView(); }
  };
  addEventListener("hashchange", opened);
  opened();

  const body = root.querySelector(".pv-matrix tbody");
  if (!body) return;
  const steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
  let here = null;
  for (const link of body.querySelectorAll("a")) link.tabIndex = -1;
  const focusOn = (link) => {
    if (here) here.tabIndex = -1;
    here = link;
    here.tabIndex = 0;
  };
  const first = body.querySelector("td.breach a, td.broken a, td.unknown a") || body.querySelector("a");
  if (first) focusOn(first);
  body.addEventListener("focusin", (event) => { if (event.target.tagName === "A") focusOn(event.target); });
  body.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    const cell = event.target.closest("td");
    if (!step || !cell) return;
    event.preventDefault();
    let row = cell.parentElement.rowIndex - body.rows[0].rowIndex;
    let column = cell.cellIndex;
    for (;;) {
      row += step[0];
      column += step[1];
      const next = body.rows[row] && body.rows[row].cells[column];
      if (!next) return;
      const link = next.querySelector("a");
      if (link && link.offsetParent) { link.focus(); return; }
    }
  });
})();
