/**
 * API keys in Express 4 and 5: a middleware that lets verified requests through, and no others.
 *
 * @module
 */
import { type AddressHeader, type AddressOf, type ApiKeyAuthOptions, decide, readAuth } from "./auth.js";
import type { DenialParts, RequestLike, Verified } from "./slim.js";

export { type AddressHeader, type AddressOf, type ApiKeyAuthOptions } from "./auth.js";

declare global {
  namespace Express {
    interface Request {
      /** The verdict on the key, behind `apiKeyAuth`: whose it is, and what it may do. */
      apiKey?: Verified;
    }
  }
}

/** What is used of Express's request. */
export interface ExpressRequest extends RequestLike {
  readonly socket?: { readonly remoteAddress?: string | undefined } | null;
  apiKey?: Verified;
}

/** What is used of Express's response. */
export interface ExpressResponse {
  statusCode: number;
  readonly headersSent: boolean;
  setHeader(name: string, value: string): unknown;
  end(body: string): unknown;
  destroy(): unknown;
}

/**
 * Options of {@link apiKeyAuth}. `clientAddress` may also be `"connection"`: the address of who is connected to this server,
 * which is that of a proxy, if there is one. Where Express is told which proxies to trust, it is `(req) => req.ip`.
 */
export type ExpressAuthOptions<Req> = ApiKeyAuthOptions<Req, AddressOf<Req> | AddressHeader | "connection">;

/**
 * A middleware that hands a request on if its API key is verified, with the verdict as `req.apiKey`. Any other request is
 * answered as `denialParts` says, and nothing behind it runs, no error handler either.
 *
 * ```ts
 * app.use("/flights", apiKeyAuth({ verifier, permissions: ["flights:view"], clientAddress: "connection" }));
 * app.get("/flights/:id", (req, res) => res.json({ tenant: req.apiKey?.tenant }));
 * ```
 *
 * @throws {TypeError} if an option has a wrong type, or there is no such option; it names the option.
 */
export function apiKeyAuth<Req extends ExpressRequest = ExpressRequest>(
  options: ExpressAuthOptions<Req>,
): (req: Req, res: ExpressResponse, next: (error?: unknown) => void) => Promise<void> {
  const auth = readAuth<Req>(options, (req) => req.socket?.remoteAddress);
  return async (req, res, next) => {
    const outcome = await decide(auth, req, req);
    if ("denial" in outcome) return answer(res, outcome.denial);
    req.apiKey = outcome.verified;
    next();
  };
}

/** Answers here and not by `next(error)`: an error handler may hand a request on to what is behind it. */
function answer(res: ExpressResponse, { status, headers, body }: DenialParts): void {
  try {
    // Somebody else has answered, because it took too long.
    if (res.headersSent) return;
    res.statusCode = status;
    for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
    // In the place of one that was set before, as Express does it. It is ASCII.
    res.setHeader("Content-Length", String(body.length));
    res.end(body);
  } catch {
    res.destroy();
  }
}
