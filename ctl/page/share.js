// The files of this node, folder by folder, and a place to drop more.

import { button, el, empty, icon, nameOf, visible } from "./build.js";
import * as format from "./format.js";
import { VirtualList } from "./list.js";
import { openLink } from "./search.js";
import { call } from "./server.js";
import { on, state } from "./state.js";
import { uploads } from "./uploads.js";

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
  // The file that the address names, until it is pointed at, and whether it was looked for in vain.
  let wanted = "";
  let missing = "";
  let visit = 0;
  let isShown = false;
  let timer = 0;
  let failure = null;
  let loaded = false;
  // Whether the keyboard was in the list when it led to another folder.
  let isFromList = false;

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
  const coming = uploads({ folder: () => folder, changed: () => arrange(), moved: () => list.refresh(), stored: later });
  const chooser = (id, label, name, more) => {
    const input = el("input", { type: "file", multiple: true, class: "sr", id, tabindex: "-1", "aria-label": label, ...more });
    input.addEventListener("change", () => {
      coming.add([...input.files].map((file) => ({ name: name(file), file })));
      input.value = "";
    });
    return input;
  };
  const picker = chooser("picker", "Files to share", (file) => file.name, {});
  const folderPicker = chooser("folder-picker", "Folder to share", (file) => file.webkitRelativePath, { webkitdirectory: true });
  const add = el("button", { type: "button", class: "button primary", on: { click: () => picker.click() } }, icon("plus"), "Add files");
  const addFolder = el("button", { type: "button", class: "button", on: { click: () => folderPicker.click() } }, icon("folder"), "Add folder");
  const line = el("p", { class: "summary", "aria-live": "polite" });
  const nothing = el("div", { class: "holder" });
  const veil = el("div", { class: "veil", hidden: true }, el("p", { text: "Drop to share" }));
  const heading = el("h1", { class: "sr", tabindex: "-1", text: "Share" });
  const root = el("section", { class: "view share", "aria-label": "Share" },
    heading,
    el("div", { class: "tools" }, crumbs, el("div", { class: "filters" }, filter, sort, picker, folderPicker, addFolder, add)), coming.root, line, nothing, list.root, veil);

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
          missing = after ? "" : wanted;
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
      ...coming.entries().map((entry) => ({ upload: entry })),
      ...folders.filter(fits).map((entry) => ({ folder: entry })),
      ...shown.map((entry) => ({ file: entry })),
    ];
    const active = key(list.items[list.active]);
    list.set(items);
    const at = active === undefined ? -1 : items.findIndex((item) => key(item) === active);
    if (at >= 0) list.activate(at, false);
    if (wanted !== "") point(items);
    show(items, shown.length);
    // The keyboard goes on in the list of the next folder.
    if (isFromList && loaded) {
      isFromList = false;
      if (items.length > 0) list.root.focus({ preventScroll: true });
    }
  }

  function key(item) {
    return item && (item.folder ? `${item.folder.name}/` : item.file ? item.file.name : undefined);
  }

  // Points at the file that the address names.
  function point(items) {
    const at = items.findIndex((item) => item.file?.name === wanted);
    if (at < 0) return;
    [wanted, missing] = ["", ""];
    list.activate(at);
    list.root.focus({ preventScroll: true });
  }

  function show(items, count) {
    list.show(items.length > 0);
    nothing.replaceChildren();
    const below = folders.reduce((sum, entry) => [sum[0] + entry.files, sum[1] + entry.size], [0, 0]);
    const size = files.reduce((sum, file) => sum + file.size, below[1]);
    const all = files.length + below[0];
    line.replaceChildren();
    if (failure) line.append(el("span", { class: "bad", text: failure.message }));
    else if (!loaded) line.append("Reading\u2026");
    else line.append(filter.value.trim() ? `${format.count(count)} of ${format.counted(files.length, "file", "files")}` : `${format.counted(all, "file", "files")}, ${format.bytes(size)}`, reading());
    if (missing !== "") line.append(el("span", { class: "bad", text: ` \u2013 there is no file ${missing} in your share` }));
    const steps = folder === "" ? [] : folder.split("/");
    crumbs.replaceChildren(crumb("Your share", "", steps.length === 0),
      ...steps.flatMap((step, at) => [el("span", { class: "slash", "aria-hidden": "true" }, "/"), crumb(step, steps.slice(0, at + 1).join("/"), at === steps.length - 1)]));
    if (items.length === 0 && loaded && !failure) {
      nothing.append(filter.value.trim()
        ? empty("Nothing here has that in its name", "The filter looks at this folder only.", el("a", { class: "button", href: "#/search" }, "Search everywhere"))
        : folder === "" ? bare() : unknown());
    }
  }

  function bare() {
    return empty("Your share is empty",
      [el("p", {}, "Drop files or folders anywhere on this page, or put them into ", el("code", { class: "wrap", text: state.status?.share ?? "the directory" }), ". Every node that reaches yours can find and read them.")],
      button("Choose files", () => picker.click(), { class: "button primary" }));
  }

  // A folder is there as long as a shared file is in it.
  function unknown() {
    return empty("There is no such folder in your share", `Nothing that is shared lies in ${folder}. It was moved, renamed or emptied, or what is in it is not shared.`,
      el("a", { class: "button primary", href: `#/share/${folderPart(parent(folder))}` }, "Back"));
  }

  // Files whose digest is not known yet are being read.
  function reading() {
    const left = files.filter((file) => !file.digest).length;
    return left > 0 ? ` \u2013 ${format.counted(left, "is", "are")} being read` : "";
  }

  function crumb(text, to, here) {
    return here ? el("span", { class: "crumb", "aria-current": "page" }, el("bdi", { text })) : el("a", { class: "crumb", href: `#/share/${folderPart(to)}` }, el("bdi", { text }));
  }

  function folderPart(name) {
    return name === "" ? "" : `${encodeURIComponent(name)}/`;
  }

  function go(name) {
    isFromList = list.root.contains(document.activeElement);
    location.hash = `#/share/${folderPart(name)}`;
  }

  function parent(name) {
    return name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : "";
  }

  function cells(item) {
    if (item.upload) return coming.cells(item.upload);
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
    coming.drop(event.dataTransfer);
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
      missing = "";
      const isElsewhere = next !== folder;
      folder = next;
      if (isElsewhere) filter.value = "";
      heading.textContent = visible(folder === "" ? "Share" : `Share: ${folder}`);
      load(!isElsewhere && loaded);
      return { title: folder, isElsewhere };
    },
    hidden() {
      isShown = false;
    },
    focus: () => list.root.focus(),
  };
}
