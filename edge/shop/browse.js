// The choice: options, quantity and the buy button. Built once a sale and updated in place,
// so that a poll never moves the focus or a target. The Worker draws the same before this is here: see sale.rs.

import { digits } from "./clock.js";
import { h, setText } from "./dom.js";
import { signInUrl } from "./page.js";
import { isGone, mostOf, skuOf } from "./states.js";
import { money, number, t } from "./texts.js";

const FEW = 5;
const LABEL = { scheduled: "pill_scheduled", sold_out: "none_left", paused: "pill_paused", closed: "pill_closed", reserving: "busy" };

/** { panel, bar(model), update(model), tick(left_s) } for one list of SKUs. */
export function createBrowse(sale, actions) {
  const rows = sale.skus.map(({ sku_id }) => row(sku_id, actions));
  const clock = h("p", { class: "countdown", id: "countdown", role: "timer" });
  const options = h("fieldset", { class: rows.length > 1 ? "options" : "options only" }, h("legend", {}, t("choose")), ...rows.map((one) => one.label));
  const qty = h("output", { id: "qty" });
  const step = (id, label, by, sign) =>
    h("button", { type: "button", id, "aria-label": t(label), onclick: () => actions.count(by) }, sign);
  const [fewer, more] = [step("qty-minus", "fewer", -1, "−"), step("qty-plus", "more", 1, "+")];
  const quantity = h("div", { class: "quantity", role: "group", "aria-label": t("quantity") }, t("quantity"), h("span", {}, fewer, qty, more));
  const note = h("p", { class: "note" });
  const buy = h("button", { class: "primary", id: "buy", type: "button", onclick: actions.buy });
  const sum = h("output");
  const total = h("p", { class: "total" }, h("span", {}, t("total")), sum);
  const why = h("p", { class: "note", id: "sign-in-note" });
  const signIn = signInUrl && h("a", { class: "primary", id: "sign-in", href: signInUrl });

  function update({ state, sale: { skus, currency, currency_decimals }, chosen, qty: count, signed_out }) {
    const sku = skuOf({ skus }, chosen);
    const choosing = state !== "closed" && state !== "reserving";
    const most = sku?.max_per_user ?? 1;
    const free = sku?.unit_price === 0;
    clock.hidden = state !== "scheduled";
    options.disabled = !choosing;
    for (const one of rows) one.update(skuOf({ skus }, one.sku_id), { currency, currency_decimals }, chosen, state);
    quantity.hidden = most < 2;
    setText(qty, number(count));
    fewer.disabled = !choosing || count <= 1;
    more.disabled = !choosing || count >= mostOf(sku);
    setText(note, t("per_user", { n: number(most) }));
    setText(sum, sku ? money(sku.unit_price * count, { currency, currency_decimals }) : "");
    total.hidden = rows.length < 2 && most < 2;
    setText(buy, t(LABEL[state] ?? (free ? "buy_free" : "buy")));
    buy.disabled = state !== "open";
    if (signed_out) {
      setText(why, t(state === "scheduled" ? "n_sign_in_early" : "n_sign_in"));
      setText(signIn, t(state === "open" ? "sign_in_buy" : "sign_in"));
    }
  }

  /** The one way on from here. */
  const bar = ({ signed_out, state }) =>
    (signed_out && state !== "closed" ? [why, signIn].filter(Boolean) : [total, buy]);

  function tick(left_s) {
    const days = Math.floor(left_s / 86_400);
    setText(clock, (days > 0 ? `${t("days", { n: days })} ` : "") + digits(left_s));
    clock.dataset.long = days > 0 ? "days" : left_s >= 3600 ? "hours" : "";
  }

  return { panel: [clock, options, quantity, note], bar, update, tick };
}

function row(sku_id, actions) {
  const input = h("input", { type: "radio", name: "sku", value: sku_id, id: `sku-${sku_id}`, onchange: () => actions.choose(sku_id) });
  const [name, stock, price] = [h("b"), h("small"), h("span", { class: "price" })];
  const label = h("label", { class: "option" }, input, h("span", { class: "what" }, name, stock), price);
  function update(sku, currency, chosen, state) {
    input.checked = chosen === sku_id;
    label.dataset.stock = stockOf(sku, state);
    setText(name, sku.name || sku_id);
    setText(stock, label.dataset.stock && t(label.dataset.stock, { n: number(sku.available) }));
    setText(price, money(sku.unit_price, currency));
  }
  return { sku_id, label, update };
}

/** How much is left is said while it can be bought. */
function stockOf(sku, state) {
  if (!["open", "sold_out", "reserving", "offline"].includes(state) || sku.available == null) return "";
  if (isGone(sku)) return "none_left";
  return sku.available <= FEW ? "few_left" : "left";
}

