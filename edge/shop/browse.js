// The choice: options, quantity and the buy button. Built once a sale and updated in place,
// so that a poll never moves the focus or a target.

import { digits } from "./clock.js";
import { h, setText } from "./dom.js";
import { STATES, mostOf, skuOf } from "./states.js";
import { money, number, t } from "./texts.js";

const FEW = 5;
const LABEL = { scheduled: "pill_scheduled", sold_out: "none_left", paused: "pill_paused", closed: "pill_closed", reserving: "busy" };

/** { panel, bar, update(model), tick(left_s) } for one list of SKUs. */
export function createBrowse(sale, actions) {
  const rows = sale.skus.map(({ sku_id }) => row(sku_id, actions));
  const clock = h("p", { class: "countdown", id: "countdown", role: "timer" });
  const options = h("fieldset", { class: "options" }, h("legend", {}, t("choose")), ...rows.map((one) => one.label));
  const qty = h("output", { id: "qty" });
  const step = (id, label, by, sign) =>
    h("button", { type: "button", id, "aria-label": t(label), onclick: () => actions.count(by) }, sign);
  const [fewer, more] = [step("qty-minus", "fewer", -1, "−"), step("qty-plus", "more", 1, "+")];
  const quantity = h("div", { class: "quantity", role: "group", "aria-label": t("quantity") }, t("quantity"), h("span", {}, fewer, qty, more));
  const note = h("p", { class: "note" });
  const buy = h("button", { class: "primary", id: "buy", type: "button", onclick: actions.buy });
  const sum = h("output");

  function update({ state, sale: { skus, currency }, chosen, qty: count }) {
    const sku = skuOf({ skus }, chosen);
    const choosing = STATES[state].browsing && state !== "closed";
    const most = sku?.max_per_user ?? 1;
    clock.hidden = state !== "scheduled";
    options.disabled = !choosing;
    for (const one of rows) one.update(skuOf({ skus }, one.sku_id), currency, chosen);
    quantity.hidden = most < 2;
    setText(qty, number(count));
    fewer.disabled = !choosing || count <= 1;
    more.disabled = !choosing || count >= mostOf(sku);
    setText(note, t("per_user", { n: number(most) }));
    setText(sum, sku ? money(sku.unit_price * count, currency) : "");
    setText(buy, t(LABEL[state] ?? "buy"));
    buy.disabled = state !== "open";
  }

  function tick(left_s) {
    const days = Math.floor(left_s / 86_400);
    setText(clock, (days > 0 ? `${t("days", { n: days })} ` : "") + digits(left_s));
    clock.dataset.long = days > 0 ? "days" : left_s >= 3600 ? "hours" : "";
  }

  return { panel: [clock, options, quantity, note], bar: [h("p", { class: "total" }, h("span", {}, t("total")), sum), buy], update, tick };
}

function row(sku_id, actions) {
  const input = h("input", { type: "radio", name: "sku", id: `sku-${sku_id}`, onchange: () => actions.choose(sku_id) });
  const [name, stock, price] = [h("b"), h("small"), h("span", { class: "price" })];
  const label = h("label", { class: "option" }, input, h("span", { class: "what" }, name, stock), price);
  function update({ name: words, unit_price, available }, currency, chosen) {
    input.checked = chosen === sku_id;
    const few = available <= FEW ? "few_left" : "left";
    label.dataset.stock = available > 0 ? few : "none_left";
    setText(name, words || sku_id);
    setText(stock, t(label.dataset.stock, { n: number(available) }));
    setText(price, money(unit_price, currency));
  }
  return { sku_id, label, update };
}
