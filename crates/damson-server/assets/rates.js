// Differences of totals, as curves over the last minute.

import { bytes, count, html, svg } from "./format.js";

const SAMPLES_MAX = 60;

const RATES = [
  { label: "client commands", total: "commands", show: count },
  { label: "writes here", total: "writes", show: count },
  { label: "writes from others", total: "applied", show: count },
  { label: "pushes to nodes", total: "pushed", show: count },
  { label: "pulls from nodes", total: "sync_pulled", show: count },
  { label: "received from nodes", total: "peer_bytes_in", show: bytes },
  { label: "sent to nodes", total: "peer_bytes_out", show: bytes },
];

export class Rates {
  #rows;
  #last = null;

  constructor(element) {
    this.#rows = RATES.map((rate) => ({ ...rate, ...row(rate.label), samples: [] }));
    element.replaceChildren(...this.#rows.map((row) => row.element));
  }

  /** Takes the totals of a life at a time in ms. */
  add(totals, life, now) {
    const last = this.#last;
    this.#last = { totals, life, now };
    // After a restart the totals begin anew.
    if (!last || last.life !== life || now <= last.now) return;
    const seconds = (now - last.now) / 1000;
    for (const row of this.#rows) {
      const rate = Math.max(0, totals[row.total] - last.totals[row.total]) / seconds;
      row.samples = [...row.samples, rate].slice(-SAMPLES_MAX);
      row.value.textContent = `${row.show(rate)}/s`;
      draw(row.curve, row.area, row.samples);
    }
  }
}

function row(label) {
  const curve = svg("path", { cls: "curve", d: "" });
  const area = svg("path", { cls: "area", d: "" });
  const chart = svg("svg", { viewBox: "0 0 100 34", preserveAspectRatio: "none", "aria-hidden": "true" }, area, curve);
  const value = html("b", { text: "–" });
  const element = html("div", { cls: "rate" }, html("span", { text: label }), value, chart);
  return { element, value, curve, area };
}

function draw(curve, area, samples) {
  const top = Math.max(...samples, 1);
  const first = SAMPLES_MAX - samples.length;
  const x = (n) => ((first + n) * 100) / (SAMPLES_MAX - 1);
  const points = samples.map((sample, n) => `${x(n).toFixed(2)} ${(32 - (sample / top) * 29).toFixed(2)}`);
  curve.setAttribute("d", `M${points.join("L")}`);
  area.setAttribute("d", `M${x(0).toFixed(2)} 34L${points.join("L")}L100 34Z`);
}
