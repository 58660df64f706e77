// What is the buyer's own in a sale, as the API tells it.

import * as api from "./api.js";

const PAGES = 5;

/** A hold, and once it is an order, the order; `known` is what is shown if that cannot be read. */
export async function readHold(hold_id, known) {
  const answer = await api.hold(hold_id);
  if (answer.body?.status !== "COMMITTED") return answer;
  let order = await api.orderOfHold(hold_id);
  // What the page asked for before this script was here may be older than the order.
  if (order.code === "not_found") order = await api.orderOfHold(hold_id);
  answer.order = order.body ?? known;
  return answer;
}

/** The newest hold that runs, made on whatever device; null: there is none, or nobody can say. */
export async function runningHold(sale_id) {
  let answer = await api.ownHolds(sale_id);
  // A page may be empty and not the last.
  for (let more = 0; more < PAGES && answer.body?.next && !answer.body.reservations.length; more++) {
    answer = await api.ownHolds(sale_id, answer.body.next);
  }
  if (answer.kind === "ok") return answer.body.reservations.length ? { kind: "ok", body: answer.body.reservations[0] } : null;
  return answer.code === "unauthenticated" ? answer : null; // a press will find it too
}

/** The holds that are no order and have a refund: paid too late, or for another amount. The newest first. */
export async function refundedHolds() {
  const found = [];
  for (let page = 0, next = null; page < PAGES && (page === 0 || next); page++) {
    const { body } = await api.holds(next);
    found.push(...(body?.reservations ?? []).filter((hold) => hold.refund && (hold.status === "EXPIRED" || hold.status === "RELEASED")));
    next = body?.next;
  }
  return found;
}
