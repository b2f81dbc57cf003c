// Measures verification without a keyring in Node beside its peers, and prints one JSON line a result. The peers get what
// they need prepared: keys imported, bytes encoded.
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { SignJWT, jwtVerify } from "jose";
import { createHmac, timingSafeEqual, webcrypto } from "node:crypto";
import { Verifier, generateKey, generateSharedSecret } from "claviger";
import { check, measure } from "./rounds.mjs";

const prefix = "acme_live";
const secret = generateSharedSecret({ purpose: "issuing", version: 1 });
const verifier = new Verifier({ issuingSecrets: [{ prefix, secret }] });
const keys = Array.from({ length: 256 }, () => generateKey({ kind: "signed", prefix, issuingSecret: secret, lifetimeMinutes: 600 }).key);

// What Claviger authenticates of a key is its text up to the letter; the peers get the same bytes.
const message = new TextEncoder().encode(keys[0].slice(0, -50));
const macKey = new Uint8Array(32).fill(7);
const tag = createHmac("sha256", macKey).update(message).digest();
const subtleKey = await webcrypto.subtle.importKey("raw", macKey, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
const jwt = await new SignJWT({ sub: "0123456789A" }).setProtectedHeader({ alg: "HS256" }).setExpirationTime("10h").sign(macKey);

let turn = 0;
const next = () => keys[(turn = (turn + 1) & 255)];
const now = Math.floor(Date.now() / 1000);
const context = { now };

await measure([
  { name: "claviger verifyKey, string", run: () => check(verifier.verifyKey(next()).verified) },
  { name: "claviger verifyKey, string, time given", run: () => check(verifier.verifyKey(next(), context).verified) },
  {
    name: "node:crypto createHmac + timingSafeEqual",
    run: () => check(timingSafeEqual(createHmac("sha256", macKey).update(message).digest(), tag)),
  },
  { name: "@noble/hashes hmac", run: () => check(timingSafeEqual(hmac(sha256, macKey, message), tag)) },
  { name: "crypto.subtle.verify, awaited", runAsync: async () => check(await webcrypto.subtle.verify("HMAC", subtleKey, tag, message)) },
  { name: "jose jwtVerify, HS256", runAsync: async () => check((await jwtVerify(jwt, subtleKey)).payload.sub === "0123456789A") },
]);
