import { Verifier } from "claviger";
let verifier;
export default {
  fetch(request, env) {
    verifier ??= new Verifier({ issuingSecrets: [{ prefix: "acme_live", secret: env.ISSUING_SECRET }] });
    const verdict = verifier.verifyKey(request.headers.get("x-api-key"));
    if (!verdict.verified) return new Response("Unauthorized", { status: 401, headers: { "WWW-Authenticate": "ApiKey" } });
    return Response.json({ hello: verdict.keyId, readOnly: verdict.readOnly });
  },
};
