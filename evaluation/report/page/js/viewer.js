// One clip at a time, in a dialog: players in step, strips under them, keys for everything.
class Viewer {
  constructor(dialog, clipsInOrder) {
    this.dialog = dialog;
    this.inOrder = clipsInOrder;
    this.video = $("video", dialog);
    this.panels = new Panels($(".panels", dialog), this.video);
    this.strips = new Strips($(".strips", dialog), frame => this.player.seek(frame));
    this.player = new Player(this.video, frame => this.onFrame(frame), () => this.onState());
    this.scrubber = $("input[name=frame]", dialog);
    this.wire();
  }

  wire() {
    const on = (name, kind, act) => {
      const control = $(`[name=${name}]`, this.dialog);
      control.addEventListener(kind, () => act(control));
      return control;
    };
    on("play", "click", () => this.player.toggle());
    on("back", "click", () => this.player.step(-1));
    on("forward", "click", () => this.player.step(1));
    on("frame", "input", control => { this.video.pause(); this.player.seek(Number(control.value)); });
    on("speed", "change", control => { this.video.playbackRate = Number(control.value); });
    on("loop", "change", control => { this.video.loop = control.checked; });
    on("sound", "change", () => this.changeSound());
    on("mouth", "change", control => this.look({ mouth: control.checked }));
    on("difference", "change", control => this.look({ difference: control.checked }));
    on("gain", "change", control => this.look({ gain: Number(control.value) }));
    on("before", "click", () => this.go(-1));
    on("after", "click", () => this.go(1));
    on("close", "click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => this.closed());
    this.dialog.addEventListener("keydown", event => keyPressed(this, event));
  }

  async open(clip, asked = null, from = null, frame = 0) {
    this.number = clip;
    this.from = from ?? this.from;
    this.player.unload();
    this.forget();
    say($("h2 span", this.dialog), CLIPS.id[clip]);
    say($("h2 small", this.dialog), CLIPS.speaker[clip]);
    if (!this.dialog.open) this.dialog.showModal();
    this.values(asked);
    const message = $(".said", this.dialog);
    say(message, "");
    let data = null;
    try {
      data = await clipData(clip);
    } catch (error) {
      say(message, `${error.message}. Copy the folder of the page as a whole.`);
    }
    if (this.number !== clip) return; // another one was opened meanwhile
    this.data = data;
    const playable = Boolean(data?.files.length);
    for (const part of $$(".views, .transport", this.dialog)) part.hidden = !playable;
    this.panels.root.hidden = !data?.tiles.length;
    this.strips.root.hidden = !data?.curves.length;
    if (!data) {
      if (!message.textContent) say(message, "No player was made for this clip. With talkbench report RUN --clips all every clip gets one; with --clips 100 a hundred.");
      history.replaceState(null, "", `#clip=${clip}`);
      return;
    }
    if (data.tiles.length) this.panels.build(data, asked);
    this.strips.build(data);
    if (!data.files.length && !message.textContent) say(message, data.problem ?? "The page was written without players: talkbench report RUN --clips listed makes them.");
    if (playable) this.start(data, frame);
    history.replaceState(null, "", `#clip=${clip}`);
  }

  start(data, frame) {
    this.scrubber.max = data.frames - 1;
    const sounds = $("[name=sound]", this.dialog);
    sounds.replaceChildren(...(data.sounds.length ? data.sounds : [null]).map((tile, i) =>
      el("option", { value: String(i), text: tile === null ? "none" : nameOf(data.tiles[tile].row) })));
    sounds.disabled = data.sounds.length < 2;
    this.dialog.classList.toggle("no-truth", !this.panels.truth);
    $("[name=difference]", this.dialog).disabled = !this.panels.truth;
    this.look({});
    this.changeSound(frame);
    $("[name=play]", this.dialog).focus();
  }

  changeSound(frame = this.player.frame) {
    const { data } = this, number = Number($("[name=sound]", this.dialog).value || 0);
    const playing = !this.player.paused;
    this.forget();
    this.address = videoAddress(data.files[number]);
    this.player.load(this.address, data.fps, data.frames, frame);
    if (playing) this.video.play().catch(() => this.onState());
    say($(".said", this.dialog), this.saidOf(data, number));
  }

  saidOf(data, number) {
    const names = test => data.tiles.filter(test).map(tile => nameOf(tile.row)).join(", ");
    const said = [];
    if (!data.sounds.length) said.push("No sound: none of these videos has any.");
    else {
      const alike = names((tile, i) => tile.sound === number && i !== data.sounds[number]);
      said.push(`Sound of ${nameOf(data.tiles[data.sounds[number]].row)}${alike ? `; ${alike} ${alike.includes(",") ? "sound" : "sounds"} the same` : ""}.`);
      const other = names(tile => tile.at && tile.sound !== null && tile.sound !== number);
      if (other) said.push(`Another sound: ${other}.`);
      const none = names(tile => tile.at && tile.sound === null);
      if (none) said.push(`No sound is kept of ${none}.`);
    }
    said.push("Small lossy copies, to look at; no number is made from them.");
    const known = this.panels.mouthsKnown(), all = data.tiles.filter(tile => tile.at).length;
    if (this.panels.view.mouth && known < all) {
      said.push(known ? `Mouths by kept face tracks in ${known} of ${all} videos, the others at the ground truth's place.`
        : "No face track is kept: the lower middle of the picture is shown.");
    }
    return said.join(" ");
  }

  look(change) {
    Object.assign(this.panels.view, change);
    if (!this.data?.tiles.length) return;
    this.panels.resize();
    this.panels.draw(this.player.frame);
    $("[name=gain]", this.dialog).disabled = !this.panels.view.difference;
    say($(".said", this.dialog), this.saidOf(this.data, Number($("[name=sound]", this.dialog).value || 0)));
  }

  onFrame(frame) {
    this.panels.draw(frame);
    this.strips.move(frame);
    this.scrubber.value = frame;
    const seconds = (frame / this.data.fps).toFixed(2);
    const text = `frame ${frame} / ${this.data.frames - 1}, ${seconds} s`;
    this.scrubber.setAttribute("aria-valuetext", text);
    say($(".where", this.dialog), text);
    this.dialog.dataset.frame = frame;
  }

  onState() {
    const button = $("[name=play]", this.dialog);
    say(button, this.player.paused ? "Play" : "Pause");
    this.dialog.dataset.playing = String(!this.player.paused);
  }

  go(step) {
    const order = this.inOrder(), at = order.indexOf(this.number);
    const next = at < 0 ? order[0] : order[(at + step + order.length) % order.length];
    if (next !== undefined) this.open(next);
  }

  // All values of the clip, systems down, metrics across.
  values(asked) {
    const table = $("table.values", this.dialog);
    $("thead tr", table).replaceChildren(el("th", { scope: "col", text: "Generator" }),
      ...COLUMNS.map(column => el("th", { scope: "col", text: `${column.title} ${column.better > 0 ? "↑" : "↓"}` })));
    table.tBodies[0].replaceChildren(...ROWS.map((row, r) => el("tr", {},
      el("th", { scope: "row" }, swatch(r), row.name),
      ...COLUMNS.map((column, c) => this.value(c, r)))));
    void asked;
  }

  value(column, row) {
    const value = valueOf(column, row, this.number);
    if (value !== null) return el("td", { text: shown(value, COLUMNS[column].decimals) });
    const [status, reason] = reasonOf(column, row, this.number) ?? ["missing", "not computed yet"];
    return el("td", { className: `status-${status}`, title: reason, text: status === "ok" ? "in the set" : status.replace("-", " ") });
  }

  forget() {
    if (this.address?.startsWith("blob:")) URL.revokeObjectURL(this.address);
    this.address = null;
  }

  closed() {
    this.player.unload();
    this.forget();
    this.number = null;
    history.replaceState(null, "", location.pathname + location.search + "#clips");
    (this.from?.isConnected ? this.from : $("#clips .live select"))?.focus();
    this.from = null;
  }
}
