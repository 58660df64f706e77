// One call to the API and what came of it, as one of three results:
// { kind: "ok", body, replayed }, { kind: "refused", code, problem, retry_after_ms },
// { kind: "no_answer", reason: "network" | "busy", retry_after_ms }: whose fault it is that there is none.

import { between, learn } from "./clock.js";
import { development, page } from "./page.js";
import * as store from "./store.js";

// Longer than the edge's own: tests/it/workspace/deadlines.rs compares them.
const DEADLINE_MS = 8000;
// A gateway is asked meanwhile.
const ACCOUNT_DEADLINE_MS = 40_000;
const LONGEST_WAIT_MS = 60_000;
const SPREAD = [1, 1.5]; // everybody who is told "in 2 s" must not come back in the same one

/** `reach(reason)` hears whether the server answered: null, "network" or "busy"; `user(user_id)` whom a session was made for. */
export const hear = { reach() {}, user() {} };

const seg = encodeURIComponent;
export const sales = () => call("GET", "/v1/sales");
export const sale = (sale_id) => call("GET", `/v1/sales/${seg(sale_id)}`);
export const hold = (hold_id) => call("GET", `/v1/reservations/${seg(hold_id)}`);
export const ownHolds = (sale_id, cursor) =>
  call("GET", `/v1/reservations?sale_id=${seg(sale_id)}&status=HOLD${cursor ? `&cursor=${seg(cursor)}` : ""}`);
/** Of every sale, in every status. */
export const holds = (cursor) => call("GET", `/v1/reservations${cursor ? `?cursor=${seg(cursor)}` : ""}`);
export const release = (hold_id) => call("DELETE", `/v1/reservations/${seg(hold_id)}`);
export const change = (hold_id, version, items) => call("PATCH", `/v1/reservations/${seg(hold_id)}`, { items }, { "If-Match": `"${version}"` });
export const payFree = (hold_id) => call("POST", `/v1/reservations/${seg(hold_id)}/pay`, { method: "free" });
export const orderOfHold = (hold_id) => call("GET", `/v1/orders?hold_id=${seg(hold_id)}`);
export const order = (order_id) => call("GET", `/v1/orders/${seg(order_id)}`);
/** `account` is { bank, number, holder }: where a deposit that bought nothing goes back to. */
export const refundTo = (hold_id, account) => call("POST", `/v1/reservations/${seg(hold_id)}/refund-account`, account, {}, ACCOUNT_DEADLINE_MS);
export const cancel = (order_id) => call("POST", `/v1/orders/${seg(order_id)}/cancel`, {});

/** Says that the payment page is opened, so that nobody has to tell what came of it. The page is about to be left. */
export const opening = (hold_id) =>
  void fetch(`/v1/reservations/${seg(hold_id)}/payments`, { method: "POST", keepalive: true, headers: { "Content-Type": "application/json" }, body: "{}" })
    .catch(() => {});
export const reserve = (key, body) => call("POST", "/v1/reservations", body, { "Idempotency-Key": key });

/** The caller's own orders, newest first: of one sale, or from a cursor on. */
export function orders(filters) {
  const query = new URLSearchParams(filters).toString();
  return call("GET", `/v1/orders${query && `?${query}`}`);
}

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
    page.user_id = user_id;
    hear.user(user_id);
  }
  return answer;
}

async function send(method, path, body, headers = {}, deadline_ms = DEADLINE_MS) {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), deadline_ms);
  const sent_ms = performance.now();
  let answer;
  try {
    if (body) headers = { ...headers, "Content-Type": "application/json" };
    const asked = method === "GET" ? await early(path, deadline.signal) : null;
    const response = asked ?? await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: "no-store", signal: deadline.signal });
    if (!asked) learn(Number(response.headers.get("X-Server-Time")), sent_ms, performance.now());
    answer = await result(response);
  } catch {
    // No connection, the deadline, a body cut short: what the server did only asking again can tell.
    answer = { kind: "no_answer", reason: deadline.signal.aborted && navigator.onLine ? "busy" : "network", retry_after_ms: 0 };
  }
  clearTimeout(timer);
  hear.reach(answer.reason ?? null);
  return answer;
}

/**
 * What the page asked for before this script was here, each once; null: it was not, or there is no answer. It ends with
 * the deadline like every other call, also where it has begun to answer.
 */
async function early(path, signal) {
  const asked = window.early?.get(path);
  window.early?.delete(path);
  signal.addEventListener("abort", () => asked?.stop.abort());
  const answer = await asked?.answer;
  if (answer) learn(Number(answer.headers.get("X-Server-Time")), asked.sent_ms, asked.received_ms);
  return answer ?? null;
}

async function result(response) {
  const { status, headers } = response;
  if (response.ok) return { kind: "ok", body: await response.json(), replayed: headers.get("Idempotent-Replayed") === "true" };
  const retry_after_ms = Math.min(LONGEST_WAIT_MS, (headers.get("Retry-After") * 1000 || 0) * between(SPREAD));
  if (status >= 500 || status === 408) return { kind: "no_answer", reason: "busy", retry_after_ms };
  const problem = (await response.json().catch(() => null)) ?? {};
  const code = problem.code ?? { 401: "unauthenticated", 404: "not_found", 429: "rate_limited" }[status];
  return { kind: "refused", code, problem, retry_after_ms };
}

/**
 * The page itself was an answer too: the Worker wrote its time between these two. Not where the browser kept it: what is
 * shown after "back" has the time of when it was loaded first.
 */
const [navigation] = performance.getEntriesByType("navigation");
const kept = navigation?.type === "back_forward" || navigation?.transferSize === 0;
if (navigation?.responseStart > 0 && !kept) learn(page.now_ms, navigation.requestStart, navigation.responseStart);
