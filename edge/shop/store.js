// What survives a reload, in localStorage: the question without an answer
// (`pending`: key, body, at_ms, ttl_ms), the hold (`hold`: hold_id, and `paid` once the buyer came
// back from paying), and in development the user's name. Other tabs hear of changes.

const PREFIX = "holdfast:";
const memory = {}; // where storage is forbidden the page still works, until it is closed
const storage = (() => {
  try {
    localStorage.setItem(`${PREFIX}try`, "1");
    return localStorage;
  } catch {
    return { getItem: (name) => memory[name] ?? null, setItem: (name, text) => { memory[name] = text; }, removeItem: (name) => delete memory[name] };
  }
})();

export function read(name) {
  try {
    return JSON.parse(storage.getItem(PREFIX + name));
  } catch {
    return null;
  }
}
export const write = (name, value) => storage.setItem(PREFIX + name, JSON.stringify(value));
export const drop = (name) => storage.removeItem(PREFIX + name);

/** Another user: what the last one held is none of this one's business. */
export const forgetHolds = () => Object.keys(storage)
  .filter((name) => name.startsWith(`${PREFIX}pending:`) || name.startsWith(`${PREFIX}hold:`))
  .forEach((name) => storage.removeItem(name));

export const onOtherTab = (sale_id, callback) => addEventListener("storage", ({ key }) => {
  if (key === null || [`${PREFIX}pending:${sale_id}`, `${PREFIX}hold:${sale_id}`].includes(key)) callback();
});
