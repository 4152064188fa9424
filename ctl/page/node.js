// This node: where it is, what it keeps, what answers queries, and what happens.

import { button, el, sign } from "./build.js";
import { ask, toast } from "./app.js";
import * as format from "./format.js";
import { VirtualList } from "./list.js";
import { call } from "./server.js";
import { on, refresh, state } from "./state.js";

const BLOBS_SHOWN = 20;
const LOG_PAUSE = 200;

// Members of the status that have a place of their own.
const PLACED = new Set(["version", "api_version", "name", "url", "listen", "control", "share", "pid", "started", "peers", "cache_bytes", "handlers", "counters", "id", "files", "is_share_known", "index", "reach"]);

// Members of events that say what it is about.
const FIRST = ["name", "url", "query", "file", "error", "text", "files", "bytes", "size", "rate"];

const narrow = matchMedia("(max-width: 720px)");

export function view() {
  const facts = el("dl", { class: "facts" });
  const counters = el("dl", { class: "counters" });
  const cache = el("div", { class: "block-body" });
  const plugins = el("div", { class: "block-body" });
  const filter = el("input", { class: "small", type: "search", placeholder: "Filter, such as fetch", "aria-label": "Filter the log", spellcheck: "false", on: { input: log } });
  const line = el("span", { class: "quiet" });
  const list = new VirtualList({
    label: "Log",
    height: () => (narrow.matches ? 48 : 26),
    render: (event) => [
      el("div", { class: "cell time", role: "gridcell", title: format.time(event.time), text: format.timeOfDay(event.time) }),
      el("div", { class: "cell kind", role: "gridcell", text: event.type }),
      el("div", { class: "cell data", role: "gridcell" }, el("bdi", { text: said(event.data) })),
    ],
  });
  const clear = button("Clear the cache", clearCache, { class: "button quiet" });
  const root = el("section", { class: "view node", "aria-label": "Node" },
    el("h1", { class: "sr", tabindex: "-1", text: "Node" }),
    el("div", { class: "blocks", tabindex: "0", role: "group", "aria-label": "About this node" },
      block("This node", facts),
      block("Answers queries", plugins),
      block("Kept for others", cache, clear),
      block("Counted since the start", counters)),
    el("div", { class: "log" }, el("div", { class: "log-head" }, el("h2", { text: "Log" }), line, filter), list.root));
  let shown = false;

  function block(title, body, ...more) {
    return el("section", { class: "block" }, el("div", { class: "block-head" }, el("h2", { text: title }), ...more), body);
  }

  function fact(label, ...value) {
    return [el("dt", { text: label }), el("dd", {}, ...value)];
  }

  function status() {
    const now = state.status;
    if (!now || !shown) return;
    facts.replaceChildren(
      ...(now.name ? fact("Name", el("bdi", { text: now.name })) : []),
      ...fact("Address", sign(now.url, 18), el("code", { class: "wrap", text: now.url })),
      ...(now.reach ? fact("Reach", el("span", { text: now.reach })) : []),
      ...fact("Shares", el("code", { class: "wrap", text: now.share })),
      ...fact("Files", el("span", { text: `${format.count(now.files)}${now.is_share_known ? "" : ", the folder is still being looked at"}` })),
      ...(now.index ? fact("Index", ...indexed(now.index)) : []),
      ...fact("Started", el("span", { title: format.time(now.started), text: format.when(now.started) })),
      ...fact("Version", el("span", { text: `${now.version}, control ${now.api_version}, process ${now.pid}` })),
      ...(now.id ? fact("Id", el("code", { class: "wrap", text: now.id })) : []),
      ...Object.entries(now).filter(([name]) => !PLACED.has(name)).flatMap(([name, value]) => fact(words(name), ...member(name, value))));
    const counted = Object.entries(now.counters).filter(([, value]) => value > 0);
    const zero = Object.keys(now.counters).length - counted.length;
    counters.replaceChildren(...counted.flatMap(([name, value]) => [el("dt", { text: words(name) }), el("dd", { text: /bytes/.test(name) ? format.bytes(value) : format.count(value) })]),
      ...(zero > 0 ? [el("dt", { text: counted.length > 0 ? "All others" : "All" }), el("dd", { text: format.count(0) })] : []));
  }

  function indexed(index) {
    const all = index.files + index.waiting;
    const parts = [`${format.counted(index.files, "file", "files")}, ${format.bytes(index.bytes)}`];
    if (index.waiting > 0) parts.push(`${format.count(index.waiting)} wait`);
    if (index.error) parts.push(index.error);
    return [index.waiting > 0 && el("progress", { class: "thin", max: all, value: index.files, "aria-label": "Index" }), el("span", { text: parts.join(", ") })];
  }

  // What later nodes say of themselves is shown as well as it can be understood.
  function member(name, value) {
    if (value && typeof value === "object" && !Array.isArray(value)) {
      const { done, total } = { done: value.done ?? value.files_done ?? value.indexed, total: value.total ?? value.files_total ?? value.files };
      const bar = typeof done === "number" && typeof total === "number" && total > 0 && done < total;
      const parts = Object.entries(value).filter(([, part]) => part !== null).map(([inner, part]) => `${words(inner)} ${plain(inner, part)}`);
      return [bar && el("progress", { class: "thin", max: total, value: done, "aria-label": words(name) }), el("span", { text: parts.join(", ") })];
    }
    return [el("span", { text: plain(name, value) })];
  }

  function plain(name, value) {
    if (typeof value === "number") return /bytes|size|free|disk/.test(name) ? format.bytes(value) : format.count(value);
    if (value === null || value === undefined) return "\u2013";
    return typeof value === "object" ? JSON.stringify(value) : String(value);
  }

  function words(name) {
    const text = name.replaceAll("_", " ");
    return text.charAt(0).toUpperCase() + text.slice(1);
  }

  async function handlers() {
    let all;
    try {
      all = await call("plugin.list");
    } catch {
      return;
    }
    plugins.replaceChildren(el("ul", { class: "plugins" }, ...all.map((plugin) => el("li", {},
      el("div", { class: "plugin-head" }, el("code", { text: plugin.prefix ? `${plugin.prefix}:` : plugin.file ?? "?" }),
        plugin.state && plugin.state !== "ready" && el("span", { class: "state failing", text: plugin.state }),
        plugin.file && el("span", { class: "quiet", text: `${plugin.file}${plugin.version ? `, version ${plugin.version}` : ""}` })),
      plugin.description && el("p", { text: plugin.description }),
      plugin.problem && el("p", { class: "bad", text: plugin.problem })))));
  }

  async function kept() {
    let blobs;
    try {
      blobs = await call("cache.list");
    } catch {
      return;
    }
    clear.hidden = blobs.length === 0;
    if (blobs.length === 0) {
      cache.replaceChildren(el("p", { class: "quiet", text: "Nothing. What passes through this node on its way to others is kept here for the next who asks." }));
      return;
    }
    const rows = blobs.slice(0, BLOBS_SHOWN).map((blob) => el("tr", {},
      el("td", {}, el("code", { title: blob.digest, text: blob.digest.slice(0, 16) })), el("td", { text: format.bytes(blob.size) }),
      el("td", { text: format.counted(blob.hits, "use", "uses") }), el("td", { text: format.when(blob.used) })));
    cache.replaceChildren(el("p", { text: `${format.counted(blobs.length, "content", "contents")}, ${format.bytes(state.status?.cache_bytes ?? 0)} on the disk` }),
      el("table", {}, el("thead", { class: "sr" }, el("tr", {}, ...["Digest", "Size", "Uses", "Last use"].map((text) => el("th", { scope: "col", text })))), el("tbody", {}, ...rows)));
  }

  async function clearCache() {
    if (!(await ask("Clear the cache?", "Others may have to fetch it from further away.", "Clear", "Keep", true))) return;
    try {
      const { blobs, bytes } = await call("cache.clear");
      toast(`${format.counted(blobs, "content", "contents")} removed, ${format.bytes(bytes)}`);
    } catch (error) {
      toast(error.message, "bad");
    }
    kept();
    refresh("status");
  }

  function said(data) {
    if (data === null || typeof data !== "object") return String(data);
    const parts = Object.entries(data).filter(([, value]) => value !== null);
    const rank = ([name]) => FIRST.indexOf(name) + 1 || FIRST.length + 1;
    return parts.sort((a, b) => rank(a) - rank(b)).map(part).join(" \u00b7 ");
  }

  function part([name, value]) {
    if (FIRST.slice(0, 4).includes(name)) return String(value);
    if (Array.isArray(value)) return `${name} ${value.map((entry) => (typeof entry === "object" ? JSON.stringify(entry) : format.host(entry))).join(", ")}`;
    if (typeof value === "object") return `${name} ${JSON.stringify(value)}`;
    if (typeof value === "number" && /bytes|size|rate/.test(name)) return `${name} ${format.bytes(value)}`;
    return `${name} ${/^http:/.test(value) ? format.host(value) : value}`;
  }

  // New ones come at the top; whoever reads further down is not moved.
  function log() {
    if (!shown) return;
    const text = filter.value.trim().toLowerCase();
    const fits = (event) => text === "" || event.type.includes(text) || said(event.data).toLowerCase().includes(text);
    const events = state.events.filter(fits).reverse();
    const newer = list.items.length === 0 ? 0 : events.findIndex((event) => event.id === list.items[0].id);
    const top = list.root.scrollTop;
    const before = list.tops[Math.max(0, newer)];
    list.set(events);
    if (top > 0 && newer > 0) list.root.scrollTop = top + before;
    list.show(events.length > 0);
    line.textContent = events.length === 0 ? "Nothing has happened yet." : `${format.counted(events.length, "event", "events")}${state.lost > 0 ? `, ${format.count(state.lost)} lost` : ""}`;
  }

  on("status", status);
  // A log that flows is read by nobody: five times a second is enough.
  let due = 0;
  on("events", () => {
    due ||= setTimeout(() => {
      due = 0;
      log();
    }, LOG_PAUSE);
  });
  on("events:plugin", () => shown && handlers());
  on("events:cache", () => shown && kept());
  on("link", () => state.link === "up" && shown && (handlers(), kept()));
  narrow.addEventListener("change", () => list.set(list.items));
  return {
    root,
    shown() {
      shown = true;
      status();
      handlers();
      kept();
      log();
      refresh("status");
      return {};
    },
    hidden() {
      shown = false;
    },
    focus: () => root.querySelector(".blocks").focus(),
  };
}
