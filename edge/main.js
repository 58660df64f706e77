// The Worker's main module: what is built from Rust, and what only JavaScript can declare, a Durable Object's class whose
// methods can be called from another request (Workers RPC needs one that extends DurableObject). A method call carries
// message and answer by itself: a fetch would cost one more turn of the event loop. Another Durable Object is another such
// class with a method `ask`, and a binding in wrangler.toml: CONTRIBUTING.md has every step.

import { DurableObject, env } from "cloudflare:workers";
import { default as worker, Gate as Rust } from "./build/index.js";

// What a measurement adds to the build, too.
export * from "./build/index.js";
export default worker;

// Rust's futures are woken by `queueMicrotask`: js-sys takes it wherever there is one. The variable's comment in wrangler.toml
// says why it is put in the place of the runtime's own. Like that one it reports what a callback throws: an error event is
// how the runtime learns that the Wasm has trapped and has to begin anew. A promise would only be rejected.
if (env.WAKE_BY_PROMISE === "on") {
  const settled = Promise.resolve();
  globalThis.queueMicrotask = (callback) => {
    settled.then(() => {
      try {
        callback();
      } catch (error) {
        reportError(error);
      }
    });
  };
}

export class Gate extends DurableObject {
  #gate;

  constructor(ctx, env) {
    super(ctx, env);
    this.#gate = new Rust(ctx, env);
  }

  // A string, or a promise of one. `wish`: what the answer is to bring, too.
  ask(question, wish) {
    return this.#gate.ask(question, wish);
  }
}
