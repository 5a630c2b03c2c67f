// The page is built from text nodes and attributes alone: no string ever becomes markup.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key in node && typeof value !== "string") node[key] = value;
    else if (key === "text") node.textContent = value;
    else node.setAttribute(key === "className" ? "class" : key, value === true ? "" : value);
  }
  node.append(...children.filter(child => child !== null && child !== undefined));
  return node;
}

const MINUS = "\u2212", DASH = "\u2013";

function shown(value, decimals) {
  if (value === null || value === undefined) return DASH;
  const text = value.toFixed(decimals);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", MINUS);
}

const counted = (n, noun) => `${n.toLocaleString("en").replaceAll(",", "\u202f")} ${noun}${n === 1 ? "" : "s"}`;

function say(region, text) {
  if (region.textContent !== text) region.textContent = text;
}
