// Values of all clips are in the page. A clip's own data come when it is opened: from a file
// beside the page (a script, because pages opened from disk may fetch nothing), or from the page.
const DATA = JSON.parse($("#data").textContent);
const { rows: ROWS, columns: COLUMNS, clips: CLIPS } = DATA;
const KEPT_CURVES = 1, KEPT_PLAYER = 2;

const CLIP_FILE = /^clips\/\d+\.js$/;
const addresses = (window.trustedTypes ?? { createPolicy: (_, rules) => rules }).createPolicy("talkbench", {
  createScriptURL(address) {
    if (!CLIP_FILE.test(address)) throw new TypeError(`not a clip's file: ${address}`);
    return address;
  },
});

const waiting = new Map();
const RECENT = 4; // clips kept in memory
const recent = new Map();

window.talkbenchClip = (number, content) => waiting.get(number)?.(content);

function clipData(number) {
  if (!CLIPS.kept[number]) return Promise.resolve(null);
  if (recent.has(number)) return Promise.resolve(recent.get(number));
  return (DATA.inline ? fromPage(number) : fromFile(number)).then(content => {
    recent.set(number, content);
    if (recent.size > RECENT) recent.delete(recent.keys().next().value);
    return content;
  });
}

async function fromPage(number) {
  return JSON.parse(document.getElementById(`clip-${number}`).textContent);
}

function fromFile(number) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    const done = () => { waiting.delete(number); script.remove(); };
    waiting.set(number, content => { done(); resolve(content); });
    script.onerror = () => { done(); reject(new Error(`clips/${number}.js is not beside the page`)); };
    script.src = addresses.createScriptURL(`clips/${number}.js`);
    document.head.append(script);
  });
}

// Where a clip's video is: a file beside the page, or bytes in it.
function videoAddress(name) {
  if (!DATA.inline) return `clips/${name}`;
  const text = atob(document.getElementById(`video-${name}`).textContent);
  const bytes = Uint8Array.from(text, letter => letter.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
}

const valueOf = (column, row, clip) => DATA.values[column][row][clip];
function reasonOf(column, row, clip) {
  const number = DATA.why[column][row][clip];
  return number === undefined ? null : DATA.reasons[number];
}
