// The Node of the benchmarks of sources: a request a line in, its answer a line out.
import { createInterface } from "node:readline";
import { setImmediate } from "node:timers/promises";
import { answer, current } from "./answers.mjs";

/** Many verifications, and then whatever else the thread has to do. */
const TURN = 256;

/** Verifies these keys again and again, with a refresh meanwhile if there is to be one; how many a second. */
async function spin({ keys, milliseconds, refresh, now }) {
  const verifier = current();
  const context = { now };
  let next = 0;
  let verifications = 0;
  let elapsed = 0;
  const started = performance.now();
  const refreshed = refresh ? verifier.refresh(context) : undefined;
  while (elapsed < milliseconds) {
    for (let turn = 0; turn < TURN; turn++) {
      next = next + 1 === keys.length ? 0 : next + 1;
      const verdict = await verifier.verify(keys[next], context);
      if (!verdict.verified && verdict.code !== "revoked") throw new Error(`a good key is ${verdict.code}`);
    }
    verifications += TURN;
    await setImmediate();
    elapsed = performance.now() - started;
  }
  return { perSecond: (verifications / elapsed) * 1000, refreshed: (await refreshed) ?? null };
}

/** The memory of the process in bytes, without what is garbage. */
function memory() {
  globalThis.gc();
  globalThis.gc();
  return process.memoryUsage();
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const request = JSON.parse(line);
  const given = request.spin ? await spin(request.spin) : request.memory ? memory() : await answer(request);
  process.stdout.write(JSON.stringify(given) + "\n");
}
