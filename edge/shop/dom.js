// Builds elements. Data only ever becomes text, never markup: a name may hold any character.

export const byId = (id) => document.getElementById(id);

/** h("p", { class: "x", onclick: f }, "text", child): one element; null means "not there". */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value || value === 0 || value === "") element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** Writes only what differs: a live region speaks only when something changed. */
export function setText(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

/** Replaces the children only when they are not these already: focus survives. */
export function setChildren(parent, children) {
  const same = parent.childNodes.length === children.length && children.every((child, i) => parent.childNodes[i] === child);
  if (!same) parent.replaceChildren(...children);
}
