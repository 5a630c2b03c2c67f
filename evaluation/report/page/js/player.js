// One video, one clock. Whoever draws is told the frame that the video really shows.
class Player {
  constructor(video, onFrame, onState) {
    this.video = video;
    this.onFrame = onFrame;
    this.onState = onState;
    this.fps = 25;
    this.frames = 0;
    this.frame = 0;
    this.wanted = null;
    for (const name of ["play", "pause", "ended", "ratechange"]) video.addEventListener(name, () => this.onState());
    video.addEventListener("seeked", () => this.arrived());
    video.addEventListener("loadeddata", () => this.arrived());
    this.listen();
  }

  // requestVideoFrameCallback says which frame is on show; without it the clock is asked.
  listen() {
    const { video } = this;
    if (video.requestVideoFrameCallback) {
      const next = (_, about) => { this.present(Math.round(about.mediaTime * this.fps)); video.requestVideoFrameCallback(next); };
      video.requestVideoFrameCallback(next);
    } else {
      const next = () => { if (!video.paused) this.present(this.byClock()); requestAnimationFrame(next); };
      requestAnimationFrame(next);
    }
  }

  byClock() { return Math.floor(this.video.currentTime * this.fps + 1e-3); }

  present(frame) {
    if (!this.frames) return;
    this.frame = Math.min(Math.max(frame, 0), this.frames - 1);
    this.onFrame(this.frame);
  }

  load(address, fps, frames, frame = 0) {
    this.fps = fps;
    this.frames = frames;
    this.seeking = null;
    const { playbackRate } = this.video;
    this.video.src = address;
    this.video.playbackRate = this.video.defaultPlaybackRate = playbackRate;
    this.seek(frame);
  }

  unload() {
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load();
    this.frames = 0;
  }

  get paused() { return this.video.paused; }

  toggle() {
    if (!this.frames) return;
    if (!this.video.paused) { this.video.pause(); return; }
    if (this.frame >= this.frames - 1) this.seek(0);
    this.video.play().catch(() => this.onState());
  }

  step(frames) {
    this.video.pause();
    this.seek((this.seeking ?? this.frame) + frames);
  }

  // Into the middle of the frame. Of many wishes while one is on its way, the last counts.
  seek(frame) {
    if (!this.frames) return;
    const target = Math.min(Math.max(Math.round(frame), 0), this.frames - 1);
    if (this.seeking !== null && this.seeking !== undefined && this.video.readyState > 0) {
      this.wanted = target;
      this.seeking = target;
      return;
    }
    this.seeking = target;
    this.video.currentTime = (target + 0.5) / this.fps;
  }

  arrived() {
    if (this.wanted !== null) {
      const target = this.wanted;
      this.wanted = null;
      this.video.currentTime = (target + 0.5) / this.fps;
      return;
    }
    this.seeking = null;
    this.present(this.byClock());
  }
}
