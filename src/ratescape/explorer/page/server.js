// Requests to the server: one at a time, and of each kind only the latest that waits.

const TOKEN = "ratescape-token";
const SESSION = "ratescape-session";
const FIRST = "view"; // what is drawn while a point is dragged

const waiting = new Map();
let busy = false;

/** Take the token out of the address, so that nobody reads or sends it with that, and keep it for this tab. */
export function keepToken() {
  const token = new URLSearchParams(location.search).get("token");
  if (!token) return;
  sessionStorage.setItem(TOKEN, token);
  history.replaceState(null, "", `${location.pathname}${location.hash}`);
}

function sessionName() {
  if (!sessionStorage.getItem(SESSION)) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    sessionStorage.setItem(SESSION, Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(""));
  }
  return sessionStorage.getItem(SESSION);
}

/**
 * Ask for something, and get it, or null if something later of the same kind has taken its place.
 *
 * @param {string} kind what replaces what: "view", "layers", ...
 * @param {string} path such as "/api/view"
 * @param body an object, a Blob, or a function that gives one at the time of sending; none for GET
 */
export function request(kind, path, body) {
  return new Promise((resolve, reject) => {
    waiting.get(kind)?.resolve(null);
    waiting.set(kind, { path, body, resolve, reject });
    next();
  });
}

async function next() {
  if (busy || waiting.size === 0) return;
  const kind = waiting.has(FIRST) ? FIRST : waiting.keys().next().value;
  const { path, body, resolve, reject } = waiting.get(kind);
  waiting.delete(kind);
  busy = true;
  try {
    resolve(await answerOf(path, typeof body === "function" ? body() : body));
  } catch (error) {
    reject(error);
  }
  busy = false;
  next();
}

async function answerOf(path, body) {
  const raw = body instanceof Blob;
  const headers = { "X-Ratescape-Token": sessionStorage.getItem(TOKEN) ?? "", "X-Ratescape-Session": sessionName() };
  if (body !== undefined) headers["Content-Type"] = raw ? body.type || "application/octet-stream" : "application/json";
  const method = body === undefined ? "GET" : "POST";
  const sent = fetch(path, { method, headers, body: raw || body === undefined ? body : JSON.stringify(body) });
  const answer = await sent.catch(() => {
    throw new Error("The server does not answer: start ratescape explore again, and open the address it prints.");
  });
  const found = await answer.json().catch(() => ({ error: `The server answered ${answer.status}, and nothing else.` }));
  if (!answer.ok) throw Object.assign(new Error(found.error), { status: answer.status });
  return found;
}
