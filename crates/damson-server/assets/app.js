// Asks the node each second and shows what it says.

import { ask } from "./ask.js";
import { Exchanges } from "./exchanges.js";
import { byName, bytes, count, html, span, write } from "./format.js";
import { Rates } from "./rates.js";
import { drawRing } from "./ring.js";
import { Tree } from "./tree.js";
import { SIGNS, Verdict } from "./verdict.js";

const PERIOD_MS = 1000;

const $ = (id) => document.getElementById(id);
const rates = new Rates($("rates"));
const verdict = new Verdict();
const exchanges = new Exchanges($("exchanges"), $("no-exchanges"));
const tree = new Tree({ root: $("tree-root"), picture: $("tree"), text: $("tree-text"), notice: $("tree-notice") });
let answeredAt = null;

async function refresh() {
  try {
    const [status, members, running] = await Promise.all(["/v1/status", "/v1/members", "/v1/exchanges"].map((path) => ask(path)));
    members.sort(byName);
    answeredAt = performance.now();
    show(status, members, answeredAt);
    exchanges.update(running, members);
    tree.update(members, status.id, answeredAt);
    reachable(true);
  } catch {
    reachable(false);
  }
}

function reachable(yes) {
  $("unreachable").hidden = yes;
  $("main").classList.toggle("stale", !yes);
  if (yes) return;
  const since = answeredAt === null ? "" : ` for ${span(performance.now() - answeredAt)}; what is shown is from then`;
  write($("unreachable"), `This node does not answer${since}.`);
}

function show(status, members, now) {
  head(status);
  const { tone, text, detail, differing } = verdict.judge(members, status.id, now);
  $("verdict").dataset.tone = tone;
  $("verdict-sign").setAttribute("d", SIGNS[tone]);
  write($("verdict-text"), text);
  write($("verdict-detail"), detail || "\u00a0");
  drawRing($("ring"), $("ring-text"), members, status.id, differing);
  write($("keys"), count(status.keys));
  write($("alive"), count(status.members));
  write($("links"), count(status.links));
  write($("clients"), count(status.clients));
  rates.add(status.totals, status.life, now);
  $("members").replaceChildren(...members.map((member) => memberRow(member, status.id, differing)));
  $("scopes").replaceChildren(...status.scopes.map(scopeRow));
  $("no-scopes").hidden = status.scopes.length > 0;
}

function head(status) {
  document.title = `${status.name} · Damson`;
  write($("name"), status.name);
  const redis = status.redis ? `, clients on ${status.redis}` : "";
  write($("where"), `realm ${status.realm}, nodes on ${status.address}${redis}`);
  $("ready").hidden = false;
  $("ready").dataset.tone = status.ready ? "good" : "bad";
  write($("ready"), status.ready ? "ready" : "not ready");
  $("ready").title = status.reason ?? "";
  write($("foot"), `Damson ${status.version}, serving for ${span(status.uptime_ms)}. Node ${status.id}, life ${status.life}.`);
}

function memberRow(member, id, differing) {
  const own = member.id === id;
  const name = html("th", { scope: "row", text: member.name });
  if (own) name.append(html("span", { cls: "self", text: "this node" }));
  const state = html("span", { cls: "state", text: member.state, "data-state": member.state });
  const address = html("td", { text: member.address });
  if (member.http && !own) {
    address.append(" · ", html("a", { href: `http://${member.http}/`, text: "dashboard", rel: "noreferrer" }));
  }
  const digest = html("code", {
    cls: differing.includes(member) ? "differs" : "",
    text: member.digest ? member.digest.slice(0, 12) : "–",
  });
  return html("tr", {}, name, html("td", {}, state), address, html("td", { text: own ? "" : member.linked ? "open" : "none" }),
    html("td", {}, digest), html("td", {}, html("code", { text: member.id.slice(0, 12), title: member.id })));
}

function scopeRow(scope) {
  const number = (n) => html("td", { cls: "number", text: typeof n === "number" ? count(n) : n });
  return html("tr", {}, html("th", { scope: "row", text: scope.name }), number(scope.keys), number(scope.live_dots),
    number(bytes(scope.value_bytes)), number(scope.waiting), number(scope.conflicts),
    html("td", {}, html("code", { text: scope.digest.slice(0, 12) })));
}

async function run() {
  for (;;) {
    // A page that nobody sees asks nothing.
    if (!document.hidden) await refresh();
    await new Promise((wake) => setTimeout(wake, PERIOD_MS));
  }
}

run();
