// The Worker with a clock that can be put off: it reads from a file by how many seconds, and goes by that. Time-outs are
// not affected. For the soak only; nothing of it is in the Worker that is deployed.

import Worker from "./main.js";

export * from "./main.js";

// How often it looks again.
const EVERY_MS = 100;

const now = Date.now.bind(Date);
let offMs = 0;
let lookedMs = 0;

Date.now = () => now() + offMs;

export default class extends Worker {
  async fetch(request) {
    if (now() - lookedMs > EVERY_MS) {
      lookedMs = now();
      const seconds = await (await this.env.CLOCK.fetch("http://clock/off")).text();
      offMs = (Number(seconds) || 0) * 1000;
    }
    return super.fetch(request);
  }
}
