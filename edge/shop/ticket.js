// What the buyer holds, and what it became: the countdown, the lines, the way to pay, the order.

import { digits } from "./clock.js";
import { h, setText } from "./dom.js";
import { skuOf } from "./states.js";
import { money, number, t } from "./texts.js";

const URGENT_S = 60;

/** { panel, bar, tick } while the hold runs. */
export function holdTicket(model, actions, config) {
  const { hold, sale, lapsed, confirming } = model;
  const max = sale?.hold_ttl_s ?? 300;
  const clock = h("p", { class: "countdown", id: "countdown", role: "timer", "aria-label": t("time_left") });
  const left = h("progress", { max, value: max, "aria-hidden": "true" });
  const ticket = h("div", { class: "ticket" }, h("div", { class: "stub" }, h("p", {}, t("time_left")), clock, left), ...lines(hold, sale));
  const giveBack = h("button", {
    class: "quiet", id: "release", type: "button", disabled: lapsed, onclick: () => actions.confirm(true, "release-question"),
  }, t("give_back"));
  return {
    panel: [ticket],
    bar: confirming ? confirmRelease(model, actions) : [payForm(model, actions, config), giveBack],
    tick(left_s) {
      setText(clock, digits(left_s));
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
    h("button", { class: "primary", id: "pay", disabled: lapsed }, t("pay", { amount: money(hold.total_amount, hold.currency) })));
}

const confirmRelease = ({ releasing }, actions) => [
  h("p", { id: "release-question", tabindex: -1 }, t("give_back_sure")),
  h("div", { class: "pair" },
    h("button", { class: "secondary", id: "release-cancel", type: "button", disabled: releasing, onclick: () => actions.confirm(false, "release") },
      t("give_back_no")),
    h("button", { class: "primary danger", id: "release-confirm", type: "button", disabled: releasing, onclick: actions.release },
      t(releasing ? "busy" : "give_back_yes"))),
];

/** The order, or the hold it was made from where the order could not be read yet. */
export function orderTicket({ order, hold, sale }) {
  return h("div", { class: "ticket" }, h("div", { class: "stub" }, h("span", { class: "tick", "aria-hidden": "true" })),
    ...lines(order ?? hold, sale),
    h("dl", {}, h("dt", {}, t("order_no")), h("dd", { id: "order-id" }, order?.order_id ?? hold.order_id)));
}

/** The lines and their sum. */
export function lines({ items, total_amount, currency }, sale) {
  const line = ({ sku_id, qty, unit_price }) => h("li", {},
    h("span", {}, skuOf(sale, sku_id)?.name || sku_id, " ", h("small", {}, t("times", { n: number(qty) }))),
    h("span", { class: "price" }, money(unit_price * qty, currency)));
  return [
    h("ul", {}, ...items.map(line)),
    h("p", { class: "total" }, h("span", {}, t("total")), h("strong", {}, money(total_amount, currency))),
  ];
}
