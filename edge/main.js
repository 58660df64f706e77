// The Worker's main module: what is built from Rust, and the one thing that only JavaScript can declare, a class whose
// methods can be called from another request (Workers RPC asks for one that extends DurableObject). A call carries its
// question and its answer by itself: as a request, each of them would be one more turn of the event loop.

import { DurableObject } from "cloudflare:workers";
import { default as worker, Gate as Rust } from "./build/index.js";

// What a measurement adds to the build, too.
export * from "./build/index.js";
export default worker;

// Rust's futures are woken by it where there is one, and by a settled promise's `then` otherwise. That is V8's own and does
// the same; this one makes a wrapper of each call, some 7 % of a press.
globalThis.queueMicrotask = undefined;

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
