// The rate limit binding for the local workerd: Cloudflare's own counts in its network and is not part of workerd.
// Same interface, `limit({ key })` -> `{ success }`; a fixed window, counted in memory, gone when workerd ends.

// More keys than a local run makes; beyond it everything starts over, so that memory is bounded.
const KEYS_MAX = 100_000;

// The Worker's Rust side knows the binding by the name of its class.
class Ratelimit {
  #counts = new Map();
  #window = 0;
  #simple;

  constructor(simple) {
    this.#simple = simple;
  }

  async limit({ key }) {
    const window = Math.floor(Date.now() / (this.#simple.period * 1000));
    if (window !== this.#window || this.#counts.size >= KEYS_MAX) {
      this.#window = window;
      this.#counts.clear();
    }
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    return { success: count <= this.#simple.limit };
  }
}

export default (env) => new Ratelimit(JSON.parse(env.simple));
