// The exchanges that run on this node, and ending them.

import { ask } from "./ask.js";
import { html, span, write } from "./format.js";

export class Exchanges {
  #body;
  #empty;
  #rows = new Map();

  constructor(body, empty) {
    [this.#body, this.#empty] = [body, empty];
  }

  /** Rows stay as long as what they show runs, so that a button is not replaced while it is pressed. */
  update(exchanges, members) {
    const rows = new Map(exchanges.map((one) => [one.reference, this.#rows.get(one.reference) ?? row(one, members)]));
    exchanges.forEach((one) => write(rows.get(one.reference).time, one.since_ms < 1000 ? `${one.since_ms} ms` : span(one.since_ms)));
    const changed = [...rows.keys()].join() !== [...this.#rows.keys()].join();
    this.#rows = rows;
    if (changed) this.#body.replaceChildren(...[...rows.values()].map((row) => row.element));
    this.#empty.hidden = exchanges.length > 0;
  }
}

function row({ reference, handler, peer, scope, begun_by }, members) {
  const name = members.find((member) => member.id === peer)?.name ?? peer.slice(0, 12);
  const time = html("td", { cls: "number" });
  const button = html("button", { type: "button", text: "Cancel", "aria-label": `Cancel exchange ${reference} with ${name}` });
  button.addEventListener("click", async () => {
    button.disabled = true;
    // Whether it is over shows in the next list.
    await ask(`/v1/exchanges?reference=${reference}`, "DELETE").catch(() => (button.disabled = false));
  });
  const element = html("tr", {}, html("th", { scope: "row", text: handler }), html("td", { text: name, title: peer }),
    html("td", { text: scope ?? "–" }), html("td", { text: begun_by === "node" ? "this node" : "the peer" }), time,
    html("td", {}, html("code", { text: reference })), html("td", {}, button));
  return { element, time };
}
