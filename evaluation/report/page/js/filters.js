// Which rows and columns of the table of results are shown.
function startFilters() {
  const table = $("#results table"), controls = $("#results .controls"), region = $("#results .status");
  const words = $("input[type=search]", controls);
  const kinds = $$("input[data-kind]", controls), columns = $$("input[data-column]", controls);
  const apply = () => {
    const wanted = words.value.trim().toLowerCase();
    const open = new Set(kinds.filter(box => box.checked).map(box => box.dataset.kind));
    let left = 0;
    for (const row of table.tBodies[0].rows) {
      const { name, kind } = ROWS[row.dataset.r];
      row.hidden = !open.has(kind) || !name.toLowerCase().includes(wanted);
      left += !row.hidden;
    }
    const off = new Set(columns.filter(box => !box.checked).map(box => box.dataset.column));
    for (const cell of $$("[data-c]", table)) cell.hidden = off.has(cell.dataset.c);
    const all = table.tBodies[0].rows.length;
    const fewer = left < all || off.size;
    say(region, fewer ? `${left} of ${counted(all, "row")}, ${columns.length - off.size} of ${counted(columns.length, "metric")} shown.` : "");
  };
  words.addEventListener("input", apply);
  for (const box of [...kinds, ...columns]) box.addEventListener("change", apply);
  controls.hidden = false;
}
