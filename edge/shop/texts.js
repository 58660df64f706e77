// Every sentence the shop says, in Korean and English, and how money and time are written.
// h_ and m_: a state's heading and message; n_: what just happened; a_: spoken only.

const ko = {
  home_title: "진행 중인 판매",
  h_empty: "지금은 예정된 판매가 없습니다", m_empty: "새로운 판매가 등록되면 이 화면에 바로 나타납니다.",
  opens: "{time} 판매 시작", closes: "{time} 판매 종료",
  pill_scheduled: "판매 예정", pill_open: "판매 중", pill_paused: "일시 중단", pill_closed: "판매 종료",
  choose: "옵션 선택", quantity: "수량", fewer: "수량 줄이기", more: "수량 늘리기", per_user: "1인당 최대 {n}개",
  left: "{n}개 남음", few_left: "마감 임박 · {n}개 남음", none_left: "품절", total: "합계", times: "{n}개",
  minutes: "{n}분", seconds: "{n}초", days: "{n}일",
  buy: "구매하기", busy: "요청하는 중…", pay: "{amount} 결제하기", time_left: "남은 결제 시간",
  give_back: "구매 포기하기", give_back_sure: "정말 포기하시겠어요? 확보하신 상품은 바로 다른 분께 돌아갑니다.",
  give_back_yes: "포기하기", give_back_no: "계속 구매하기", order_no: "주문 번호",
  again: "다시 구매하기", retry: "다시 시도", back: "판매 화면으로", all_sales: "전체 판매 보기",
  user_label: "개발용 사용자", user_change: "바꾸기",
  banner: "네트워크 연결이 원활하지 않습니다. 자동으로 다시 확인합니다.",
  h_loading: "불러오는 중입니다", m_loading: "",
  h_scheduled: "판매 시작까지", m_scheduled: "새로고침하지 않으셔도 구매 버튼이 자동으로 켜집니다.",
  h_open: "지금 구매하실 수 있습니다", m_open: "원하시는 옵션을 선택하고 구매하기를 눌러 주세요.",
  h_reserving: "구매를 요청하고 있습니다", m_reserving: "다시 누르지 마시고 기다려 주세요.",
  h_holding: "상품을 확보했습니다", m_holding: "남은 시간 안에 결제를 완료해 주세요. 시간이 지나면 자동으로 취소됩니다.",
  h_paying: "결제를 확인하고 있습니다", m_paying: "확인되는 즉시 알려 드립니다. 다시 결제하지 마세요.",
  m_paying_long: "확인이 평소보다 늦어지고 있습니다. 화면을 닫으셔도 결제는 정상 처리됩니다.",
  h_bought: "구매가 완료되었습니다", m_bought: "구매해 주셔서 감사합니다.",
  h_sold_out: "품절되었습니다", m_sold_out: "결제되지 않은 상품은 다시 판매됩니다. 이 화면을 열어 두시면 구매 버튼이 다시 켜집니다.",
  h_expired: "결제 시간이 지났습니다", m_expired: "재고가 남아 있다면 다시 구매하실 수 있습니다.",
  h_limit: "구매 한도를 넘었습니다", m_limit: "1인당 최대 {n}개까지 구매하실 수 있습니다. 이미 구매하신 수량도 포함됩니다.",
  h_paused: "판매가 잠시 중단되었습니다", m_paused: "판매가 재개되면 구매 버튼이 자동으로 켜집니다.",
  h_closed: "판매가 종료되었습니다", m_closed: "관심을 가져 주셔서 감사합니다.",
  h_offline: "다시 확인하고 있습니다", m_offline: "연결되면 자동으로 이어집니다.",
  m_network: "연결이 끊겨 응답을 받지 못했습니다.", m_busy: "접속이 많아 응답이 늦어지고 있습니다.",
  m_same: "같은 요청의 결과를 확인하는 중이며, 중복으로 구매되지 않습니다.",
  h_signed_out: "로그인이 필요합니다", m_signed_out: "로그인하신 뒤 이 화면에서 다시 시도해 주세요.",
  h_refund: "결제 금액을 환불해 드립니다", h_refunded: "환불이 완료되었습니다",
  m_refund_late: "결제 시간이 끝난 뒤에 결제되었습니다. 결제하신 금액은 자동으로 환불됩니다.",
  m_refund_cancelled: "판매자가 주문을 취소했습니다. 결제하신 금액은 자동으로 환불됩니다.",
  m_refund_completed: "결제하신 금액이 모두 환불되었습니다. 카드사에 따라 반영까지 며칠이 걸릴 수 있습니다.",
  m_refund_failed: "환불이 늦어지고 있습니다. 판매자가 확인하고 있으니 잠시만 기다려 주세요.",
  h_error: "요청을 처리하지 못했습니다", m_error: "잠시 후 다시 시도해 주세요.",
  h_missing: "판매를 찾을 수 없습니다", m_missing: "주소가 정확한지 확인해 주세요.",
  n_waiting: "요청이 많아 잠시 기다리고 있습니다. {n}초 뒤에 자동으로 다시 요청합니다.",
  n_limited: "요청이 너무 많습니다. 잠시 후 다시 눌러 주세요.",
  n_fewer_left: "{n}개만 남아 있습니다. 수량을 확인하고 다시 눌러 주세요.",
  n_already_holding: "이미 확보하신 상품이 있어 이어서 진행합니다.", n_released: "구매를 포기하셨습니다. 언제든 다시 구매하실 수 있습니다.",
  n_stale: "이전 구매 요청은 시간이 지나 취소되었습니다.",
  n_unpaid: "결제가 완료되지 않았습니다. 남은 시간 안에 다시 결제하실 수 있습니다.",
  a_left: "{time} 남았습니다.", a_open: "판매가 시작되었습니다.",
};

const en = {
  home_title: "On sale",
  h_empty: "Nothing on sale right now", m_empty: "New drops appear here by themselves.",
  opens: "Opens {time}", closes: "Ends {time}",
  pill_scheduled: "Coming soon", pill_open: "On sale", pill_paused: "Paused", pill_closed: "Ended",
  choose: "Choose an option", quantity: "Quantity", fewer: "One fewer", more: "One more", per_user: "Up to {n} per person",
  left: "{n} left", few_left: "Few left · {n}", none_left: "Sold out", total: "Total", times: "× {n}",
  minutes: "{n} min", seconds: "{n} s", days: "{n} d",
  buy: "Buy now", busy: "One moment…", pay: "Pay {amount}", time_left: "Time left to pay",
  give_back: "Give it back", give_back_sure: "Really give it back? It goes to somebody else at once.",
  give_back_yes: "Give it back", give_back_no: "Keep it", order_no: "Order number",
  again: "Buy again", retry: "Try again", back: "Back to the sale", all_sales: "See all sales",
  user_label: "Development user", user_change: "Change",
  banner: "The connection is unsteady. We keep checking.",
  h_loading: "Loading", m_loading: "",
  h_scheduled: "Opens in", m_scheduled: "The buy button turns on by itself. No need to reload.",
  h_open: "On sale now", m_open: "Choose your option and press Buy now.",
  h_reserving: "Getting it for you", m_reserving: "No need to press again.",
  h_holding: "It’s yours to pay for", m_holding: "Please pay before the time runs out. After that it goes back on sale.",
  h_paying: "Confirming your payment", m_paying: "We’ll tell you the moment it’s confirmed. Please don’t pay again.",
  m_paying_long: "This is taking longer than usual. You can close this page: your payment is safe.",
  h_bought: "It’s yours", m_bought: "Thank you for your order.",
  h_sold_out: "Sold out", m_sold_out: "It may come back: what isn’t paid for returns. Keep this page open and the button turns on again.",
  h_expired: "Time ran out", m_expired: "It went back on sale. If there is stock, you can buy again.",
  h_limit: "That’s over the limit", m_limit: "Up to {n} per person, counting what you have already bought.",
  h_paused: "The sale is paused", m_paused: "The buy button turns on by itself when it resumes.",
  h_closed: "The sale has ended", m_closed: "Thank you for your interest.",
  h_offline: "Asking again", m_offline: "We’ll go on by ourselves once the connection is back.",
  m_network: "The connection was lost before the answer came.", m_busy: "It’s crowded and the answer is taking longer.",
  m_same: "We’re asking about the same request; nothing is bought twice.",
  h_signed_out: "Please sign in", m_signed_out: "Sign in, then try again on this page.",
  h_refund: "Your money is on its way back", h_refunded: "Your money is back",
  m_refund_late: "Your payment came after the hold ended, so there is no order. The full amount is refunded automatically.",
  m_refund_cancelled: "The seller cancelled your order. The full amount is refunded automatically.",
  m_refund_completed: "The full amount has been refunded. Your bank may take a few days to show it.",
  m_refund_failed: "Your refund is taking longer than it should. The seller is looking into it.",
  h_error: "That didn’t work", m_error: "Please try again in a moment.",
  h_missing: "No such sale", m_missing: "Please check the address.",
  n_waiting: "Many requests at once. We’ll ask again by ourselves in {n} s.",
  n_limited: "Too many requests. Please press again in a moment.",
  n_fewer_left: "Only {n} left. Please check the quantity and press again.",
  n_already_holding: "You already hold this, so you can go straight on.", n_released: "You gave it back. You can buy again at any time.",
  n_stale: "Your earlier request ran out of time and was cancelled.",
  n_unpaid: "The payment didn’t go through. You can try again in the time left.",
  a_left: "{time} left.", a_open: "The sale is open.",
};

const korean = document.documentElement.lang.startsWith("ko");
const locale = korean ? "ko-KR" : "en-US";

/** The sentence of that name, its {places} filled. */
export const t = (name, places = {}) => ((korean ? ko : en)[name] ?? name).replace(/\{(\w+)\}/g, (whole, place) => places[place] ?? whole);

export const number = (value) => value.toLocaleString(locale);

/** Minor units as a person writes them: 150000 KRW is 150,000원 or ₩150,000; 1999 USD is $19.99. */
export function money(amount, currency) {
  if (korean && currency === "KRW") return `${number(amount)}원`;
  try {
    const format = new Intl.NumberFormat(locale, { style: "currency", currency });
    return format.format(amount / 10 ** format.resolvedOptions().maximumFractionDigits);
  } catch {
    return `${number(amount)} ${currency}`; // not a currency code: say what the server said
  }
}

/** In the reader's time zone: "11월 27일 (금) 오후 2:05". */
function moment(rfc3339) {
  const shape = { month: korean ? "long" : "short", day: "numeric", weekday: "short", hour: "numeric", minute: "2-digit" };
  return new Intl.DateTimeFormat(locale, shape).format(new Date(rfc3339));
}

/** When a sale opens or ends. */
export function facts({ opens_at, closes_at }, status) {
  if (status === "scheduled") return t("opens", { time: moment(opens_at) });
  return closes_at ? t("closes", { time: moment(closes_at) }) : "";
}
