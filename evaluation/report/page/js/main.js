startTheme();
startSorting($("#results table"), $("#results .status"));
startFilters();

let viewer = null;
const table = new ClipTable($("#clips"), (clip, row, from) => viewer.open(clip, row, from));
viewer = new Viewer($("dialog.viewer"), () => table.list);

// Every number of a table of results opens its clips.
for (const cell of $$("td[data-c][data-r]")) {
  const number = $(".num", cell), { c, r } = cell.dataset;
  const button = el("button", { type: "button", className: "open", title: "Show its clips" }, ...number.childNodes);
  button.addEventListener("click", () => table.show(Number(c), Number(r)));
  number.append(button);
}

for (const link of $$("[data-clip]")) {
  const button = el("button", { type: "button", className: "open", text: link.textContent });
  button.addEventListener("click", () => viewer.open(Number(link.dataset.clip), Number(link.dataset.row ?? -1), button));
  link.replaceChildren(button);
}

// A card that a column's head leads to is unfolded.
for (const link of $$("thead a[href^='#card-']")) {
  link.addEventListener("click", () => { $(link.getAttribute("href")).closest("details").open = true; });
}

function openFromAddress() {
  const asked = /^#clip=(\d+)(?:&frame=(\d+))?$/.exec(location.hash);
  if (asked && Number(asked[1]) < CLIPS.id.length) viewer.open(Number(asked[1]), null, null, Number(asked[2] ?? 0));
}
addEventListener("hashchange", openFromAddress);
openFromAddress();

addEventListener("beforeprint", () => { for (const part of $$("body > .page details")) part.open = true; });
document.documentElement.dataset.ready = "yes";
