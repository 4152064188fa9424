// Who this page is: the one-time token of the address becomes a session. One half of it is a cookie that no script sees, the
// other half is kept here, for this origin only: no page at another port reads it. All tabs of one browser share it.

const KEY = "sixhop-key";

export function key() {
  return localStorage.getItem(KEY);
}

// Forgets a key that was refused; another tab may have a newer one by now.
export function forget(refused) {
  if (key() === refused) localStorage.removeItem(KEY);
}

// Calls `listener` when another tab gets a key.
export function whenRenewed(listener) {
  addEventListener("storage", (event) => event.key === KEY && event.newValue !== null && listener());
}

// Takes the token out of the address, whatever comes of it.
export async function begin() {
  const token = location.hash.slice(1);
  if (!/^[0-9a-f]{64}$/.test(token)) return key() !== null;
  history.replaceState(null, "", "#/search");
  const answer = await fetch("/api/session", { method: "POST", body: token });
  if (!answer.ok) return key() !== null;
  localStorage.setItem(KEY, (await answer.json()).key);
  return true;
}
