// The picture of the network: who knows whom as far as this node knows, and the way of the last search.

import { el, hueOf, sign, svg, visible } from "./build.js";
import { edges, place } from "./graph-layout.js";
import * as format from "./format.js";
import { on, state } from "./state.js";

const NODES_MAX = 160;
const HALF = 240;
const REACH = 185;

export function picture() {
  const lines = svg("g", { class: "edges" });
  const way = svg("g", { class: "way" });
  const dots = svg("g", { class: "dots" });
  const rings = svg("g", { class: "rings" });
  const drawing = svg("svg", { class: "network", viewBox: `${-HALF} ${-HALF} ${HALF * 2} ${HALF * 2}`, role: "img", "aria-labelledby": "network-title" },
    svg("title", { id: "network-title" }), rings, lines, way, dots);
  const title = drawing.querySelector("title");
  const caption = el("figcaption", {});
  const steps = el("ol", { class: "steps" });
  const root = el("figure", { class: "picture" }, drawing, caption, steps);
  let drawn = "";

  function hexagon(radius) {
    const corner = (n) => `${(radius * Math.sin((n * Math.PI) / 3)).toFixed(1)} ${(-radius * Math.cos((n * Math.PI) / 3)).toFixed(1)}`;
    return `M${[0, 1, 2, 3, 4, 5].map(corner).join("L")}Z`;
  }

  function draw() {
    if (root.offsetParent === null || !state.status) return;
    const self = state.status.url;
    const known = state.peers.map((peer) => peer.url);
    const { places, rings: count } = place(self, known, state.links, NODES_MAX);
    const path = state.path;
    const shape = JSON.stringify([[...places.keys()], path?.query, path?.running, path?.trace.length, path && [...path.hits], state.peers.map((peer) => peer.state)]);
    if (shape === drawn) return;
    drawn = shape;
    const at = (node) => {
      const { x, y } = places.get(node);
      return [x * REACH, y * REACH];
    };
    rings.replaceChildren(...Array.from({ length: count }, (_, n) => svg("path", { d: hexagon((REACH * (n + 1)) / count) })));
    lines.replaceChildren(...edges(places, self, known, state.links).map(([a, b]) => {
      const [[x1, y1], [x2, y2]] = [at(a), at(b)];
      return svg("line", { x1, y1, x2, y2 });
    }));
    way.replaceChildren(...wayOf(places, self, at));
    const peers = new Map(state.peers.map((peer) => [peer.url, peer]));
    const small = places.size > 40;
    dots.replaceChildren(...[...places.keys()].reverse().map((node) => dot(node, at(node), peers.get(node), node === self, small)));
    tell(places.size);
  }

  // The calls of the last search, in the order in which they were made.
  function wayOf(places, self, at) {
    const trace = state.path?.trace ?? [];
    return trace.filter((step) => step.node !== self && places.has(step.node)).map((step, n) => {
      const by = places.has(step.named_by) ? step.named_by : self;
      const [[x1, y1], [x2, y2]] = [at(by), at(step.node)];
      const line = svg("line", { x1, y1, x2, y2, class: step.hits > 0 ? "gave" : step.end === "failed" || step.end === "deadline" ? "silent" : "asked", pathLength: 1 });
      line.style.animationDelay = `${Math.min(n * 60, 1200)}ms`;
      return line;
    });
  }

  function dot(node, [x, y], peer, isSelf, small) {
    const hits = state.path?.hits.get(node) ?? 0;
    const kind = isSelf ? "self" : peer ? peer.state : "far";
    const size = isSelf ? 13 : small ? 5 : 12;
    const group = svg("g", { class: `dot ${kind}${hits > 0 ? " gave" : ""}`, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` },
      svg("title", { text: `${isSelf ? "This node, " : ""}${format.nodeInFull(node)}${hits > 0 ? `, ${format.counted(hits, "hit", "hits")}` : ""}` }),
      svg("path", { d: hexagon(size) }));
    if (!small && !isSelf) {
      const inner = sign(node, size * 2);
      inner.setAttribute("x", -size);
      inner.setAttribute("y", -size);
      group.append(inner);
    }
    group.style.setProperty("--hue", hueOf(node));
    if (!small) {
      const below = y >= -4;
      group.append(svg("text", { y: below ? size + 13 : -size - 6, "text-anchor": "middle", text: isSelf ? "this node" : shortened(node, state.status.url) }));
    }
    return group;
  }

  // Nodes of one machine differ by their ports.
  function shortened(url, self) {
    const [name, text, ours] = [format.node(url), format.host(url), format.host(self)];
    if (name !== text) return name.length > 22 ? `${name.slice(0, 21)}\u2026` : name;
    const machine = ours.slice(0, ours.lastIndexOf(":") + 1);
    if (machine !== "" && text.startsWith(machine)) return text.slice(machine.length - 1);
    return text.length > 22 ? `${text.slice(0, 10)}\u2026${text.slice(-10)}` : text;
  }

  function tell(count) {
    const others = count - 1;
    title.textContent = `Network: ${others === 0 ? "this node alone" : `this node and ${format.counted(others, "other", "others")} that it knows of`}`;
    const path = state.path;
    caption.replaceChildren();
    steps.replaceChildren();
    if (!path) {
      caption.append(others === 0 ? "" : "Search for something to see the way it takes.");
      return;
    }
    caption.append("The way of \u201c", el("bdi", { text: path.query.slice(0, 60) }), `\u201d${path.running ? " \u2026" : ""}`);
    for (const step of path.trace.slice(0, 64)) {
      const end = { failed: "did not answer", deadline: "was too slow" }[step.end] ?? format.counted(step.hits, "hit", "hits");
      const by = step.named_by ? ` \u2013 named by ${format.nodeInFull(step.named_by)}` : "";
      steps.append(el("li", { class: step.hits > 0 ? "gave" : "" }, el("bdi", { class: "mono", text: step.node === state.status.url ? "this node" : format.nodeInFull(step.node) }),
        el("span", { text: `${end}, ${format.milliseconds(step.milliseconds)}${visible(by)}` })));
    }
  }

  on("path", draw);
  on("peers", draw);
  on("status", draw);
  return { root, draw };
}
