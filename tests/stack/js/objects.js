// Durable Objects as Cloudflare bounds them, for `--like-production`: workerd by itself lets an object take whatever comes. Each
// object takes so many requests a second; others wait, and beyond the bounds of that queue the caller is told that the object is
// overloaded, by the sentences that Cloudflare documents.

import * as worker from "./main.js";

export * from "./main.js";
export { default } from "./main.js";

// So many milliseconds' requests are let go at once: a timer is no finer.
const SLICE_MS = 5;

function bounded(Base) {
  return class extends Base {
    #bounds;
    #queue = [];
    #bytes = 0;
    #tokens = 0;
    #counts = [];
    #timer;

    constructor(ctx, env) {
      super(ctx, env);
      this.#bounds = JSON.parse(env.OBJECT_BOUNDS);
    }

    async ask(message, ...parts) {
      const overload = this.#admit(message.length);
      if (overload) throw new Error(`Durable Object is overloaded. ${overload}`);
      this.#bytes += message.length;
      const late = await new Promise((go) => {
        this.#queue.push({ go, since: Date.now() });
        this.#timer ??= setInterval(() => this.#serve(), SLICE_MS);
      });
      this.#bytes -= message.length;
      if (late) throw new Error("Durable Object is overloaded. Requests queued for too long.");
      return super.ask(message, ...parts);
    }

    // Undefined, or why not.
    #admit(bytes) {
      const second = Math.floor(Date.now() / 1000);
      this.#counts = this.#counts.filter((count) => count.second > second - this.#bounds.window_s);
      const last = this.#counts.at(-1);
      if (last?.second === second) last.requests += 1;
      else this.#counts.push({ second, requests: 1 });
      const within = this.#counts.reduce((sum, count) => sum + count.requests, 0);
      if (this.#queue.length >= this.#bounds.queue_max) return "Too many requests queued.";
      if (this.#bytes + bytes > this.#bounds.queue_max_bytes) return "Too much data queued.";
      // Those that are refused count, too.
      if (within > 2 * this.#bounds.per_s * this.#bounds.window_s)
        return "Too many requests for the same Durable Object within a 10 second window.";
      return undefined;
    }

    #serve() {
      const slice = (this.#bounds.per_s * SLICE_MS) / 1000;
      this.#tokens = Math.min(this.#tokens + slice, 4 * slice);
      while (this.#queue.length > 0 && this.#tokens >= 1) {
        const { go, since } = this.#queue.shift();
        const late = Date.now() - since > this.#bounds.queue_max_ms;
        if (!late) this.#tokens -= 1;
        go(late);
      }
      if (this.#queue.length > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  };
}

// Below, a line for each class: `cargo dev` writes them.
