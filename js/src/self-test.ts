/** A key made and verified before anybody's is. */
import { generate_shared_secret, generate_signed_key } from "../wasm/claviger.js";
import { ClavigerError } from "./errors.js";
import { SECRET_ENTROPY, SIGNED_KEY_ENTROPY } from "./exchange.js";
import { Verifier } from "./verifier.js";
import { exchange } from "./wasm.js";

const now = 1_790_000_040;

/**
 * Makes a key of fixed bytes and verifies it. Engines compile a function when it is first called; so an entry calls this where
 * a program starts before its first request comes, and that need not wait for compilers.
 *
 * @throws {ClavigerError} `wrong_wasm`, also if the key turns out not to be good.
 */
export function selfTest(): void {
  const prefix = "test";
  exchange.put(new Uint8Array(SECRET_ENTROPY));
  const secret = exchange.answer(generate_shared_secret(false, 1));
  exchange.put("\0".repeat(SIGNED_KEY_ENTROPY) + `${prefix}\n${secret}`);
  const key = exchange.answer(generate_signed_key(now, 60, false));
  const verifier = new Verifier({ issuingSecrets: [{ prefix, secret }] });
  const verdict = verifier.verifyKey(key, { now });
  verifier.dispose();
  if (!verdict.verified) throw new ClavigerError("wrong_wasm", "self-test");
}
