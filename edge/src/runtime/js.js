// What the hot path needs of JavaScript, in few calls: each value that crosses between Wasm and JavaScript is copied,
// and each promise costs closures on both sides, so what belongs together crosses together.

// How late this isolate is, method, URL, and the headers' names and values, a line each: none of them can hold a line
// break.
export function head(request) {
  let lines = lateness() + "\n" + request.method + "\n" + request.url;
  for (const [name, value] of request.headers) lines += "\n" + name + "\n" + value;
  return lines;
}

// The body of a request that said how long it is, and before it whether its address may go on: "limited" if not.
// Cloudflare always names an address; elsewhere there is nobody to count.
export async function arrive(request, env, address, announced, ticks) {
  // Undefined, if it does not come in time: a line that stands still would keep the request for ever.
  const body = announced ? within(request.bytes(), ticks) : undefined;
  // Whoever is refused is not waited for, and what happens to that body is nobody's concern.
  body?.catch(() => {});
  if (address !== undefined && !(await admits(env, "PER_ADDRESS", address))) return "limited";
  return body;
}

// Whether this address may go on, by the rate limit of that name.
export async function admits(env, limit, address) {
  try {
    return (await env[limit].limit({ key: address })).success;
  } catch (error) {
    // A counter that is out of order must not close the shop: the limits per user still hold.
    console.error(JSON.stringify({ rate_limit: "failed", limit, error: String(error) }));
    return true;
  }
}

// One message to one Durable Object, by its binding and its name: its class has a method `ask`. What is wished for is an
// argument of its own, because a class of the release before ignores it. Undefined: no answer in time.
// The variable of the binding's name says where an object is made: GATE_LOCATION. Cloudflare reads it when an object is
// called for the first time, and makes one without it near that caller, where it stays.
export function object(env, binding, name, message, wish, ticks) {
  const locationHint = env[binding + "_LOCATION"] || undefined;
  return within(env[binding].get(id(env, binding, name), { locationHint }).ask(message, wish), ticks);
}

const ids = new Map();

// Making an id hashes its name. Objects are few, and the id of a name never changes.
function id(env, binding, name) {
  const key = binding + "/" + name;
  let known = ids.get(key);
  if (known === undefined) ids.set(key, (known = env[binding].idFromName(name)));
  return known;
}

// One call of a function: its status, whether it broke, and what it said, a line each. Undefined: no answer in time.
export async function invoke(url, headers, body, ticks) {
  const controller = new AbortController();
  const exchange = fetch(url, {
    method: "POST",
    headers: pairs(headers),
    body,
    redirect: "manual",
    signal: controller.signal,
  }).then(async (response) => {
    const broke = response.headers.has("X-Amz-Function-Error");
    return `${response.status}\n${broke}\n${await response.text()}`;
  });
  const answer = await within(exchange, ticks);
  // Lambda may take 15 minutes to answer, and until then the exchange would keep one of the few connections that the
  // runtime lets a request have open at once.
  if (answer === undefined) controller.abort();
  return answer;
}

// As long as that in JavaScript and in Rust: see TICK_MS in limits.rs.
const TICK_MS = 250;

// Patience that counts only the time in which this isolate could have taken the answer: when it is too busy to look, its
// ticks are late with everything else, and a late one counts once. An answer that is there must not be taken for lost.
function within(promise, ticks) {
  return new Promise((resolve, reject) => {
    let left = ticks;
    let due = Date.now() + TICK_MS;
    const timer = setInterval(() => {
      const now = Date.now();
      late = { ms: now - due, at: now };
      due = now + TICK_MS;
      left -= 1;
      if (left > 0) return;
      clearInterval(timer);
      resolve(undefined);
    }, TICK_MS);
    promise.then(
      (answer) => (clearInterval(timer), resolve(answer)),
      (error) => (clearInterval(timer), reject(error)),
    );
  });
}

let late = { ms: 0, at: 0 };

// By how many milliseconds the last tick was late: whoever came then has waited as long before anything was done for
// them. Who heard no tick for a second has nobody waiting, and is not late.
function lateness() {
  return Date.now() - late.at < 1000 ? Math.max(0, Math.round(late.ms)) : 0;
}

// An answer to the client. A body that is text crosses as a string, which costs less than bytes; undefined is no body at
// all, which 204 and 304 insist on.
export function respond(status, headers, text, bytes) {
  // Wasm's own memory goes on changing: bytes are copied.
  const response = new Response(text ?? bytes?.slice(), { status });
  for (const [name, value] of pairs(headers)) {
    try {
      response.headers.set(name, value);
    } catch {
      // Only a character no header may have is refused, and then the answer is worth more than the header.
      console.error(JSON.stringify({ header: "refused", name }));
    }
  }
  return response;
}

function pairs(lines) {
  const fields = lines.split("\n");
  const found = [];
  for (let field = 0; field + 1 < fields.length; field += 2) found.push([fields[field], fields[field + 1]]);
  return found;
}
