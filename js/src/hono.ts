/**
 * API keys in Hono: a middleware that lets verified requests through, and no others.
 *
 * @module
 */
import type { Context, Env, MiddlewareHandler } from "hono";
import { type ApiKeyAuthOptions, decide, readAuth } from "./auth.js";
import type { KeyVerifier, Verified } from "./slim.js";

export { type AddressHeader, type AddressOf, type ApiKeyAuthOptions } from "./auth.js";

/** What {@link apiKeyAuth} puts on a context, for `new Hono<ApiKeyEnv>()`. */
export interface ApiKeyEnv {
  Variables: {
    /** The verdict on the key: whose it is, and what it may do. */
    apiKey: Verified;
  };
}

/**
 * A middleware that hands a request on if its API key is verified, with the verdict as `c.get("apiKey")` and
 * `c.var.apiKey`. Any other request is answered as `denialParts` says, and nothing behind it runs.
 *
 * In a Worker it also keeps the keyring fresh: each request says `c.executionCtx.waitUntil(verifier.refreshIfDue())`.
 *
 * ```ts
 * type Bindings = { KEYRING_KEY: string; KEYRING: KVNamespace };
 * let verifier: Verifier | undefined;
 *
 * const app = new Hono<ApiKeyEnv & { Bindings: Bindings }>();
 * app.use(
 *   "/flights/*",
 *   apiKeyAuth<{ Bindings: Bindings }>({
 *     verifier: ({ env }) => (verifier ??= new Verifier({ keyringKeys: [env.KEYRING_KEY], source: kvSource(env.KEYRING) })),
 *     permissions: ["flights:view"],
 *     clientAddress: { header: "CF-Connecting-IP" },
 *   }),
 * );
 * app.get("/flights/:id", (c) => c.json({ tenant: c.var.apiKey.tenant }));
 * ```
 *
 * @throws {TypeError} if an option has a wrong type, or there is no such option; it names the option.
 */
export function apiKeyAuth<E extends Env = Env>(options: ApiKeyAuthOptions<Context<E>>): MiddlewareHandler<E & ApiKeyEnv> {
  const auth = readAuth<Context>(options);
  const middleware: MiddlewareHandler<ApiKeyEnv> = async (c, next) => {
    const outcome = await decide(auth, c, c.req.raw, (verifier) => keepFresh(c, verifier));
    if ("denial" in outcome) {
      const { body, status, headers } = outcome.denial;
      // With what middlewares before this one have set on the response.
      const response = c.body(body, status, headers);
      // Where one of them has made a response, Hono would keep that, and its headers.
      c.res = undefined;
      return (c.res = response);
    }
    c.set("apiKey", outcome.verified);
    await next();
  };
  return middleware as unknown as MiddlewareHandler<E & ApiKeyEnv>;
}

/** Throws where there is no execution context: outside of Workers. */
function keepFresh(c: Context, verifier: KeyVerifier): void {
  const { executionCtx } = c;
  if (verifier.refreshIfDue !== undefined) executionCtx.waitUntil(verifier.refreshIfDue());
}
