/** A source over HTTP: any web server, object storage or CDN. */
import { ClavigerError, optionalFunction, requireObject, requireString } from "../errors.js";
import type { AbortSignalLike, KeyringSource } from "../source.js";
import { MOST_KEYRING_BYTES, MOST_PART_BYTES, checkHash, checkLength } from "./limits.js";

/** What is used of a `Response`. */
export interface FetchedResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: {
    getReader(): {
      read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
      cancel(): Promise<void>;
    };
  } | null;
}

/** What is used of `fetch`. */
export type Fetch = (
  url: string,
  init: { headers: Record<string, string>; signal: AbortSignalLike },
) => Promise<FetchedResponse>;

/** Options of {@link urlSource}. */
export interface UrlSourceOptions {
  /** Sent with each request, such as `Authorization`. Of these, a redirect to elsewhere takes along what `fetch` lets it. */
  headers?: Readonly<Record<string, string>>;
  /** By default the runtime's `fetch`. */
  fetch?: Fetch;
}

/**
 * A source that reads a root or a bundle from a URL, and parts from `parts/<hash>` beside it (the query of the URL is
 * left out there). It asks with the ETag of the keyring that is in use, so that an unchanged one costs a 304. At most
 * 256 MiB are read of a keyring, and 16 MiB of a part.
 *
 * Its errors name the URL without user and query.
 *
 * @throws {TypeError} if a parameter has a wrong type or the URL is none.
 */
export function urlSource(url: string | { readonly href: string }, options: UrlSourceOptions = {}): KeyringSource {
  const address = new URL(typeof url === "string" ? url : requireString("url", requireObject("url", url)["href"]));
  const { headers = {}, fetch: given } = requireObject("options", options);
  const sent: Record<string, string> = {};
  for (const [name, value] of Object.entries(requireObject("options.headers", headers))) {
    sent[name] = requireString(`options.headers[${JSON.stringify(name)}]`, value);
  }
  const own = optionalFunction("options.fetch", given) as Fetch | undefined;
  // Looked up at each call, and called without a receiver.
  const get: Fetch = own ?? ((to, init) => fetch(to, init as RequestInit));

  return {
    async keyring(known, { signal }) {
      const condition = known === undefined ? {} : { "If-None-Match": known };
      const response = await get(address.href, { headers: { ...sent, ...condition }, signal });
      if (response.status === 304 && known !== undefined) return null;
      const bytes = await readBody(response, address, MOST_KEYRING_BYTES);
      const tag = response.headers.get("ETag");
      return tag === null ? { bytes } : { bytes, tag };
    },
    async part(hash, { signal }) {
      const place = new URL(`parts/${checkHash(hash)}`, address);
      const response = await get(place.href, { headers: sent, signal });
      if (response.status === 404) {
        await response.body?.getReader().cancel();
        return null;
      }
      return readBody(response, place, MOST_PART_BYTES);
    },
  };
}

/** The body of a response that is a success, if it is not too long. */
async function readBody(response: FetchedResponse, url: URL, most: number): Promise<Uint8Array> {
  const name = url.origin + url.pathname;
  const reader = response.body?.getReader();
  try {
    if (response.status !== 200) throw new ClavigerError("source_failed", `${name} answered with status ${response.status}`);
    checkLength(name, Number(response.headers.get("Content-Length") ?? 0), most);
    const pieces: Uint8Array[] = [];
    let length = 0;
    for (let piece = await reader?.read(); piece?.done === false; piece = await reader?.read()) {
      const { value } = piece;
      if (value === undefined) continue;
      length += value.length;
      checkLength(name, length, most);
      pieces.push(value);
    }
    return joined(pieces, length);
  } catch (error) {
    // Nothing more is to come. If it was broken off, that fails, and the first error says why.
    await reader?.cancel().catch(() => {});
    throw error;
  }
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
