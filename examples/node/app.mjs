import { Verifier, generateKey, generateSharedSecret } from "claviger";

const issuingSecret = process.env.ISSUING_SECRET ?? generateSharedSecret({ purpose: "issuing", version: 1 });
const { key, keyId } = generateKey({ kind: "signed", prefix: "acme_live", issuingSecret, lifetimeMinutes: 30 * 24 * 60 });

const verifier = new Verifier({ issuingSecrets: [{ prefix: "acme_live", secret: issuingSecret }] });
const verdict = verifier.verifyKey(key);
console.log(keyId, verdict.verified, verdict.freshness);
console.log(verifier.verifyKey(key.slice(0, -1)).code);
