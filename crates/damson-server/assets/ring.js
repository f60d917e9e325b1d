// The members on a ring, and the open links of this node.

import { list, svg, write } from "./format.js";

const RADIUS = 118;
/** From this many members on there is no room for names. */
const NAMES_MAX = 24;

/** Signs besides colours, for those who do not tell these apart. */
const SIGNS = {
  alive: "M-5 0.5 -1.5 4 5 -4",
  suspect: "M-3.5 -3.5c0-4 7-4 7 0 0 2.5-3.5 2.5-3.5 5M0 5.5v.1",
  dead: "M-4 -4 4 4M4 -4 -4 4",
  left: "M-5 0h10",
};

/** Draws all members; `id` is this node, `differing` are those of another digest. */
export function drawRing(element, text, members, id, differing) {
  const placed = place(members);
  const own = placed.find((at) => at.member.id === id);
  const links = placed.filter((at) => own && at !== own && at.member.linked).map((at) => line(own, at));
  const size = members.length > NAMES_MAX ? 8 : 17;
  const named = members.length <= NAMES_MAX;
  const nodes = placed.map((at) => node(at, { own: at === own, differs: differing.includes(at.member), size, named }));
  element.replaceChildren(svg("circle", { cls: "orbit", r: RADIUS }), ...links, ...nodes);
  const told = members.map((member) => `${member.name} is ${member.state}`);
  write(text, told.length ? `${list(told)}.` : "No members are known.");
}

/** In the order given, from the top on clockwise; a single one is in the middle. */
function place(members) {
  const radius = members.length > 1 ? RADIUS : 0;
  return members.map((member, n) => {
    const angle = (2 * Math.PI * n) / members.length - Math.PI / 2;
    return { member, x: radius * Math.cos(angle), y: radius * Math.sin(angle) };
  });
}

function line(from, to) {
  return svg("line", { cls: "link", x1: from.x, y1: from.y, x2: to.x, y2: to.y });
}

function node({ member, x, y }, { own, differs, size, named }) {
  const group = svg("g", { transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, "data-state": member.state });
  const state = differs ? `${member.state}, differs` : member.state;
  group.append(svg("title", { text: `${member.name}: ${state}, ${member.address}` }));
  if (own) group.append(svg("circle", { cls: "halo", r: size + 6 }));
  if (differs) group.append(svg("circle", { cls: "differs", r: size + (own ? 11 : 6) }));
  group.append(svg("circle", { cls: "disc", r: size }));
  if (size > 12) group.append(svg("path", { cls: "sign", d: SIGNS[member.state] ?? SIGNS.left }));
  if (named) group.append(...names(member, { own, differs, size, above: y < -1 }));
  return group;
}

/** The name stands outside of the ring, so that no link runs through it. */
function names(member, { own, differs, size, above }) {
  const notes = [own ? "this node" : "", member.state === "alive" ? "" : member.state, differs ? "differs" : ""];
  const note = notes.filter(Boolean).join(" · ");
  const gap = size + (differs ? 14 : 10);
  const [first, second] = above ? [-gap - (note ? 13 : 0), -gap] : [gap + 10, gap + 24];
  return [svg("text", { y: first, text: cut(member.name) }), svg("text", { cls: "note", y: second, text: note })];
}

function cut(name) {
  return name.length > 18 ? `${name.slice(0, 17)}…` : name;
}
