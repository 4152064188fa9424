// Calls to ctl, which asks the node.

import * as session from "./session.js";

class CallError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

let onDenied = () => {};

export function whenDenied(listener) {
  onDenied = listener;
}

async function ask(path, options = {}) {
  const used = session.key();
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: { "X-Sixhop-Key": used ?? "" } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new CallError("gone", "ctl ui does not answer; it may have ended");
  }
  if (answer.status === 401) {
    // Another tab may have taken a new session meanwhile.
    if (session.key() !== null && session.key() !== used) return ask(path, options);
    onDenied(used);
    throw new CallError("denied", "this page needs a new address from ctl ui");
  }
  return answer;
}

async function result(path, body) {
  const answer = await ask(path, { method: "POST", body });
  let value;
  try {
    value = await answer.json();
  } catch {
    throw new CallError("failed", `ctl ui answered with status ${answer.status}`);
  }
  if (value.error) throw new CallError(value.error.code, value.error.message);
  return value.result;
}

export function call(method, params = {}) {
  return result("/api/call", JSON.stringify({ method, params }));
}

// The address by which others meet the node: { invitation, qr: { size, path } }.
export function invitation() {
  return result("/api/invitation", "");
}

// Lines of an answer, as they come.
async function* lines(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    yield* parts;
  }
}

// Lets the page do what else there is to do.
const turn = new MessageChannel();
let turned = null;
turn.port1.onmessage = () => turned?.();

function nextTask() {
  return new Promise((done) => {
    turned = done;
    turn.port2.postMessage(0);
  });
}

// Longest time for news without a pause, in milliseconds.
const BUSY = 8;

// Searches. `onNews` gets `hits`, and at the end `done` or `failed`.
export async function search(query, limit, reach, onNews, signal) {
  const answer = await ask("/api/search", { method: "POST", body: JSON.stringify({ query, limit, reach }), signal });
  if (!answer.ok) throw new CallError("failed", `ctl ui answered with status ${answer.status}`);
  let begun = performance.now();
  for await (const line of lines(answer)) {
    if (line !== "") onNews(JSON.parse(line));
    if (performance.now() - begun > BUSY) {
      await nextTask();
      begun = performance.now();
    }
  }
}

// Follows what happens at the node. Ends when the connection does.
export async function follow(seen, onMessage, signal) {
  const answer = await ask(`/api/events?since=${seen.last}&started=${seen.started}`, { signal });
  if (!answer.ok) throw new CallError("failed", `ctl ui answered with status ${answer.status}`);
  let kind = "";
  for await (const line of lines(answer)) {
    if (line.startsWith("event: ")) kind = line.slice(7);
    else if (line.startsWith("data: ")) onMessage(kind, JSON.parse(line.slice(6)));
  }
}

const PART = 1024 * 1024;

// Puts a file into the share, part by part.
export async function upload(name, file, onProgress, signal) {
  const { id } = await result("/api/upload/begin", JSON.stringify({ name, size: file.size }));
  for (let at = 0; at < file.size; at += PART) {
    if (signal.aborted) {
      await result(`/api/upload/cancel?id=${id}`, "").catch(() => {});
      throw new CallError("cancelled", "cancelled");
    }
    await result(`/api/upload/part?id=${id}&at=${at}`, file.slice(at, at + PART));
    onProgress(Math.min(at + PART, file.size));
  }
  return result(`/api/upload/end?id=${id}`, "");
}
