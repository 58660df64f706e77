// Puts the model of a sale's page on the screen, state by state.

import { createAccount } from "./account.js";
import { createBrowse } from "./browse.js";
import { now } from "./clock.js";
import { byId, h, setChildren, setText } from "./dom.js";
import { STATES, accountNeeded, refundOf, shownStatus } from "./states.js";
import { facts, money, momentAfter, t, whyRefused } from "./texts.js";
import { besides, button, holdTicket, lines, link, orderTicket } from "./ticket.js";

/** Speaks to a screen reader without a visible change. */
export function say(text) {
  byId("announce").textContent = "";
  setTimeout(setText, 50, byId("announce"), text); // a region hears the same sentence twice only so
}

/** What every page has: the state's name, the title, the heading and the message. */
export function frame(state, title, heading, message, urgent = false) {
  byId("main").dataset.state = state;
  if (title) setText(byId("title"), title);
  setText(byId("heading"), heading);
  setText(byId("message"), message);
  byId("message").classList.toggle("alert", urgent);
  document.title = [heading, title].filter(Boolean).join(" · ") || document.title;
}

export function createView(actions, config) {
  const account = createAccount(actions.retry);
  let browse = null;
  let skus = "";
  let current = null;
  let shown = "";

  function render(model) {
    const { state, sale, hold, order, orders, asking, confirming, releasing, lapsed, limit, missing, code } = model;
    frame(state, sale?.name ?? "", t(missing ? "h_missing" : heading(model)), model.notice ?? message(model), model.urgent);
    byId("main").toggleAttribute("data-signed-out", Boolean(model.signed_out));
    hero(sale);
    const ids = JSON.stringify(sale?.skus.map((sku) => sku.sku_id));
    if (sale && ids !== skus) [browse, skus] = [createBrowse(sale, actions), ids];
    browse?.update(model);
    if (browse && (asking || (STATES[state].browsing && state !== "loading"))) {
      [current, shown] = [browse, ""];
      setChildren(byId("panel"), asking ? [waiting, ...browse.panel] : browse.panel);
      setChildren(byId("bar"), state === "offline" ? [wakeUp] : browse.bar(model));
      return;
    }
    // Rebuilt only when it would differ: an answer that says nothing new must not move the focus.
    const next = JSON.stringify([state, hold, order, orders, confirming, releasing, lapsed, limit, missing, code, ids]);
    if (next === shown) return;
    [current, shown] = [state === "holding" ? holdTicket(model, actions, config) : still(model, actions, account), next];
    byId("panel").replaceChildren(...current.panel);
    byId("bar").replaceChildren(...current.bar);
  }

  const wakeUp = button("retry", "retry", actions.wake);

  /** Where the focus goes when one state follows another. */
  function arrive(from, to) {
    const heading = byId("heading");
    if (STATES[from].browsing && STATES[to].browsing) {
      if (from === "loading") return;
      say(heading.textContent);
      if (document.activeElement !== document.body && !document.activeElement.disabled) return;
    }
    if (from === "loading" && document.activeElement === document.body) return; // the page has only just come
    heading.focus({ preventScroll: true });
    if (!STATES[to].browsing && to !== "reserving" && to !== "offline") heading.scrollIntoView();
  }

  return { render, arrive, tick: (left_s) => current.tick?.(left_s) };
}

const waiting = h("progress", { class: "waiting", "aria-hidden": "true" });

/** The states that only say something, and the one way on from each. */
function still(model, actions, account) {
  const { state, hold, order, orders, sale, limit } = model;
  const ticket = hold ? [h("div", { class: "ticket" }, ...lines(hold, sale))] : [];
  const form = accountNeeded(hold, order) && account(hold.hold_id);
  const back = [button("retry", "back", actions.leave, "secondary")];
  const order_id = order?.order_id ?? hold?.order_id;
  const see = order_id && link("see", "order_see", `/orders/${order_id}`, "primary");
  switch (state) {
    case "loading":
    case "reserving": return { panel: [waiting], bar: [] };
    case "offline": return { panel: [waiting], bar: [button("retry", "retry", actions.retry)] };
    case "paying": return { panel: [waiting, ...ticket], bar: [link("see", "my_orders", "/orders", "secondary")] };
    case "bought": return { panel: [note(besides(model)), form, orderTicket(model)].filter(Boolean), bar: [see, button("again", "back", actions.leave, "secondary")] };
    case "cancelled": return { panel: [form, orderTicket(model)].filter(Boolean), bar: [see, ...back] };
    case "unsure": return { panel: ticket, bar: back };
    case "refund": return { panel: [form, ...ticket].filter(Boolean), bar: back };
    case "limit": return { panel: mine(orders, sale), bar: limit.over ? [button("again", "again", actions.leave)] : back };
    case "expired": return { panel: ticket, bar: [button("retry", "again", actions.leave)] };
    default: return { panel: [], bar: [model.missing ? link("all", "all_sales", "/") : button("retry", "retry", actions.leave)] };
  }
}

export const note = (text) => text && h("p", { class: "message alert", role: "status" }, text);

/** The orders that count towards the limit. */
const mine = (orders, sale) => (orders?.length ? [h("h3", {}, t("orders_mine")), h("ul", { class: "sales" }, ...orders.map((order) => orderCard(order, sale)))] : []);

export function orderCard(order, sale) {
  const names = order.items.map(({ sku_id }) => sale?.skus.find((sku) => sku.sku_id === sku_id)?.name || sku_id);
  return h("li", {}, h("a", { class: "card", id: `order-${order.order_id}`, href: `/orders/${order.order_id}` },
    h("p", { class: "pill", "data-status": order.status }, t(`s_${order.status}`)),
    h("h3", {}, sale?.name ?? order.sale_id),
    h("p", {}, names.join(", ")),
    h("p", { class: "card-foot" }, h("span", { class: "number" }, order.order_number ?? order.order_id.slice(0, 8)), h("span", { class: "price" }, money(order.total_amount, order)))));
}

/** Money of a hold that is no order: the link leads to its page, where an account is asked for if one is needed. */
export function refundCard(hold, sale) {
  return h("li", {}, h("a", { class: "card", id: `refund-${hold.hold_id}`, href: `/sales/${encodeURIComponent(hold.sale_id)}?hold_id=${hold.hold_id}` },
    h("h3", {}, sale?.name ?? hold.sale_id),
    h("p", {}, t(heading({ state: "refund", hold }))),
    h("p", { class: "card-foot" }, h("span", { class: "price" }, money(hold.refund.amount, { ...hold, ...hold.refund })))));
}

/** The heading of a state that has a hold or an order. */
export function heading({ state, hold, order, limit }) {
  if (state === "limit" && limit.retry_at) return limit.over ? "h_limit_over" : "h_limit_later";
  if (state === "refund" && accountNeeded(hold)) return "h_account";
  if (state === "refund" && refundOf(hold) === "completed") return "h_refunded";
  if (state === "cancelled" && order.status === "RETURNED") return "h_returned";
  return `h_${state}`;
}

export function message({ state, hold, order, sale, chosen, missing, limit, asking, reason, long, code }) {
  if (missing) return t("m_missing");
  const waiting = (state === "refund" || state === "cancelled") && accountNeeded(hold, order);
  if (waiting) return t("n_account", { amount: money(waiting.amount, { ...hold, ...order, ...waiting }) });
  if (state === "refund") return t(`m_refund_${refundOf(hold)}`);
  if (state === "cancelled") return t(`m_refund_${refundOf(hold, order)}`);
  if (state === "bought" && order) return t(`m_${order.status}`) || t("m_bought");
  if (state === "offline") return `${t(`m_${reason ?? "busy"}`)} ${t(asking ? "m_same" : "m_offline")}`;
  if (state === "paying" && long) return t("m_paying_long");
  if (state === "holding" && hold.total_amount === 0) return t("m_holding_free");
  if (state === "limit" && limit.retry_at) return limit.over ? t("m_limit_over") : t("m_limit_later", { time: momentAfter(limit.retry_at) });
  if (state === "limit") return t({ sale: "m_limit_sale", coupon: "m_limit_coupon" }[limit.of] ?? "m_limit", { n: limit.n });
  if (state === "error") return whyRefused(code);
  if (state === "open" && sale.skus.length === 1 && !(sale.skus[0].max_per_user > 1)) return t(sale.skus[0].unit_price ? "m_open_one" : "m_open_free");
  return t(`m_${state}`);
}

function hero(sale) {
  if (!sale) return;
  const status = shownStatus(sale, now());
  const pill = document.querySelector(".hero .pill");
  if (pill) {
    pill.dataset.status = status;
    setText(pill, t(`pill_${status}`));
  }
  setText(byId("facts"), facts(sale, status));
}
