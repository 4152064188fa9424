// The other nodes: who they are, how they are, what they have, and the picture of the network.

import { button, el, empty, icon, sign, svg, visible } from "./build.js";
import { ask, toast } from "./app.js";
import * as format from "./format.js";
import { picture } from "./graph.js";
import { VirtualList } from "./list.js";
import { filesOf } from "./peer-files.js";
import { call, invitation, search } from "./server.js";
import { learn, on, refresh, state, touch } from "./state.js";

// How often ages are told anew, in milliseconds.
const TICK = 10000;

const narrow = matchMedia("(max-width: 720px)");

const STATES = { up: "Answers", new: "Not answered yet", failing: "Does not answer" };
const KINDS = { sixhop: "Sixhop", chapter: "Book peer", unknown: "" };
const SOURCES = { settings: "from the settings", saved: "known from before", owner: "added by you", hello: "introduced itself" };

export function view() {
  const list = new VirtualList({
    label: "Peers",
    height: () => (narrow.matches ? 84 : 60),
    render: cells,
    shows: (peer) => JSON.stringify([peer, Math.floor(Date.now() / TICK)]),
    act: (peer) => open(peer.url),
    remove: (peer) => forget(peer.url),
  });
  const graph = picture();
  const box = el("input", { type: "text", name: "url", class: "wide", placeholder: "http://192.168.1.6:4242", "aria-label": "Address of a peer", autocomplete: "off", autocapitalize: "off", spellcheck: "false", inputmode: "url" });
  const add = el("button", { type: "submit", class: "button primary" }, icon("plus"), "Add peer");
  const form = el("form", { class: "add", on: { submit: (event) => { event.preventDefault(); addPeer(); } } }, box, add);
  const invited = el("div", { class: "invited" });
  const invite = el("details", { class: "invite", on: { toggle: () => { if (invite.open) showInvitation(); } } }, el("summary", { text: "Invite somebody" }), invited);
  const around = button("Look around", lookAround, { class: "button quiet", title: "Ask peers for their peers, up to six hops away" });
  const line = el("p", { class: "summary" });
  const nothing = el("div", { class: "holder" });
  const reach = el("p", { class: "reach", hidden: true });
  const people = el("div", { class: "people" }, form, invite, reach, el("div", { class: "line" }, line, around), nothing, list.root);
  nothing.append(empty("No peers yet", [el("p", {}, "Add the address of another node, or give somebody yours: ", el("code", { class: "wrap own" }))]));
  const inside = filesOf();
  let shownPlace = " ";
  const heading = el("h1", { class: "sr", tabindex: "-1", text: "Peers" });
  const root = el("section", { class: "view peers", "aria-label": "Peers" }, heading, people, graph.root, inside.root);

  async function addPeer() {
    let url = box.value.trim();
    if (url === "") return box.focus();
    if (!/^[a-z]+:\/\//i.test(url)) url = `http://${url}`;
    add.disabled = true;
    try {
      const peer = await call("peer.add", { url });
      box.value = "";
      if (peer.notice) toast(`${format.host(peer.url)}: ${peer.notice}`, "bad");
      else if (peer.state === "up") toast(`${format.host(peer.url)} answers`);
      else toast(`${format.host(peer.url)} is added but does not answer: ${peer.last_error ?? "no answer yet"}`, "bad");
    } catch (error) {
      toast(error.message, "bad");
    }
    add.disabled = false;
    refresh("peers");
    return undefined;
  }

  // Four light modules around it are what readers need.
  function code(qr) {
    const size = qr.size + 8;
    return svg("svg", { class: "qr", viewBox: `-4 -4 ${size} ${size}`, role: "img", "aria-label": "QR code of the address" },
      svg("rect", { x: -4, y: -4, width: size, height: size, fill: "#fff" }), svg("path", { d: qr.path, fill: "#000" }));
  }

  async function showInvitation() {
    try {
      const { invitation: address, qr } = await invitation();
      invited.replaceChildren(el("code", { class: "wrap", text: address }));
      if (qr) invited.append(code(qr));
    } catch (error) {
      toast(error.message, "bad");
    }
  }

  async function forget(url) {
    if (!(await ask("Remove the peer?", `${format.nodeInFull(url)} is not asked any more. It comes back if it introduces itself again.`, "Remove", "Keep", true))) return;
    try {
      await call("peer.remove", { url });
    } catch (error) {
      toast(error.message, "bad");
    }
    refresh("peers");
  }

  // A search for what nobody has visits everybody.
  async function lookAround() {
    around.disabled = true;
    const nowhere = crypto.randomUUID();
    try {
      await search(`name:${nowhere}`, 1, "normal", (news) => {
        if (!news.done) return;
        learn(news.done.trace);
        state.path = { query: "a look around", running: false, trace: news.done.trace, hits: new Map() };
        touch("path");
      });
    } catch (error) {
      toast(error.message, "bad");
    }
    around.disabled = false;
  }

  function cells(peer) {
    const kind = [KINDS[peer.kind] ?? peer.kind ?? "", peer.dialect === "codes" ? "codes" : ""].filter(Boolean).join(", ");
    const path = peer.kind === "unknown" ? "" : peer.path;
    const rate = peer.rate ? `${format.bytes(peer.rate)}/s` : "";
    const answered = peer.last_answer ? `answered ${format.when(peer.last_answer)}` : SOURCES[peer.source] ?? "";
    return [
      el("div", { class: "cell main", role: "gridcell" }, sign(peer.url, 26), el("div", { class: "two" },
        el("bdi", { class: peer.name ? "name" : "name mono", title: visible(peer.url), text: visible(peer.name ?? format.host(peer.url)) }),
        el("span", { class: `quiet${peer.state === "failing" ? " bad" : peer.notice ? " advice" : ""}`, title: visible(peer.last_error ?? peer.notice ?? ""), text: (peer.state === "failing" ? [peer.name && format.host(peer.url), peer.last_error ?? STATES.failing] : [peer.notice, peer.name && format.host(peer.url), kind, path, rate, answered]).filter(Boolean).join(" \u00b7 ") }))),
      el("div", { class: "cell meta", role: "gridcell" },
        el("span", { class: `state ${peer.state}`, text: STATES[peer.state] ?? peer.state }),
        el("span", { class: "latency", text: typeof peer.latency === "number" && peer.state === "up" ? format.milliseconds(peer.latency) : "" })),
      el("div", { class: "cell does", role: "gridcell" },
        peer.kind !== "chapter" && button("Files", () => open(peer.url), { class: "button quiet", "data-action": "files", "aria-label": `Files of ${visible(format.nodeInFull(peer.url))}` }),
        el("button", { type: "button", class: "button quiet only", title: "Remove", "data-action": "remove", "aria-label": `Remove ${visible(format.nodeInFull(peer.url))}`, on: { click: () => forget(peer.url) } }, icon("close"))),
    ];
  }

  function open(url) {
    location.hash = `#/peers/${encodeURIComponent(url)}`;
  }

  function show() {
    const order = { failing: 2, new: 1, up: 0 };
    const peers = state.peers.slice().sort((a, b) => order[a.state] - order[b.state] || (a.url < b.url ? -1 : 1));
    const same = peers.length === list.items.length && peers.every((peer, at) => peer.url === list.items[at].url);
    if (same) {
      list.items = peers;
      list.refresh();
    } else {
      list.set(peers);
    }
    list.show(peers.length > 0);
    nothing.hidden = peers.length > 0;
    around.hidden = peers.length === 0;
    root.classList.toggle("is-alone", peers.length === 0 && state.links.size === 0);
    const up = peers.filter((peer) => peer.state === "up").length;
    line.textContent = peers.length === 0 ? "" : `${format.counted(peers.length, "peer", "peers")}, ${format.count(up)} answering`;
    reach.hidden = !state.status?.reach;
    reach.textContent = visible(state.status?.reach ?? "");
    for (const code of nothing.querySelectorAll(".own")) code.textContent = state.status?.url ?? "";
  }

  on("peers", show);
  on("status", show);
  narrow.addEventListener("change", () => list.set(list.items));
  show();
  return {
    root,
    shown(query, path) {
      refresh("peers");
      people.hidden = graph.root.hidden = path !== "";
      const folder = new URLSearchParams(query).get("in") ?? "";
      const place = `${path} ${folder}`;
      const isElsewhere = place !== shownPlace;
      shownPlace = place;
      inside.show(path, folder);
      graph.draw();
      const title = path === "" ? "" : `${format.host(path)}${folder === "" ? "" : `: ${folder}`}`;
      heading.textContent = visible(title === "" ? "Peers" : `Files of ${title}`);
      return { title, isElsewhere };
    },
    focus: () => list.root.focus(),
  };
}
