// Each system on a canvas of its own, cut out of the one picture: they cannot be out of step.
const ZOOMED = 288; // px of a mouth's canvas

class Panels {
  constructor(root, video) {
    this.root = root;
    this.video = video;
    this.view = { mouth: false, difference: false, gain: 4 };
    new ResizeObserver(() => this.arrange()).observe(root);
  }

  build(clip, asked) {
    this.clip = clip;
    this.panels = clip.tiles.map(tile => this.panel(tile, asked));
    this.truth = clip.tiles[0]?.at && (clip.tiles[0].row < 0 || ROWS[clip.tiles[0].row].kind === "reference") ? clip.tiles[0] : null;
    this.root.replaceChildren(...this.panels.map(panel => panel.figure));
    this.resize();
  }

  panel(tile, asked) {
    const canvas = tile.at ? el("canvas", { role: "img", "aria-label": nameOf(tile.row) }) : null;
    const note = el("div", { className: "note", text: tile.at ? "" : tile.problem, hidden: Boolean(tile.at) });
    const screen = el("div", { className: tile.at ? "screen" : "screen empty" }, canvas, note);
    const caption = el("figcaption", {}, swatch(tile.row), el("b", { text: nameOf(tile.row) }), ...this.remarks(tile));
    const figure = el("figure", { className: asked === tile.row ? "panel asked" : "panel" }, screen, caption);
    return { tile, canvas, note, screen, figure, context: canvas?.getContext("2d") };
  }

  remarks(tile) {
    if (!tile.at) return [];
    const { clip } = this, truth = clip.tiles[0], said = [];
    const last = this.lastFrame(tile);
    if (tile !== truth && truth.at && tile.frames !== truth.frames) said.push(`${tile.frames} frames, ${nameOf(truth.row)} ${truth.frames}`);
    if (Math.abs(tile.fps / clip.fps - 1) > 0.002) said.push(`runs at ${tile.fps} frames a second, shown by time`);
    if (tile !== truth && truth.at && String(tile.size) !== String(truth.size)) said.push(`${tile.size.join("×")} px, ${nameOf(truth.row)} ${truth.size.join("×")}`);
    const lines = said.map(text => el("span", { className: "sub problem", text }));
    if (tile.problem) lines.push(el("span", { className: "sub problem", text: `${tile.problem}${last >= 0 ? `, after frame ${last}` : ""}` }));
    return lines;
  }

  // The last frame of the picture on which this tile has something to show.
  lastFrame(tile) {
    const pace = Math.abs(tile.fps / this.clip.fps - 1) > 0.002 ? tile.fps / this.clip.fps : 1;
    return Math.ceil(tile.frames / pace) - 1;
  }

  resize() {
    const truth = this.clip.tiles.find(tile => tile.at);
    for (const { canvas, tile } of this.panels) {
      if (!canvas) continue;
      [canvas.width, canvas.height] = this.view.mouth ? [ZOOMED, ZOOMED] : [tile.at[2], tile.at[3]];
      canvas.className = this.isDifference(tile) ? `heat-${this.view.gain}` : "";
    }
    this.ratio = truth && !this.view.mouth ? truth.at[2] / truth.at[3] : 1;
    this.arrange();
  }

  // As many in a row as fit, and rows of one length.
  arrange() {
    if (!this.panels?.length || !this.root.clientWidth) return;
    const least = 170 * Math.min(Math.max(this.ratio, 0.8), 1.6);
    const most = Math.max(Math.floor((this.root.clientWidth + 14) / (least + 14)), Math.min(2, this.panels.length));
    const rows = Math.ceil(this.panels.length / most);
    this.root.style.setProperty("--columns", String(Math.ceil(this.panels.length / rows)));
  }

  isDifference(tile) { return this.view.difference && this.truth && tile !== this.truth && tile.at; }

  // Where the mouth is: by the tile's own track, else the truth's, else the lower middle.
  box(tile, frame, mouthOf = tile) {
    const [x, y, width, height] = tile.at;
    if (!this.view.mouth) return [x, y, width, height];
    const mouth = mouthOf.mouth ?? this.truth?.mouth;
    let centre = [0.5, 0.68], side = 0.4;
    if (mouth) {
      const at = Math.min(frame / mouth.every, mouth.x.length - 1);
      const before = Math.floor(at), after = Math.min(before + 1, mouth.x.length - 1), part = at - before;
      const between = track => track[before] * (1 - part) + track[after] * part;
      centre = [between(mouth.x), between(mouth.y)];
      side = mouth.side;
    }
    const size = Math.min(Math.max(side * width, 16), width, height);
    const left = Math.min(Math.max(centre[0] * width - size / 2, 0), width - size);
    const top = Math.min(Math.max(centre[1] * height - size / 2, 0), height - size);
    return [x + left, y + top, size, size];
  }

  mouthsKnown() { return this.clip.tiles.filter(tile => tile.at && tile.mouth).length; }

  draw(frame) {
    for (const { tile, canvas, note, context } of this.panels) {
      if (!canvas) continue;
      const last = this.lastFrame(tile), ended = frame > last;
      note.hidden = !ended;
      if (ended) { say(note, `ended after frame ${last}`); continue; }
      const { width, height } = canvas, difference = this.isDifference(tile);
      const mouthOf = difference ? this.truth : tile; // one place for both, or the places differ too
      context.globalCompositeOperation = "copy";
      context.drawImage(this.video, ...this.box(tile, frame, mouthOf), 0, 0, width, height);
      if (difference) {
        context.globalCompositeOperation = "difference";
        context.drawImage(this.video, ...this.box(this.truth, frame), 0, 0, width, height);
      }
    }
  }
}

function nameOf(row) { return row < 0 ? "reference" : ROWS[row].name; }

function colourOf(row) {
  if (row < 0 || ROWS[row].kind === "reference") return "var(--ink)";
  const systems = ROWS.map((_, r) => r).filter(r => ROWS[r].kind !== "reference");
  return `var(--series-${systems.indexOf(row) % 8})`;
}

function swatch(row) {
  const mark = el("span", { className: "swatch", "aria-hidden": "true" });
  mark.style.setProperty("--colour", colourOf(row));
  return mark;
}
