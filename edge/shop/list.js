// The front page: every sale and its status.

import * as api from "./api.js";
import { between, now } from "./clock.js";
import { byId, h } from "./dom.js";
import { statusAt } from "./states.js";
import { facts, t } from "./texts.js";
import { frame } from "./view.js";

const EVERY_MS = [5000, 10_000];
const ORDER = ["open", "scheduled", "paused", "closed"];

export function startList() {
  let timer = 0;
  let shown = null;
  frame("loading", t("home_title"), t("h_loading"), "");

  async function look() {
    clearTimeout(timer);
    const answer = await api.sales();
    clearTimeout(timer);
    if (answer.kind === "ok") show(answer.body.sales);
    else if (!shown) fail(answer);
    if (!document.hidden) timer = setTimeout(look, between(EVERY_MS));
  }

  function fail({ kind, problem }) {
    const state = kind === "no_answer" ? "offline" : "error";
    frame(state, t("home_title"), t(`h_${state}`), problem?.detail ?? t(`m_${state}`));
    byId("bar").replaceChildren(h("button", { class: "primary", id: "retry", onclick: look }, t("retry")));
  }

  function show(sales) {
    const cards = sales.map((sale) => ({ ...sale, status: statusAt(sale, now()) }))
      .sort((a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status));
    const next = JSON.stringify(cards.map(({ sale_id, name, status }) => [sale_id, name, status]));
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
  look();
}

const card = (sale) => h("li", {},
  h("a", { class: "card", id: `sale-${sale.sale_id}`, href: `/sales/${encodeURIComponent(sale.sale_id)}` },
    h("span", { class: "pill", "data-status": sale.status }, t(`pill_${sale.status}`)),
    h("h2", {}, sale.name),
    h("p", {}, facts(sale, sale.status))));
