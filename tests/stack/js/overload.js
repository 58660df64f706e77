// The binding of a Durable Object for `--like-production`: an exception says `overloaded` there by a property, which does not cross
// from one isolate of workerd to another; the sentence does.

class Objects {
  #namespace;

  constructor(namespace) {
    this.#namespace = namespace;
  }

  idFromName(name) {
    return this.#namespace.idFromName(name);
  }

  get(id, options) {
    const stub = this.#namespace.get(id, options);
    return {
      async ask(...parts) {
        try {
          return await stub.ask(...parts);
        } catch (error) {
          if (String(error?.message).includes("Durable Object is overloaded.")) error.overloaded = true;
          throw error;
        }
      },
    };
  }
}

export default (env) => new Objects(env.namespace);
