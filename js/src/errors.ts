/** What a call says when it cannot do what it was asked. What a key is worth is never an error but a verdict. */

/** Stable codes of {@link ClavigerError}. */
export type ClavigerErrorCode =
  /** An option has a value that it cannot have. */
  | "invalid_options"
  /** A text is not a key prefix. */
  | "invalid_prefix"
  /** A text is not an issuing secret; the message says which part of it is wrong. */
  | "invalid_secret"
  /** An issued-at or a lifetime that a key cannot hold. */
  | "invalid_time"
  /** The runtime gives no random bytes here. */
  | "no_entropy"
  /** The object was used after `dispose()`. */
  | "disposed";

/** An error of this package. Never holds any part of a key or secret. */
export class ClavigerError extends Error {
  override readonly name = "ClavigerError";
  /** What went wrong, for programs. */
  readonly code: ClavigerErrorCode;

  constructor(code: ClavigerErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Calls into WebAssembly, and makes an error of the `{ code, message }` that it throws. */
export function calling<T>(call: () => T): T {
  try {
    return call();
  } catch (thrown) {
    if (thrown instanceof Error) throw thrown;
    if (typeof thrown === "object" && thrown !== null && "code" in thrown && "message" in thrown) {
      throw new ClavigerError(thrown.code as ClavigerErrorCode, String(thrown.message));
    }
    throw thrown;
  }
}

/** A `TypeError` that names the parameter. */
export function wrongType(parameter: string, expected: string, value: unknown): TypeError {
  const got = value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
  return new TypeError(`${parameter} must be ${expected}, got ${got}`);
}

export function requireString(parameter: string, value: unknown): string {
  if (typeof value !== "string") throw wrongType(parameter, "a string", value);
  return value;
}

export function requireNumber(parameter: string, value: unknown): number {
  if (typeof value !== "number") throw wrongType(parameter, "a number", value);
  return value;
}

export function optionalBoolean(parameter: string, value: unknown): boolean {
  if (value === undefined) return false;
  if (typeof value !== "boolean") throw wrongType(parameter, "a boolean", value);
  return value;
}

export function requireObject(parameter: string, value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrongType(parameter, "an object", value);
  return value as Record<string, unknown>;
}
