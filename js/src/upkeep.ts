/** How a verifier is told to keep its keyring up to date by itself. */
import { ClavigerError, optionalFunction, optionalInteger, requireObject, wrongType } from "./errors.js";
import { type Tell, type VerifierEvent, telling } from "./events.js";
import { type KeyringSource, requireSource } from "./source.js";

/** What of a {@link KeyringOptions} makes a verifier live by itself. */
export interface UpkeepOptions {
  /** Where keyrings and their parts come from. Then use `verify`, and have somebody refresh. */
  source?: KeyringSource;
  /**
   * Seconds between two refreshes, at least 1, changed by up to a fifth at random. By default a quarter of the
   * keyring's `freshFor`, at least 1.
   */
  refreshSeconds?: number;
  /**
   * How many bytes of memory parts may take. By default 16 MiB with a source, and without one as much as there is. What
   * nobody has proved a key with goes first. With a bundle nothing goes unless this is given: it is in memory anyway.
   */
  cacheBytes?: number;
  /** The most seconds for one call of the source (by default 10). */
  timeoutSeconds?: number;
  /** Is told what happens. Its errors are ignored. */
  onEvent?: (event: VerifierEvent) => void;
  /** Count the use of keys for {@link Verifier.drainUsage}. */
  usage?: {
    /** Of how many keys at most: by default 10,000. Each takes 48 bytes. */
    maxKeys?: number;
  };
}

/** The names of these options. */
export const UPKEEP_OPTIONS = ["source", "refreshSeconds", "cacheBytes", "timeoutSeconds", "onEvent", "usage"] as const;

const CACHE_BYTES = 16 * 1024 * 1024;
const MOST_U32 = 0xffff_ffff;
const TIMEOUT_SECONDS = 10;
const MAX_KEYS = 10_000;
/** Timers take no longer times. */
const MOST_SECONDS = 2_000_000;

/** These options, looked over. */
export interface Upkeep {
  readonly source: KeyringSource | undefined;
  readonly refreshSeconds: number | undefined;
  readonly timeoutSeconds: number;
  /** How many bytes parts may take that were inserted, and how many if they come from a bundle. */
  readonly partsLimit: number | undefined;
  readonly bundleLimit: number | undefined;
  readonly tell: Tell;
  /** How many keys are counted; `undefined` if none is. */
  readonly maxKeys: number | undefined;
}

/** Reads these options of a verifier with a keyring. */
export function readUpkeep(options: Record<string, unknown>): Upkeep {
  const { source, refreshSeconds, cacheBytes, timeoutSeconds, onEvent, usage } = options;
  const given = source === undefined ? undefined : requireSource("options.source", source);
  const refresh = seconds("options.refreshSeconds", refreshSeconds, 1);
  const timeout = seconds("options.timeoutSeconds", timeoutSeconds, 0);
  for (const [name, value] of Object.entries({ refreshSeconds, timeoutSeconds })) {
    if (value !== undefined && given === undefined) throw new ClavigerError("invalid_options", `options.${name} needs options.source`);
  }
  const limit = optionalInteger("options.cacheBytes", cacheBytes, undefined);
  return {
    source: given,
    refreshSeconds: refresh,
    timeoutSeconds: timeout ?? TIMEOUT_SECONDS,
    partsLimit: limit ?? (given === undefined ? undefined : CACHE_BYTES),
    bundleLimit: limit,
    tell: telling(optionalFunction("options.onEvent", onEvent) as Tell | undefined),
    maxKeys: usage === undefined ? undefined : readMaxKeys(usage),
  };
}

function readMaxKeys(usage: unknown): number {
  const { maxKeys } = requireObject("options.usage", usage);
  return optionalInteger("options.usage.maxKeys", maxKeys, MAX_KEYS, MOST_U32);
}

function seconds(parameter: string, value: unknown, least: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "number" && value >= least && value > 0 && value <= MOST_SECONDS) return value;
  throw wrongType(parameter, `seconds from ${least} to ${MOST_SECONDS}`, value);
}
