// Finding files: here and at the peers, as they come. Files with the same content are one row, whoever has them.

import { moved } from "./app.js";
import { button, el, empty, icon, marksInText, nameOf, sign, visible, withMarks } from "./build.js";
import * as format from "./format.js";
import { VirtualList } from "./list.js";
import { AGES, KINDS, SIZES, build, read, same, wordsOf, written } from "./query.js";
import { isHere } from "./own.js";
import { Results } from "./results.js";
import { search } from "./server.js";
import { fetchOf, learn, on, state, touch } from "./state.js";
import { isRunning, start, startAll } from "./transfers.js";

const LIMIT = 100000;

const narrow = matchMedia("(max-width: 720px)");

const SORTS = {
  best: ["Best first", null],
  name: ["Name", (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)],
  size: ["Largest", (a, b) => b.size - a.size],
  age: ["Newest", (a, b) => (b.modified ?? 0) - (a.modified ?? 0)],
};

// The part of the document that a place is in, as it stands before the text.
function partOf(place) {
  if (place.page) return `Page ${place.page}, `;
  const name = place.sheet ?? place.chapter ?? place.part;
  return name ? `${visible(name)}: ` : "";
}

export function view() {
  let results = new Results();
  let words = [];
  let running = null;
  let answer = null;
  let failure = null;
  let begun = 0;
  // The search whose results are shown.
  let shownSearch = null;

  const list = new VirtualList({
    label: "Results",
    height: (row) => (row.file ? (narrow.matches ? 62 : 46) : 24),
    name: (row) => (row.file ? "is-file" : row.more ? "is-more" : "is-place"),
    shows: (row) => (row.file ? shows(row.file) : ""),
    render: (row) => (row.file ? fileCells(row.file) : row.more ? moreCells(row) : placeCells(row)),
    act: (row) => (row.more ? unfold(row.of) : get(row.file ?? row.of)),
  });

  const box = el("input", {
    id: "q", class: "query", type: "search", name: "q", autocomplete: "off", autocapitalize: "off", spellcheck: "false", enterkeyhint: "search",
    placeholder: "Find a file", "aria-label": "Search", "aria-describedby": "kind-hint", maxlength: "1000",
  });
  const kinds = KINDS.map(({ id, label }, at) => el("label", { class: "segment" },
    el("input", { type: "radio", name: "kind", value: id, checked: at === 0 }), el("span", { text: label })));
  const hint = el("p", { class: "hint", id: "kind-hint", text: KINDS[0].hint });
  const ext = el("input", { class: "small", type: "text", name: "ext", placeholder: "pdf, txt", "aria-label": "File endings", spellcheck: "false", autocomplete: "off", autocapitalize: "off" });
  const select = (name, label, options) => el("select", { name, "aria-label": label, class: "small" }, ...options.map(([value, text]) => el("option", { value, text })));
  const size = select("size", "Size", SIZES);
  const age = select("age", "Changed", AGES);
  const sort = select("sort", "Order", Object.entries(SORTS).map(([id, [label]]) => [id, label]));
  const go = el("button", { type: "submit", class: "button primary" }, "Search");
  const line = el("p", { class: "summary", "aria-live": "polite" });
  const progress = el("div", { class: "sweep", hidden: true });
  const nothing = el("div", { class: "holder" });
  const form = el("form", { class: "search-form", role: "search", on: { submit: (event) => { event.preventDefault(); begin(); } } },
    el("div", { class: "query-line" }, icon("search"), box, go),
    el("div", { class: "filters" },
      el("fieldset", { class: "segments" }, el("legend", { class: "sr", text: "What to look at" }), ...kinds),
      ext, size, age, sort),
    hint);
  const root = el("section", { class: "view search", "aria-label": "Search" }, el("h1", { class: "sr", tabindex: "-1", text: "Search" }), form, progress, line, nothing, list.root);

  const kind = () => form.elements.kind.value;

  // What the chosen kind takes, and the other prefixes that this node knows.
  function advise() {
    const others = (state.status?.handlers ?? []).filter((name) => KINDS.every(({ id }) => id !== name)).map((name) => `${name}:`);
    hint.textContent = visible(`${KINDS.find(({ id }) => id === kind()).hint}${others.length > 0 ? `. Also: ${others.join(" ")}` : ""}`);
  }

  form.addEventListener("change", (event) => {
    advise();
    if (event.target === sort) {
      if (shownSearch !== null) {
        history.replaceState(null, "", written({ ...shownSearch, sort: sort.value }));
        moved(shownSearch.text);
      }
      return order();
    }
    if (event.target !== box && box.value.trim() !== "" && answer !== null) begin();
    return undefined;
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" && results.rows.length > 0) {
      event.preventDefault();
      list.root.focus();
      list.activate(Math.max(0, list.active));
    }
  });
  list.root.addEventListener("keydown", (event) => {
    if (event.key === "ArrowUp" && list.active === 0 && event.target === list.root) box.focus();
  }, true);

  function chosen(reach) {
    return { text: box.value.trim(), kind: kind(), ext: ext.value.trim(), size: size.value, age: age.value, reach, sort: sort.value };
  }

  function choose(search) {
    box.value = search.text;
    form.elements.kind.value = search.kind;
    [ext.value, size.value, age.value, sort.value] = [search.ext, search.size, search.age, search.sort];
    advise();
  }

  // Begins a search that the person asks for: an entry in the history of the browser, unless it is the one that is shown.
  function begin(reach = "normal") {
    const wanted = chosen(reach);
    if (wanted.text === "") return box.focus();
    const address = written(wanted);
    if (location.hash !== address) history.pushState(null, "", address);
    moved(wanted.text);
    return run(wanted);
  }

  async function run(wanted) {
    const { text, reach } = wanted;
    shownSearch = wanted;
    running?.abort();
    const mine = new AbortController();
    running = mine;
    results = new Results();
    [answer, failure] = [null, null];
    words = wordsOf(text, kind());
    begun = performance.now();
    list.set(results.rows);
    list.root.scrollTop = 0;
    const query = build(wanted);
    state.path = { query: text, running: true, trace: [], hits: new Map() };
    show();
    touch("path");
    try {
      await search(query, LIMIT, reach, (news) => mine === running && take(news), mine.signal);
      if (mine === running && answer === null && failure === null) failure = { message: "the search broke off" };
    } catch (error) {
      if (mine !== running || error.name === "AbortError") return undefined;
      failure = error;
    }
    if (mine !== running) return undefined;
    running = null;
    state.path.running = false;
    touch("path");
    // Whoever has begun to read is not moved.
    if (sort.value !== "best" || (list.active < 0 && list.root.scrollTop === 0)) order();
    show();
    return undefined;
  }

  function stop() {
    running?.abort();
    running = null;
    answer ??= { end: "stopped" };
    state.path.running = false;
    show();
  }

  // Back to before any search.
  function reset() {
    running?.abort();
    running = null;
    shownSearch = null;
    results = new Results();
    [answer, failure, words] = [null, null, []];
    list.set(results.rows);
    show();
  }

  function take(news) {
    if (news.hits) {
      const path = state.path.hits;
      for (const hit of news.hits) {
        if (hit.node_name) format.learnName(hit.node, hit.node_name);
        results.add(hit, state.status?.url);
        path.set(hit.node, (path.get(hit.node) ?? 0) + 1);
      }
      touch("search");
    } else if (news.done) {
      answer = news.done;
      learn(answer.trace);
      state.path.trace = answer.trace;
    } else if (news.failed) {
      failure = news.failed;
    }
  }

  on("search", () => {
    const from = results.lay();
    if (from < 0) {
      list.set(results.rows);
    } else {
      list.items = results.rows;
      list.grown(from);
      if (results.changed) list.refresh();
    }
    results.changed = false;
    touch("path");
    show();
  });

  function order() {
    results.order(SORTS[sort.value][1]);
    list.set(results.rows);
  }

  function unfold(group) {
    const at = list.active;
    results.unfold(group);
    list.set(results.rows);
    list.activate(at);
  }

  function fileCells(group) {
    return [
      el("div", { class: "cell main", role: "gridcell" }, nameOf(group.name, words),
        group.names !== null && el("span", { class: "also", title: visible([...group.names].join("\n")), text: also([...group.names]) })),
      el("div", { class: "cell meta", role: "gridcell" },
        el("span", { class: "size", text: group.size === null ? "" : format.bytes(group.size) }),
        el("span", { class: "age", text: group.modified ? format.when(group.modified) : "" }),
        holders(group.nodes)),
      el("div", { class: "cell does", role: "gridcell" }, ...control(group)),
    ];
  }

  function also(names) {
    return `also ${names.slice(0, 3).join(", ")}${names.length > 3 ? ` and ${format.count(names.length - 3)} more` : ""}`;
  }

  // What of a row may change while it is there.
  function shows(group) {
    const fetch = fetchOf(group.name);
    return `${group.name} ${group.nodes.length} ${group.names?.size} ${state.status?.url} ${fetch?.state} ${fetch?.digest} ${fetch?.size ? Math.floor((fetch.bytes / fetch.size) * 100) : ""} ${isOwn(group)}`;
  }

  // Whether the file is in the share of this node, byte for byte.
  function isOwn(group) {
    return group.nodes.includes(state.status?.url) || isHere(group.name, group.digest);
  }

  function holders(nodes) {
    const named = (node, name) => (node === state.status?.url ? "this node" : name(node));
    const names = nodes.map((node) => named(node, format.nodeInFull));
    const shown = nodes.slice(0, 3).map((node) => sign(node, 16));
    return el("span", { class: "holders", title: visible(names.join("\n")) }, ...shown,
      el("span", { class: "holder-name", text: names.length === 1 ? named(nodes[0], format.node) : format.counted(names.length, "node", "nodes") }));
  }

  function control(group) {
    const fetch = fetchOf(group.name);
    const isIt = fetch && (!fetch.digest || !group.digest || fetch.digest === group.digest);
    if (isOwn(group) || (isIt && fetch.state === "done")) return [inShare(), openLink(group.name)];
    if (isIt && isRunning(fetch)) {
      const part = fetch.size ? fetch.bytes / fetch.size : 0;
      return [el("span", { class: "arriving" }, el("progress", { class: "thin", max: "1", value: part, "aria-label": `Fetching ${visible(group.name)}` }),
        el("span", { text: fetch.size ? format.percent(part) : "asking" }))];
    }
    return [el("button", { type: "button", class: "button", "data-action": "get", "aria-label": `Get ${visible(group.name)}`, on: { click: () => get(group) } }, icon("get"), "Get")];
  }

  function get(group) {
    if (isOwn(group)) location.hash = `#/share/${encodeURIComponent(group.name)}`;
    else start(group.name, group.digest);
  }

  function placeCells({ place, of }) {
    // A few words may go over the ends of lines; a line does not.
    const cut = place.text.slice(0, 600);
    const text = place.line ? cut : cut.replace(/[\r\n\t]/g, " ");
    return [el("div", { class: `cell place${place.line ? " is-line" : ""}`, role: "gridcell" },
      el("span", { class: "line-number", text: place.page ? `${place.page}:${place.line ?? ""}` : place.line ?? "" }),
      el("bdi", { class: "excerpt", "aria-label": place.line ? `${partOf(place)}Line ${place.line} of ${visible(of.name)}` : undefined }, place.page ? "" : partOf(place), ...withMarks(text, marksInText(text, place.marks))))];
  }

  function moreCells({ more, of }) {
    return [el("div", { class: "cell place", role: "gridcell" }, el("span", { class: "line-number" }),
      button(format.counted(more, "more place", "more places"), () => unfold(of), { class: "link", "data-action": "more" }))];
  }

  function show() {
    const searching = running !== null;
    progress.hidden = !searching;
    list.show(results.rows.length > 0);
    nothing.replaceChildren();
    const files = format.counted(results.groups.length, "file", "files");
    const places = results.hits > results.groups.length ? `, ${format.counted(results.hits, "hit", "hits")}` : "";
    line.replaceChildren();
    line.hidden = !searching && !failure && results.rows.length === 0;
    if (searching) {
      line.append(results.groups.length === 0 ? "Asking\u2026" : `${files}${places} so far`, " ", button("Stop", stop, { class: "link" }));
    } else if (failure) {
      line.append(el("span", { class: "bad", text: `The search failed: ${failure.message}` }));
    } else if (answer) {
      line.append(`${files}${places}${told()}`);
      const missing = results.groups.filter((group) => !group.nodes.includes(state.status?.url));
      if (missing.length > 0) line.append(" ", button("Get all", () => startAll(missing), { class: "link", "data-action": "get-all" }));
    }
    if (searching || results.rows.length > 0 || failure) return;
    nothing.append(answer ? none() : welcome());
  }

  const ENDS = { limit: " \u2013 there are more; narrow the search", deadline: " \u2013 some nodes did not answer in time", partial: " \u2013 some nodes read their files still", budget: " \u2013 there are more nodes than a search asks", stopped: " \u2013 stopped" };

  function told() {
    const from = answer.asked ? ` from ${answer.answered} of ${format.counted(answer.asked, "node", "nodes")}` : "";
    return `${from} in ${format.milliseconds(Math.round(performance.now() - begun))}${ENDS[answer.end] ?? ""}`;
  }

  function none() {
    if (answer.passed_over > 0 || answer.left_chapter_out) {
      return empty("Nothing found", "Not all nodes were asked: most of the others have said that they do not have it.",
        button("Ask everybody", () => begin("sure"), { class: "button primary" }));
    }
    const alone = state.peers.length === 0;
    return empty("Nothing found", alone ? "This node knows no peers yet, so only its own files were looked at." : "Try fewer words, another kind, or no filters.",
      alone && el("a", { class: "button primary", href: "#/peers" }, "Add a peer"));
  }

  function welcome() {
    const example = (text, id, label = text) => button(label, () => {
      box.value = text;
      form.elements.kind.value = id;
      advise();
      begin();
    }, { class: "button example" });
    return empty("What are you looking for?", "Type a word and press Enter. Answers come from this node, its peers, and theirs, up to six hops away.",
      example("*.txt", "name"), example("*.pdf", "name"), example("**", "name", "everything"));
  }

  on("fetches", () => list.refresh());
  on("own", () => list.refresh());
  on("status", () => {
    advise();
    list.refresh();
  });
  on("peers", () => results.rows.length === 0 && running === null && show());
  narrow.addEventListener("change", () => list.set(results.rows));
  show();

  return {
    root,
    shown(query) {
      const wanted = read(query);
      if (wanted.text === "") {
        if (shownSearch !== null) choose(wanted);
        reset();
      } else if (!same(wanted, shownSearch)) {
        choose(wanted);
        run(wanted);
      } else {
        choose(wanted);
        order();
      }
      return { title: wanted.text };
    },
    focus: () => {
      box.focus();
      box.select();
    },
  };
}

export function inShare() {
  return el("span", { class: "state done here" }, icon("done"), el("span", { class: "here-text" }, "In your share"));
}

// A link to a file of this node, at its peer port: it is saved, never shown as a page.
export function openLink(name, props = {}) {
  const base = state.status?.url ?? "";
  const path = name.split("/").map(encodeURIComponent).join("/");
  return el("a", { class: "button quiet", href: `${base}files/${path}`, target: "_blank", rel: "noreferrer noopener", "data-action": "download", "aria-label": `Download ${visible(name)}`, ...props }, icon("get"), "Download");
}
