// Making elements. Text from outside goes through here as text: nothing in this page parses markup.

const SVG = "http://www.w3.org/2000/svg";

// Control characters get pictures, and characters that change the direction of what follows are named, so that a name or a
// snippet cannot look like something else.
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/gu;

export function visible(text) {
  return String(text).replace(CONTROL, (char) => {
    const code = char.codePointAt(0);
    return code < 0x20 ? String.fromCodePoint(0x2400 + code) : `\u27e8${code.toString(16).toUpperCase().padStart(4, "0")}\u27e9`;
  });
}

export function el(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") {
      for (const [kind, listener] of Object.entries(value)) element.addEventListener(kind, listener);
    } else if (name === "text") {
      element.textContent = visible(value);
    } else if (name === "value") {
      element.value = value;
    } else {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function button(text, act, props = {}) {
  return el("button", { type: "button", class: "button", on: { click: act }, ...props }, text);
}

// A name: the folders quiet, the last part plain, with what fits the query marked.
export function nameOf(name, words = []) {
  const at = name.lastIndexOf("/") + 1;
  const parts = [];
  if (at > 0) parts.push(el("span", { class: "path" }, ...marked(name.slice(0, at), words)));
  parts.push(el("span", { class: "base" }, ...marked(name.slice(at), words)));
  return el("bdi", { class: "name", title: visible(name) }, ...parts);
}

function marked(text, words) {
  const found = [];
  const lower = text.toLowerCase();
  if (lower.length === text.length) {
    for (const word of words) {
      for (let at = lower.indexOf(word); at >= 0; at = lower.indexOf(word, at + word.length)) found.push([at, at + word.length]);
    }
  }
  return withMarks(text, found);
}

// Text with marks, which may overlap and come in any order.
export function withMarks(text, marks) {
  const pieces = [];
  let end = 0;
  for (const [from, to] of marks.slice().sort((a, b) => a[0] - b[0])) {
    const start = Math.max(from, end);
    if (to <= start) continue;
    if (start > end) pieces.push(visible(text.slice(end, start)));
    pieces.push(el("mark", { text: text.slice(start, to) }));
    end = to;
  }
  pieces.push(visible(text.slice(end)));
  return pieces;
}

// Marks come as places in UTF-8; text has places in UTF-16.
export function marksInText(text, marks) {
  if (marks.length === 0) return [];
  const last = Math.max(...marks.map((mark) => mark[1]));
  const places = new Map();
  let bytes = 0;
  let at = 0;
  for (const char of text) {
    places.set(bytes, at);
    if (bytes >= last) break;
    const code = char.codePointAt(0);
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    at += char.length;
  }
  places.set(bytes, at);
  return marks.map(([from, to]) => [places.get(from), places.get(to)]).filter(([from, to]) => from !== undefined && to !== undefined);
}

function hash(text) {
  let value = 2166136261;
  for (let at = 0; at < text.length; at += 1) value = Math.imul(value ^ text.charCodeAt(at), 16777619);
  value ^= value >>> 15;
  value = Math.imul(value, 2246822519);
  return (value ^ (value >>> 13)) >>> 0;
}

export function hueOf(url) {
  return (hash(url) % 24) * 15;
}

// The sign of a node: six wedges of a hexagon, some of them filled, the same wherever the node is shown.
export function sign(url, size = 18) {
  const name = `${size} ${url}`;
  if (!signs.has(name)) {
    if (signs.size > 2000) signs.clear();
    signs.set(name, drawSign(url, size));
  }
  return signs.get(name).cloneNode(true);
}

// Drawn once, for there are many in a list.
const signs = new Map();

function drawSign(url, size) {
  const bits = (hash(url + "#") % 62) + 1;
  const corner = (n) => `${(12 + 10 * Math.sin((n * Math.PI) / 3)).toFixed(2)} ${(12 - 10 * Math.cos((n * Math.PI) / 3)).toFixed(2)}`;
  const wedge = (n) => `M12 12L${corner(n)}L${corner(n + 1)}Z`;
  const all = [0, 1, 2, 3, 4, 5];
  const shape = svg("svg", { class: "sign", viewBox: "0 0 24 24", width: size, height: size, "aria-hidden": "true" },
    svg("path", { class: "sign-back", d: `M${all.map(corner).join("L")}Z` }),
    svg("path", { class: "sign-front", d: all.filter((n) => bits & (1 << n)).map(wedge).join("") }),
  );
  shape.style.setProperty("--hue", hueOf(url));
  return shape;
}

const ICONS = {
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.3 15.3 20 20",
  transfers: "M8 4v14m0 0-4-4m4 4 4-4M16 20V6m0 0-4 4m4-4 4 4",
  share: "M3.5 6.5h6l2 2.5h9v9.5h-17z",
  peers: "M12 5.5v5M12 10.5 6 17M12 10.5 18 17M12 3a1.7 1.7 0 1 0 0 3.4A1.7 1.7 0 0 0 12 3zM5.5 15.600a1.700 1.700 0 1 0 0 3.400 1.700 1.700 0 0 0 0-3.400zM18.500 15.600a1.700 1.700 0 1 0 0 3.400 1.700 1.700 0 0 0 0-3.400z",
  node: "M12 3.500 19.400 7.750v8.500L12 20.500l-7.400-4.250v-8.500zM12 12v8M12 12l7-4M12 12 5 8",
  file: "M6.500 3.500h7l4 4v13h-11zM13.500 3.500v4h4",
  folder: "M3.500 6.500h6l2 2.500h9v9.500h-17z",
  get: "M12 4v11m0 0-4.500-4.500M12 15l4.500-4.500M5 19.500h14",
  done: "M5 12.500l4.500 4.500L19 7.500",
  close: "M6 6l12 12M18 6 6 18",
  plus: "M12 5v14M5 12h14",
  up: "M12 19V6m0 0-5 5m5-5 5 5",
  open: "M9 6H5.500v12.500H18V15M13 5h6v6M19 5l-8 8",
};

const icons = new Map();

export function icon(name) {
  if (!icons.has(name)) icons.set(name, svg("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: ICONS[name] })));
  return icons.get(name).cloneNode(true);
}

// Six rings around a node: how far a question goes.
function hops() {
  const around = [[4, 1], [2.500, 3], [5.500, 4], [1, 5], [3, 6], [4.500, 6]];
  const point = (turn, ring) => [9 * ring * Math.sin((turn * Math.PI) / 3), -9 * ring * Math.cos((turn * Math.PI) / 3)];
  // On the side of a hexagon, not on the circle around it.
  const onSide = (turn, ring) => {
    const part = turn % 1;
    const [[x1, y1], [x2, y2]] = [point(Math.floor(turn), ring), point(Math.floor(turn) + 1, ring)];
    return { cx: x1 + (x2 - x1) * part, cy: y1 + (y2 - y1) * part };
  };
  return svg("svg", { class: "empty-mark", viewBox: "-60 -60 120 120", "aria-hidden": "true" },
    ...[1, 2, 3, 4, 5, 6].map((ring) => svg("path", { opacity: 1.1 - ring * 0.15, d: `M${[0, 1, 2, 3, 4, 5].map((turn) => point(turn, ring).map((n) => n.toFixed(1)).join(" ")).join("L")}Z` })),
    ...around.map(([turn, ring]) => svg("circle", { class: "around", r: 2.2, ...onSide(turn, ring) })),
    svg("circle", { r: 3.6 }));
}

// What is shown where there is nothing, and what to do about it.
export function empty(title, text, ...actions) {
  return el("div", { class: "empty" },
    hops(),
    el("h2", { text: title }),
    ...[text].flat().map((line) => (typeof line === "string" ? el("p", { text: line }) : line)),
    actions.length > 0 && el("div", { class: "actions" }, ...actions),
  );
}
