/** How much is read of what a source gives: more is no keyring, and would only take memory. */
import { ClavigerError } from "../errors.js";

/** The most bytes of a keyring, be it a root or a bundle: 256 MiB. */
export const MOST_KEYRING_BYTES = 256 * 1024 * 1024;
/** The most bytes of a part: 16 MiB, more than three times as much as the largest has. */
export const MOST_PART_BYTES = 16 * 1024 * 1024;

/** Makes sure that so many bytes are not too many. */
export function checkLength(what: string, length: number, most: number): void {
  if (length > most) throw new ClavigerError("oversized", `${what} has more than ${most} bytes`);
}

/** Makes sure that a text can be the hash of a part: it becomes part of a name. */
export function checkHash(hash: unknown): string {
  if (typeof hash === "string" && /^[0-9a-f]{64}$/.test(hash)) return hash;
  throw new ClavigerError("source_failed", "a part has a hash of 64 hex characters as its name");
}
