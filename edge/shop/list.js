// The front page: every sale and its status. The Worker has drawn it already; this keeps it true.

import * as api from "./api.js";
import { backoff, between, now } from "./clock.js";
import { byId, h } from "./dom.js";
import { page } from "./page.js";
import { shownStatus } from "./states.js";
import { facts, money, t } from "./texts.js";
import { frame } from "./view.js";

const EVERY_MS = [5000, 10_000];
const ORDER = ["open", "scheduled", "paused", "sold_out", "closed"];

export function startList() {
  let timer = 0;
  let shown = null;
  let failures = 0;
  if (page.said) show(page.said.sales);

  async function look() {
    clearTimeout(timer);
    const answer = await api.sales();
    clearTimeout(timer);
    failures = answer.kind === "ok" ? 0 : failures + 1;
    if (answer.kind === "ok") show(answer.body.sales);
    else if (!shown) fail(answer);
    plan(answer.retry_after_ms);
  }

  function plan(at_least_ms = 0) {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(look, Math.max(between(EVERY_MS), at_least_ms, failures && backoff(failures)));
  }

  function fail({ reason = "busy" }) {
    frame("offline", t("home_title"), t("h_offline"), `${t(`m_${reason}`)} ${t("m_offline")}`);
    byId("bar").replaceChildren(h("button", { class: "primary", id: "retry", onclick: look }, t("retry")));
  }

  function show(sales) {
    const cards = sales.map((sale) => ({ ...sale, status: shownStatus(sale, now()) }))
      .sort((a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status));
    const next = JSON.stringify(cards.map(({ sale_id, name, status, skus }) => [sale_id, name, status, skus.map((sku) => sku.unit_price)]));
    if (next === shown) return; // nothing new: the focus stays where it is
    shown = next;
    const none = cards.length === 0;
    frame("list", t("home_title"), none ? t("h_empty") : "", none ? t("m_empty") : "");
    byId("bar").replaceChildren();
    const focused = document.activeElement.id;
    byId("panel").replaceChildren(h("ul", { class: "sales" }, ...cards.map(card)));
    if (focused) byId(focused)?.focus();
  }

  const wakeUp = () => { if (!document.hidden) look(); };
  document.addEventListener("visibilitychange", wakeUp);
  addEventListener("online", wakeUp);
  if (page.said) plan();
  else look();
}

const card = (sale) => h("li", {},
  h("a", { class: "card", id: `sale-${sale.sale_id}`, href: `/sales/${encodeURIComponent(sale.sale_id)}` },
    h("p", { class: "pill", "data-status": sale.status }, t(`pill_${sale.status}`)),
    h("h2", {}, sale.name),
    h("p", { class: "price" }, price(sale)),
    h("p", {}, facts(sale, sale.status))));

/** The lowest price and, where there are several, that it is the lowest. */
function price(sale) {
  const prices = sale.skus.map((sku) => sku.unit_price);
  if (!prices.length) return "";
  const [low, high] = [Math.min(...prices), Math.max(...prices)];
  const amount = money(low, sale);
  return low === high ? amount : t("price_from", { amount });
}
