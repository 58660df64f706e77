// What survives a reload, in localStorage: the question without an answer
// (`pending`: key, body, at_ms, ttl_ms), the hold (`hold`: hold_id, and what became of its payment, see
// states.js), and in development the user's name. Other tabs hear of changes.
// A browser may forbid storage: then it is kept in memory, and only a reload forgets it.

const PREFIX = "holdfast:";
const memory = new Map();

export function read(name) {
  if (memory.has(name)) return memory.get(name);
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name));
  } catch {
    return null;
  }
}

export function write(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
    memory.delete(name);
  } catch {
    memory.set(name, value); // forbidden, or full
  }
}

export function drop(name) {
  memory.delete(name);
  try {
    localStorage.removeItem(PREFIX + name);
  } catch {
    memory.set(name, null); // what could be read and not removed is gone for this page
  }
}

/** Another user: what the last one held is none of this one's business. */
export function forgetHolds() {
  memory.clear();
  try {
    Object.keys(localStorage)
      .filter((name) => name.startsWith(`${PREFIX}pending:`) || name.startsWith(`${PREFIX}hold:`))
      .forEach((name) => localStorage.removeItem(name));
  } catch {
    // There is none.
  }
}

export const onOtherTab = (sale_id, callback) => addEventListener("storage", ({ key }) => {
  if (key === null || [`${PREFIX}pending:${sale_id}`, `${PREFIX}hold:${sale_id}`].includes(key)) callback();
});
