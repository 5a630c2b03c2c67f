// The table of clips: one metric at a time, a page at a time, so that thousands cost nothing.
const PAGE = 50;

class ClipTable {
  constructor(root, open) {
    this.root = root;
    this.open = open;
    this.table = $("table", root);
    this.region = $(".status", root);
    this.metric = $("select[name=metric]", root);
    this.words = $("input[type=search]", root);
    this.failed = $("input[name=failed]", root);
    this.playable = $("input[name=playable]", root);
    this.page = 0;
    this.sort = { by: "clip", order: "ascending" };
    COLUMNS.forEach((column, i) => this.metric.append(el("option", { value: String(i), text: column.title })));
    const first = COLUMNS.findIndex(column => column.perClip);
    this.metric.value = String(Math.max(first, 0));
    for (const control of [this.metric, this.failed, this.playable]) {
      control.addEventListener("change", () => { this.page = 0; this.draw(); });
    }
    this.words.addEventListener("input", () => { this.page = 0; this.draw(); });
    $("button[name=before]", root).addEventListener("click", () => this.turn(-1));
    $("button[name=after]", root).addEventListener("click", () => this.turn(1));
    $(".live", root).hidden = false;
    this.draw();
  }

  // What a cell of a table of results opens: its metric, its row's worst clips first.
  show(column, row) {
    this.metric.value = String(column);
    this.words.value = "";
    this.failed.checked = this.playable.checked = false;
    this.page = 0;
    const order = COLUMNS[column].better > 0 ? "ascending" : "descending";
    this.sort = COLUMNS[column].perClip ? { by: row, order } : { by: "clip", order: "ascending" };
    this.draw();
    this.root.scrollIntoView();
    const cell = $(`tbody td[data-r="${row}"] button`, this.table);
    cell?.focus({ preventScroll: true });
  }

  turn(step) {
    this.page += step;
    this.draw();
    $(`button[name=${step < 0 ? "before" : "after"}]`, this.root).focus();
  }

  get column() { return Number(this.metric.value); }

  // Best and worst of the judged rows, for colours; how far they are apart, for sorting.
  spread(clip) {
    let low = Infinity, high = -Infinity;
    ROWS.forEach((row, r) => {
      const value = row.judged ? valueOf(this.column, r, clip) : null;
      if (value !== null) { low = Math.min(low, value); high = Math.max(high, value); }
    });
    return high > low ? high - low : "";
  }

  key(clip) {
    if (this.sort.by === "clip") return CLIPS.id[clip];
    if (this.sort.by === "spread") return this.spread(clip);
    return valueOf(this.column, this.sort.by, clip) ?? "";
  }

  matching() {
    const wanted = this.words.value.trim().toLowerCase();
    const found = [];
    for (let clip = 0; clip < CLIPS.id.length; clip++) {
      if (wanted && !`${CLIPS.id[clip]} ${CLIPS.speaker[clip]}`.toLowerCase().includes(wanted)) continue;
      if (this.playable.checked && CLIPS.kept[clip] !== KEPT_PLAYER) continue;
      if (this.failed.checked && !ROWS.some((_, r) => this.isFailure(r, clip))) continue;
      found.push(clip);
    }
    return ordered(found, clip => this.key(clip), this.sort.order === "descending");
  }

  isFailure(row, clip) {
    const status = reasonOf(this.column, row, clip)?.[0];
    return status === "failed" || status === "unavailable";
  }

  draw() {
    this.list = this.matching();
    const pages = Math.max(1, Math.ceil(this.list.length / PAGE));
    this.page = Math.min(Math.max(this.page, 0), pages - 1);
    const from = this.page * PAGE, here = this.list.slice(from, from + PAGE);
    this.scale = this.range();
    this.drawHead();
    this.table.tBodies[0].replaceChildren(...here.map(clip => this.row(clip)));
    const all = CLIPS.id.length;
    say(this.region, `${this.list.length === all ? "" : `${this.list.length} of `}${counted(all, "clip")}${pages > 1 ? `, ${from + 1} to ${from + here.length} shown` : ""}.`);
    $("button[name=before]", this.root).disabled = this.page === 0;
    $("button[name=after]", this.root).disabled = this.page >= pages - 1;
    $(".pager", this.root).hidden = pages === 1;
    say($(".pager span", this.root), `page ${this.page + 1} of ${pages}`);
  }

  range() {
    let low = Infinity, high = -Infinity;
    ROWS.forEach((row, r) => {
      if (!row.judged) return;
      for (const value of DATA.values[this.column][r]) {
        if (value !== null) { low = Math.min(low, value); high = Math.max(high, value); }
      }
    });
    return high > low ? [low, high] : null;
  }

  drawHead() {
    const column = COLUMNS[this.column];
    const head = (title, by, better) => {
      const cell = el("th", { scope: "col" });
      const button = el("button", { type: "button", className: "sort wide", text: title, "aria-label": `Sort by ${title}` });
      button.addEventListener("click", () => {
        const order = this.sort.by === by ? (this.sort.order === "ascending" ? "descending" : "ascending")
          : (by === "spread" || better < 0 ? "descending" : "ascending");
        this.sort = { by, order };
        this.page = 0;
        this.draw();
        $(`[aria-sort] button`, this.table).focus();
      });
      if (this.sort.by === by) cell.setAttribute("aria-sort", this.sort.order);
      cell.append(button);
      return cell;
    };
    const cells = [head("Clip", "clip", 1), ...ROWS.map((row, r) => head(row.name, r, column.better))];
    if (column.perClip && ROWS.filter(row => row.judged).length > 1) cells.push(head("Spread", "spread", -1));
    $("thead tr", this.table).replaceChildren(...cells);
    say($("caption", this.table), `${column.title} of every clip`);
  }

  row(clip) {
    const column = COLUMNS[this.column];
    const name = el("button", { type: "button", className: CLIPS.kept[clip] === KEPT_PLAYER ? "open has-player" : "open", text: CLIPS.id[clip] });
    name.addEventListener("click", () => this.open(clip, null, name));
    const line = el("tr", {}, el("th", { scope: "row" }, name, el("span", { className: "kind", text: CLIPS.speaker[clip] })));
    ROWS.forEach((row, r) => line.append(this.cell(clip, r, column)));
    if (column.perClip && ROWS.filter(row => row.judged).length > 1) {
      const spread = this.spread(clip);
      line.append(el("td", { className: "soft", text: spread === "" ? DASH : shown(spread, column.decimals) }));
    }
    return line;
  }

  cell(clip, r, column) {
    const value = valueOf(this.column, r, clip), why = reasonOf(this.column, r, clip);
    const cell = el("td", { "data-r": String(r) });
    const button = el("button", { type: "button", className: "open" });
    button.addEventListener("click", () => this.open(clip, r, button));
    cell.append(button);
    if (value === null) {
      const [status, reason] = why ?? ["missing", "not computed yet"];
      cell.classList.add("missing", `status-${status}`);
      button.append(el("b", { text: status === "ok" ? "" : status.replace("-", " ") }), reason);
      return cell;
    }
    button.textContent = shown(value, column.decimals);
    if (this.scale && ROWS[r].judged) {
      const at = (value - this.scale[0]) / (this.scale[1] - this.scale[0]);
      cell.classList.add("tint");
      cell.style.setProperty("--q", (column.better > 0 ? at : 1 - at).toFixed(2));
    }
    return cell;
  }
}
