// One call to the API and what came of it, as one of three results:
// { kind: "ok", body, replayed }, { kind: "refused", code, problem, retry_after_ms },
// { kind: "no_answer", reason: "network" | "busy", retry_after_ms }.

import { learn } from "./clock.js";
import * as store from "./store.js";

const DEADLINE_MS = 6000;
const LONGEST_WAIT_MS = 60_000;
export const development = document.body.dataset.environment === "development";

/** `reach(yes)` hears whether the server answered, `user(user_id)` whom a session was made for. */
export const hear = { reach() {}, user() {} };

const seg = encodeURIComponent;
export const sales = () => call("GET", "/v1/sales");
export const sale = (sale_id) => call("GET", `/v1/sales/${seg(sale_id)}`);
export const hold = (hold_id) => call("GET", `/v1/reservations/${seg(hold_id)}`);
export const release = (hold_id) => call("DELETE", `/v1/reservations/${seg(hold_id)}`);
export const order = (hold_id) => call("GET", `/v1/orders?hold_id=${seg(hold_id)}`);
export const reserve = (key, body) => call("POST", "/v1/reservations", body, { "Idempotency-Key": key });

/** In development a missing session is made, and the call made once more. */
async function call(...request) {
  const answer = await send(...request);
  if (!development || answer.code !== "unauthenticated") return answer;
  session ??= signIn(store.read("user") ?? `guest-${String(Math.random()).slice(2, 8)}`).finally(() => { session = null; });
  const made = await session;
  return made.kind === "ok" ? send(...request) : made;
}

/** Two calls that both miss the session make one. */
let session = null;

/** Development only: a session for that user, and the cookie with it. */
export async function signIn(user_id) {
  const answer = await send("POST", "/dev/session", { user_id });
  if (answer.kind === "ok") {
    store.write("user", user_id);
    hear.user(user_id);
  }
  return answer;
}

async function send(method, path, body, headers = {}) {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), DEADLINE_MS);
  const sent_ms = performance.now();
  let answer;
  try {
    if (body) headers = { ...headers, "Content-Type": "application/json" };
    const response = await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: "no-store", signal: deadline.signal });
    learn(Number(response.headers.get("X-Server-Time")), sent_ms, performance.now());
    answer = await result(response);
  } catch {
    // No connection, the deadline, a body cut short: what the server did only asking again can tell.
    answer = { kind: "no_answer", reason: "network", retry_after_ms: 0 };
  }
  clearTimeout(timer);
  hear.reach(answer.kind !== "no_answer");
  return answer;
}

async function result(response) {
  const { status, headers } = response;
  if (response.ok) return { kind: "ok", body: await response.json(), replayed: headers.get("Idempotent-Replayed") === "true" };
  const retry_after_ms = Math.min(LONGEST_WAIT_MS, headers.get("Retry-After") * 1000 || 0);
  if (status >= 500 || status === 408) return { kind: "no_answer", reason: "busy", retry_after_ms };
  const problem = (await response.json().catch(() => null)) ?? {};
  const code = problem.code ?? { 401: "unauthenticated", 404: "not_found", 429: "rate_limited" }[status];
  return { kind: "refused", code, problem, retry_after_ms };
}
