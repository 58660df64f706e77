// What the buyer holds, and what it became: the countdown, the lines, the way to pay, the order.

import { digits } from "./clock.js";
import { h, setText } from "./dom.js";
import { accountNeeded, skuOf } from "./states.js";
import { moment, money, number, t } from "./texts.js";

const URGENT_S = 60;

export const button = (id, text, onclick, look = "primary") => h("button", { class: look, id, type: "button", onclick }, t(text));
export const link = (id, text, href, look = "primary") => h("a", { class: look, id, href }, t(text));

/** { panel, bar, tick } while the hold runs. */
export function holdTicket(model, actions, config) {
  const { hold, sale, lapsed, confirming } = model;
  const max = sale?.hold_ttl_s ?? 300;
  const free = hold.total_amount === 0;
  const words = t(free ? "time_left_free" : "time_left");
  const clock = h("p", { class: "countdown", id: "countdown", role: "timer", "aria-label": words });
  const left = h("progress", { max, value: max, "aria-hidden": "true" });
  const ticket = h("div", { class: "ticket" }, h("div", { class: "stub" }, h("p", {}, words), clock, left), ...lines(hold, sale, lapsed || confirming ? null : stepper(model, actions)));
  const giveBack = button("release", "give_back", () => actions.confirm(true, "release-question"), "quiet");
  giveBack.disabled = Boolean(lapsed);
  const pay = free ? button("pay", "buy_free", actions.payFree) : payForm(model, actions, config);
  if (free) pay.disabled = Boolean(lapsed);
  return {
    panel: [ticket],
    bar: confirming ? confirmRelease(model, actions) : [pay, giveBack],
    tick(left_s) {
      setText(clock, digits(left_s));
      clock.dataset.long = left_s >= 3600 ? "hours" : "";
      left.value = left_s;
      ticket.classList.toggle("urgent", left_s <= URGENT_S);
    },
  };
}

/** A real form: it works as a link does, and what is sent can be read in the page. */
function payForm({ hold, sale, lapsed }, actions, config) {
  const target = new URL(config.payment_page_url || "/", location.href);
  const fields = {
    ...Object.fromEntries(target.searchParams), // a GET form would lose the address's own query
    hold_id: hold.hold_id,
    user_id: config.user_id(),
    amount: hold.total_amount,
    currency: hold.currency,
    name: sale?.name ?? hold.sale_id,
    expire_at: hold.expire_at,
    return_url: `${location.origin}/sales/${encodeURIComponent(hold.sale_id)}?hold_id=${hold.hold_id}`,
  };
  target.search = "";
  return h("form", { method: "get", action: target.href, onsubmit: actions.pay },
    ...Object.entries(fields).filter(([, value]) => value != null)
      .map(([name, value]) => h("input", { type: "hidden", name, value })),
    h("button", { class: "primary", id: "pay", disabled: lapsed }, t("pay", { amount: money(hold.total_amount, hold) })));
}

const confirmRelease = ({ releasing }, actions) => sure({
  question: "give_back_sure", no: "give_back_no", yes: releasing ? "busy" : "give_back_yes", id: "release", busy: releasing,
  onno: () => actions.confirm(false, "release"), onyes: actions.release,
});

/** A question before what cannot be undone. */
export const sure = ({ question, no, yes, id, busy, onno, onyes }) => [
  h("p", { id: `${id}-question`, class: "question", tabindex: -1 }, t(question)),
  h("div", { class: "pair" },
    h("button", { class: "secondary", id: `${id}-cancel`, type: "button", disabled: busy, onclick: onno }, t(no)),
    h("button", { class: "primary danger", id: `${id}-confirm`, type: "button", disabled: busy, onclick: onyes }, t(yes))),
];

/** The order, or the hold it was made from where the order could not be read yet. */
export function orderTicket({ order, hold, sale }, more = false) {
  const what = order ?? hold;
  const number_of = order?.order_number ?? order?.order_id ?? hold?.order_id ?? "";
  const gone = order?.status === "CANCELLED" || order?.status === "RETURNED";
  const facts = [
    ["order_no", number_of, "order-number"],
    more && ["order_at", moment(order.created_at)],
    order?.tracking && ["order_tracking", order.tracking],
    order?.refunded_amount > 0 && ["order_refunded", money(order.refunded_amount, order)],
    more && order.order_number && ["order_id", order.order_id, "order-id"],
  ].filter(Boolean);
  return h("div", { class: gone ? "ticket over" : "ticket" },
    h("div", { class: "stub" }, h("span", { class: gone ? "cross" : "tick", "aria-hidden": "true" })),
    ...lines(what, sale),
    h("dl", {}, ...facts.flatMap(([name, value, id]) => [h("dt", {}, t(name)), h("dd", { id }, value)])));
}

/** Fewer or more of a line, as far as one person may have and there is: at the same end, and at the same price. */
const stepper = ({ sale }, actions) => ({ sku_id, qty, seats }) => {
  const sku = skuOf(sale, sku_id);
  if (seats || !(sku?.max_per_user > 1)) return null;
  const step = (id, label, by, sign, off) =>
    h("button", { type: "button", id: `${id}-${sku_id}`, "aria-label": `${sku.name || sku_id}: ${t(label)}`, disabled: off, onclick: () => actions.change(sku_id, by) }, sign);
  const most = Math.min(sku.max_per_user, 100, qty + (sku.available ?? 100));
  return h("span", { class: "stepper" }, step("fewer", "fewer", -1, "−", qty <= 1), step("more", "more", 1, "+", qty >= most));
};

/** The lines and their sum; `beside`: what stands beside a line. */
export function lines(what, sale, beside = null) {
  const { items, total_amount, discount_amount } = what;
  const line = ({ sku_id, qty, unit_price, seats }, at) => h("li", {},
    h("span", {}, skuOf(sale, sku_id)?.name || sku_id, " ", h("small", {}, seats?.join(", ") ?? t("times", { n: number(qty) })), beside?.(items[at])),
    h("span", { class: "price" }, money(unit_price * qty, what)));
  return [
    h("ul", {}, ...items.map(line),
      discount_amount > 0 ? h("li", {}, h("span", {}, t("discount")), h("span", { class: "price" }, `−${money(discount_amount, what)}`)) : null),
    h("p", { class: "total" }, h("span", {}, t("total")), h("strong", {}, money(total_amount, what))),
  ];
}

/** What happened beside the order: a second payment goes back, or waits for an account to go to. */
export function besides({ order, hold }) {
  if (!order || order.status === "CANCELLED" || order.status === "RETURNED") return null;
  const waiting = accountNeeded(hold, order);
  if (waiting) return t("n_account", { amount: money(waiting.amount, { ...order, ...waiting }) });
  const refund = hold?.refunds?.find(({ reason }) => reason === "already_paid");
  if (!refund) return null;
  return t(`n_second_${refund.status}`, { amount: money(refund.amount, { ...order, ...refund }) });
}
