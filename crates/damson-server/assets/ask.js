// Questions to the node that this page came from.

const TIMEOUT_MS = 3000;

/** The JSON at a path. What the node refuses is an error with the node's own reason. */
export async function ask(path, method = "GET") {
  const answer = await fetch(path, { method, signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store" });
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({}));
  throw new Error(problem.reason ?? `${path}: ${answer.status}`);
}
