// Sends what was counted of the use of keys to where they are administered, again until that says it has it.
import { randomBytes } from "node:crypto";

const { USAGE_URL, USAGE_TOKEN } = process.env;
let unsent = [];

/** Never fails. Two at once may send a batch twice, which is counted once by its id. */
export async function reportUsage(verifier) {
  if (!USAGE_URL) return;
  try {
    await sendAll();
    // Not before the others have arrived: what waits in the verifier is bounded.
    unsent = verifier.drainUsage().map((batch) => ({ id: randomBytes(8).toString("hex"), batch }));
    await sendAll();
  } catch (error) {
    console.error("usage is reported later:", String(error));
  }
}

async function sendAll() {
  for (let next = unsent[0]; next !== undefined; next = unsent[0]) {
    const { id, batch } = next;
    const headers = { Authorization: `Bearer ${USAGE_TOKEN}`, "Content-Type": "application/json", "Idempotency-Key": id };
    const signal = AbortSignal.timeout(10_000);
    const response = await fetch(USAGE_URL, { method: "POST", headers, body: JSON.stringify(batch), signal });
    if (!response.ok) throw new Error(`${USAGE_URL} answered ${response.status}`);
    unsent = unsent.filter((other) => other !== next);
  }
}
