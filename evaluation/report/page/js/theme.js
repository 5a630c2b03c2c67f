// Light, dark, or as the system says. The choice is kept where the browser lets a page keep it.
function kept(key, value) {
  try {
    if (value === undefined) return localStorage.getItem(key);
    localStorage.setItem(key, value);
  } catch { /* storage is refused: the choice holds for this visit */ }
  return null;
}

function startTheme() {
  const choice = $("#theme");
  const apply = () => {
    const theme = choice.value;
    if (theme === "auto") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.dataset.theme = theme;
    document.dispatchEvent(new Event("theme"));
  };
  const before = kept("talkbench-theme");
  if (["light", "dark"].includes(before)) choice.value = before;
  choice.addEventListener("change", () => { kept("talkbench-theme", choice.value); apply(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  apply();
}
