// The tree over which the writes of a chosen member travel, as all members tell it.

import { ask } from "./ask.js";
import { byName, html, list, svg, write } from "./format.js";
import { shape } from "./shape.js";

/** All members are asked for a picture, so it is not drawn anew each second. */
const PERIOD_MS = 5000;
const WIDTH = 1000;
/** Room for the root on the left, and for names on the right. */
const LEFT = 24;
const RIGHT = 220;
const SILENT = "M-4 -4 4 4M4 -4 -4 4";

export class Tree {
  #card;
  #root = null;
  #askedAt = -Infinity;
  #asking = false;

  /** `card` has the elements: `root` to choose from, `picture`, `text` that says the same, `notice` for what is wrong. */
  constructor(card) {
    this.#card = card;
    card.root.addEventListener("change", () => {
      this.#root = card.root.value;
      this.#askedAt = -Infinity;
      this.#refresh(performance.now());
    });
  }

  /** Shows who may be chosen, and asks again when it is time to. */
  update(members, id, now) {
    this.#root ??= id;
    this.#choices(members.filter((member) => member.state !== "left"));
    this.#refresh(now);
  }

  #choices(members) {
    const alike = (member) => members.filter((other) => other.name === member.name).length > 1;
    const label = (member) => (alike(member) ? `${member.name}/${member.id.slice(0, 8)}` : member.name);
    const wanted = members.map((member) => `${member.id} ${label(member)}`).join("\n");
    if (this.#card.root.dataset.shown === wanted) return;
    this.#card.root.dataset.shown = wanted;
    this.#card.root.replaceChildren(...members.map((member) => html("option", { value: member.id, text: label(member) })));
    this.#card.root.value = this.#root;
  }

  async #refresh(now) {
    if (this.#asking || now < this.#askedAt + PERIOD_MS) return;
    [this.#asking, this.#askedAt] = [true, now];
    const root = this.#root;
    try {
      const trees = await ask(`/v1/trees?root=${encodeURIComponent(root)}`);
      // Another may have been chosen meanwhile.
      if (root === this.#root) this.#draw(trees);
    } catch (error) {
      this.#notice(`No tree can be drawn: ${error.message}`);
    } finally {
      this.#asking = false;
    }
    if (root !== this.#root) this.#refresh(performance.now());
  }

  #notice(text) {
    this.#card.notice.hidden = !text;
    write(this.#card.notice, text);
  }

  #draw({ root, nodes }) {
    const { placed, eager, lazy, apart, height } = shape(root, nodes, byName);
    const at = new Map(placed.map((place) => [place.node.id, point(place)]));
    const lines = (links, cls) => links.filter(([a, b]) => at.has(a) && at.has(b)).map(([a, b]) => curve(at.get(a), at.get(b), cls));
    this.#card.picture.setAttribute("viewBox", `0 0 ${WIDTH} ${height}`);
    const caption = apart.length ? [svg("text", { cls: "note", x: LEFT, y: apart[0].y - 24, text: "not in the tree" })] : [];
    this.#card.picture.replaceChildren(...lines(lazy, "lazy"), ...lines(eager, "eager"), ...caption, ...placed.map((place) => mark(place, root)));
    const silent = nodes.filter((node) => !node.reached).sort(byName);
    const name = nodes.find((node) => node.id === root)?.name ?? root.slice(0, 8);
    const hops = Math.max(0, ...nodes.map((node) => node.hops ?? 0));
    write(this.#card.text, `Tree of ${name}: ${nodes.length - silent.length} of ${nodes.length} answer, at most ${counted(hops, "hop")}, ` +
      `${counted(eager.length, "eager link")}, ${counted(lazy.length, "lazy link")}.`);
    this.#notice(silent.length ? `No answer from ${list(silent.map((node) => `${node.name} (${node.reason})`))}.` : "");
  }
}

function counted(n, what) {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}

function point({ x, y }) {
  return { x: LEFT + x * (WIDTH - LEFT - RIGHT), y };
}

function curve(a, b, cls) {
  const middle = (a.x + b.x) / 2;
  // Two of one column are joined by an arc beside it.
  const bend = a.x === b.x ? [a.x + 40, b.x + 40] : [middle, middle];
  return svg("path", { cls, d: `M${a.x} ${a.y}C${bend[0]} ${a.y} ${bend[1]} ${b.y} ${b.x} ${b.y}` });
}

/** A name stands beside a leaf, and above whoever has others behind it. */
function mark(place, root) {
  const { node, leaf } = place;
  const { x, y } = point(place);
  const group = svg("g", { transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, cls: node.reached ? "told" : "silent" });
  const way = node.hops === null || node.hops === undefined ? "no way known" : `${counted(node.hops, "hop")}, ${node.distance_ms} ms`;
  group.append(svg("title", { text: `${node.name}: ${node.reached ? way : `no answer, ${node.reason}`}` }));
  if (node.id === root) group.append(svg("circle", { cls: "halo", r: 13 }));
  group.append(svg("circle", { cls: "disc", r: 8 }));
  if (!node.reached) group.append(svg("path", { cls: "sign", d: SILENT }));
  const note = node.reached ? (node.hops ? `${node.distance_ms} ms` : "") : "no answer";
  const above = node.id === root ? { x: -8, y: -18 } : { y: -12, "text-anchor": "middle" };
  const label = svg("text", leaf ? { x: 16, y: 4.5 } : above);
  label.append(svg("tspan", { text: cut(node.name) }), svg("tspan", { cls: "note", dx: 6, text: note }));
  group.append(label);
  return group;
}

function cut(name) {
  return name.length > 18 ? `${name.slice(0, 17)}…` : name;
}
