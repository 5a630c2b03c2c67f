// Keys of the viewer. What a control does with a key of its own (a select's arrows) stays its own.
const SPEEDS = ["0.1", "0.25", "0.5", "1", "1.5", "2"];

const KEYS = {
  " ": viewer => viewer.player.toggle(),
  k: viewer => viewer.player.toggle(),
  ArrowLeft: (viewer, event) => viewer.player.step(event.shiftKey ? -10 : -1),
  ArrowRight: (viewer, event) => viewer.player.step(event.shiftKey ? 10 : 1),
  ",": viewer => viewer.player.step(-1),
  ".": viewer => viewer.player.step(1),
  Home: viewer => viewer.player.step(-Infinity),
  End: viewer => viewer.player.step(Infinity),
  "[": viewer => changeSpeed(viewer, -1),
  "]": viewer => changeSpeed(viewer, 1),
  m: viewer => $("[name=mouth]", viewer.dialog).click(),
  d: viewer => $("[name=difference]", viewer.dialog).click(),
  s: viewer => nextOption($("[name=sound]", viewer.dialog)),
  l: viewer => $("[name=loop]", viewer.dialog).click(),
  n: viewer => viewer.go(1),
  p: viewer => viewer.go(-1),
};

function keyPressed(viewer, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { target } = event, kind = target.tagName;
  const own = kind === "SELECT" ? /^(Arrow|Home|End| $|[a-z]$)/ : kind === "SUMMARY" || target.type === "checkbox" ? /^ $/
    : kind === "BUTTON" && target.name !== "play" ? /^ $/ : null;
  if (own?.test(event.key)) return;
  const act = KEYS[event.key];
  if (!act || !viewer.data?.files.length && !"np".includes(event.key)) return;
  event.preventDefault();
  act(viewer, event);
}

function changeSpeed(viewer, step) {
  const control = $("[name=speed]", viewer.dialog), at = SPEEDS.indexOf(control.value) + step;
  if (at < 0 || at >= SPEEDS.length) return;
  control.value = SPEEDS[at];
  control.dispatchEvent(new Event("change"));
}

function nextOption(control) {
  if (control.options.length < 2) return;
  control.selectedIndex = (control.selectedIndex + 1) % control.options.length;
  control.dispatchEvent(new Event("change"));
}
