// What the Worker wrote into the page: which page it is, and what the API said when it was made.

export const page = JSON.parse(document.getElementById("page").textContent);
export const development = page.development;

/** Where a buyer signs in, and comes back from; null where the shop has no address for it. */
export const signInUrl = page.sign_in_url;
