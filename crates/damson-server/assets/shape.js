// A tree as its members tell it: its links, and where everybody stands in the picture.

/** Distance of rows, and where the picture begins, in units of the picture. */
const ROW = 34;
const TOP = 30;

/**
 * Where everybody stands: `x` from 0 (the root) to 1, `y` from the top. `nodes` is what /v1/trees answers. Who is silent stands
 * where its parent says; who is in no member's tree stands below all others, in `apart` too. Both ends tell of a link: the child's word counts,
 * where it can be had.
 */
export function shape(root, nodes, inOrder) {
  const known = new Map(nodes.map((node) => [node.id, node]));
  const below = children(nodes, known, inOrder);
  const placed = [];
  const seen = new Set();
  let row = 0;
  const place = (id, depth) => {
    seen.add(id);
    const at = { node: known.get(id), depth, y: 0, leaf: true };
    placed.push(at);
    // While the tree changes two may take one for their child.
    const rows = (below.get(id) ?? []).filter((child) => !seen.has(child)).map((child) => place(child, depth + 1));
    at.leaf = rows.length === 0;
    at.y = at.leaf ? TOP + ROW * row++ : (rows[0] + rows.at(-1)) / 2;
    return at.y;
  };
  if (known.has(root)) place(root, 0);
  const depths = Math.max(1, ...placed.map((at) => at.depth));
  placed.forEach((at) => (at.x = at.depth / depths));
  const unseen = nodes.filter((node) => !seen.has(node.id)).sort(inOrder);
  const apart = unseen.map((node) => ({ node, depth: null, x: 0, y: TOP + ROW * (row++ + 1), leaf: true }));
  const links = [...below].flatMap(([parent, ids]) => ids.map((child) => [parent, child]));
  const eager = links.filter(([parent, child]) => seen.has(parent) && seen.has(child));
  const height = TOP * 2 + ROW * (apart.length ? row : Math.max(0, row - 1));
  return { placed: [...placed, ...apart], eager, lazy: lazy(nodes, eager), apart, height };
}

function children(nodes, known, inOrder) {
  const told = nodes.filter((node) => node.reached);
  const byChildren = told.filter((node) => node.parent).map((node) => [node.parent, node.id]);
  const byParents = told.flatMap((node) => node.children.map((child) => [node.id, child]));
  const silent = byParents.filter(([, child]) => !known.get(child)?.reached);
  const below = new Map();
  for (const [parent, child] of [...byChildren, ...silent]) {
    if (known.has(child) && !below.get(parent)?.includes(child)) below.set(parent, [...(below.get(parent) ?? []), child]);
  }
  for (const ids of below.values()) ids.sort((a, b) => inOrder(known.get(a), known.get(b)));
  return below;
}

/** Links over which payloads are only announced, each once. */
function lazy(nodes, eager) {
  const key = (a, b) => (a < b ? `${a} ${b}` : `${b} ${a}`);
  const taken = new Set(eager.map(([a, b]) => key(a, b)));
  const links = [];
  for (const node of nodes.filter((node) => node.reached)) {
    for (const other of node.lazy) {
      if (!taken.has(key(node.id, other))) links.push([node.id, other]);
      taken.add(key(node.id, other));
    }
  }
  return links;
}
