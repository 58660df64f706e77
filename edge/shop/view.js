// Puts the model of a sale's page on the screen, state by state.

import { createBrowse } from "./browse.js";
import { now } from "./clock.js";
import { byId, h, setChildren, setText } from "./dom.js";
import { STATES, refundOf, statusAt } from "./states.js";
import { facts, t } from "./texts.js";
import { holdTicket, lines, orderTicket } from "./ticket.js";

/** Speaks to a screen reader without a visible change. */
export function say(text) {
  byId("announce").textContent = "";
  setTimeout(setText, 50, byId("announce"), text); // a region hears the same sentence twice only so
}

/** What every page has: the state's name, the title, the heading and the message. */
export function frame(state, title, heading, message, urgent = false) {
  byId("main").dataset.state = state;
  setText(byId("title"), title);
  setText(byId("heading"), heading);
  setText(byId("message"), message);
  byId("message").classList.toggle("alert", urgent);
  document.title = [heading, title].filter(Boolean).join(" · ");
}

export function createView(actions, config) {
  let browse = null;
  let skus = "";
  let current = null;
  let shown = "";

  function render(model) {
    const { state, sale, hold, order, asking, confirming, releasing, lapsed, long, missing } = model;
    frame(state, sale?.name ?? "", t(missing ? "h_missing" : heading(model)), model.notice ?? message(model), model.urgent);
    hero(sale);
    const ids = JSON.stringify(sale?.skus.map((sku) => sku.sku_id));
    if (sale && ids !== skus) [browse, skus] = [createBrowse(sale, actions), ids];
    browse?.update(model);
    if (browse && (asking || (STATES[state].browsing && state !== "loading"))) {
      [current, shown] = [browse, ""];
      setChildren(byId("panel"), asking ? [waiting, ...browse.panel] : browse.panel);
      setChildren(byId("bar"), state === "offline" ? [button("retry", "retry", actions.wake)] : browse.bar);
      return;
    }
    // Rebuilt only when it would differ: an answer that says nothing new must not move the focus.
    const next = JSON.stringify([state, hold, order, confirming, releasing, lapsed, long, missing, ids]);
    if (next === shown) return;
    [current, shown] = [state === "holding" ? holdTicket(model, actions, config) : still(model, actions), next];
    byId("panel").replaceChildren(...current.panel);
    byId("bar").replaceChildren(...current.bar);
  }

  /** Where the focus goes when one state follows another. */
  function arrive(from, to) {
    const heading = byId("heading");
    if (STATES[from].browsing && STATES[to].browsing) {
      if (from === "loading") return;
      say(heading.textContent);
      if (document.activeElement !== document.body && !document.activeElement.disabled) return;
    }
    heading.focus({ preventScroll: true });
    if (!STATES[to].browsing && to !== "reserving" && to !== "offline") heading.scrollIntoView();
  }

  return { render, arrive, tick: (left_s) => current.tick?.(left_s) };
}

const waiting = h("progress", { class: "waiting", "aria-hidden": "true" });

const button = (id, text, onclick, look = "primary") => h("button", { class: look, id, type: "button", onclick }, t(text));

/** The states that only say something, and the one way on from each. */
function still(model, actions) {
  const { state, hold, sale } = model;
  const ticket = hold ? [h("div", { class: "ticket" }, ...lines(hold, sale))] : [];
  const back = [button("retry", "back", actions.leave, "secondary")];
  switch (state) {
    case "loading":
    case "reserving": return { panel: [waiting], bar: [] };
    case "offline": return { panel: [waiting], bar: [button("retry", "retry", actions.retry)] };
    case "paying": return { panel: [waiting, ...ticket], bar: [] };
    case "bought": return { panel: [orderTicket(model)], bar: [button("again", "back", actions.leave, "secondary")] };
    case "refund": return { panel: ticket, bar: back };
    case "limit": return { panel: [], bar: back };
    case "expired": return { panel: ticket, bar: [button("retry", "again", actions.leave)] };
    default: return { panel: [], bar: [model.missing ? h("a", { class: "primary", href: "/" }, t("all_sales")) : button("retry", "retry", actions.leave)] };
  }
}

const heading = ({ state, hold, order }) => (state === "refund" && refundOf(hold, order) === "completed" ? "h_refunded" : `h_${state}`);

function message({ state, hold, order, missing, limit, asking, reason, long, detail }) {
  if (missing) return t("m_missing");
  if (state === "refund") return t(`m_refund_${refundOf(hold, order)}`);
  if (state === "offline" && asking) return `${t(`m_${reason}`)} ${t("m_same")}`;
  if (state === "paying" && long) return t("m_paying_long");
  return detail ?? t(`m_${state}`, { n: limit });
}

function hero(sale) {
  const pill = byId("pill");
  pill.hidden = !sale;
  if (!sale) return;
  const status = statusAt(sale, now());
  pill.dataset.status = status;
  setText(pill, t(`pill_${status}`));
  setText(byId("facts"), facts(sale, status));
}
