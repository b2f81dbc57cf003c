/** What a verifier tells of its own accord. */
import type { NeededPart } from "./verdict.js";

/** Something that happened to a verifier with a source; `type` says what. */
export type VerifierEvent =
  /** The source was asked, and what it has is in use. `changed`: it was another keyring than before. */
  | { readonly type: "refreshed"; readonly epoch: number; readonly changed: boolean }
  /**
   * A refresh failed; the verifier goes on with what it has. `failures`: how many did in a row. By itself it tries
   * again in `retryInSeconds` at the earliest.
   */
  | { readonly type: "refresh_failed"; readonly error: unknown; readonly failures: number; readonly retryInSeconds: number }
  /**
   * A part of the keyring could not be had: a {@link ClavigerError} with the code `wrong_hash` if it is not what the
   * root says, `part_unavailable` if it is not there (yet), `timed_out`; or an error of the source.
   */
  | { readonly type: "part_failed"; readonly part: NeededPart; readonly error: unknown }
  /**
   * The keyring has reached half of its life: in `validFor - age` seconds every key is denied. Told once for each
   * keyring, when somebody calls `verify` or a refresh has ended. Times are in seconds.
   */
  | { readonly type: "half_expired"; readonly epoch: number; readonly age: number; readonly validFor: number }
  /** The epoch of the keyring could not be remembered: after a restart an older one might be taken. */
  | { readonly type: "epoch_not_remembered"; readonly error: unknown };

/** Tells an event. */
export type Tell = (event: VerifierEvent) => void;

/** Tells events to a function of the caller, whose errors are its own. */
export function telling(listener: Tell | undefined): Tell {
  return (event) => {
    try {
      // An async function may be given all the same, and its failures would end the process.
      const told: unknown = listener?.(event);
      if (told instanceof Promise) told.catch(() => {});
    } catch {
      // Whoever listens must not break what goes on.
    }
  };
}
