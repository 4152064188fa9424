// The files of one peer, folder by folder, and what of them is here.

import { button, el, icon, nameOf, sign, visible } from "./build.js";
import * as format from "./format.js";
import { VirtualList } from "./list.js";
import { isHere } from "./own.js";
import { inShare, openLink } from "./search.js";
import { call } from "./server.js";
import { fetchOf, on } from "./state.js";
import { start, startAll } from "./transfers.js";

// Most files that a peer is asked for.
const FILES_MAX = 10000;

const narrow = matchMedia("(max-width: 720px)");

export function filesOf() {
  let url = "";
  let folder = "";
  let files = [];
  let isAsked = false;
  let isFromList = false;

  const list = new VirtualList({
    label: "Files of the peer",
    height: () => (narrow.matches ? 56 : 40),
    name: (item) => (item.folder ? "is-folder" : "is-file"),
    shows: (item) => (item.folder ? `${item.folder} ${item.files.length}` : `${item.file.name} ${fetchOf(item.file.name)?.state} ${isHere(item.file.name, item.file.digest)}`),
    render: (item) => (item.folder ? folderCells(item) : fileCells(item.file)),
    single: (item) => item.folder !== undefined,
    act: (item) => (item.folder ? go(item.folder) : start(item.file.name, item.file.digest)),
  });
  list.root.addEventListener("keydown", (event) => {
    if (event.key === "Backspace" && event.target === list.root && folder !== "") go(parent(folder));
  });
  const crumbs = el("nav", { class: "crumbs", "aria-label": "Folder of the peer" });
  const filter = el("input", { class: "small", type: "search", placeholder: "Search in this list", "aria-label": "Search in the files of the peer", spellcheck: "false", on: { input: arrange } });
  const all = button("Get all", () => startAll(found()), { class: "button", "data-action": "get-all" });
  const line = el("p", { class: "summary", "aria-live": "polite" });
  const root = el("div", { class: "inside", hidden: true }, el("div", { class: "tools" }, crumbs, el("div", { class: "filters" }, filter, all)), line, list.root);
  on("fetches", () => list.refresh());
  on("own", () => list.refresh());
  narrow.addEventListener("change", () => list.set(list.items));

  // The files in the folder and below whose names have all words that are looked for.
  function found() {
    const words = filter.value.toLowerCase().split(/\s+/).filter((word) => word !== "");
    const inside = folder === "" ? files : files.filter(({ name }) => name.startsWith(`${folder}/`));
    return words.length === 0 ? inside : inside.filter(({ name }) => words.every((word) => name.toLowerCase().includes(word)));
  }

  function arrange() {
    const here = found();
    const items = filter.value.trim() === "" ? folders(here) : here.map((file) => ({ file }));
    list.set(items);
    list.show(items.length > 0);
    all.hidden = here.length === 0;
    const size = here.reduce((sum, file) => sum + file.size, 0);
    if (!isAsked) line.textContent = "Asking\u2026";
    else if (files.length === 0) line.textContent = "It shares nothing.";
    else if (here.length === 0) line.textContent = filter.value.trim() === "" ? `There is no folder ${visible(folder)} in its share.` : "None of its files here has that in its name.";
    else line.textContent = `${format.counted(here.length, "file", "files")}, ${format.bytes(size)}${files.length === FILES_MAX ? ", the first of more" : ""}`;
    if (isFromList && isAsked) {
      isFromList = false;
      if (items.length > 0) list.root.focus({ preventScroll: true });
    }
  }

  // What lies in the folder: first the folders in it, then its files.
  function folders(here) {
    const start = folder === "" ? 0 : folder.length + 1;
    const below = new Map();
    const direct = [];
    for (const file of here) {
      const end = file.name.indexOf("/", start);
      if (end < 0) {
        direct.push({ file });
        continue;
      }
      const name = file.name.slice(0, end);
      if (!below.has(name)) below.set(name, { folder: name, files: [], size: 0 });
      const inner = below.get(name);
      inner.files.push(file);
      inner.size += file.size;
    }
    return [...below.values(), ...direct];
  }

  function shortened(name) {
    return filter.value.trim() === "" && folder !== "" ? name.slice(folder.length + 1) : name;
  }

  function folderCells(item) {
    const name = visible(item.folder);
    return [
      el("div", { class: "cell main", role: "gridcell" }, icon("folder"), nameOf(shortened(item.folder))),
      el("div", { class: "cell meta", role: "gridcell" }, el("span", { class: "size", text: format.bytes(item.size) }), el("span", { class: "age", text: format.counted(item.files.length, "file", "files") })),
      el("div", { class: "cell does", role: "gridcell" },
        button("Look inside", () => go(item.folder), { class: "button quiet", "data-action": "enter", "aria-label": `Look inside ${name}` }),
        button("Get all", () => startAll(item.files), { class: "button quiet", "data-action": "get-folder", "aria-label": `Get all of ${name}` })),
    ];
  }

  function fileCells(file) {
    const isDone = fetchOf(file.name)?.state === "done" || isHere(file.name, file.digest);
    return [
      el("div", { class: "cell main", role: "gridcell" }, icon("file"), nameOf(shortened(file.name))),
      el("div", { class: "cell meta", role: "gridcell" }, el("span", { class: "size", text: format.bytes(file.size) }), el("span", { class: "age", text: file.modified ? format.when(file.modified) : "" })),
      el("div", { class: "cell does", role: "gridcell" }, ...(isDone ? [inShare(), openLink(file.name)]
        : [el("button", { type: "button", class: "button", "data-action": "get", "aria-label": `Get ${visible(file.name)}`, on: { click: () => start(file.name, file.digest) } }, icon("get"), "Get")])),
    ];
  }

  function address(to) {
    return `#/peers/${encodeURIComponent(url)}${to === "" ? "" : `?in=${encodeURIComponent(to)}`}`;
  }

  function go(to) {
    isFromList = list.root.contains(document.activeElement);
    location.hash = address(to);
  }

  function parent(name) {
    return name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : "";
  }

  function trail() {
    const steps = folder === "" ? [] : folder.split("/");
    const slash = () => el("span", { class: "slash", "aria-hidden": "true" }, "/");
    const step = (text, to, isHere) => (isHere ? el("span", { class: "crumb", "aria-current": "page" }, el("bdi", { text })) : el("a", { class: "crumb", href: address(to) }, el("bdi", { text })));
    crumbs.replaceChildren(el("a", { class: "crumb", href: "#/peers" }, "Peers"), slash(), sign(url, 18), step(format.host(url), "", steps.length === 0),
      ...steps.flatMap((text, at) => [slash(), step(text, steps.slice(0, at + 1).join("/"), at === steps.length - 1)]));
  }

  // Shows a folder of a peer; an empty address shows nothing.
  async function show(next, inFolder) {
    root.hidden = next === "";
    if (next === "") {
      url = "";
      return;
    }
    if (inFolder !== folder || next !== url) filter.value = "";
    folder = inFolder;
    if (next === url) {
      trail();
      arrange();
      return;
    }
    [url, files, isAsked] = [next, [], false];
    trail();
    arrange();
    try {
      const answer = await call("peer.files", { url: next, limit: FILES_MAX });
      if (url !== next) return;
      [files, isAsked] = [answer, true];
      arrange();
    } catch (error) {
      if (url === next) line.textContent = error.message;
    }
  }

  return { root, show };
}
