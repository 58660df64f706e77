// How sentences, money and time are written. The sentences are in texts.json, and the script of a language has its own.
// h_ and m_: a state's heading and message; n_: what just happened; a_: spoken only; bank_: a bank's name; code_: why the API refused.

import { language, words } from "./words.js";

const korean = language === "ko";
const locale = korean ? "ko-KR" : "en-US";

/** The sentence of that name, its {places} filled; empty where there is none. */
export const t = (name, places = {}) => (words[name] ?? "").replace(/\{(\w+)\}/g, (whole, place) => places[place] ?? whole);

/** Each bank that a refund can go to, as the API names it, and its name; sorted by name. */
export const banks = Object.keys(words).filter((name) => name.startsWith("bank_")).map((name) => [name.slice(5), words[name]])
  .sort(([, a], [, b]) => a.localeCompare(b, locale));

/** Why the API refused, for a buyer: its own `detail` is for programmers. */
export const whyRefused = (code) => t(`code_${code}`) || t("m_error");

export const number = (value) => value.toLocaleString(locale);

/**
 * Minor units as a person writes them: 150000 KRW is 150,000원 or ₩150,000; 1999 USD is $19.99. How many decimals a
 * currency has comes with the amount: browsers differ in what they know of it.
 */
export function money(amount, { currency, currency_decimals: decimals }) {
  if (amount === 0) return t("free");
  if (korean && currency === "KRW") return `${number(amount)}원`;
  const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  const value = amount / 10 ** decimals;
  try {
    return new Intl.NumberFormat(locale, { style: "currency", currency, ...digits }).format(value);
  } catch {
    return `${currency} ${value.toLocaleString(locale, digits)}`; // not a currency code: say what the server said
  }
}

/** In the reader's time zone: "11월 27일 (금) 오후 2:05". */
export function moment(rfc3339) {
  const shape = { month: korean ? "long" : "short", day: "numeric", weekday: "short", hour: "numeric", minute: "2-digit" };
  return new Intl.DateTimeFormat(locale, shape).format(new Date(rfc3339));
}

/** The first full minute at which that time has come: a person who is there then is not too early. */
export const momentAfter = (rfc3339) => moment(Math.ceil(Date.parse(rfc3339) / 60_000) * 60_000);

/** When a sale opens or ends. */
export function facts({ opens_at, closes_at }, status) {
  if (status === "scheduled") return t("opens", { time: moment(opens_at) });
  return closes_at && status !== "closed" ? t("closes", { time: moment(closes_at) }) : "";
}
