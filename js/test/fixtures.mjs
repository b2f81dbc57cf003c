// Secrets and keys that the tests share.
import { generateKey, generateSharedSecret } from "claviger";

export const prefix = "acme_live";
export const now = 1_790_000_040;
export const issuingSecret = generateSharedSecret({ purpose: "issuing", version: 1 });
export const otherSecret = generateSharedSecret({ purpose: "issuing", version: 1 });
export const integrationSecret = generateSharedSecret({ purpose: "integration", version: 1 });
export const trusted = { issuingSecrets: [{ prefix, secret: issuingSecret }] };

/** What a denial without keyring says of freshness. */
export const stateless = { freshness: "stateless", epoch: null, age: null };

/** A key for an hour from `now` on. */
export function signedKey(options = {}) {
  return generateKey({ kind: "signed", prefix, issuingSecret, lifetimeMinutes: 60, issuedAt: now, ...options }).key;
}

/** What `call` throws. */
export function thrown(call) {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error(`${call} threw nothing`);
}
