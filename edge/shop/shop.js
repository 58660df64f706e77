// The entry: starts the page that the Worker has drawn, and says when the server cannot be reached.

import * as api from "./api.js";
import { byId, h, setText } from "./dom.js";
import { startList } from "./list.js";
import { startOrder, startOrders } from "./orders.js";
import { development, page } from "./page.js";
import { startRankings } from "./rankings.js";
import { startSale } from "./sale.js";
import * as store from "./store.js";
import { t } from "./texts.js";

let trouble = null;
function banner() {
  const why = navigator.onLine ? trouble : "network";
  setText(byId("banner"), why ? t(`banner_${why}`) : "");
  byId("banner").hidden = !why;
}
api.hear.reach = (reason) => { trouble = reason; banner(); };
addEventListener("offline", banner);
addEventListener("online", () => { trouble = null; banner(); });
banner();

const user_id = () => (development ? page.user_id ?? store.read("user") : null);
const starts = { sale: () => startSale({ payment_page_url: page.payment_page_url, user_id }), orders: startOrders, order: startOrder, home: startList, rankings: startRankings };
const started = starts[page.page]();
if (development) userField();
document.documentElement.dataset.ready = "yes";
byId("lost").hidden = true;

/** Development only: plays another buyer. */
function userField() {
  const input = h("input", { id: "dev-user", maxlength: 128, autocomplete: "off", value: user_id() ?? "" });
  async function onsubmit(event) {
    event.preventDefault();
    const name = input.value.trim();
    if (!name || started?.isBusy?.()) return;
    const answer = await api.signIn(name);
    if (answer.kind !== "ok") return input.select(); // refused: it stays to be corrected
    store.forgetHolds();
    if (started?.restart) started.restart();
    else location.reload();
  }
  byId("foot").append(h("form", { class: "dev", onsubmit },
    h("label", { for: "dev-user" }, t("user_label")), input, h("button", { id: "dev-user-change" }, t("user_change"))));
  api.hear.user = (name) => { input.value = name; };
}
