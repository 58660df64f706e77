// What survives a reload, in localStorage: the question without an answer
// (`pending`: key, body, at_ms, ttl_ms), the hold (`hold`: hold_id, and `paid` once the buyer came
// back from paying), and in development the user's name. Other tabs hear of changes.

const PREFIX = "holdfast:";
export function read(name) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name));
  } catch {
    return null;
  }
}
export const write = (name, value) => localStorage.setItem(PREFIX + name, JSON.stringify(value));
export const drop = (name) => localStorage.removeItem(PREFIX + name);

/** Another user: what the last one held is none of this one's business. */
export const forgetHolds = () => Object.keys(localStorage)
  .filter((name) => name.startsWith(`${PREFIX}pending:`) || name.startsWith(`${PREFIX}hold:`))
  .forEach((name) => localStorage.removeItem(name));

export const onOtherTab = (sale_id, callback) => addEventListener("storage", ({ key }) => {
  if (key === null || [`${PREFIX}pending:${sale_id}`, `${PREFIX}hold:${sale_id}`].includes(key)) callback();
});
