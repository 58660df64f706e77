// Fewer or more of a line that is held: asked for once, and what the hold is then, the server says.

import * as api from "./api.js";
import { byId } from "./dom.js";
import { t, whyRefused } from "./texts.js";

/** `model` is read anew each time; `settle` shows a change of it; `sync` asks what the hold is. */
export function createChange({ model, settle, sync }) {
  let asking = false;
  return async (sku_id, by) => {
    const { hold, lapsed } = model();
    if (asking || lapsed || model().state !== "holding") return;
    asking = true;
    const items = hold.items.map((line) => ({ sku_id: line.sku_id, qty: line.qty + (line.sku_id === sku_id ? by : 0) }));
    const answer = await api.change(hold.hold_id, hold.version, items);
    asking = false;
    if (model().state !== "holding" || model().hold.hold_id !== hold.hold_id) return;
    if (answer.kind === "ok") settle("holding", { hold: answer.body, notice: null, urgent: false });
    // Another device was first, or the hold has ended.
    else if (["precondition_failed", "hold_not_active", "not_found"].includes(answer.code)) await sync();
    else settle("holding", { notice: answer.kind === "refused" ? whyRefused(answer.code) : t("m_busy"), urgent: true });
    const [pressed, other] = ["more", "fewer"].map((name) => byId(`${name}-${sku_id}`)).sort((one) => (one?.id.startsWith(by > 0 ? "more" : "fewer") ? -1 : 1));
    (pressed?.disabled ? other : pressed)?.focus();
  };
}
