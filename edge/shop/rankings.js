// The page of rankings: the Worker draws it, and draws it again every few seconds; the choice of the period stays in place.

import { between } from "./clock.js";
import { byId } from "./dom.js";

const EVERY_MS = [10_000, 15_000];

export function startRankings() {
  let timer = 0;

  async function look() {
    clearTimeout(timer);
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (answer?.ok) show(new DOMParser().parseFromString(await answer.text(), "text/html"));
    plan();
  }

  function plan() {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(look, between(EVERY_MS));
  }

  function show(drawn) {
    for (const id of ["heading", "message", "panel"]) {
      const [here, next] = [byId(id), drawn.getElementById(id)];
      if (!next || here.innerHTML === next.innerHTML) continue; // nothing new: the focus stays where it is
      const focused = document.activeElement.id;
      here.replaceChildren(...next.childNodes);
      if (focused) byId(focused)?.focus();
    }
  }

  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  plan();
}
