// Where the nodes of the picture stand: this node in the middle, each hop a ring around it, every node near the one that named
// it. The same network gives the same picture.

const TURN = Math.PI * 2;

// `links`: node -> set of nodes; `known`: nodes that this node knows; gives places by node, at most `most` of them.
export function place(self, known, links, most) {
  const hops = new Map([[self, 0]]);
  const from = new Map();
  const children = new Map();
  let ring = [self];
  const level = (node) => (node === self ? new Set([...known, ...(links.get(self) ?? [])]) : links.get(node) ?? []);
  while (ring.length > 0 && hops.size < most) {
    const next = [];
    for (const node of ring) {
      for (const other of [...level(node)].sort()) {
        if (hops.has(other) || hops.size >= most) continue;
        hops.set(other, hops.get(node) + 1);
        from.set(other, node);
        if (!children.has(node)) children.set(node, []);
        children.get(node).push(other);
        next.push(other);
      }
    }
    ring = next;
  }
  const leaves = new Map();
  const countLeaves = (node) => {
    const below = children.get(node) ?? [];
    const sum = below.length === 0 ? 1 : below.reduce((all, child) => all + countLeaves(child), 0);
    leaves.set(node, sum);
    return sum;
  };
  countLeaves(self);
  const rings = Math.max(1, ...hops.values());
  const places = new Map();
  const put = (node, begin, width) => {
    const radius = hops.get(node) / rings;
    const angle = begin + width / 2;
    places.set(node, { x: radius * Math.cos(angle), y: radius * Math.sin(angle), hops: hops.get(node), from: from.get(node) });
    let at = begin;
    for (const child of children.get(node) ?? []) {
      const part = (width * leaves.get(child)) / leaves.get(node);
      put(child, at, part);
      at += part;
    }
  };
  put(self, -TURN / 4 - TURN / 12, TURN);
  return { places, rings };
}

// All links between nodes that have a place, each once.
export function edges(places, self, known, links) {
  const seen = new Set();
  const found = [];
  const add = (a, b) => {
    const name = a < b ? `${a} ${b}` : `${b} ${a}`;
    if (a === b || seen.has(name) || !places.has(a) || !places.has(b)) return;
    seen.add(name);
    found.push([a, b]);
  };
  for (const node of known) add(self, node);
  for (const [by, named] of links) for (const node of named) add(by, node);
  return found;
}
