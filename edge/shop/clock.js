// The server's clock, estimated from X-Server-Time; never the phone's.

const TRUST_MS = 300_000; // then any newer estimate replaces a good one
const SLACK_MS = 20; // what two estimates may differ by beyond their round trips

let best = null;

/**
 * Learns from one answer. The server wrote its time between `sent_ms` and `received_ms`
 * (performance.now()), so half the round trip bounds the error: the quickest answer is the best.
 * Two estimates that cannot both be true: the phone slept, and the newer one is right.
 */
export function learn(server_ms, sent_ms, received_ms) {
  if (!(server_ms > 0)) return;
  const trip_ms = received_ms - sent_ms;
  const next = { offset_ms: server_ms + trip_ms / 2 - received_ms, trip_ms, at_ms: received_ms };
  const contradicts = best && Math.abs(next.offset_ms - best.offset_ms) > (trip_ms + best.trip_ms) / 2 + SLACK_MS;
  if (!best || trip_ms <= best.trip_ms || contradicts || received_ms - best.at_ms > TRUST_MS) best = next;
}

/** Unix time in ms by the server's clock. */
export const now = () => (best ? performance.now() + best.offset_ms : Date.now());

/** Calls `tick` at each full second left until `target_ms`; returns what stops it. */
export function countDown(target_ms, tick) {
  let timer = 0;
  const step = () => {
    const left_ms = target_ms - now();
    if (left_ms > 0) timer = setTimeout(step, (left_ms % 1000) + 4);
    tick(Math.max(0, Math.ceil(left_ms / 1000)));
  };
  step();
  return () => clearTimeout(timer);
}

/** 65 -> "01:05", 3661 -> "01:01:01"; whole days are left to words. */
export function digits(left_s) {
  const parts = [Math.floor(left_s / 3600) % 24, Math.floor(left_s / 60) % 60, left_s % 60];
  return parts.slice(left_s >= 3600 ? 0 : 1).map((n) => String(n).padStart(2, "0")).join(":");
}

export const between = ([low, high]) => low + Math.random() * (high - low);

/** 0.5 s, 1 s ... 8 s, each between half and whole, so that a crowd does not return at once. */
export const backoff = (attempt) => between([0.5, 1]) * Math.min(8000, 500 * 2 ** Math.min(attempt, 9));

/** A wait that `wake` ends early: the network came back, or the buyer pressed. */
const naps = new Set();
export const nap = (ms) => new Promise((resolve) => {
  naps.add(resolve);
  setTimeout(resolve, ms);
}).finally(() => naps.clear());
export const wake = () => naps.forEach((end) => end());
