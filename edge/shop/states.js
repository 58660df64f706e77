// The states of a sale's page and the rules that choose among them: no DOM, no network.
//
//   loading -> scheduled -> open <-> sold_out      paused, closed: as the sale says
//                            | buy
//               offline <-> reserving -> sold_out, limit, error
//                            | 201, already_holding
//                         holding -pay-> paying -order-> bought -> cancelled
//                            | time up      | the hold ended first
//                         expired         unsure -> refund
//
// Of money the page says only what the API says: "refund" where the hold has one, never because a buyer came back.

const [FAST, SLOW, RARELY] = [[1600, 2400], [5000, 10_000], [10_000, 30_000]];

/**
 * `look`: what is asked for while the page is visible, and how often.
 * `browsing`: the choice is on screen; going between two of these moves no focus.
 */
export const STATES = {
  loading: { browsing: true },
  scheduled: { look: "sale", every_ms: SLOW, browsing: true },
  open: { look: "sale", every_ms: FAST, browsing: true },
  sold_out: { look: "sale", every_ms: FAST, browsing: true },
  paused: { look: "sale", every_ms: SLOW, browsing: true },
  closed: { look: "sale", every_ms: RARELY, browsing: true },
  reserving: {},
  holding: { look: "hold", every_ms: SLOW },
  paying: { look: "hold", every_ms: [1000, 2000] },
  bought: { look: "hold", every_ms: RARELY },
  cancelled: { look: "hold", every_ms: RARELY },
  expired: { look: "hold", every_ms: RARELY }, // a deposit may still arrive
  unsure: { look: "hold", every_ms: SLOW },
  limit: {},
  refund: { look: "hold", every_ms: SLOW }, // until the money has arrived
  offline: { look: "all", every_ms: FAST },
  error: {},
};

/** What the sale is at this moment of the server's clock, whatever it was when it was read. */
export function statusAt(sale, now_ms) {
  if (sale.status === "paused" || sale.status === "closed") return sale.status;
  if (sale.closes_at && now_ms >= Date.parse(sale.closes_at)) return "closed";
  return sale.opens_at && now_ms < Date.parse(sale.opens_at) ? "scheduled" : "open";
}

/** Stock that nobody says is taken for some. */
export const isGone = (sku) => sku?.available != null && sku.available <= 0;

/** For the pill: sold out is no sale. */
export function shownStatus(sale, now_ms) {
  const status = statusAt(sale, now_ms);
  return status === "open" && sale.skus.every(isGone) ? "sold_out" : status;
}

export function browsingState(sale, chosen, now_ms) {
  const status = statusAt(sale, now_ms);
  return status === "open" && (!skuOf(sale, chosen) || isGone(skuOf(sale, chosen))) ? "sold_out" : status;
}

/** The sentence about the money of a hold that is no order, or no longer one. */
export function refundOf(hold, order) {
  const refund = order?.refund ?? hold?.refund;
  if (refund?.status === "completed" || refund?.status === "failed") return refund.status;
  if (order) return order.total_amount > 0 ? "pending" : "none";
  return hold?.status === "RELEASED" ? "released" : "late";
}

/** The refund that waits until its buyer names an account: a deposit goes back to no card. Null: none does. */
export const accountNeeded = (hold, order) =>
  [order?.refund, ...(hold?.refunds ?? [hold?.refund])].find((refund) => refund?.account_needed && refund.status === "failed") ?? null;

/** A payment that bought nothing while its hold lives, and that this page has not seen: it is not the one it waits for. */
export const isMismatch = (hold, record) => hold.status === "HOLD" && (hold.refunds?.length ?? 0) > (record?.seen ?? 0);

/**
 * The state a hold puts the page in; null: it was given back, and the sale is what matters.
 * `record.paid`: "yes" after the payment page said so, "maybe" where it did not say.
 */
export function holdState(hold, record, now_ms, order) {
  if (order?.status === "CANCELLED" || order?.status === "RETURNED") return "cancelled";
  if (hold.status === "COMMITTED") return "bought";
  const lapsed = hold.status === "EXPIRED" || (hold.status === "HOLD" && now_ms >= Date.parse(hold.expire_at));
  if (hold.status === "HOLD" && isMismatch(hold, record) && !lapsed) return "holding";
  if (hold.status === "HOLD" && record?.paid === "yes") return "paying"; // in time, it may still be on its way
  if (hold.status === "HOLD" && !lapsed) return "holding";
  if (hold.refund) return "refund";
  if (record?.paid) return "unsure";
  return hold.status === "RELEASED" ? null : "expired";
}

export const skuOf = (sale, sku_id) => sale?.skus.find((sku) => sku.sku_id === sku_id);

/** The first that can be had: in a crowd one press should do. */
export const firstChoice = ({ skus }) => (skus.find((sku) => !isGone(sku)) ?? skus[0])?.sku_id;

export const mostOf = (sku) => Math.max(1, Math.min(sku?.max_per_user ?? 1, sku?.available || 100, 100));

/** From `?hold_id=…&payment_id=…&result=…` after the payment page; null when not from there. */
export function comeback(query) {
  const hold_id = query.get("hold_id");
  if (!/^[0-9a-f-]{36}$/i.test(hold_id)) return null;
  const result = query.get("result") ?? "";
  if (/^(declin|cancel|fail|refus|error)/i.test(result)) return { hold_id, notice: "n_unpaid" };
  if (/^(paid|succe|confirm|done|ok)/i.test(result) || (!result && query.get("payment_id"))) return { hold_id, paid: "yes" };
  return result ? { hold_id, paid: "maybe", notice: "n_maybe" } : { hold_id };
}
