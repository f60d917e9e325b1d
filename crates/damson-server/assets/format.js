// Numbers, names and elements.

const SVG = "http://www.w3.org/2000/svg";
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** 12,345, and 1.2M from a million on. */
export function count(n) {
  return n < 1e6 ? whole.format(n) : short.format(n);
}

/** 1.5 KiB. */
export function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit += 1;
  }
  return `${n < 10 && unit > 0 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}

/** 2 d 3 h, 3 h 4 min, 4 min 5 s, 5 s. */
export function span(ms) {
  const seconds = Math.floor(ms / 1000);
  const parts = [
    [Math.floor(seconds / 86400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const first = Math.min(parts.findIndex(([n]) => n > 0) >>> 0, parts.length - 1);
  return parts.slice(first, first + 2).map(([n, unit]) => `${n} ${unit}`).join(" ");
}

/** The order of members: node-2 before node-10. */
export function byName(a, b) {
  return a.name.localeCompare(b.name, "en", { numeric: true }) || (a.id < b.id ? -1 : 1);
}

/** a, a and b, a, b and c. */
export function list(names) {
  const shown = names.length > 4 ? [...names.slice(0, 3), `${names.length - 3} more`] : names;
  return shown.length < 2 ? shown.join("") : `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}`;
}

/** Writes a text only when it differs, so that screen readers are told of changes alone. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** An element of HTML with its class, text and children. */
export function html(name, { cls, text, ...attributes } = {}, ...children) {
  return fill(document.createElement(name), cls, text, attributes, children);
}

/** The same in SVG. */
export function svg(name, { cls, text, ...attributes } = {}, ...children) {
  return fill(document.createElementNS(SVG, name), cls, text, attributes, children);
}

function fill(element, cls, text, attributes, children) {
  if (cls) element.setAttribute("class", cls);
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
