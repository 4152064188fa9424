// Who this page is: the one-time token of the address becomes a session. One half of it is a cookie that no script sees, the
// other half is kept here, for this origin only.

const KEY = "sixhop-key";

export function key() {
  return sessionStorage.getItem(KEY);
}

export function forget() {
  sessionStorage.removeItem(KEY);
}

// Takes the token out of the address, whatever comes of it.
export async function begin() {
  const token = location.hash.slice(1);
  if (!/^[0-9a-f]{64}$/.test(token)) return key() !== null;
  history.replaceState(null, "", "#/search");
  const answer = await fetch("/api/session", { method: "POST", body: token });
  if (!answer.ok) return key() !== null;
  sessionStorage.setItem(KEY, (await answer.json()).key);
  return true;
}
