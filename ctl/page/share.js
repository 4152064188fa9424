// The files of this node, folder by folder, and a place to drop more.

import { button, el, empty, icon, nameOf, visible } from "./build.js";
import { toast } from "./app.js";
import * as format from "./format.js";
import { VirtualList } from "./list.js";
import { openLink } from "./search.js";
import { call, upload } from "./server.js";
import { on, state } from "./state.js";

const PAGE = 10000;
const PAUSE = 700;

const narrow = matchMedia("(max-width: 720px)");

const SORTS = {
  name: ["Name", (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)],
  size: ["Largest", (a, b) => b.size - a.size],
  age: ["Newest", (a, b) => (b.modified ?? 0) - (a.modified ?? 0)],
};

export function view() {
  let folder = "";
  let folders = [];
  let files = [];
  let wanted = "";
  let visit = 0;
  let isShown = false;
  let timer = 0;
  let failure = null;
  let loaded = false;
  const uploads = new Map();

  const list = new VirtualList({
    label: "Files",
    height: (item) => (item.upload ? 46 : narrow.matches ? 56 : 40),
    name: (item) => (item.folder ? "is-folder" : item.upload ? "is-upload" : "is-file"),
    render: cells,
    single: (item) => item.folder !== undefined,
    act: (item, row) => (item.folder ? go(item.folder.name) : row?.querySelector("a")?.click()),
  });
  list.root.addEventListener("keydown", (event) => {
    if (event.key === "Backspace" && folder !== "" && event.target === list.root) go(parent(folder));
  });

  const crumbs = el("nav", { class: "crumbs", "aria-label": "Folder" });
  const filter = el("input", { class: "small", type: "search", placeholder: "Filter this folder", "aria-label": "Filter this folder", spellcheck: "false", on: { input: () => arrange() } });
  const sort = el("select", { class: "small", "aria-label": "Order", on: { change: () => arrange() } }, ...Object.entries(SORTS).map(([id, [label]]) => el("option", { value: id, text: label })));
  const picker = el("input", { type: "file", multiple: true, class: "sr", id: "picker", tabindex: "-1", "aria-label": "Files to share", on: { change: () => { addAll([...picker.files]); picker.value = ""; } } });
  const add = el("button", { type: "button", class: "button primary", on: { click: () => picker.click() } }, icon("plus"), "Add files");
  const line = el("p", { class: "summary", "aria-live": "polite" });
  const nothing = el("div", { class: "holder" });
  const veil = el("div", { class: "veil", hidden: true }, el("p", { text: "Drop to share" }));
  const root = el("section", { class: "view share", "aria-label": "Share" },
    el("h1", { class: "sr", text: "Share" }),
    el("div", { class: "tools" }, crumbs, el("div", { class: "filters" }, filter, sort, picker, add)), line, nothing, list.root, veil);

  async function load(quiet = false) {
    visit += 1;
    const mine = visit;
    if (!quiet) {
      [folders, files, loaded] = [[], [], false];
      arrange();
    }
    try {
      const gathered = { folders: [], files: [] };
      let after = null;
      do {
        const page = await call("share.browse", { folder: folder || null, after, limit: PAGE });
        if (mine !== visit) return;
        if (after === null) gathered.folders = page.folders;
        gathered.files.push(...page.files);
        after = page.next;
        failure = null;
        if (!quiet || !after) {
          [folders, files, loaded] = [gathered.folders, gathered.files, true];
          arrange();
        }
      } while (after);
    } catch (error) {
      if (mine !== visit) return;
      failure = error;
      arrange();
    }
  }

  function arrange() {
    const text = filter.value.trim().toLowerCase();
    const fits = (item) => text === "" || item.name.slice(folder === "" ? 0 : folder.length + 1).toLowerCase().includes(text);
    const [, by] = SORTS[sort.value];
    const shown = files.filter(fits);
    if (sort.value !== "name") shown.sort(by);
    const items = [
      ...[...uploads.values()].map((entry) => ({ upload: entry })),
      ...folders.filter(fits).map((entry) => ({ folder: entry })),
      ...shown.map((entry) => ({ file: entry })),
    ];
    const active = key(list.items[list.active]);
    list.set(items);
    const at = active === undefined ? -1 : items.findIndex((item) => key(item) === active);
    if (at >= 0) list.activate(at, false);
    if (wanted !== "") point(items);
    show(items, shown.length);
  }

  function key(item) {
    return item && (item.folder ? `${item.folder.name}/` : item.file ? item.file.name : undefined);
  }

  // Points at the file that the address names.
  function point(items) {
    const at = items.findIndex((item) => item.file?.name === wanted);
    if (at < 0) return;
    wanted = "";
    list.activate(at);
    list.root.focus({ preventScroll: true });
  }

  function show(items, count) {
    list.root.hidden = items.length === 0;
    nothing.replaceChildren();
    const below = folders.reduce((sum, entry) => [sum[0] + entry.files, sum[1] + entry.size], [0, 0]);
    const size = files.reduce((sum, file) => sum + file.size, below[1]);
    const all = files.length + below[0];
    line.replaceChildren();
    if (failure) line.append(el("span", { class: "bad", text: failure.message }));
    else if (!loaded) line.append("Reading\u2026");
    else line.append(filter.value.trim() ? `${format.count(count)} of ${format.counted(files.length, "file", "files")}` : `${format.counted(all, "file", "files")}, ${format.bytes(size)}`, reading());
    const steps = folder === "" ? [] : folder.split("/");
    crumbs.replaceChildren(crumb("Your share", "", steps.length === 0),
      ...steps.flatMap((step, at) => [el("span", { class: "slash", "aria-hidden": "true" }, "/"), crumb(step, steps.slice(0, at + 1).join("/"), at === steps.length - 1)]));
    if (items.length === 0 && loaded && !failure) {
      nothing.append(filter.value.trim()
        ? empty("Nothing here has that in its name", "The filter looks at this folder only.", el("a", { class: "button", href: "#/search" }, "Search everywhere"))
        : empty(folder === "" ? "Your share is empty" : "This folder is empty",
          [el("p", {}, "Drop files anywhere on this page, or put them into ", el("code", { class: "wrap", text: state.status?.share ?? "the directory" }), ". Every node that reaches yours can find and read them.")],
          button("Choose files", () => picker.click(), { class: "button primary" })));
    }
  }

  // Files whose digest is not known yet are being read.
  function reading() {
    const left = files.filter((file) => !file.digest).length;
    return left > 0 ? ` \u2013 ${format.counted(left, "is", "are")} being read` : "";
  }

  function crumb(text, to, here) {
    return here ? el("span", { class: "crumb", "aria-current": "page" }, el("bdi", { text })) : el("a", { class: "crumb", href: `#/share/${encodeURIComponent(to)}/` }, el("bdi", { text }));
  }

  function go(name) {
    location.hash = name === "" ? "#/share/" : `#/share/${encodeURIComponent(name)}/`;
  }

  function parent(name) {
    return name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : "";
  }

  function cells(item) {
    if (item.upload) return uploadCells(item.upload);
    const { folder: inner, file } = item;
    const name = (inner ?? file).name.slice(folder === "" ? 0 : folder.length + 1);
    const meta = inner ? [el("span", { class: "size", text: format.bytes(inner.size) }), el("span", { class: "age", text: format.counted(inner.files, "file", "files") })]
      : [el("span", { class: "size", text: format.bytes(file.size) }), el("span", { class: "age", text: file.modified ? format.when(file.modified) : "" })];
    return [
      el("div", { class: "cell main", role: "gridcell" }, icon(inner ? "folder" : "file"), nameOf(name)),
      el("div", { class: "cell meta", role: "gridcell" }, ...meta,
        el("span", { class: "digest", title: inner ? null : file.digest ? `BLAKE3 ${file.digest}` : "its bytes are being read", text: inner ? "" : file.digest ? file.digest.slice(0, 8) : "\u2026" })),
      el("div", { class: "cell does", role: "gridcell" }, inner
        ? button("Look inside", () => go(inner.name), { class: "button quiet", "data-action": "enter", "aria-label": `Look inside ${visible(name)}` })
        : openLink(file.name)),
    ];
  }

  function uploadCells(entry) {
    return [
      el("div", { class: "cell main", role: "gridcell" }, icon("up"), nameOf(entry.name)),
      el("div", { class: "cell meta", role: "gridcell" }, entry.error
        ? el("span", { class: "bad", text: entry.error })
        : el("progress", { max: "1", value: entry.size ? entry.done / entry.size : 0, "aria-label": `Adding ${visible(entry.name)}` })),
      el("div", { class: "cell does", role: "gridcell" }, button(entry.error ? "Dismiss" : "Cancel", () => {
        entry.cancel.abort();
        uploads.delete(entry.name);
        arrange();
      }, { class: "button quiet", "data-action": "cancel", "aria-label": `${entry.error ? "Dismiss" : "Cancel"} ${visible(entry.name)}` })),
    ];
  }

  // One after the other: the disk is not faster with many.
  let queue = Promise.resolve();

  function addAll(chosen) {
    const base = folder === "" ? "" : `${folder}/`;
    for (const file of chosen) {
      const entry = { name: base + file.name.normalize("NFC"), size: file.size, done: 0, error: null, cancel: new AbortController() };
      uploads.set(entry.name, entry);
      queue = queue.then(() => addOne(entry, file));
    }
    arrange();
  }

  async function addOne(entry, file) {
    if (entry.cancel.signal.aborted) return;
    try {
      const { name, seen } = await upload(entry.name, file, (done) => {
        entry.done = done;
        list.refresh();
      }, entry.cancel.signal);
      uploads.delete(entry.name);
      toast(seen ? `${name} is shared` : `${name} is in the directory; the node has not seen it yet`);
    } catch (error) {
      if (error.code === "cancelled") uploads.delete(entry.name);
      else entry.error = error.message ?? String(error);
    }
    arrange();
    later();
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(() => isShown && load(true), PAUSE);
  }

  let depth = 0;
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth += 1;
    location.hash.startsWith("#/share") || (location.hash = "#/share/");
    veil.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!hasFiles(event)) return;
    depth -= 1;
    veil.hidden = depth <= 0;
  });
  addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    veil.hidden = true;
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.());
    const chosen = [...event.dataTransfer.files].filter((_, at) => !entries[at]?.isDirectory);
    if (chosen.length < event.dataTransfer.files.length) toast("Folders are not taken: drop the files in them, or copy them into the directory.", "bad");
    addAll(chosen);
  });

  on("events:fetch", () => state.events.at(-1)?.type === "fetch.done" && later());
  on("events:share", later);
  on("status", () => isShown && failure && load());
  narrow.addEventListener("change", () => list.set(list.items));

  return {
    root,
    shown(query, path) {
      isShown = true;
      const next = path.endsWith("/") || path === "" ? path.replace(/\/$/, "") : parent(path);
      wanted = path === "" || path.endsWith("/") ? "" : path;
      const moved = next !== folder;
      folder = next;
      if (moved) filter.value = "";
      load(!moved && loaded);
    },
    hidden() {
      isShown = false;
    },
    focus: () => list.root.focus(),
  };
}
