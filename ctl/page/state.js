// What is known of the node, kept up to date by its events. Views listen to topics; what changes is told once a frame, however
// much of it there is.

import { learnName } from "./format.js";
import { call, follow } from "./server.js";

const EVENTS_KEPT = 5000;

export const state = {
  // "connecting", "up", "away" (the node) or "gone" (ctl ui).
  link: "connecting",
  why: "",
  status: null,
  fetches: [],
  peers: [],
  // The last events, oldest first.
  events: [],
  lost: 0,
  // Who named whom, from the searches of this page: node -> set of nodes.
  links: new Map(),
  // The last search: query, trace, whether it goes on.
  path: null,
};

const listeners = new Map();
const changed = new Set();
let frame = 0;

export function on(topic, listener) {
  if (!listeners.has(topic)) listeners.set(topic, new Set());
  listeners.get(topic).add(listener);
}

// Says that a topic has changed; its listeners hear of it with the next frame.
export function touch(topic) {
  changed.add(topic);
  if (frame === 0) frame = requestAnimationFrame(tell);
}

function tell() {
  frame = 0;
  const topics = [...changed];
  changed.clear();
  for (const topic of topics) for (const listener of listeners.get(topic) ?? []) listener();
}

// Asks again what an event says has changed: at most this often.
const PAUSE = 250;

const asking = new Map();

function refresher(topic, ask) {
  const entry = { due: false, running: false };
  asking.set(topic, entry);
  entry.run = async () => {
    if (entry.running || !entry.due) return;
    entry.due = false;
    entry.running = true;
    try {
      await ask();
      touch(topic);
    } catch {
      // The stream of events says what is wrong.
    }
    setTimeout(() => {
      entry.running = false;
      entry.run();
    }, PAUSE);
  };
}

export function refresh(topic) {
  const entry = asking.get(topic);
  entry.due = true;
  entry.run();
}

refresher("fetches", async () => {
  state.fetches = (await call("fetch.list")).reverse();
});
refresher("peers", async () => {
  state.peers = await call("peer.list");
  for (const peer of state.peers) learnName(peer.url, peer.name);
});
refresher("status", async () => {
  state.status = await call("node.status");
});

const ASKED_BY = { fetch: ["fetches"], peer: ["peers"], share: ["status"], cache: ["status"], plugin: ["status"] };

// The events to keep. How far a fetch is comes many times a second: only the last word is kept, and none once it has ended.
function kept(before, events) {
  const last = new Map();
  for (const event of events) if (event.type.startsWith("fetch.")) last.set(event.data?.id, event);
  const isOld = (event) => event.type === "fetch.progress" && last.has(event.data?.id) && last.get(event.data.id) !== event;
  const all = [...before, ...events];
  return (last.size === 0 ? all : all.filter((event) => !isOld(event))).slice(-EVENTS_KEPT);
}

function note(events) {
  state.events = kept(state.events, events);
  touch("events");
  const spaces = new Set(events.map((event) => event.type.split(".")[0]));
  for (const space of spaces) {
    for (const topic of ASKED_BY[space] ?? []) refresh(topic);
    touch(`events:${space}`);
  }
}

const seen = { last: 0, started: 0 };

function hear(kind, data) {
  if (kind === "up") {
    if (data.started !== seen.started) {
      seen.started = data.started;
      seen.last = 0;
      state.events = [];
      state.lost = 0;
    }
    state.status = data;
    set("up", "");
    touch("status");
    refresh("fetches");
    refresh("peers");
  } else if (kind === "away") {
    set("away", data.message);
  } else if (kind === "news") {
    seen.last = data.events.at(-1).id;
    if (data.events[0].id > 1 && state.events.length > 0) state.lost += data.lost;
    note(data.events);
  }
}

function set(link, why) {
  if (state.link === link && state.why === why) return;
  state.link = link;
  state.why = why;
  touch("link");
}

const AGAIN = 1000;

let listening = null;

// Follows the node while the page is looked at: a browser has few connections, and a page that nobody sees needs none.
export function listen() {
  if (listening !== null) return;
  listening = new AbortController();
  const { signal } = listening;
  (async () => {
    while (!signal.aborted) {
      try {
        await follow(seen, hear, signal);
      } catch (error) {
        if (error.code === "denied") return;
      }
      if (signal.aborted) return;
      set("gone", "ctl ui does not answer");
      await new Promise((done) => setTimeout(done, AGAIN));
    }
  })();
}

export function rest() {
  listening?.abort();
  listening = null;
}

// Remembers who named whom.
export function learn(trace) {
  for (const step of trace) {
    if (step.node_name) learnName(step.node, step.node_name);
    const by = step.named_by ?? state.status?.url;
    if (!by || step.node === by) continue;
    if (!state.links.has(by)) state.links.set(by, new Set());
    const named = state.links.get(by);
    if (named.size < 256) named.add(step.node);
  }
}

export function fetchOf(name) {
  return state.fetches.find((fetch) => fetch.name === name);
}
