// Files that are put into the share: chosen in a dialog, or dropped onto the page, with the folders that they are in.

import { button, el, icon, nameOf, visible } from "./build.js";
import { toast } from "./app.js";
import * as format from "./format.js";
import { upload } from "./server.js";

// Most files that are taken in one go.
const FILES_MAX = 10000;

// Most files of one go that are told one by one.
const TOLD_MAX = 5;

// Most files that were not taken and are shown with their reasons.
const REFUSED_MAX = 200;

// Takes files. `folder()` is the folder of the share that they go into; `changed()` is called when rows have to be drawn anew,
// `moved()` when bytes have arrived, `stored()` when a file is there.
export function uploads({ folder, changed, moved, stored }) {
  const running = new Map();
  const refused = new Map();
  const list = el("ul", {});
  const head = el("p", {});
  const root = el("section", { class: "refused", "aria-label": "Files that were not added", hidden: true },
    el("div", { class: "refused-head" }, head, button("Dismiss all", () => { refused.clear(); showRefused(); }, { class: "link", "data-action": "dismiss-all" })), list);

  function showRefused() {
    root.hidden = refused.size === 0;
    head.textContent = `${format.counted(refused.size, "file was", "files were")} not added${refused.size > REFUSED_MAX ? `; the last ${format.count(REFUSED_MAX)} of them` : ""}`;
    list.replaceChildren(...[...refused].slice(-REFUSED_MAX).map(([name, why]) => el("li", { class: "is-upload" },
      el("span", {}, el("bdi", { class: "refused-name", text: name }), el("span", { class: "bad", text: ` ${why}` })),
      button("Dismiss", () => { refused.delete(name); showRefused(); }, { class: "button quiet", "data-action": "dismiss", "aria-label": `Dismiss ${visible(name)}` }))));
  }

  function refuse(name, why) {
    refused.delete(name);
    refused.set(name, why);
    showRefused();
  }

  // One after the other: the disk is not faster with many.
  let queue = Promise.resolve();

  // Takes files with their names below the folder that is shown.
  function add(files) {
    if (files.length === 0) return;
    const base = folder() === "" ? "" : `${folder()}/`;
    const taken = files.slice(0, FILES_MAX);
    const batch = { left: taken.length, stored: 0, isMany: taken.length > TOLD_MAX };
    for (const { name, file } of taken) {
      const entry = { name: (base + name).normalize("NFC"), size: file.size, done: 0, cancel: new AbortController() };
      running.set(entry.name, entry);
      queue = queue.then(() => addOne(entry, file, batch));
    }
    if (files.length > taken.length) refuse(`${format.counted(files.length - taken.length, "more file", "more files")}`, `at most ${format.count(FILES_MAX)} are taken at a time; add the rest afterwards`);
    changed();
  }

  async function addOne(entry, file, batch) {
    if (!entry.cancel.signal.aborted) await store(entry, file, batch);
    if (running.get(entry.name) === entry) running.delete(entry.name);
    batch.left -= 1;
    if (batch.isMany && batch.left === 0 && batch.stored > 0) toast(`${format.counted(batch.stored, "file is", "files are")} shared`, "good");
    changed();
  }

  async function store(entry, file, batch) {
    try {
      const { name, seen, why } = await upload(entry.name, file, (done) => {
        entry.done = done;
        moved();
      }, entry.cancel.signal);
      refused.delete(entry.name);
      showRefused();
      if (!seen) refuse(name, why ?? "it is in the folder, and the node has not seen it yet");
      else if (!batch.isMany) toast(`${name} is shared`);
      batch.stored += seen ? 1 : 0;
      stored();
    } catch (error) {
      if (error.code !== "cancelled") refuse(entry.name, error.message ?? String(error));
    }
  }

  function cells(entry) {
    return [
      el("div", { class: "cell main", role: "gridcell" }, icon("up"), nameOf(entry.name)),
      el("div", { class: "cell meta", role: "gridcell" },
        el("progress", { max: "1", value: entry.size ? entry.done / entry.size : 0, "aria-label": `Adding ${visible(entry.name)}` })),
      el("div", { class: "cell does", role: "gridcell" }, button("Cancel", () => {
        entry.cancel.abort();
        running.delete(entry.name);
        changed();
      }, { class: "button quiet", "data-action": "cancel", "aria-label": `Cancel ${visible(entry.name)}` })),
    ];
  }

  // Takes what was dropped. The entries of a drop are gone once anything was waited for.
  async function drop(transfer) {
    const entries = [...transfer.items].filter(({ kind }) => kind === "file").map((item) => [item.webkitGetAsEntry?.(), item.getAsFile()]);
    const found = [];
    for (const [entry, file] of entries) {
      if (!entry) found.push({ name: file.name, file });
      else await gather(entry, "", found);
    }
    if (found.length === 0) refuse(entries.map(([entry]) => entry?.name ?? "").join(", "), "there is no file in it, and a folder without files is not shared");
    add(found);
  }

  async function gather(entry, above, found) {
    // One more than are taken shows that there are more.
    if (found.length > FILES_MAX) return;
    try {
      if (entry.isFile) {
        found.push({ name: above + entry.name, file: await new Promise((done, failed) => entry.file(done, failed)) });
        return;
      }
      const reader = entry.createReader();
      for (;;) {
        const some = await new Promise((done, failed) => reader.readEntries(done, failed));
        if (some.length === 0) return;
        for (const inner of some) await gather(inner, `${above}${entry.name}/`, found);
      }
    } catch (error) {
      refuse(above + entry.name, `the browser cannot read it: ${error.message}`);
    }
  }

  return { root, add, drop, cells, entries: () => [...running.values()] };
}
