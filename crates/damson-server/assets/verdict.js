// Do the nodes agree? A digest is equal on nodes that agree; each member tells its own with its keepalives.
//
// While somebody writes, digests differ for as long as a write and the next keepalive travel. That is no fault, so the
// verdict is calm about it: only a difference that stays although nothing is written is one.

import { list, span } from "./format.js";

/** How long a difference may last before it is shown as one, and how long an agreement is remembered, in ms. */
const SETTLE_MS = 5000;

export const SIGNS = {
  good: "M20 6.5 9.5 17.5 4 12",
  busy: "M4 9h13l-3.5-3.5M20 15H7l3.5 3.5",
  warn: "M12 4 21.5 20h-19zM12 10v4.5M12 17.4v.1",
  wait: "M12 6v6l4 2.5M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18",
};

export class Verdict {
  #agreedAt = -Infinity;
  #changedAt = -Infinity;
  #seen = "";

  /** What to say at a time about these members; `id` is this node. */
  judge(members, id, now) {
    const alive = members.filter((member) => member.state === "alive");
    const missing = members.filter((member) => member.state === "suspect" || member.state === "dead");
    const digests = alive.map((member) => member.digest ?? "").join();
    if (digests !== this.#seen) [this.#seen, this.#changedAt] = [digests, now];
    const { size, differing } = majority(alive, id);
    if (!differing.length) this.#agreedAt = now;
    return { ...this.#sentence(alive, size, differing, now), detail: this.#detail(alive, missing, differing, now), differing };
  }

  #sentence(alive, size, differing, now) {
    const n = alive.length;
    if (n < 2) return { tone: "busy", text: "This node is alone" };
    if (!differing.length) return { tone: "good", text: n === 2 ? "Both nodes agree" : `All ${n} nodes agree` };
    const tone = this.#moving(now) ? "busy" : "warn";
    if (size < 2) return { tone, text: n === 2 ? "The two nodes differ" : `No two of ${n} nodes agree` };
    const names = differing.map((member) => member.name);
    return { tone, text: `${size} of ${n} agree; ${list(names)} ${names.length === 1 ? "differs" : "differ"}` };
  }

  #detail(alive, missing, differing, now) {
    const parts = [];
    if (differing.length && this.#moving(now)) parts.push("Writes are on their way; digests settle when they pause.");
    if (differing.length && !this.#moving(now)) parts.push(`Nothing has moved for ${span(now - this.#changedAt)}.`);
    if (!differing.length && alive.length > 1) parts.push(`Digest ${alive[0].digest?.slice(0, 12) ?? "unknown"}.`);
    for (const state of ["suspect", "dead"]) {
      const names = missing.filter((member) => member.state === state).map((member) => member.name);
      if (names.length) parts.push(`${list(names)} ${names.length === 1 ? "is" : "are"} ${state}.`);
    }
    return parts.join(" ");
  }

  /** Has a digest changed lately? */
  #moving(now) {
    return now - Math.max(this.#changedAt, this.#agreedAt) < SETTLE_MS;
  }
}

/** How many share the most frequent digest, and who does not; this node's own digest wins a tie. */
function majority(alive, id) {
  const groups = Map.groupBy(alive, (member) => member.digest ?? `unknown ${member.id}`);
  const ranked = [...groups.values()].sort((a, b) => b.length - a.length || has(b, id) - has(a, id));
  const [most = []] = ranked;
  return { size: most.length, differing: alive.filter((member) => !most.includes(member)) };
}

function has(group, id) {
  return Number(group.some((member) => member.id === id));
}
