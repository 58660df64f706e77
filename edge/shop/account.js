// Asks for the bank account that a deposit goes back to. The form is made once a page, so that a poll never takes away what
// was typed; what was typed is sent to the API and kept nowhere.

import * as api from "./api.js";
import { h, setText } from "./dom.js";
import { banks, t, whyRefused } from "./texts.js";

const MOST = 64; // characters a field, as the API has it

/** The form for that hold, by `form(hold_id)`; `sent()` is told when there is something new to see. */
export function createAccount(sent) {
  let hold_id = null;
  const named = (name, input) => h("label", { class: "field" }, t(`account_${name}`), input);
  const field = (name, props) => named(name,
    h("input", { id: `account-${name}`, name, required: true, maxlength: MOST, autocomplete: "off", ...props }));
  const bank = named("bank", h("select", { id: "account-bank", name: "bank", required: true },
    h("option", { value: "" }, t("account_choose")), ...banks.map(([value, name]) => h("option", { value }, name))));
  const trouble = h("p", { class: "message alert", role: "alert", hidden: true });
  const send = h("button", { class: "primary", id: "account-send" }, t("account_send"));
  const form = h("form", { class: "account", onsubmit },
    bank, field("number", { inputmode: "numeric", pattern: "[0-9\\- ]+", title: t("account_digits") }), field("holder"), trouble, send);

  async function onsubmit(event) {
    event.preventDefault();
    if (send.disabled) return;
    busy(true);
    const typed = (name) => form.elements[name].value.trim();
    const account = { bank: typed("bank"), number: typed("number").replaceAll(" ", ""), holder: typed("holder") };
    const answer = await api.refundTo(hold_id, account);
    busy(false);
    const why = whyNot(answer);
    setText(trouble, why);
    trouble.hidden = !why;
    if (answer.kind === "ok" || answer.code === "not_found") await sent(); // not found: it waits for none any more
  }

  function busy(is) {
    send.disabled = is;
    setText(send, t(is ? "busy" : "account_send"));
  }

  return (of) => {
    hold_id = of;
    return form;
  };
}

function whyNot({ kind, code, reason, body }) {
  if (kind === "ok") return body.status === "failed" ? t("account_failed") : "";
  if (kind === "no_answer") return `${t(`m_${reason}`)} ${t("m_error")}`;
  if (code === "not_found") return "";
  return code === "invalid_request" ? t("account_failed") : whyRefused(code);
}
