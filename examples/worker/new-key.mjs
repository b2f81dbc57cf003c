// Prints a key that is good for 30 days, and the issuing secret that proves it (yours, if ISSUING_SECRET is set).
import { generateKey, generateSharedSecret } from "claviger";

const issuingSecret = process.env.ISSUING_SECRET ?? generateSharedSecret({ purpose: "issuing", version: 1 });
const { key } = generateKey({ kind: "signed", prefix: "acme_live", issuingSecret, lifetimeMinutes: 30 * 24 * 60 });
console.log(`ISSUING_SECRET=${issuingSecret}`);
console.log(`KEY=${key}`);
