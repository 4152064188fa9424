// Which files of this node have the names that are shown: each name is asked for once, until the share changes.

import { call } from "./server.js";
import { on, touch } from "./state.js";

// Most names that wait to be asked for. Rows that were scrolled past need no answer.
const WAITING_MAX = 64;

// Most names that are asked for at a time: a browser has six connections to a host.
const ASKING_MAX = 2;

const KNOWN_MAX = 5000;

// How long changes are gathered before names are asked for again, in milliseconds.
const PAUSE = 700;

const known = new Map();
const waiting = new Set();
let asking = 0;
let timer = 0;

// Describes the file of this node with that name: `null` if there is none, `undefined` if that is not known yet.
export function ownFile(name) {
  if (!known.has(name)) {
    waiting.delete(name);
    waiting.add(name);
    if (waiting.size > WAITING_MAX) waiting.delete(waiting.values().next().value);
    next();
  }
  return known.get(name);
}

// Whether this node has this content under this name.
export function isHere(name, digest) {
  return Boolean(digest) && ownFile(name)?.digest === digest;
}

// Asks the node, whatever was known.
export async function look(name) {
  let file = null;
  try {
    file = await call("share.stat", { name });
  } catch (error) {
    if (error.code !== "not_found" && error.code !== "usage") return undefined;
  }
  if (known.size >= KNOWN_MAX) known.clear();
  known.set(name, file);
  touch("own");
  return file;
}

async function next() {
  while (asking < ASKING_MAX && waiting.size > 0) {
    const name = [...waiting].at(-1);
    waiting.delete(name);
    asking += 1;
    look(name).finally(() => {
      asking -= 1;
      next();
    });
  }
}

function stale() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    known.clear();
    touch("own");
  }, PAUSE);
}

on("events:share", stale);
on("events:fetch", stale);
