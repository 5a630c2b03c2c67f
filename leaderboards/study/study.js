"use strict";
const study = JSON.parse(document.getElementById("data").textContent);
const $ = (what, where = document) => where.querySelector(what);
const state = { rater: "", number: 0, sound: "", started: "", trials: [] };
let at = -1, plan = [], begun = 0, ended = 0, screens = [];

const place = () => `talkbench-study:${study.study}:${state.rater}:${state.number}`;
function save() {
  try { localStorage.setItem(place(), JSON.stringify(state)); } catch { $("#foot").hidden = false; }
}
function step(name) {
  document.querySelectorAll("[data-step]").forEach(s => { s.hidden = s.dataset.step !== name; });
  $("#foot").hidden = name !== "trial" || at < 0;
  scrollTo(0, 0);
  const head = $(`[data-step="${name}"] h1`);
  if (head) { head.tabIndex = -1; head.focus({ preventScroll: true }); }
}

/* A clip: it has no controls to skip with, and counts as seen once it has ended. */
function screen(name, caption, changed) {
  const figure = document.createElement("figure");
  figure.className = "screen";
  const box = document.createElement("div");
  box.className = "box";
  const video = document.createElement("video");
  Object.assign(video, { src: `media/${name}.mp4`, preload: "auto", playsInline: true, disablePictureInPicture: true });
  video.setAttribute("controlslist", "nodownload");
  video.addEventListener("contextmenu", e => e.preventDefault());
  const button = document.createElement("button");
  button.type = "button";
  const sign = document.createElement("span");
  sign.className = "sign"; sign.textContent = "▶"; sign.ariaHidden = "true";
  const words = document.createElement("span");
  words.textContent = `Play${caption ? " " + caption.toLowerCase() : ""}`;
  button.append(sign, words);
  const under = document.createElement("figcaption");
  const left = document.createElement("span"), right = document.createElement("span");
  left.textContent = caption; right.textContent = "not played yet"; right.setAttribute("aria-live", "polite");
  under.append(left, right);
  box.append(video, button); figure.append(box, under);
  const it = { figure, video, button, plays: 0, failed: false };
  it.play = () => {
    if (!video.paused && !video.ended) return;
    screens.forEach(other => { if (other !== it && !other.video.paused) { other.video.pause(); other.stop(); } });
    begun ||= performance.now();
    video.currentTime = 0;
    box.classList.add("playing"); right.textContent = "playing";
    video.play().catch(() => it.stop());
  };
  it.stop = () => { box.classList.remove("playing"); if (!it.plays) right.textContent = "play it to the end"; };
  button.addEventListener("click", it.play);
  video.addEventListener("ended", () => {
    it.plays += 1;
    box.classList.remove("playing"); box.classList.add("seen");
    words.textContent = "Play again"; right.textContent = it.plays === 1 ? "played once" : `played ${it.plays} times`;
    changed();
  });
  video.addEventListener("error", () => { it.failed = true; right.textContent = "this clip cannot be played here"; it.stop(); changed(); });
  return it;
}
function show(stage, list) {
  screens.forEach(s => { s.video.pause(); s.video.removeAttribute("src"); s.video.load(); });
  screens = list;
  stage.replaceChildren(...list.map(s => s.figure));
}

/* Welcome */
const start = $("#start");
const wanted = /^#(\d+)$/.exec(location.hash);
if (wanted) start.elements.number.value = wanted[1];
start.addEventListener("submit", event => {
  event.preventDefault();
  const f = start.elements;
  Object.assign(state, { rater: f.rater.value.trim(), number: Number(f.number.value), sound: f.sound.value });
  let kept = null;
  try { kept = JSON.parse(localStorage.getItem(place())); } catch { /* a browser that keeps nothing */ }
  plan = study.assignments[state.number - 1];
  const fits = kept && Array.isArray(kept.trials) && kept.trials.length <= plan.length;
  if (fits && kept.trials.length) { Object.assign(state, kept); return next(); }
  state.started = new Date().toISOString(); state.trials = [];
  const [name] = study.playback;
  show($('[data-step="playback"] [data-stage]'), [screen(name, "", () => {})]);
  step("playback");
});

/* Playback */
const check = $("#check");
check.addEventListener("submit", event => {
  event.preventDefault();
  const [, digit, beeps] = study.playback, f = check.elements;
  const said = $(".error", check);
  if (!screens[0].plays) said.textContent = "Please play the clip to its end first.";
  else if (Number(f.digit.value) !== digit || Number(f.beeps.value) !== beeps)
    said.textContent = "That is not what the clip shows and plays. Turn the sound on, play it again, and count once more.";
  else { show($('[data-step="playback"] [data-stage]'), []); step("training"); }
});
$("#practice").addEventListener("click", () => {
  at = -1;
  const first = plan[0][0] === "rate" ? ["rate", study.practice[0]] : plan[0];
  ask(first, "Practice");
});

/* Trials */
const form = $("#trial"), button = $('button[type="submit"]', form);
function scale(name, words, options, ends) {
  const set = document.createElement("fieldset");
  set.disabled = true; set.dataset.question = name;
  const legend = document.createElement("legend");
  legend.textContent = words; set.append(legend);
  const row = document.createElement("div");
  row.className = "scale" + (ends ? "" : options.length === 2 ? " two" : " choice");
  options.forEach(([value, text]) => {
    const label = document.createElement("label"), input = document.createElement("input");
    Object.assign(input, { type: "radio", name, value });
    if (ends && value === 1) input.setAttribute("aria-label", `1, ${ends[0]}`);
    if (ends && value === 5) input.setAttribute("aria-label", `5, ${ends[1]}`);
    label.append(input, text); row.append(label);
  });
  set.append(row);
  if (ends) {
    const line = document.createElement("div");
    line.className = "ends"; line.ariaHidden = "true";
    ends.forEach(text => { const span = document.createElement("span"); span.textContent = text; line.append(span); });
    set.append(line);
  }
  return set;
}
function ask(trial, where) {
  const [kind, ...names] = trial;
  begun = ended = 0;
  $("#place").textContent = where;
  $(".progress").value = plan.length ? Math.max(at, 0) / plan.length : 0;
  $(".error", form).textContent = ""; $("#broken").hidden = true;
  const captions = kind === "pair" ? ["Left", "Right"] : [""];
  const stage = $("[data-stage]", form);
  stage.classList.toggle("pair", kind === "pair");
  show(stage, names.map((name, i) => screen(name, captions[i], changed)));
  const still = kind === "rate" && study.stills[names[0]];
  if (still) {
    const figure = document.createElement("figure"), box = document.createElement("div"), image = new Image(), under = document.createElement("figcaption");
    figure.className = "screen still"; box.className = "box"; under.textContent = "Still of the person";
    image.src = `media/${still}.png`; image.alt = "The person whose face it should be";
    box.append(image); figure.append(box, under); stage.append(figure);
  }
  const five = [1, 2, 3, 4, 5].map(n => [n, String(n)]);
  const choices = [["left", "Left"], ...(study.ties ? [["none", "No preference"]] : []), ["right", "Right"]];
  const sets = kind === "rate" ? study.questions.map(([name, words, low, high]) => scale(name, words, five, [low, high]))
    : [scale("choice", study.pairQuestion, choices)];
  $("#questions").replaceChildren(...sets);
  $("#hint").textContent = kind === "rate" ? "1 to 5 answer" : "arrows choose";
  step("trial");
  changed();
  screens[0].button.focus({ preventScroll: true });
}
function changed() {
  const failed = screens.some(s => s.failed);
  const seen = screens.every(s => s.plays > 0);
  if (seen && !ended) ended = performance.now();
  document.querySelectorAll("#questions fieldset").forEach(s => { s.disabled = !seen; });
  $("#broken").hidden = !failed || at < 0;
  button.disabled = !seen || [...document.querySelectorAll("#questions fieldset")].some(s => !$("input:checked", s));
}
form.addEventListener("change", changed);
function record(problem) {
  const [kind, ...clips] = plan[at], answers = {};
  document.querySelectorAll("#questions fieldset").forEach(s => {
    const value = $("input:checked", s)?.value;
    if (!problem && value !== undefined) answers[s.dataset.question] = kind === "rate" ? Number(value) : value;
  });
  const now = performance.now();
  state.trials.push({ kind, clips, answers, plays: screens.map(s => s.plays), problem,
    ms: Math.round(begun ? now - begun : 0), after_ms: Math.round(ended ? now - ended : 0) });
  save();
}
form.addEventListener("submit", event => {
  event.preventDefault();
  if (button.disabled) return;
  if (at >= 0) record(false);
  next();
});
$("#broken").addEventListener("click", () => { record(true); next(); });
function next() {
  at = state.trials.length;
  if (at >= plan.length) { show($("[data-stage]", form), []); return step("done"); }
  ask(plan[at], `${at + 1} of ${plan.length}`);
}
addEventListener("keydown", event => {
  if ($('[data-step="trial"]').hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase();
  if (key === "p") {
    event.preventDefault();
    (screens.find(s => !s.plays) ?? screens[0]).play();
  } else if (/^[1-5]$/.test(key)) {
    const sets = [...document.querySelectorAll("#questions fieldset:not(:disabled)")];
    const here = sets.find(s => s.contains(document.activeElement) && !$("input:checked", s));
    const set = here ?? sets.find(s => !$("input:checked", s)) ?? sets.find(s => s.contains(document.activeElement));
    const input = set && $(`input[value="${key}"]`, set);
    if (input) { input.checked = true; input.focus({ preventScroll: true }); changed(); }
  } else if ((key === "arrowleft" || key === "arrowright") && plan[Math.max(at, 0)][0] === "pair") {
    const inputs = [...document.querySelectorAll('#questions fieldset:not(:disabled) input')];
    if (!inputs.length) return;
    event.preventDefault();
    const now = inputs.findIndex(i => i.checked), move = key === "arrowright" ? 1 : -1;
    const to = now < 0 ? (move > 0 ? inputs.length - 1 : 0) : Math.min(Math.max(now + move, 0), inputs.length - 1);
    inputs[to].checked = true; inputs[to].focus({ preventScroll: true }); changed();
  } else if (key === "enter" && !button.disabled && event.target.tagName !== "BUTTON") {
    event.preventDefault();
    form.requestSubmit();
  }
});

/* Results */
function fingerprint(text) {
  let hash = 0xcbf29ce484222325n;
  for (const c of text) hash = BigInt.asUintN(64, (hash ^ BigInt(c.codePointAt(0))) * 0x100000001b3n);
  return hash.toString(16).padStart(16, "0");
}
function results() {
  const body = { schema: 1, study: study.study, rater: state.rater, number: state.number, sound: state.sound,
    started: state.started, trials: state.trials };
  return { ...body, check: fingerprint(JSON.stringify(body)) };
}
function download(text, ending, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = `${study.study}-${state.rater}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
function table() {
  const names = [...study.questions.map(q => q[0]), "choice"];
  const rows = state.trials.map((t, i) => [i + 1, t.kind, t.clips[0], t.clips[1] ?? "", ...names.map(n => t.answers[n] ?? ""), t.plays.join(" "), t.ms, t.after_ms, t.problem]);
  return [["trial", "kind", "clip", "right", ...names, "plays", "ms", "after_ms", "problem"], ...rows].map(r => r.join(",")).join("\n") + "\n";
}
const json = () => download(JSON.stringify(results(), null, 1) + "\n", "json", "application/json");
$("#json").addEventListener("click", json);
$("#early").addEventListener("click", json);
$("#csv").addEventListener("click", () => download(table(), "csv", "text/csv"));
