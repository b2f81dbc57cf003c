// Sends what was counted of the use of keys to where they are administered, again until that says it has it.
let unsent = [];
let nextReport = 0;

/** Reports, if the last time was long enough ago. Two at once may send a batch twice, which is counted once by its id. */
export async function reportUsage(verifier, env) {
  if (Date.now() < nextReport) return;
  nextReport = Date.now() + env.USAGE_SECONDS * 1000;
  try {
    await sendAll(env);
    // Not before the others have arrived: what waits in the verifier is bounded.
    unsent = verifier.drainUsage().map((batch) => ({ id: randomId(), batch: coveringNothing(batch) }));
    await sendAll(env);
  } catch (error) {
    console.error("usage is reported later:", String(error));
  }
}

async function sendAll(env) {
  for (let next = unsent[0]; next !== undefined; next = unsent[0]) {
    const { id, batch } = next;
    const headers = { Authorization: `Bearer ${env.USAGE_TOKEN}`, "Content-Type": "application/json", "Idempotency-Key": id };
    const signal = AbortSignal.timeout(10_000);
    const response = await fetch(env.USAGE_URL, { method: "POST", headers, body: JSON.stringify(batch), signal });
    if (!response.ok) throw new Error(`${env.USAGE_URL} answered ${response.status}`);
    unsent = unsent.filter((other) => other !== next);
  }
}

/** An isolate is one of many and may end at any time, so it must not say that it tells everything of a time. */
function coveringNothing(batch) {
  return { ...batch, from: batch.until };
}

/** The 8 random bytes of a batch's id, in hex. */
function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
