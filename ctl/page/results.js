// What a search has brought: files with the same content are one group, whoever has them, with the places in them that fit.
// The groups are laid out as rows: one for the file, one for each place, one for the places that are folded away.

// Places of one file that are shown before the rest is asked for.
const PLACES = 4;

// Other names of one content that are kept.
const NAMES = 16;

const NONE = [];

export class Results {
  constructor() {
    this.found = new Map();
    this.groups = [];
    this.rows = [];
    this.hits = 0;
    // Groups that have rows.
    this.laid = 0;
    // Whether rows that are there have others between them, or show something else.
    this.stale = false;
    this.changed = false;
  }

  // Takes a hit; `self` is the node of this page, whose names come first.
  add(hit, self) {
    this.hits += 1;
    // All empty files are the same content, and mean different things.
    const key = !hit.digest ? `${hit.node} ${hit.name}` : hit.size > 0 ? hit.digest : `${hit.digest} ${hit.name}`;
    let group = this.found.get(key);
    if (group === undefined) {
      group = { name: hit.name, size: hit.size, modified: hit.modified, digest: hit.digest, score: hit.score, nodes: [], names: null, places: NONE, lines: null, shown: false, unfolded: false };
      this.found.set(key, group);
      this.groups.push(group);
    } else {
      this.changed = true;
    }
    if (!group.nodes.includes(hit.node)) group.nodes.push(hit.node);
    if (hit.name !== group.name && (group.names?.size ?? 0) < NAMES) (group.names ??= new Set()).add(hit.name);
    if (hit.node === self) group.name = hit.name;
    if (hit.excerpt) this.addPlace(group, hit.excerpt);
  }

  // The same place at several nodes is one place.
  addPlace(group, excerpt) {
    const place = `${excerpt.line ?? ""}:${excerpt.text}`;
    if (group.lines === null) [group.lines, group.places] = [new Set(), []];
    if (group.lines.has(place)) return;
    group.lines.add(place);
    group.places.push(excerpt);
    if (group.shown) this.stale = true;
  }

  // Lays out what came since the last time. Says from which row on there are new ones, or -1 if all of them may be others.
  lay() {
    if (this.stale) {
      this.layAll();
      return -1;
    }
    const from = this.rows.length;
    for (; this.laid < this.groups.length; this.laid += 1) this.layOne(this.groups[this.laid]);
    return from;
  }

  // Lays out everything anew, in this order; without one, the best come first if all have a score.
  order(by) {
    if (by) this.groups.sort(by);
    else if (this.groups.every((group) => typeof group.score === "number")) this.groups.sort((a, b) => b.score - a.score);
    this.layAll();
  }

  unfold(group) {
    group.unfolded = true;
    this.layAll();
  }

  layAll() {
    this.stale = false;
    this.rows = [];
    this.groups.forEach((group) => this.layOne(group));
    this.laid = this.groups.length;
  }

  layOne(group) {
    group.shown = true;
    const shown = group.unfolded ? group.places : group.places.slice(0, PLACES);
    this.rows.push({ file: group });
    for (const place of shown) this.rows.push({ place, of: group });
    if (shown.length < group.places.length) this.rows.push({ more: group.places.length - shown.length, of: group });
  }
}
