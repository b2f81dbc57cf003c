/** A source that always has the same keyring. */
import { requireBytes } from "../errors.js";
import type { KeyringSource } from "../source.js";

/**
 * A source with this one keyring, for tests and for programs that are deployed together with it. It has no parts: give it
 * a bundle. Revocations come with the next deployment.
 *
 * @throws {TypeError} if `bytes` are no bytes.
 */
export function bytesSource(bytes: Uint8Array | ArrayBuffer): KeyringSource {
  const keyring = requireBytes("bytes", bytes);
  const tag = "constant";
  return {
    keyring: async (known) => (known === tag ? null : { bytes: keyring, tag }),
    part: async () => null,
  };
}
