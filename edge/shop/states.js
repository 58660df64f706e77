// The states of a sale's page and the rules that choose among them: no DOM, no network.
//
//   loading -> scheduled -> open <-> sold_out      paused, closed: as the sale says
//                            | buy
//               offline <-> reserving -> sold_out, limit, signed_out, error
//                            | 201, already_holding
//                         holding -pay-> paying -order-> bought
//                            | time up      | the hold ended first
//                         expired         refund (also: an operator cancelled the order)

const [FAST, SLOW] = [[1600, 2400], [5000, 10_000]];

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
  closed: { look: "sale", every_ms: SLOW, browsing: true },
  reserving: {},
  holding: { look: "hold", every_ms: SLOW },
  paying: { look: "hold", every_ms: [1000, 2000] },
  bought: {},
  expired: {},
  limit: {},
  refund: { look: "hold", every_ms: SLOW }, // until the money has arrived
  signed_out: {},
  offline: { look: "all", every_ms: FAST },
  error: {},
};

/** What the sale is at this moment of the server's clock, whatever it was when it was read. */
export function statusAt(sale, now_ms) {
  if (sale.status === "paused" || sale.status === "closed") return sale.status;
  if (sale.closes_at && now_ms >= Date.parse(sale.closes_at)) return "closed";
  return sale.opens_at && now_ms < Date.parse(sale.opens_at) ? "scheduled" : "open";
}

export function browsingState(sale, chosen, now_ms) {
  const status = statusAt(sale, now_ms);
  return status === "open" && !(skuOf(sale, chosen)?.available > 0) ? "sold_out" : status;
}

/** How the money of a hold goes back: "cancelled" and "late" say why, "completed" and "failed" how it ended. */
export function refundOf(hold, order) {
  const status = hold?.refund?.status;
  if (status === "completed" || status === "failed") return status;
  return order?.status === "CANCELLED" ? "cancelled" : "late";
}

/** The state a hold puts the page in; null: it was given back, and the sale is what matters. */
export function holdState(hold, paid, now_ms, order) {
  if (order?.status === "CANCELLED") return "refund";
  if (hold.status === "COMMITTED") return "bought";
  if (hold.status !== "HOLD" && paid) return "refund";
  if (hold.status === "RELEASED") return null;
  if (hold.status === "EXPIRED") return "expired";
  if (paid) return "paying"; // a payment in time may still be on its way: only EXPIRED is the end
  return now_ms < Date.parse(hold.expire_at) ? "holding" : "expired";
}

export const skuOf = (sale, sku_id) => sale?.skus.find((sku) => sku.sku_id === sku_id);

/** The first that can be had: in a crowd one press should do. */
export const firstChoice = ({ skus }) => (skus.find((sku) => sku.available > 0) ?? skus[0])?.sku_id;

export const mostOf = (sku) => Math.max(1, Math.min(sku?.max_per_user ?? 1, sku?.available || 1, 100));

/** From `?hold_id=…&payment_id=…&result=…` after the payment page; null when not from there. */
export function comeback(query) {
  const hold_id = query.get("hold_id");
  if (!/^[0-9a-f-]{36}$/i.test(hold_id)) return null;
  const result = query.get("result") ?? "";
  if (/^(declin|cancel|fail|refus|error)/i.test(result)) return { hold_id, notice: "n_unpaid" };
  return { hold_id, paid: Boolean(result || query.get("payment_id")) };
}
