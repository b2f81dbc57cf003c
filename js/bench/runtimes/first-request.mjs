// A Worker that verifies the key of each request.
import { Verifier } from "claviger";

let verifier;

export default {
  fetch(request, { SECRET }) {
    verifier ??= new Verifier({ issuingSecrets: [{ prefix: "acme_live", secret: SECRET }] });
    const verdict = verifier.verifyKey(request.headers.get("x-api-key"));
    return new Response(verdict.verified ? "hello" : "unauthorized");
  },
};
