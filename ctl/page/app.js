// The frame around the views: who is here, where we are, what there is to say.

import { button, el, empty, icon, visible } from "./build.js";
import * as node from "./node.js";
import * as peers from "./peers.js";
import * as search from "./search.js";
import { whenDenied } from "./server.js";
import * as session from "./session.js";
import * as share from "./share.js";
import { listen, on, rest, state } from "./state.js";
import * as transfers from "./transfers.js";

const VIEWS = [["search", "Search", search], ["transfers", "Transfers", transfers], ["share", "Share", share], ["peers", "Peers", peers], ["node", "Node", node]];

const main = document.getElementById("view");
const made = new Map();
let current = null;
// The address of the last search, so that its results are there when the person comes back to them.
let lastSearch = "#/search";
// Whether the person is on the way to the field of the search.
let wantsBox = false;

// Says something for a moment.
export function toast(text, kind = "") {
  const line = el("p", { class: `toast ${kind}`, text });
  const toasts = document.getElementById("toasts");
  toasts.append(line);
  while (toasts.childElementCount > 3) toasts.firstElementChild.remove();
  setTimeout(() => line.remove(), kind === "bad" ? 9000 : 4000);
}

// Asks a question that has two answers. If `danger` says that the first one loses something, the other is in front and has the focus.
export function ask(title, text, yes, no, danger = false) {
  return new Promise((resolve) => {
    const dialog = el("dialog", { "aria-labelledby": "ask-title", on: { close: () => { dialog.remove(); resolve(dialog.returnValue === "yes"); } } },
      el("h2", { id: "ask-title", text: title }), el("p", { text }),
      el("div", { class: "actions" },
        button(no, () => dialog.close("no"), { class: danger ? "button primary" : "button", autofocus: danger, "data-answer": "no" }),
        button(yes, () => dialog.close("yes"), { class: danger ? "button danger" : "button primary", autofocus: !danger, "data-answer": "yes" })));
    document.body.append(dialog);
    dialog.showModal();
  });
}

function part(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

// The view that an address names, and the rest of the address.
function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [id, ...more] = path.split("/");
  const entry = VIEWS.find(([name]) => name === id) ?? VIEWS[0];
  show(entry, query, part(more.join("/")));
}

// Notes where the view that is shown is now, and what of it the title says.
export function moved(title = "") {
  const [id, label] = VIEWS.find(([name]) => made.get(name) === current);
  if (id === "search") lastSearch = location.hash || "#/search";
  document.title = `${title === "" ? "" : `${visible(title)} \u2013 `}${label} \u2013 Sixhop`;
  for (const link of document.querySelectorAll("#nav a")) {
    const { view } = link.dataset;
    // At the search itself the link leads to a new one.
    link.href = view === id ? `#/${view}` : placeOf(view);
  }
}

function placeOf(id) {
  return id === "search" ? lastSearch : `#/${id}`;
}

function show([id, , module], query, path) {
  if (!made.has(id)) {
    const view = module.view();
    made.set(id, view);
    main.append(view.root);
  }
  const before = current;
  current = made.get(id);
  if (before !== current) before?.hidden?.();
  for (const view of made.values()) view.root.hidden = view !== current;
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.dataset.view === id) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const { title, isElsewhere = false } = current.shown(query, path);
  moved(title);
  focus(before, isElsewhere);
}

// Puts the focus where who uses a keyboard or hears the page goes on: at the heading of what is shown now.
function focus(before, isElsewhere) {
  const isSearch = current === made.get("search");
  if (isSearch && (before === null || wantsBox)) current.focus();
  else if (before !== current || isElsewhere || document.activeElement === document.body) current.root.querySelector("h1").focus({ preventScroll: true });
  wantsBox = false;
}

function frame() {
  document.getElementById("nav").append(...VIEWS.map(([id, label], at) => el("a", { href: `#/${id}`, "data-view": id, "aria-keyshortcuts": `${at + 1}` }, icon(id), el("span", { text: label }), el("span", { class: "badge", hidden: true }))));
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  addEventListener("hashchange", route);
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, select, textarea, dialog");
    if (typing && event.key === "Escape" && event.target.matches("input")) return current?.focus?.();
    if (typing || event.altKey || event.ctrlKey || event.metaKey) return undefined;
    const at = Number(event.key) - 1;
    if (VIEWS[at]) location.hash = placeOf(VIEWS[at][0]);
    else if (event.key === "/") {
      event.preventDefault();
      wantsBox = true;
      if (current === made.get("search")) focus(current, false);
      else location.hash = placeOf("search");
    }
    return undefined;
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? rest() : listen()));
}

const LINKS = { connecting: "Connecting", up: "Connected", away: "The node is away", gone: "ctl ui has ended" };

function pulse() {
  const line = document.getElementById("pulse");
  line.className = `pulse ${state.link}`;
  document.getElementById("pulse-text").textContent = LINKS[state.link];
  const banner = document.getElementById("banner");
  banner.hidden = state.why === "";
  banner.textContent = state.link === "gone" ? "ctl ui does not answer. It has ended; start it again in a terminal to go on." : `The node does not answer; this page goes on when it is back. ${visible(state.why)}`;
}

function badges() {
  const running = state.fetches.filter(transfers.isRunning).length;
  const badge = document.querySelector('#nav a[data-view="transfers"] .badge');
  badge.hidden = running === 0;
  badge.textContent = running;
}

// What was fetched while the person looked elsewhere is told.
const told = new Set();
let first = true;

function announce() {
  for (const fetch of state.fetches) {
    if (transfers.isRunning(fetch)) continue;
    const key = `${state.status?.started} ${fetch.id}`;
    if (told.has(key)) continue;
    told.add(key);
    if (first) continue;
    if (fetch.state === "done") toast(`${fetch.name} is in your share`, "good");
    else if (fetch.state === "failed") toast(fetch.error?.message ?? `${fetch.name} failed`, "bad");
  }
  first = false;
}

function locked(refused = null) {
  rest();
  session.forget(refused);
  // A tab that gets a new address opens this one as well.
  session.whenRenewed(() => location.reload());
  document.getElementById("nav").hidden = true;
  document.getElementById("pulse").hidden = true;
  document.title = "Sixhop";
  main.replaceChildren(el("section", { class: "view", "aria-label": "Sixhop" }, el("h1", { class: "sr", text: "Sixhop" }), empty("This page needs a new address",
    ["Each address that ctl ui prints opens one browser, once.", "Press Enter in the terminal where it runs to get another, or start it again:", el("p", {}, el("code", { text: "ctl ui" }))])));
}

async function begin() {
  let may = false;
  try {
    may = await session.begin();
  } catch {
    may = session.key() !== null;
  }
  if (!may) return locked();
  whenDenied(locked);
  frame();
  on("link", pulse);
  on("fetches", badges);
  on("fetches", announce);
  route();
  if (!document.hidden) listen();
  return undefined;
}

begin();
