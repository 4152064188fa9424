// A list of any length: only the rows that can be seen are there.
//
// It is a grid for assistive technology: the list itself has the focus, the arrow keys move the active row, Enter does what the
// row is for, and Tab goes to the buttons of the active row.

import { el } from "./build.js";

const OVERSCAN = 6;

// Time for making rows in one frame, in milliseconds.
const BUDGET = 5;

let lists = 0;

export class VirtualList {
  // `height(item)` in pixels; `render(item)` gives the cells of a row; `act(item, row)` is what Enter and a double click do, or
  // a single one if `single(item)`; `remove(item)` is what Delete does; `name(item)` is a class of the row; `shows(item)` is a text that
  // is another one when the row has to be made anew.
  constructor({ label, height, render, act, single, remove, name, shows }) {
    Object.assign(this, { height, render, act, single, remove, name, shows });
    lists += 1;
    this.id = `list-${lists}`;
    this.items = [];
    this.tops = new Float64Array(1024);
    this.rows = new Map();
    this.active = -1;
    this.frame = 0;
    this.space = el("div", { class: "list-space", role: "rowgroup" });
    this.root = el("div", {
      class: "list", role: "grid", tabindex: "0", "aria-label": label, "aria-rowcount": "0",
      on: {
        scroll: () => this.schedule(),
        keydown: (event) => this.pressed(event),
        click: (event) => this.clicked(event),
        dblclick: (event) => this.acted(event),
      },
    }, this.space);
    new ResizeObserver(() => this.measure()).observe(this.root);
  }

  // Shows or hides the list. The focus does not vanish with it: it goes to the heading of the view.
  show(isShown) {
    if (!isShown && this.root.contains(document.activeElement)) this.root.closest(".view")?.querySelector("h1")?.focus({ preventScroll: true });
    this.root.hidden = !isShown;
  }

  set(items) {
    const kept = this.items[this.active];
    this.items = items;
    this.clear();
    this.place(0);
    this.active = kept === undefined ? -1 : items.indexOf(kept);
    this.describe();
    this.schedule();
  }

  // Rows were added at the end of the items.
  grown(from) {
    this.place(from);
    this.schedule();
  }

  place(from) {
    const { items } = this;
    if (this.tops.length <= items.length) {
      const tops = new Float64Array(Math.max(items.length + 1, this.tops.length * 2));
      tops.set(this.tops);
      this.tops = tops;
    }
    for (let at = from; at < items.length; at += 1) this.tops[at + 1] = this.tops[at] + this.height(items[at]);
    this.space.style.height = `${this.tops[items.length]}px`;
    this.root.style.setProperty("--rows", `${this.tops[items.length]}px`);
    this.root.setAttribute("aria-rowcount", items.length);
  }

  // Heights may be others at another width.
  measure() {
    const width = this.root.clientWidth;
    if (width === this.width) return this.schedule();
    this.width = width;
    this.clear();
    this.place(0);
    return this.schedule();
  }

  // What the rows show has changed.
  refresh() {
    for (const [at, row] of this.rows) this.renew(at, row);
  }

  renew(at, row) {
    const shows = this.shows?.(this.items[at]);
    if (this.shows && shows === row.shows) return;
    row.shows = shows;
    const held = row.contains(document.activeElement) ? document.activeElement.dataset.action : undefined;
    row.replaceChildren(...this.render(this.items[at]));
    this.reach(row, at === this.active);
    if (held !== undefined) (row.querySelector(`[data-action="${held}"]`) ?? this.root).focus();
  }

  schedule() {
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.draw());
  }

  find(y) {
    let [low, high] = [0, this.items.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.tops[middle + 1] <= y) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  draw() {
    this.frame = 0;
    const { scrollTop, clientHeight } = this.root;
    if (clientHeight === 0) return;
    const top = this.find(scrollTop);
    const bottom = Math.min(this.items.length, this.find(scrollTop + clientHeight) + 1);
    const first = Math.max(0, top - OVERSCAN);
    const last = Math.min(this.items.length, bottom + OVERSCAN);
    for (const [at, row] of this.rows) if (at < first || at >= last) this.drop(at, row);
    this.fill(top, bottom) && this.fill(bottom, last) && this.fill(first, top);
  }

  // Makes the rows that are missing. Those that a frame has no time for come with the next one.
  fill(from, to) {
    const end = performance.now() + BUDGET;
    for (let at = from; at < to; at += 1) {
      if (this.rows.has(at)) continue;
      if (performance.now() > end) {
        this.schedule();
        return false;
      }
      this.insert(at, to);
    }
    return true;
  }

  // Rows stand in their order, for those who hear them.
  insert(at, to) {
    const row = this.make(at);
    let next = at + 1;
    while (next < to + OVERSCAN && !this.rows.has(next)) next += 1;
    this.space.insertBefore(row, this.rows.get(next) ?? null);
    return row;
  }

  make(at) {
    const item = this.items[at];
    const row = el("div", { class: "row", role: "row", id: `${this.id}-${at}`, "aria-rowindex": at + 1 }, ...this.render(item));
    row.dataset.at = at;
    row.style.transform = `translateY(${this.tops[at]}px)`;
    row.style.height = `${this.tops[at + 1] - this.tops[at]}px`;
    if (this.name) row.classList.add(this.name(item));
    row.shows = this.shows?.(item);
    this.reach(row, at === this.active);
    this.rows.set(at, row);
    if (at === this.active) this.describe();
    return row;
  }

  drop(at, row) {
    if (row.contains(document.activeElement)) this.root.focus({ preventScroll: true });
    row.remove();
    this.rows.delete(at);
    if (at === this.active) this.describe();
  }

  clear() {
    for (const [at, row] of this.rows) this.drop(at, row);
  }

  // The buttons of the active row can be reached with Tab.
  reach(row, active) {
    row.classList.toggle("active", active);
    row.setAttribute("aria-selected", active);
    for (const control of row.querySelectorAll("button, a")) control.tabIndex = active ? 0 : -1;
  }

  activate(at, scroll = true) {
    const next = Math.max(0, Math.min(this.items.length - 1, at));
    if (this.items.length === 0) return;
    const old = this.rows.get(this.active);
    if (old) this.reach(old, false);
    this.active = next;
    if (scroll) {
      const { scrollTop, clientHeight } = this.root;
      if (this.tops[next] < scrollTop) this.root.scrollTop = this.tops[next];
      else if (this.tops[next + 1] > scrollTop + clientHeight) this.root.scrollTop = this.tops[next + 1] - clientHeight;
      this.draw();
    }
    if (scroll && !this.rows.has(next)) this.insert(next, next);
    const row = this.rows.get(next);
    if (row) this.reach(row, true);
    this.describe();
  }

  // Says which row is active, as long as there is one that can be pointed to.
  describe() {
    if (!this.rows.has(this.active)) this.root.removeAttribute("aria-activedescendant");
    else this.root.setAttribute("aria-activedescendant", `${this.id}-${this.active}`);
  }

  pressed(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(this.root.clientHeight / 48));
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    const inside = event.target !== this.root;
    if (event.key in moves) {
      this.activate(event.key === "Home" ? 0 : event.key === "End" ? this.items.length - 1 : this.active + moves[event.key]);
      if (inside) this.root.focus({ preventScroll: true });
    } else if (inside || this.active < 0) {
      if (event.key === "Escape" && inside) this.root.focus({ preventScroll: true });
      else return;
    } else if (event.key === "Enter") {
      this.act?.(this.items[this.active], this.rows.get(this.active));
    } else if (event.key === "Delete" && this.remove) {
      this.remove(this.items[this.active]);
    } else {
      return;
    }
    event.preventDefault();
  }

  at(event) {
    const row = event.target.closest?.(".row");
    return row && this.space.contains(row) ? Number(row.dataset.at) : -1;
  }

  clicked(event) {
    const at = this.at(event);
    if (at < 0) return;
    this.activate(at, false);
    if (this.single?.(this.items[at])) this.acted(event);
  }

  acted(event) {
    const at = this.at(event);
    if (at >= 0 && !event.target.closest("button, a")) this.act?.(this.items[at], this.rows.get(at));
  }
}
