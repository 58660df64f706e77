// One reservation, asked until it is answered: the same key and the same body every time,
// so that asking again never buys again. Without storage a reload forgets the key, and the server's own rule, one hold
// a buyer and SKU, takes its place.

import * as api from "./api.js";
import { backoff, between, nap, now } from "./clock.js";
import { development, page } from "./page.js";
import * as store from "./store.js";

/** A press in the very second of the opening may be early by the error of the clock. */
const EARLY_TRIES = 4;
const EARLY_MS = 2000;

/** Who is signed in: in production not a name, but the same for the same one. */
const user = () => (development && store.read("user")) || page.user;

/** The stored question, if it is this user's: an answer to another one's would be a purchase that nobody pressed for. */
export function pendingOf(sale_id) {
  const question = store.read(`pending:${sale_id}`);
  return question && (question.user ?? user()) === user() ? question : null;
}

/**
 * `wanted` is { body, ttl_ms } of a new purchase, or null to ask for the answer of a stored one;
 * a stored one comes first, another tab's too. `tell(reason, wait_ms)` hears of each wait.
 * Resolves to { kind: "granted", hold, replayed }, { kind: "refused", code, problem },
 * { kind: "elsewhere" } (another tab has the answer) or { kind: "stale" } (its hold would
 * have ended since: to send it now would be a new purchase).
 */
export async function reserve(sale_id, wanted, tell) {
  const [pending, hold] = [`pending:${sale_id}`, `hold:${sale_id}`];
  if (wanted && store.read(hold)) return { kind: "elsewhere" };
  let question = pendingOf(sale_id);
  if (wanted && (!question || isStale(question))) {
    question = { ...wanted, user: user(), key: newKey(), at_ms: Date.now() };
    store.write(pending, question); // before it is sent: a reload must find it
  }
  let limited = false;
  for (let attempt = 0, early = 0; ; attempt++) {
    if (!question || store.read(pending)?.key !== question.key) return { kind: "elsewhere" };
    if (isStale(question)) {
      store.drop(pending);
      return { kind: "stale" };
    }
    const answer = await api.reserve(question.key, question.body);
    if (answer.kind === "ok") {
      store.write(hold, { hold_id: answer.body.hold_id });
      store.drop(pending);
      return { kind: "granted", hold: answer.body, replayed: answer.replayed };
    }
    if (answer.kind === "no_answer" || answer.code === "request_in_progress") {
      tell(answer.reason ?? "busy");
      await nap(answer.retry_after_ms + backoff(attempt));
    } else if (answer.code === "rate_limited" && !limited) {
      limited = true;
      const wait_ms = Math.max(1000, answer.retry_after_ms) + between([0, 500]);
      tell("rate_limited", wait_ms);
      await nap(wait_ms);
    } else if (answer.code === "sale_not_open" && isEarly(answer.problem) && early++ < EARLY_TRIES) {
      await nap(between([250, 500]));
    } else {
      store.drop(pending);
      return answer;
    }
  }
}

/** What cannot be guessed or met twice; `randomUUID` is only there where the page came by HTTPS. */
const newKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16).padStart(8, "0")).join("");

const isStale = ({ at_ms, ttl_ms }) => Math.abs(Date.now() - at_ms) > ttl_ms;

const isEarly = ({ opens_at, sale_status }) =>
  sale_status !== "paused" && sale_status !== "closed" && Math.abs(Date.parse(opens_at) - now()) < EARLY_MS;
