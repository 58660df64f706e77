// One sale's page: takes the buyer from state to state (states.js says which follow),
// asks the server whenever something may have changed, and shows the answer.

import * as api from "./api.js";
import { createChange } from "./change.js";
import { backoff, between, countDown, nap, now, wake } from "./clock.js";
import { byId } from "./dom.js";
import { readHold, runningHold } from "./own.js";
import { development, page } from "./page.js";
import { createRefusals } from "./refusals.js";
import { pendingOf, reserve } from "./reserve.js";
import { STATES, browsingState, comeback, firstChoice, holdState, isMismatch, mostOf, skuOf, statusAt } from "./states.js";
import * as store from "./store.js";
import { money, t } from "./texts.js";
import { createView, say } from "./view.js";

const SETTLE_MS = 600; // the second tap of a double tap must not land on "pay" where "buy" was
const LONG_PAYING_MS = 20_000;
const LAPSE_MS = 300; // by then the server's clock has passed the end too, whatever the estimate's error
const TRIES = 5;
const SPOKEN_S = { scheduled: [60, 10], holding: [60, 30, 10], limit: [] };
const OWN_EVERY_MS = 60_000; // after the first time; a sale that is sold out again and again must not be asked each time

export function startSale(config) {
  const { sale_id } = page;
  const HOLD = `hold:${sale_id}`;
  let m = { state: "loading", sale: null, chosen: null, qty: 1, hold: null, order: null, signed_out: !development && !page.signed_in };
  const actions = { buy, choose, count, change: createChange({ model: () => m, settle: (...to) => settle(...to), sync: () => sync() }), pay, payFree, confirm, release, leave, wake, retry: () => sync() };
  const view = createView(actions, config);
  const refused = createRefusals({ model: () => m, go, browse, sync, count, hold: (hold_id) => store.write(HOLD, { hold_id }) });
  let run = 0; // an answer to a question of an earlier run comes too late
  let timer = 0;
  let failures = 0;
  let entered_ms = 0;
  let left_s = 0;
  let own_ms = 0; // when "sold out" last made the page ask for own holds
  let running = null;
  let stopClock = () => {};

  /** Into a state, with nothing of the last one left over. */
  function go(state, change) {
    const { state: from, sale, chosen, qty, hold, order, signed_out } = m;
    m = { sale, chosen, qty, hold, order, signed_out, ...change, state };
    if (from !== state) [run, entered_ms] = [run + 1, performance.now()];
    show();
    if (from !== state) view.arrive(from, state);
  }

  /** As `go`, but what leaves the state as it is leaves its sentence too. */
  function settle(state, change) {
    if (state !== m.state) return go(state, change);
    Object.assign(m, change);
    show();
  }

  function browse(change) {
    Object.assign(m, { hold: null, order: null });
    go(browsingState(m.sale, m.chosen, now()), change);
  }

  function show() {
    view.render(m);
    const target = { scheduled: m.sale?.opens_at, holding: m.hold?.expire_at, limit: m.limit?.retry_at }[m.state];
    if (target !== running) {
      stopClock();
      running = target;
      stopClock = target ? countDown(Date.parse(target), tick) : () => {};
    } else if (target) {
      view.tick(left_s);
    }
    plan();
  }

  function tick(seconds) {
    left_s = seconds;
    view.tick(seconds);
    const time = seconds < 60 ? t("seconds", { n: seconds }) : t("minutes", { n: seconds / 60 });
    if (SPOKEN_S[m.state].includes(seconds)) say(t("a_left", { time }));
    if (seconds === 0) setTimeout({ scheduled: open, holding: lapse, limit: over }[m.state]);
  }

  /** The second of the opening: everyone's button turns on, and nobody needs to ask for it. */
  function open() {
    if (m.state === "scheduled") browse();
    if (m.state === "open") say(t("a_open"));
  }

  /** A hold lapsed, and now the buyer may have another one. */
  function over() {
    if (m.state === "limit" && m.limit.retry_at) settle("limit", { limit: { ...m.limit, over: true } });
  }

  /** Time is up by the countdown; whether it is, the server says. */
  function lapse() {
    if (m.state !== "holding" || m.lapsed) return;
    settle("holding", { lapsed: true, confirming: false });
    clearTimeout(timer);
    timer = setTimeout(look, LAPSE_MS);
  }

  function plan(at_least_ms = 0) {
    clearTimeout(timer);
    const { look: what, every_ms } = STATES[m.state];
    if (!what || m.asking || document.hidden) return;
    const wait_ms = between(m.lapsed ? [1000, 2000] : every_ms);
    timer = setTimeout(look, Math.max(wait_ms, at_least_ms, failures && backoff(failures)));
  }

  /** One look at what the state is about. */
  async function look() {
    clearTimeout(timer);
    const { look: what } = STATES[m.state];
    if (!what || m.asking || document.hidden) return;
    if (what === "all") return sync();
    const mine = run;
    const answer = what === "sale" ? await api.sale(sale_id) : await readHold(m.hold.hold_id, m.order);
    if (mine !== run) return;
    failures = answer.kind === "no_answer" ? failures + 1 : 0;
    if (m.state === "paying" && performance.now() - entered_ms > LONG_PAYING_MS) m.long = true;
    if (answer.kind === "no_answer" || answer.code === "rate_limited") return plan(answer.retry_after_ms);
    if (answer.kind === "refused") return sync();
    if (what === "hold") return holdIs(answer);
    const before = m.state;
    adopt(answer.body);
    settle(browsingState(m.sale, m.chosen, now()));
    // The last one may be with another device of the same buyer.
    if (m.state !== "sold_out" || before === "sold_out" || (own_ms && performance.now() - own_ms < OWN_EVERY_MS)) return;
    own_ms = performance.now();
    sync(undefined, answer.body);
  }

  /** The buyer is back at this page, or the network is: another device may have done something meanwhile. */
  function comeTo() {
    const { look: what, browsing } = STATES[m.state];
    if (what && browsing && !document.hidden) sync();
    else look();
  }

  /** What this buyer holds: what this device remembers, or what another one began; before the opening nobody has anything. */
  async function readOwn() {
    const hold_id = store.read(HOLD)?.hold_id ?? (STATES[m.state].look === "hold" ? m.hold.hold_id : null);
    const known = hold_id && await readHold(hold_id, m.order);
    if (known && known.code !== "not_found") return known;
    // What is remembered is another user's; this one may hold something all the same.
    if (known && store.read(HOLD)?.hold_id === hold_id) store.drop(HOLD);
    if (m.signed_out || (m.sale && statusAt(m.sale, now()) === "scheduled")) return null;
    return runningHold(sale_id);
  }

  /** Asks for everything: at the start, when the network is back, when another tab did something. */
  async function sync(change, said = null) {
    if (m.asking) return wake();
    clearTimeout(timer);
    const mine = ++run;
    const [sale, own] = await Promise.all([said ? { kind: "ok", body: said } : api.sale(sale_id), readOwn()]);
    if (mine !== run) return;
    if (sale.kind === "ok") adopt(sale.body);
    if (own?.kind === "ok" && m.sale) return holdIs(own, change);
    if (sale.code === "not_found") return go("error", { missing: true });
    if (own?.code === "unauthenticated") Object.assign(m, { signed_out: true });
    else if (own) return m.state === "holding" || m.state === "paying" ? plan(own.retry_after_ms) : settle("offline", { reason: own.reason });
    if (!m.sale) return settle("offline", { reason: sale.reason });
    if (!m.signed_out && pendingOf(sale_id)) return ask(null);
    if (change || !STATES[m.state].browsing) return browse(change);
    Object.assign(m, { hold: null, order: null });
    settle(browsingState(m.sale, m.chosen, now()));
  }

  function adopt(sale) {
    m.sale = sale;
    if (!skuOf(sale, m.chosen)) m.chosen = firstChoice(sale);
    count(0);
  }

  function holdIs({ body: hold, order = null }, change) {
    let record = store.read(HOLD);
    if (record?.hold_id !== hold.hold_id) record = null;
    const state = holdState(hold, record, now(), order);
    if (state === "holding") change = { ...paymentNotice(hold, record), ...change };
    if ((!state || state === "expired" || state === "cancelled") && record) store.drop(HOLD);
    if (!state) return browse({ notice: t("n_released") });
    settle(state, { ...(state === "holding" && change), hold, order });
  }

  /** A payment that could not be taken for this hold: why, and that it may be paid again. Then the next one is waited for. */
  function paymentNotice(hold, record) {
    if (!hold.refund) return {};
    if (isMismatch(hold, record)) store.write(HOLD, { hold_id: hold.hold_id, seen: hold.refunds.length });
    const name = { completed: "n_mismatch_refunded", failed: "n_mismatch_failed" }[hold.refund.status] ?? "n_mismatch";
    return { notice: t(name, { amount: money(hold.refund.amount, { ...hold, ...hold.refund }) }), urgent: true };
  }

  function choose(sku_id) {
    m.chosen = sku_id;
    m.notice = null;
    count(0);
    settle(browsingState(m.sale, sku_id, now()));
  }

  function count(by) {
    m.qty = Math.max(1, Math.min(mostOf(skuOf(m.sale, m.chosen)), m.qty + by));
    if (by) settle(m.state, { notice: null });
  }

  function buy() {
    if (m.state !== "open" || m.asking) return;
    ask({ body: { sale_id, items: [{ sku_id: m.chosen, qty: m.qty }] }, ttl_ms: (m.sale.hold_ttl_s ?? 300) * 1000 });
  }

  /** A new purchase, or with null the answer to the one that was asked before a reload. */
  async function ask(wanted) {
    go("reserving", { asking: true });
    const outcome = await reserve(sale_id, wanted, (reason, wait_ms) => (reason === "rate_limited"
      ? settle("reserving", { asking: true, notice: t("n_waiting", { n: Math.ceil(wait_ms / 1000) }) })
      : settle("offline", { asking: true, reason })));
    m.asking = false;
    if (outcome.kind === "refused") return refused(outcome);
    if (outcome.kind !== "granted" || outcome.replayed) return sync(outcome.kind === "stale" ? { notice: t("n_stale") } : {});
    holdIs({ body: outcome.hold }); // what a replay is now, the server says
    if (m.state === "holding" && m.hold.total_amount === 0) payFree();
  }

  function pay(event) {
    const ready = !m.lapsed && performance.now() - entered_ms > SETTLE_MS;
    if (ready && config.payment_page_url) {
      api.opening(m.hold.hold_id);
      return;
    }
    event.preventDefault();
    if (ready) settle("holding", { notice: t("n_no_gateway"), urgent: true });
  }

  /** What costs nothing is bought by the press alone. */
  async function payFree() {
    if (m.paying || m.lapsed) return;
    m.paying = true;
    await insist(api.payFree);
    m.paying = false;
  }

  function confirm(confirming, focus) {
    settle("holding", { confirming });
    byId(focus).focus();
  }

  async function release() {
    settle("holding", { releasing: true });
    await insist(api.release);
  }

  /** Asks for something about the hold until it is answered; what the hold is then, the server says. */
  async function insist(question) {
    const mine = run;
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const answer = await question(m.hold.hold_id);
      if (mine !== run) return;
      if (answer.kind === "ok" || answer.code === "hold_not_active") return sync();
      if (answer.kind === "refused" && answer.code !== "rate_limited") break;
      await nap(answer.retry_after_ms + backoff(attempt));
    }
    if (mine === run) settle("holding", { releasing: false, confirming: false, notice: t("m_error"), urgent: true });
  }

  /** From a state that is an end, back to the sale. */
  function leave() {
    if (["bought", "refund", "unsure", "cancelled"].includes(m.state)) store.drop(HOLD);
    if (STATES[m.state].look === "hold") m.hold = m.order = null;
    m.state = "loading";
    sync();
  }

  store.onOtherTab(sale_id, () => { if (!m.asking) sync(); });
  document.addEventListener("visibilitychange", comeTo);
  addEventListener("online", () => { wake(); comeTo(); });
  addEventListener("pageshow", (event) => { if (event.persisted) sync(); });

  const { notice, ...back } = comeback(new URLSearchParams(location.search)) ?? {};
  if (back.hold_id) {
    store.write(HOLD, { seen: store.read(HOLD)?.seen, ...back });
    history.replaceState(null, "", location.pathname);
  }
  const first = notice && { notice: t(notice), urgent: true };
  const before = document.querySelector("input[name=sku]:checked")?.value; // chosen before this script was here
  if (page.said) {
    m.chosen = before;
    adopt(page.said);
  }
  if (page.said && !store.read(HOLD) && !pendingOf(sale_id)) browse(first);
  else show();
  sync(first, page.said);

  return {
    isBusy: () => m.asking,
    restart() { m.hold = null; go("loading"); sync(); },
  };
}
