"use strict";
/* What the page does more with a script: evidence opens where you are, arrows walk through the matrix, the picture can
   be zoomed, moved and looked at in parts, and lines of policy can be copied.
   Rule: without it everything is there and readable; it makes no markup but of what the page already holds. */

/* A button that copies a text. Outside of a secure context, such as plain HTTP, a browser has no clipboard object:
   there the text is selected and copied as if by hand. */
const copyButton = (code) => {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "pv-copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy ${code.textContent}`);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      getSelection().selectAllChildren(code);
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  code.after(button);
};

/* The views of a picture, of which one is shown. A link to another shows it in place, and the focus stays at the network
   that was folded or unfolded; without a script the browser follows the link, and the style sheet shows its target. */
const views = (figure) => {
  const all = [...figure.querySelectorAll(".pv-view")];
  if (!all.length) return;
  const prepared = new Set();
  const show = (view) => {
    for (const other of all) other.hidden = other !== view;
    if (!prepared.has(view)) picture(view);
    prepared.add(view);
  };
  const target = (link) => all.find((view) => `#${view.id}` === link.getAttribute("href"));
  figure.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    const view = link && target(link);
    if (!view || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(view);
    const same = link.dataset.fold ? `.pv-fold[data-fold="${link.dataset.fold}"]` : ".pv-fold-all a";
    (view.querySelector(same) || view.querySelector("a")).focus({ preventScroll: true });
  });
  figure.addEventListener("keydown", (event) => {
    const link = event.target.closest(".pv-fold, .pv-fold-all a");
    if (event.key !== " " || !link) return;
    event.preventDefault();
    link.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
  });
  figure.querySelector(".pv-views").classList.add("pv-scripted");
  show(all.find((view) => `#${view.id}` === location.hash) || all[0]);
};

/* Fit, zoom and pan of the picture; a service, a network or a border that has the pointer or the focus is isolated. */
const picture = (figure) => {
  const view = figure.querySelector(".pv-picture");
  const svg = view.querySelector("svg");
  const { width, height } = svg.viewBox.baseVal;
  const room = () => view.clientWidth - 2;
  const whole = () => Math.min(room() / width, (innerHeight * 0.9) / height);
  let scale = 1;

  const zoom = (wanted, x = view.clientWidth / 2, y = view.clientHeight / 2) => {
    const next = Math.min(Math.max(wanted, 0.1), 4);
    const [left, top] = [(view.scrollLeft + x) / scale, (view.scrollTop + y) / scale];
    scale = next;
    svg.classList.add("pv-zoomed");
    svg.setAttribute("width", Math.round(width * scale));
    svg.setAttribute("height", Math.round(height * scale));
    view.scrollTo(left * scale - x, top * scale - y);
  };
  const readable = () => {
    zoom(Math.min(Math.max(room() / width, 0.72), 1.1), 0, 0);
    view.scrollTo(svg.dataset.namesEnd * scale + 60 - room(), 0); /* names in sight, even where all does not fit */
  };

  const tools = document.createElement("div");
  tools.className = "pv-tools";
  const tool = (text, name, act) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.setAttribute("aria-label", name);
    button.addEventListener("click", act);
    tools.append(button);
  };
  tool("\u2212", "Zoom out", () => zoom(scale / 1.25));
  tool("+", "Zoom in", () => zoom(scale * 1.25));
  tool("Fit", "Fit the whole picture", () => zoom(whole()));
  tool("Readable", "Readable size", readable);
  const hint = document.createElement("span");
  hint.textContent = "Drag to move. Point at a service or a network to see it alone.";
  if (svg.querySelector(".pv-fold")) hint.textContent += " \u2212 and + at its name fold and unfold a network.";
  const all = figure.querySelector(".pv-fold-all");
  if (all) tools.append(all);
  tools.append(hint);
  view.before(tools);
  readable();

  view.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const box = view.getBoundingClientRect();
    zoom(scale * Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  view.addEventListener("keydown", (event) => {
    const act = { "+": () => zoom(scale * 1.25), "-": () => zoom(scale / 1.25), 0: readable }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });

  let from = null;
  let moved = false;
  view.addEventListener("pointerdown", (event) => {
    if (event.button || event.pointerType === "touch") return; /* a finger scrolls natively */
    from = [event.clientX, event.clientY, view.scrollLeft, view.scrollTop];
    moved = false;
  });
  addEventListener("pointermove", (event) => {
    if (!from) return;
    const [x, y] = [event.clientX - from[0], event.clientY - from[1]];
    if (!moved && Math.hypot(x, y) < 5) return;
    moved = true;
    view.classList.add("pv-dragged");
    view.scrollTo(from[2] - x, from[3] - y);
  });
  addEventListener("pointerup", () => { from = null; view.classList.remove("pv-dragged"); });
  view.addEventListener("dragstart", (event) => event.preventDefault());
  view.addEventListener("click", (event) => {
    if (moved) { event.preventDefault(); event.stopImmediatePropagation(); }
    moved = false;
  }, true);

  const isolate = (element) => {
    for (const lit of svg.querySelectorAll(".pv-lit")) lit.classList.remove("pv-lit");
    svg.classList.toggle("pv-isolated", Boolean(element));
    if (!element) return;
    const light = (selector) => { for (const found of svg.querySelectorAll(selector)) found.classList.add("pv-lit"); };
    const { place, network, ends } = element.dataset;
    if (ends) element.classList.add("pv-lit");
    for (const name of ends ? ends.split(" ") : []) light(`:is(.pv-box, .pv-border)[data-place="${name}"]`);
    if (network && !place) {
      light(`[data-network="${network}"]`);
      light(`.pv-box[data-networks~="${network}"]`);
    }
    if (!place) return;
    light(`[data-place="${place}"]`);
    for (const name of (element.dataset.networks || "").trim().split(/\s+/)) light(`.pv-network[data-network="${name}"]`);
    for (const arrow of svg.querySelectorAll(`.pv-arrow[data-ends~="${place}"]`)) {
      arrow.classList.add("pv-lit");
      for (const name of arrow.dataset.ends.split(" ")) light(`:is(.pv-box, .pv-border)[data-place="${name}"]`);
    }
  };
  const part = (target) => target.closest && target.closest(".pv-box, .pv-border, .pv-network, .pv-arrow");
  const within = (event) => { if (!from) isolate(part(event.target)); };
  svg.addEventListener("pointerover", within);
  svg.addEventListener("pointerleave", () => isolate(part(document.activeElement)));
  svg.addEventListener("focusin", (event) => { if (!event.target.closest(".pv-fold")) within(event); });
  svg.addEventListener("focusout", () => isolate(null));
};

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

  for (const figure of root.querySelectorAll(".pv-diagram")) views(figure);
  for (const code of root.querySelectorAll(".pv-copied")) copyButton(code);

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
