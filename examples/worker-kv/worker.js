// An API in a Worker: its keys are verified with a ring in Workers KV, and their use is reported.
import { Verifier, denialResponse, kvSource, verifyRequest } from "claviger";
import { reportUsage } from "./usage.js";

/** One for all requests of this isolate. Secrets are there only from the first one on. */
let verifier;

function makeVerifier(env) {
  return new Verifier({
    keyringKeys: [env.KEYRING_KEY],
    source: kvSource(env.RINGS, { prefix: "edge/" }),
    usage: {},
    onEvent: (event) => event.type !== "refreshed" && console.warn("keyring", event.type, String(event.error ?? "")),
  });
}

export default {
  async fetch(request, env, ctx) {
    verifier ??= makeVerifier(env);
    ctx.waitUntil(verifier.refreshIfDue());
    const verdict = await verifyRequest(verifier, request, {
      permissions: ["flights:view"],
      address: request.headers.get("CF-Connecting-IP"),
    });
    if (!verdict.verified) {
      console.warn(verdict.code, verdict.keyId);
      return denialResponse(verdict);
    }
    ctx.waitUntil(reportUsage(verifier, env));
    return Response.json({ tenant: verdict.tenant, owner: verdict.owner });
  },
};
