// What a search has brought: files with the same content are one group, whoever has them, with the places in them that fit.
// Each file of this node is a group of its own, though: two names of one content are two files.
// The groups are laid out as rows: one for the file, one for each place, one for the places that are folded away.

// Places of one file that are shown before the rest is asked for.
const PLACES = 4;

// Other names of one content that are kept.
const NAMES = 16;

const NONE = [];

function addName(group, name) {
  if ((group.names?.size ?? 0) < NAMES) (group.names ??= new Set()).add(name);
}

export class Results {
  constructor() {
    // Groups by content.
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

  // Takes a hit; `self` is the node of this page.
  add(hit, self) {
    this.hits += 1;
    // All empty files are the same content, and mean different things.
    const key = !hit.digest ? `${hit.node} ${hit.name}` : hit.size > 0 ? hit.digest : `${hit.digest} ${hit.name}`;
    const same = this.found.get(key) ?? [];
    if (same.length === 0) this.found.set(key, same);
    else this.changed = true;
    const groups = hit.node === self ? [this.ownGroup(hit, same)] : same.length > 0 ? same : [this.newGroup(hit, same)];
    for (const group of groups) {
      if (hit.excerpt) this.addPlace(group, hit.excerpt);
    }
    // Who has the content has it under each of its names.
    for (const group of same) {
      if (!group.nodes.includes(hit.node)) group.nodes.push(hit.node);
    }
    const [first] = same;
    if (same.every((group) => group.name !== hit.name)) addName(first, hit.name);
  }

  // The group of a file of this node: its own, or one that has only names of others so far.
  ownGroup(hit, same) {
    const mine = same.find((group) => group.own && group.name === hit.name) ?? same.find((group) => !group.own);
    if (mine === undefined) return this.newGroup(hit, same, true);
    if (!mine.own) {
      const before = mine.name;
      Object.assign(mine, { own: true, name: hit.name, modified: hit.modified });
      mine.names?.delete(hit.name);
      if (before !== hit.name) addName(mine, before);
    }
    return mine;
  }

  newGroup(hit, same, own = false) {
    const nodes = same.length > 0 ? [...same[0].nodes] : [];
    const group = { name: hit.name, size: hit.size, modified: hit.modified, digest: hit.digest, score: hit.score, own, nodes, names: null, places: NONE, lines: null, shown: false, unfolded: false };
    same.push(group);
    this.groups.push(group);
    return group;
  }

  // The same place at several nodes is one place.
  addPlace(group, excerpt) {
    const part = excerpt.page ?? excerpt.sheet ?? excerpt.chapter ?? excerpt.part ?? "";
    const place = `${part}:${excerpt.line ?? ""}:${excerpt.text}`;
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
