// Values per frame: a line for every system, a playhead, and a click that seeks.
class Strips {
  constructor(root, onSeek) {
    this.root = root;
    this.onSeek = onSeek;
    this.strips = [];
    this.observer = new ResizeObserver(() => this.redraw());
    this.observer.observe(root);
    document.addEventListener("theme", () => this.redraw());
  }

  build(clip) {
    this.clip = clip;
    this.strips = clip.curves.map(curve => this.strip(curve));
    this.root.replaceChildren(...this.strips.map(strip => strip.node));
    this.redraw();
  }

  strip(curve) {
    const column = curve.column < 0 ? curve : COLUMNS[curve.column];
    const numbers = curve.lines.map(line => ({ line, node: el("i", { text: DASH }) }));
    const arrow = column.better ? (column.better > 0 ? " ↑" : " ↓") : "";
    const head = el("div", { className: "head" }, el("b", { text: column.title + arrow }),
      ...numbers.map(({ line, node }) => el("span", {}, swatch(line.row), `${nameOf(line.row)} `, node)));
    if (curve.unplaced.length) {
      head.append(el("span", { text: `${curve.unplaced.map(nameOf).join(", ")}: values are kept, not of which frames` }));
    }
    const canvas = el("canvas"), playhead = el("div", { className: "playhead" });
    const scale = this.scale(curve);
    const label = (end, value) => el("span", { className: `scale ${end}`, text: value === undefined ? "" : shown(value, column.decimals) });
    const plot = el("div", { className: "plot", "aria-hidden": "true" }, canvas, label("hi", scale?.[1]), label("lo", scale?.[0]), playhead);
    const seek = event => {
      const { left, width } = plot.getBoundingClientRect();
      this.onSeek(Math.round((event.clientX - left) / width * Math.max(this.clip.frames - 1, 1)));
    };
    plot.addEventListener("pointerdown", event => { plot.setPointerCapture(event.pointerId); seek(event); });
    plot.addEventListener("pointermove", event => { if (event.buttons & 1) seek(event); });
    return { node: el("div", { className: "strip" }, head, plot), curve, column, canvas, plot, playhead, numbers, scale };
  }

  // The range of what is judged: perfect rows would flatten the rest, and leave the plot instead.
  scale(curve) {
    const judged = curve.lines.filter(line => line.row >= 0 && ROWS[line.row].judged);
    const lines = curve.column < 0 || !judged.length ? curve.lines : judged;
    let low = Infinity, high = -Infinity;
    for (const line of lines) {
      for (const value of line.values) {
        if (value !== null) { low = Math.min(low, value); high = Math.max(high, value); }
      }
    }
    return high > low ? [low, high] : null;
  }

  redraw() {
    const style = getComputedStyle(document.documentElement), ratio = window.devicePixelRatio || 1;
    for (const { canvas, plot, curve, scale } of this.strips) {
      const width = plot.clientWidth, height = plot.clientHeight;
      if (!width) continue;
      canvas.width = width * ratio;
      canvas.height = height * ratio;
      const context = canvas.getContext("2d");
      context.scale(ratio, ratio);
      context.lineWidth = 1.4;
      context.lineJoin = "round";
      for (const line of [...curve.lines].reverse()) { // the ground truth on top
        plot.style.color = colourOf(line.row);
        context.strokeStyle = getComputedStyle(plot).color || style.color;
        this.trace(context, line, scale, width, height);
      }
    }
  }

  trace(context, line, scale, width, height) {
    const end = Math.max(this.clip.frames - 1, 1);
    const usual = line.every ? line.every[1] : Math.min(...line.at.slice(1).map((f, i) => f - line.at[i]));
    let before = null;
    context.beginPath();
    line.values.forEach((value, i) => {
      if (value === null) { before = null; return; }
      const frame = frameOf(line, i);
      const up = scale ? (value - scale[0]) / (scale[1] - scale[0]) : 0.5;
      const x = frame / end * width, y = height - 6 - up * (height - 12);
      if (before === null || frame - before > usual) context.moveTo(x, y);
      else context.lineTo(x, y);
      before = frame;
    });
    context.stroke();
  }

  move(frame) {
    const end = Math.max(this.clip.frames - 1, 1);
    for (const { playhead, plot, numbers, column } of this.strips) {
      playhead.style.transform = `translateX(${frame / end * plot.clientWidth}px)`;
      playhead.dataset.frame = frame;
      for (const { line, node } of numbers) say(node, shown(valueAt(line, frame), column.decimals));
    }
  }
}

const frameOf = (line, i) => line.every ? line.every[0] + i * line.every[1] : line.at[i];

// The value of that frame, or of the scored one before it, as long as the next is not due.
function valueAt(line, frame) {
  if (line.every) {
    const i = Math.floor((frame - line.every[0]) / line.every[1]);
    return line.values[i] ?? null;
  }
  let low = 0, high = line.at.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (line.at[middle] <= frame) low = middle + 1;
    else high = middle;
  }
  if (!low) return null;
  const usual = Math.min(...line.at.slice(1).map((f, i) => f - line.at[i]));
  return frame - line.at[low - 1] < usual ? line.values[low - 1] : null;
}
