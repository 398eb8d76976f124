// Requests to the server, and what is to be said where they fail.

const TRIES = 30; // of a request that a busy server turns away
const LONGEST_WAIT = 30; // seconds

let token = ""; // lives here alone, and dies with the page

export function setToken(text) {
  token = text;
}

/** What came of a request that did not succeed: `sentence` is for people, `again` says whether trying again may help. */
export class Fault extends Error {
  constructor(sentence, status, again) {
    super(sentence);
    this.sentence = sentence;
    this.status = status;
    this.again = again;
  }
}

/** What is served, see /openapi.json. */
export async function fetchModels() {
  const reply = await ask("/v1/models", {});
  if (!reply.ok) throw await faultOf(reply);
  return reply.json();
}

/**
 * What a model says of one file; throws a Fault with the server's sentence where it says none.
 * `options` are the form's other fields; `waiting(seconds, tries)` is called before each pause for a busy server.
 */
export async function predict(file, name, options, { signal, waiting = () => {} } = {}) {
  for (let tries = 1; ; tries += 1) {
    const body = new FormData();
    body.append("images", file, name);
    for (const [field, value] of Object.entries(options)) body.append(field, value);
    const reply = await ask("/v1/predict", { method: "POST", body, signal });
    if (reply.status === 503 && tries < TRIES) {
      const seconds = Math.min(LONGEST_WAIT, Math.max(1, Number(reply.headers.get("Retry-After")) || 1));
      waiting(seconds, tries);
      await pause(seconds, signal);
      continue;
    }
    if (!reply.ok) throw await faultOf(reply);
    const said = await reply.json();
    const result = said.results[0];
    if (result.error) throw new Fault(result.error, 422, false);
    return { ...result, threshold: said.threshold };
  }
}

async function ask(path, options) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  try {
    return await fetch(path, { ...options, headers, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Fault("The server did not answer, or the file could not be read: is the server still running?", 0, true);
  }
}

async function faultOf(reply) {
  const again = reply.status >= 500 || reply.status === 401 || reply.status === 408;
  let sentence = `The server answered ${reply.status} without a reason.`;
  try {
    sentence = (await reply.json()).error || sentence;
  } catch {
    if (reply.status === 413) sentence = "The file is too large for the server, or for what stands between.";
  }
  return new Fault(sentence, reply.status, again);
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const clock = setTimeout(resolve, 1000 * seconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(clock);
      reject(new DOMException("given up", "AbortError"));
    });
  });
}
