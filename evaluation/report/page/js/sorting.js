// Sorts the tables that are in the page from the start. Rows without a value go last both ways.
function compare(a, b) {
  if (a === "" || b === "") return (a === "") - (b === "");
  return isNaN(a) || isNaN(b) ? String(a).localeCompare(String(b), "en", { numeric: true }) : a - b;
}

function ordered(items, key, down) {
  const keyed = items.map(item => [key(item), item]);
  keyed.sort(([a], [b]) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    return down ? compare(b, a) : compare(a, b);
  });
  return keyed.map(([, item]) => item);
}

// First "best first", then "worst first"; names start from A.
function nextOrder(head, better) {
  const first = better > 0 ? "descending" : "ascending";
  const other = better > 0 ? "ascending" : "descending";
  return head.ariaSort === first ? other : first;
}

function mark(table, head, order) {
  for (const other of $$("thead th", table)) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
}

function startSorting(table, region) {
  $$("thead th", table).forEach((head, index) => {
    const title = head.dataset.title ?? head.textContent.trim();
    const better = Number(head.dataset.better ?? -1);
    const button = el("button", { type: "button", className: "sort", "aria-label": `Sort by ${title}` });
    head.insertBefore(button, $(".sub", head));
    button.addEventListener("click", () => {
      const order = nextOrder(head, better);
      mark(table, head, order);
      const body = table.tBodies[0];
      body.classList.add("sorted");
      const key = row => row.cells[index].dataset.v ?? "";
      body.append(...ordered([...body.rows], key, order === "descending"));
      const best = (order === "descending") === (better > 0);
      say(region, `Sorted by ${title}, ${head.dataset.better ? (best ? "best first" : "worst first") : order}.`);
    });
  });
}
