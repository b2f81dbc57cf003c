/** Where keyrings come from: what a source has to be, and holding it to that. */
import { ClavigerError, optionalFunction, requireBytes, requireFunction, requireInteger, requireObject, requireString } from "./errors.js";

/** The runtime's `AbortSignal`; what is used of it where the types of a project know none. */
export type AbortSignalLike = typeof globalThis extends { AbortSignal: { prototype: infer T } }
  ? T
  : {
      readonly aborted: boolean;
      readonly reason: unknown;
      throwIfAborted(): void;
      addEventListener(type: "abort", listener: () => void): void;
      removeEventListener(type: "abort", listener: () => void): void;
    };

/** What a source is told at each call. */
export interface SourceOptions {
  /** Aborted when nobody waits for the answer any more: its time is over, or the verifier was disposed of. */
  signal: AbortSignalLike;
}

/** A keyring from a source. */
export interface SourceKeyring {
  /** A root, or a whole bundle. It is kept and not copied. */
  bytes: Uint8Array;
  /** What tells it from others, such as an ETag, for the next call. */
  tag?: string;
}

/**
 * Where a verifier gets keyrings from. Whatever it answers is checked: a source that lies, repeats or fails costs
 * freshness, and never makes a key good.
 *
 * The built-in ones are `bytesSource`, `urlSource`, `kvSource` and, in `claviger/file-source`, `fileSource`. A folder, bucket
 * or namespace holds the keyring under the name `root`, and each part under `parts/<its SHA-256, 64 hex characters>`.
 */
export interface KeyringSource {
  /**
   * The newest keyring: a root, or a whole bundle. `known` is the tag of the one that the verifier uses: `null` if
   * that still is the newest. An error is a refresh that failed; the verifier goes on with what it has.
   */
  keyring(known: string | undefined, options: SourceOptions): Promise<SourceKeyring | null>;
  /** The part of a keyring (chunk or page) with this SHA-256 (64 hex characters); `null` if it is not there (yet). */
  part(hash: string, options: SourceOptions): Promise<Uint8Array | null>;
  /** The highest epoch that was remembered, also before a restart; 0 if none was. No keyring below it is taken. */
  rememberedEpoch?(): Promise<number>;
  /** Remembers an epoch, unless a higher one is. May be called again before an earlier call has ended. */
  rememberEpoch?(epoch: number): Promise<void>;
}

/** Looks whether a value can be a source. */
export function requireSource(parameter: string, value: unknown): KeyringSource {
  const source = requireObject(parameter, value);
  for (const method of ["keyring", "part"]) requireFunction(`${parameter}.${method}`, source[method]);
  for (const method of ["rememberedEpoch", "rememberEpoch"]) optionalFunction(`${parameter}.${method}`, source[method]);
  return source as unknown as KeyringSource;
}

/** What `keyring` of a source answered, looked over. */
export function readKeyring(answer: unknown): SourceKeyring | null {
  if (answer === null || answer === undefined) return null;
  const { bytes, tag } = requireObject("what source.keyring() gives", answer);
  const keyring = { bytes: requireBytes("bytes from source.keyring()", bytes) };
  return tag === undefined ? keyring : { ...keyring, tag: requireString("tag from source.keyring()", tag) };
}

/** What `part` of a source answered, looked over. */
export function readPart(answer: unknown): Uint8Array {
  if (answer === null || answer === undefined) {
    throw new ClavigerError("part_unavailable", "the source does not have this part of the keyring (yet)");
  }
  return requireBytes("what source.part() gives", answer);
}

/** What `rememberedEpoch` of a source answered, looked over. */
export function readEpoch(answer: unknown): number {
  return requireInteger("what source.rememberedEpoch() gives", answer);
}
