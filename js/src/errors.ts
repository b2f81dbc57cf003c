/** What a call says when it cannot do what it was asked. What a key is worth is never an error but a verdict. */

export { ClavigerError, type ClavigerErrorCode } from "./claviger-error.js";

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

/** An integer from 0 to 2^53 - 1, or to `max`. */
export function requireInteger(parameter: string, value: unknown, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw wrongType(parameter, `an integer from 0 to ${max}`, value);
}

/** An integer as {@link requireInteger} takes it, or what stands for none. */
export function optionalInteger<T>(parameter: string, value: unknown, absent: T, max?: number): number | T {
  return value === undefined ? absent : requireInteger(parameter, value, max);
}

/** Bytes, as a view that copies nothing. */
export function requireBytes(parameter: string, value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  throw wrongType(parameter, "a Uint8Array or an ArrayBuffer", value);
}

/** A list of strings, as a copy. It is read by its places: walking through it is the caller's code. */
export function requireStrings(parameter: string, value: unknown): string[] {
  if (!Array.isArray(value)) throw wrongType(parameter, "an array of strings", value);
  const list: string[] = [];
  for (let index = 0; index < value.length; index += 1) {
    const text: unknown = value[index];
    if (typeof text !== "string") throw wrongType(`${parameter}[${index}]`, "a string", text);
    list.push(text);
  }
  return list;
}

/** Anything that can be called. */
export type AnyFunction = (...parameters: any[]) => unknown;

export function requireFunction(parameter: string, value: unknown): AnyFunction {
  if (typeof value !== "function") throw wrongType(parameter, "a function", value);
  return value as AnyFunction;
}

export function optionalFunction(parameter: string, value: unknown): AnyFunction | undefined {
  return value === undefined ? undefined : requireFunction(parameter, value);
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
