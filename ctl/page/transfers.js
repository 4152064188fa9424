// Fetches: those that run, and the last ones that ended.

import { button, el, empty, icon, nameOf, sign, visible } from "./build.js";
import { ask, toast } from "./app.js";
import * as format from "./format.js";
import { VirtualList } from "./list.js";
import { look } from "./own.js";
import { call } from "./server.js";
import { on, refresh, state } from "./state.js";
import { openLink } from "./search.js";

// How often ages are told anew, in milliseconds.
const TICK = 10000;

const narrow = matchMedia("(max-width: 720px)");

// Begins to fetch a file; asks before anything is replaced.
export async function start(name, digest, replace = false) {
  try {
    await call("fetch.start", { name, replace, digest: digest ?? null });
    toast(`Fetching ${name}`);
  } catch (error) {
    if (error.code !== "exists" || replace) toast(error.message, "bad");
    else if (await replaces(name, digest, error)) return start(name, digest, true);
  }
  refresh("fetches");
  return undefined;
}

// Whether the person wants a file replaced. One that is the same, byte for byte, is not asked about.
async function replaces(name, digest, error) {
  const own = await look(name);
  if (!own) {
    // Something that is not shared has the name, or one that differs in letter case only.
    toast(error.message, "bad");
    return false;
  }
  if (digest && own.digest === digest) {
    toast(`${name} is in your share, byte for byte`, "good");
    return false;
  }
  const other = digest && own.digest ? "with other content" : "; whether it has the same content is not known";
  return ask("Replace the file?", `Your share has a file named ${name}${other.startsWith(";") ? "" : " "}${other}.`, "Replace it", "Keep it", true);
}

// Begins to fetch many files, after a question. Nothing is replaced.
export async function startAll(files) {
  const size = files.reduce((sum, file) => sum + (file.size ?? 0), 0);
  if (!(await ask("Get all?", `${format.counted(files.length, "file", "files")}, ${format.bytes(size)}. Files that your share has stay as they are.`, "Get all", "Not now"))) return;
  const ended = { begun: 0, here: 0, other: 0, failure: null };
  for (const { name, digest } of files) {
    try {
      await call("fetch.start", { name, replace: false, digest: digest ?? null });
      ended.begun += 1;
    } catch (error) {
      if (error.code !== "exists") {
        ended.failure = error.message;
        if (error.code === "failed" || error.code === "gone") break;
      } else if (digest && (await look(name))?.digest === digest) ended.here += 1;
      else ended.other += 1;
    }
  }
  refresh("fetches");
  const parts = [`${format.counted(ended.begun, "file is", "files are")} on the way`];
  if (ended.here > 0) parts.push(`${format.counted(ended.here, "is", "are")} in your share already`);
  if (ended.other > 0) parts.push(`${format.counted(ended.other, "is", "are")} left out: your share has other files of these names`);
  toast(parts.join("; "), ended.other > 0 ? "bad" : "good");
  if (ended.failure !== null) toast(ended.failure, "bad");
}

export function isRunning(fetch) {
  return ["queued", "searching", "receiving", "waiting", "committing"].includes(fetch.state);
}

const STATES = { queued: "Waiting for its turn", searching: "Asking peers", receiving: "Arriving", waiting: "Waiting for a holder", committing: "Being stored", done: "In your share", failed: "Failed", cancelled: "Cancelled" };

export function view() {
  const list = new VirtualList({
    label: "Transfers",
    height: () => (narrow.matches ? 92 : 64),
    render: cells,
    shows: (fetch) => JSON.stringify([fetch, fetch.ended && Math.floor(Date.now() / TICK)]),
    name: (fetch) => `is-${fetch.state}`,
    act: (fetch) => (fetch.state === "done" ? (location.hash = `#/share/${encodeURIComponent(fetch.name)}`) : undefined),
    remove: (fetch) => isRunning(fetch) && cancel(fetch),
  });
  const line = el("p", { class: "summary" });
  const nothing = el("div", { class: "holder" });
  const root = el("section", { class: "view transfers", "aria-label": "Transfers" }, el("h1", { class: "sr", tabindex: "-1", text: "Transfers" }), line, nothing, list.root);
  nothing.append(empty("No transfers yet", "Files that you get from other nodes appear here while they arrive, and for a while after.", el("a", { class: "button primary", href: "#/search" }, "Search for something")));

  async function cancel(fetch) {
    try {
      await call("fetch.cancel", { id: fetch.id, everybody: true });
    } catch (error) {
      toast(error.message, "bad");
    }
    refresh("fetches");
  }

  function cells(fetch) {
    const part = fetch.size ? fetch.bytes / fetch.size : fetch.state === "done" ? 1 : 0;
    return [
      el("div", { class: "cell main", role: "gridcell" }, nameOf(fetch.name), el("span", { class: "fetch-line" }, ...details(fetch))),
      el("div", { class: "cell meter", role: "gridcell" }, isRunning(fetch)
        ? el("progress", { max: "1", value: fetch.state === "searching" && !fetch.bytes ? undefined : part, "aria-label": `Progress of ${visible(fetch.name)}` })
        : el("span", { class: `state ${fetch.state}` }, fetch.state === "done" && icon("done"), STATES[fetch.state])),
      el("div", { class: "cell does", role: "gridcell" }, ...control(fetch)),
    ];
  }

  function details(fetch) {
    const holders = (fetch.holders?.length ? fetch.holders : fetch.peer ? [fetch.peer] : []);
    const from = holders.length > 0 && el("span", { class: "holders", title: visible(holders.map(format.host).join("\n")) },
      ...holders.slice(0, 4).map((node) => sign(node, 14)),
      el("span", { text: holders.length === 1 ? format.host(holders[0]) : `${holders.length} holders` }));
    if (fetch.state === "searching") return [el("span", { text: `Asking peers, ${fetch.asked} so far` })];
    if (fetch.state === "queued" || fetch.state === "waiting" || fetch.state === "committing") {
      return [el("span", { text: STATES[fetch.state] }), fetch.size && el("span", { class: "numbers", text: `${format.bytes(fetch.bytes)} of ${format.bytes(fetch.size)}` })];
    }
    if (fetch.state === "receiving") {
      const left = fetch.rate > 0 && fetch.size ? (fetch.size - fetch.bytes) / fetch.rate : NaN;
      return [el("span", { class: "numbers", text: `${format.bytes(fetch.bytes)}${fetch.size ? ` of ${format.bytes(fetch.size)}` : ""}` }),
        fetch.rate > 0 && el("span", { class: "numbers", text: `${format.bytes(fetch.rate)}/s` }),
        Number.isFinite(left) && el("span", { class: "numbers", text: `${format.duration(left)} left` }), from];
    }
    const ended = fetch.ended && el("span", { title: format.time(fetch.ended), text: format.when(fetch.ended) });
    if (fetch.state === "done") {
      const took = fetch.ended ? Math.max(1, fetch.ended - fetch.started) / 1000 : NaN;
      return [el("span", { class: "numbers", text: format.bytes(fetch.bytes) }), ended, took > 1 && el("span", { class: "numbers", text: `${format.bytes(fetch.bytes / took)}/s` }), from];
    }
    return [el("span", { class: "bad", text: fetch.error?.message ?? STATES[fetch.state] }), ended];
  }

  function control(fetch) {
    const label = visible(fetch.name);
    if (isRunning(fetch)) return [button("Cancel", () => cancel(fetch), { class: "button quiet", "data-action": "cancel", "aria-label": `Cancel ${label}` })];
    if (fetch.state === "done") return [openLink(fetch.name)];
    return [button("Try again", () => start(fetch.name, fetch.digest), { class: "button quiet", "data-action": "again", "aria-label": `Try again: ${label}` })];
  }

  function show() {
    const running = state.fetches.filter(isRunning);
    const sorted = [...running, ...state.fetches.filter((fetch) => !isRunning(fetch))];
    const same = sorted.length === list.items.length && sorted.every((fetch, at) => list.items[at].id === fetch.id && list.items[at].state === fetch.state);
    if (same) {
      list.items = sorted;
      list.refresh();
    } else {
      const active = list.items[list.active]?.id;
      list.set(sorted);
      const at = sorted.findIndex((fetch) => fetch.id === active);
      if (at >= 0) list.activate(at, false);
    }
    list.show(sorted.length > 0);
    nothing.hidden = sorted.length > 0;
    const rate = running.reduce((sum, fetch) => sum + (fetch.rate ?? 0), 0);
    line.hidden = sorted.length === 0;
    line.textContent = running.length > 0
      ? `${format.counted(running.length, "file arrives", "files arrive")}${rate > 0 ? `, ${format.bytes(rate)}/s` : ""}`
      : format.counted(sorted.length, "transfer, none running", "transfers, none running");
  }

  on("fetches", show);
  narrow.addEventListener("change", () => list.set(list.items));
  show();
  // Rates and times change although nothing happens.
  setInterval(() => state.fetches.some(isRunning) && refresh("fetches"), 1000);
  return {
    root,
    shown() {
      refresh("fetches");
      return {};
    },
    focus: () => list.root.focus(),
  };
}
