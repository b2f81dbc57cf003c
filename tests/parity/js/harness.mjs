// What the parity suite asks of a JavaScript runtime: verdicts on a batch of presented keys.
import { Verifier, parseKey } from "claviger";

const verifiers = new Map();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The verifier for these options, made once, as a program would. */
export function verifierFor(options) {
  const name = JSON.stringify(options);
  let verifier = verifiers.get(name);
  if (verifier === undefined) verifiers.set(name, (verifier = new Verifier(options)));
  return verifier;
}

/** `{ options, now, keys }`, the keys in base64 → what `verifyKey` and `parseKey` say about each. */
export function answer({ options, now, keys, parse }) {
  const verifier = verifierFor(options);
  return keys.map((key) => {
    const bytes = Uint8Array.from(atob(key), (character) => character.charCodeAt(0));
    const fromBytes = verifier.verifyKey(bytes, { now });
    let text;
    try {
      text = strict.decode(bytes);
    } catch {
      return { verdict: fromBytes };
    }
    const verdict = verifier.verifyKey(text, { now });
    if (JSON.stringify(verdict) !== JSON.stringify(fromBytes)) throw new Error(`text and bytes differ: ${verdict} ${fromBytes}`);
    return parse ? { verdict, parts: parseKey(text) } : { verdict };
  });
}
