"use strict";
document.querySelectorAll("table.sortable").forEach(table => {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  if (body.rows.length < 2) return;
  heads.forEach((head, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.classList.add("sorts");
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = row => row.cells[index].dataset.v ?? row.cells[index].textContent.trim();
      body.append(...[...body.rows].sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = isNaN(x) || isNaN(y) ? y.localeCompare(x) : y - x;
        return down ? order : -order;
      }));
    });
  });
});
document.querySelectorAll("form.filters").forEach(form => {
  form.hidden = false;
  form.addEventListener("submit", event => event.preventDefault());
  const said = form.querySelector("output");
  const tables = [...document.querySelectorAll("[data-filtered]")];
  const rows = tables.flatMap(t => [...t.querySelectorAll("tbody tr")]);
  const total = said.textContent;
  form.addEventListener("input", () => {
    const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const by = form.elements.by?.value ?? "", grade = form.elements.grade?.value ?? "";
    let shown = 0;
    rows.forEach(row => {
      const group = row.closest(".group");
      const text = (row.textContent + " " + (group.querySelector("h3")?.textContent ?? "") + " " + (group.closest("section")?.querySelector("h2")?.textContent ?? "")).toLowerCase();
      const fits = words.every(w => text.includes(w)) && (!by || row.dataset.by === by) && (!grade || row.dataset.grade === grade);
      row.hidden = !fits;
      shown += fits;
    });
    tables.forEach(t => {
      const empty = ![...t.querySelectorAll("tbody tr")].some(row => !row.hidden);
      if (t.matches("div.group:not(.scroll)")) t.hidden = empty;
    });
    document.querySelectorAll("[data-section]").forEach(s => {
      const groups = [...s.querySelectorAll(".group")];
      s.hidden = groups.every(g => g.hidden);
      s.querySelectorAll(".rule").forEach(rule => {
        rule.hidden = rule.nextElementSibling.hidden || groups.slice(0, groups.indexOf(rule.nextElementSibling)).every(g => g.hidden);
      });
    });
    said.textContent = shown === rows.length ? total : `${shown} of ${rows.length} ${form.dataset.noun}`;
  });
});
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(d => { d.open = true; }));
