// The Worker's main module: what is built from Rust, and the one thing that only JavaScript can declare, a class whose
// methods can be called from another request (Workers RPC asks for one that extends DurableObject). A call carries its
// question and its answer by itself: as a request, each of them would be one more turn of the event loop.

import { DurableObject } from "cloudflare:workers";
import { default as worker, Gate as Rust } from "./build/index.js";

// What a measurement adds to the build, too.
export * from "./build/index.js";
export default worker;

// Rust's futures are woken by it. The runtime's own wraps each callback anew, some 7 % of a press; what it does is this.
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

export class Gate extends DurableObject {
  #gate;

  constructor(ctx, env) {
    super(ctx, env);
    this.#gate = new Rust(ctx, env);
  }

  // A string, or a promise of one.
  ask(question) {
    return this.#gate.ask(question);
  }
}
