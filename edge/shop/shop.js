// The entry: reads what the Worker wrote into the page, starts the list or a sale.

import * as api from "./api.js";
import { byId, h, setText } from "./dom.js";
import { startList } from "./list.js";
import { startSale } from "./sale.js";
import * as store from "./store.js";
import { t } from "./texts.js";

const { paymentPageUrl, saleId } = document.body.dataset;

let reached = true;
function banner() {
  const down = !reached || !navigator.onLine;
  setText(byId("banner"), down ? t("banner") : "");
  byId("banner").hidden = !down;
}
api.hear.reach = (yes) => { reached = yes; banner(); };
addEventListener("offline", banner);
addEventListener("online", banner);
banner();

const user_id = () => (api.development ? store.read("user") : null);
const page = saleId ? startSale(saleId, { payment_page_url: paymentPageUrl, user_id }) : startList();
if (api.development) userField();

/** Development only: plays another buyer. */
function userField() {
  const input = h("input", { id: "dev-user", maxlength: 128, autocomplete: "off", value: user_id() ?? "" });
  async function onsubmit(event) {
    event.preventDefault();
    const name = input.value.trim();
    if (!name || page?.isBusy()) return;
    const answer = await api.signIn(name);
    if (answer.kind !== "ok") return input.select(); // refused: it stays to be corrected
    store.forgetHolds();
    page?.restart();
  }
  byId("foot").append(h("form", { class: "dev", onsubmit },
    h("label", { for: "dev-user" }, t("user_label")), input, h("button", { id: "dev-user-change" }, t("user_change"))));
  api.hear.user = (name) => { input.value = name; };
}
