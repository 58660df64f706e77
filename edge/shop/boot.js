// What runs before the script is here, and when it never comes: says so, offers a button, and asks for it again.
// It is part of the page itself, so that nothing of it can be lost. Meanwhile it asks for what is the buyer's own: on a
// slow line the answer is there when the script is.
(() => {
  const TRIES = 6;
  const PATIENCE_MS = 20000;
  let tries = 0;
  const say = (why) => {
    const box = document.getElementById("lost");
    if (!box) return document.addEventListener("DOMContentLoaded", () => say(why), { once: true });
    if (why === "lost" && document.documentElement.dataset.ready) return;
    box.firstElementChild.textContent = box.dataset[why];
    box.hidden = false;
  };
  addEventListener("error", ({ target }) => {
    if (target === window) return say("broken");
    if (!(target instanceof HTMLScriptElement)) return;
    say("lost");
    if (++tries > TRIES) return;
    setTimeout(() => {
      const again = document.createElement("script");
      again.src = target.src;
      document.head.append(again);
    }, (0.5 + Math.random() / 2) * 1000 * Math.min(2 ** tries, 16));
  }, true);
  addEventListener("unhandledrejection", () => say("broken"));

  const page = JSON.parse(document.getElementById("page").textContent);
  if (page.page) setTimeout(() => say("lost"), PATIENCE_MS);
  const own = [];
  const seg = encodeURIComponent;
  if (page.page === "order") own.push(`/v1/orders/${seg(page.order_id)}`);
  if (page.page === "orders") own.push("/v1/orders");
  if (page.page === "sale") {
    let hold = null;
    try {
      hold = JSON.parse(localStorage.getItem(`holdfast:hold:${page.sale_id}`));
    } catch {
      // Storage is forbidden.
    }
    hold = hold && hold.hold_id;
    if (hold) own.push(`/v1/reservations/${seg(hold)}`, `/v1/orders?hold_id=${seg(hold)}`);
    else if (page.said && page.said.status !== "scheduled") own.push(`/v1/reservations?sale_id=${seg(page.sale_id)}&status=HOLD`);
  }
  const ask = (path) => {
    const asked = { stop: new AbortController(), sent_ms: performance.now() };
    asked.answer = fetch(path, { cache: "no-store", signal: asked.stop.signal }).then((answer) => {
      asked.received_ms = performance.now();
      return answer;
    }).catch(() => null);
    return [path, asked];
  };
  window.early = new Map(page.signed_in ? own.map(ask) : []);
})();
