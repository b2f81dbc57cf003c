// What the benchmarks of sources ask of a JavaScript runtime: to make a verifier, to verify keys, and to refresh.
import { Verifier, urlSource } from "claviger";

let verifier;

/** The verifier that was made last. */
export function current() {
  return verifier;
}

/** `{ open }` makes a verifier; `{ verify, now }` counts which of these keys are verified; `{ refresh, now }` refreshes. */
export async function answer({ open, verify, refresh, now }) {
  if (open !== undefined) {
    const { url, ...options } = open;
    verifier = new Verifier({ ...options, source: urlSource(url) });
  }
  let verified = 0;
  for (const key of verify ?? []) if ((await verifier.verify(key, { now })).verified) verified += 1;
  return { verified, refreshed: refresh ? await verifier.refresh({ now }) : null };
}
