// What a refusal of a reservation means for the page: which state follows, and what the buyer reads. The API's own
// `detail` is for programmers and is never shown.

import * as api from "./api.js";
import { now } from "./clock.js";
import { page } from "./page.js";
import { browsingState, skuOf } from "./states.js";
import { t, whyRefused } from "./texts.js";

/** `shop` is what the page can do: see sale.js. */
export function createRefusals({ model, go, browse, sync, count, hold }) {
  return function refused({ code, problem }) {
    switch (code) {
      case "already_holding":
        hold(problem.hold_id);
        return sync({ notice: t("n_already_holding") });
      case "sold_out": return soldOut(problem);
      case "limit_reached": return limit(problem);
      case "sale_not_open": return notOpen(problem);
      case "unauthenticated":
        model().signed_out = true;
        return browse({ notice: t("n_signed_out"), urgent: true });
      case "rate_limited": return browse({ notice: whyRefused(code), urgent: true });
      default: return go("error", { code });
    }
  };

  /** The next look is further away than the edge's cache is old: it will not say otherwise. */
  function soldOut({ sku_id = model().chosen, available = 0 }) {
    Object.assign(skuOf(model().sale, sku_id) ?? {}, { available });
    count(0);
    browse(available > 0 ? { notice: t("n_fewer_left", { n: available }), urgent: true } : {});
  }

  /** The sale is what the refusal says, whatever the page thought. */
  function notOpen({ sale_status, opens_at }) {
    const { sale } = model();
    if (sale_status) sale.status = sale_status;
    if (opens_at) sale.opens_at = opens_at;
    if (browsingState(sale, model().chosen, now()) === "scheduled") return browse();
    if (sale.status === "scheduled" || sale.status === "open") return browse({ notice: whyRefused("sale_not_open"), urgent: true });
    browse();
  }

  /** Over the limit: what was bought already is shown, with the way there. Or a hold lapsed, and it is too early. */
  async function limit({ max_per_user, of, retry_at }) {
    if (retry_at) return go("limit", { limit: { retry_at } });
    const n = max_per_user ?? skuOf(model().sale, model().chosen)?.max_per_user;
    go("limit", { limit: { n, of } });
    const answer = await api.orders({ sale_id: page.sale_id });
    if (answer.kind === "ok" && model().state === "limit") go("limit", { limit: { n, of }, orders: answer.body.orders });
  }
}
