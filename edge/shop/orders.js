// The caller's own orders: all of them, and one with its number, at addresses of their own.

import { createAccount } from "./account.js";
import * as api from "./api.js";
import { backoff, between } from "./clock.js";
import { byId, h } from "./dom.js";
import { refundedHolds } from "./own.js";
import { development, page, signInUrl } from "./page.js";
import { accountNeeded } from "./states.js";
import { t, whyRefused } from "./texts.js";
import { besides, button, link, orderTicket, sure } from "./ticket.js";
import { frame, heading, message, note, orderCard, refundCard, say } from "./view.js";

const EVERY_MS = [10_000, 30_000];
const sales = new Map();

/** The names of what was bought; without them the ids are shown. */
async function saleOf(sale_id) {
  if (!sales.has(sale_id)) {
    const answer = await api.sale(sale_id);
    if (answer.kind !== "ok") return null;
    sales.set(sale_id, answer.body);
  }
  return sales.get(sale_id);
}

/** Asks, and says why there is no answer; null then. */
async function asked(question, title, missing) {
  for (let attempt = 0; ; attempt++) {
    const answer = !development && !page.signed_in ? { kind: "refused", code: "unauthenticated" } : await question();
    if (answer.kind === "ok") return answer;
    if (answer.code === "unauthenticated") {
      frame("signed_out", title, t("h_signed_out"), t("m_signed_out"));
      byId("panel").replaceChildren();
      byId("bar").replaceChildren(...(signInUrl ? [link("sign-in", "sign_in", signInUrl)] : []));
      return null;
    }
    if (answer.code === "not_found" && missing) {
      frame("missing", title, t("h_missing_order"), t("m_missing_order"));
      byId("bar").replaceChildren(link("all", "my_orders", "/orders"));
      return null;
    }
    if (answer.kind === "refused" && answer.code !== "rate_limited") {
      frame("error", title, t("h_error"), whyRefused(answer.code));
      byId("bar").replaceChildren(link("retry", "retry", ""));
      return null;
    }
    frame("offline", title, t("h_offline"), `${answer.reason ? t(`m_${answer.reason}`) : whyRefused(answer.code)} ${t("m_offline")}`);
    byId("bar").replaceChildren(link("retry", "retry", ""));
    await new Promise((resolve) => setTimeout(resolve, Math.max(answer.retry_after_ms, backoff(attempt))));
  }
}

export async function startOrders() {
  const list = h("ul", { class: "sales" });
  const refunds = h("ul", { class: "sales" });
  let next = null;

  /** Money that bought nothing has no order: its hold is where its buyer reads of it, and names an account. */
  async function showRefunds() {
    for (const hold of await refundedHolds()) {
      const sale = await saleOf(hold.sale_id);
      if (!refunds.childElementCount) {
        if (!list.childElementCount) frame("orders", t("orders_title"), "", "");
        byId("panel").prepend(h("h3", {}, t("orders_refunds")), refunds);
      }
      refunds.append(refundCard(hold, sale));
    }
  }

  async function more() {
    const answer = await asked(() => api.orders(next ? { cursor: next } : {}), t("orders_title"), false);
    if (!answer) return;
    const { orders } = answer.body;
    const none = !orders.length && !list.childElementCount && !answer.body.next;
    frame("orders", t("orders_title"), none ? t("h_no_orders") : "", none ? t("m_no_orders") : "");
    if (!list.isConnected) byId("panel").replaceChildren(list);
    for (const order of orders) {
      const place = list.appendChild(orderCard(order, sales.get(order.sale_id)));
      if (!sales.has(order.sale_id)) saleOf(order.sale_id).then((sale) => sale && place.replaceWith(orderCard(order, sale)));
    }
    next = answer.body.next;
    byId("bar").replaceChildren(...(none ? [link("all", "all_sales", "/")] : next ? [button("more", "orders_more", more, "secondary")] : []));
  }
  await more();
  if (list.isConnected) await showRefunds();
}

export async function startOrder() {
  const { order_id } = page;
  const account = createAccount(() => look());
  let timer = 0;
  let shown = "";
  let order = null;
  let hold = null;
  let confirming = false;
  let failed = false;

  async function look() {
    clearTimeout(timer);
    const answer = shown ? await api.order(order_id) : await asked(() => api.order(order_id), t("order_title"), true);
    if (answer?.kind === "ok") {
      order = answer.body;
      show();
      await Promise.all([saleOf(order.sale_id).then(show), api.hold(order.hold_id).then(adopt)]);
    }
    if (!document.hidden && shown) timer = setTimeout(look, Math.max(between(EVERY_MS), answer?.retry_after_ms ?? 0));
  }

  function adopt(answer) {
    hold = answer.body ?? hold;
    show();
  }

  /** The order alone is enough to be shown; what is known of its sale and its hold is added when it is there. */
  function show() {
    const sale = sales.get(order.sale_id) ?? null;
    const state = order.status === "CANCELLED" || order.status === "RETURNED" ? "cancelled" : "bought";
    const model = { state, order, hold, sale };
    const next = JSON.stringify([order, hold, sale?.name, sale?.buyer_cancel, confirming, failed]);
    if (next === shown) return;
    const changed = shown && byId("main").dataset.state !== state;
    shown = next;
    frame(state, sale?.name ?? order.sale_id, t(heading(model)), failed ? t("code_transition_not_allowed") : message(model), failed);
    document.title = `${order.order_number ?? t("order_title")} · ${sale?.name ?? order.sale_id}`;
    const focused = document.activeElement.id;
    const form = accountNeeded(hold, order) && account(order.hold_id);
    byId("panel").replaceChildren(...[note(besides(model)), form, orderTicket(model, true)].filter(Boolean));
    byId("bar").replaceChildren(...bar(sale));
    if (focused) byId(focused)?.focus();
    if (changed) say(t(heading(model)));
  }

  function bar(sale) {
    const back = link("back", "my_orders", "/orders", "secondary");
    if (!sale?.buyer_cancel || order.status !== "CONFIRMED") return [back];
    const turn = (yes, focus) => () => {
      confirming = yes;
      show();
      byId(focus)?.focus();
    };
    if (!confirming) return [back, button("cancel", "order_cancel", turn(true, "cancel-question"), "quiet")];
    return sure({
      question: "order_cancel_sure", no: "order_cancel_no", yes: "order_cancel_yes", id: "cancel",
      onno: turn(false, "cancel"),
      onyes: async () => {
        const answer = await api.cancel(order_id);
        [confirming, failed] = [false, answer.kind === "refused"];
        byId("heading").focus();
        await look();
      },
    });
  }

  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  await look();
}
