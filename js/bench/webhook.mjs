// Measures verifying a webhook in Node beside its peers, and prints one JSON line a result. The library of Standard Webhooks
// need not parse the body either; `crypto.subtle` has its key imported, and does nothing but the MAC.
import { webcrypto } from "node:crypto";
import { Webhook } from "claviger";
import * as standard from "standardwebhooks";
import { check, measure } from "./rounds.mjs";

const secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const id = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
const now = Math.floor(Date.now() / 1000);
const [ours, theirs] = [new Webhook({ secrets: [secret] }), new standard.Webhook(secret)];
const raw = Buffer.from(secret.slice(6), "base64");
const key = await webcrypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);

for (const length of [256, 1024, 16_384]) {
  const body = JSON.stringify("x".repeat(length - 2));
  const bytes = new TextEncoder().encode(body);
  const headers = { host: "example.com", "content-type": "application/json", "content-length": `${length}`, ...ours.sign(id, now, body) };
  const message = new TextEncoder().encode(`${id}.${now}.${body}`);
  const tag = Buffer.from(headers["webhook-signature"].slice(3), "base64");
  const of = (what) => `${what}, ${length} bytes`;
  const batch = length > 10_000 ? 4 : 64;
  await measure([
    { name: of("claviger Webhook.verify"), batch, run: () => check(ours.verify(headers, body).verified) },
    { name: of("claviger Webhook.verify, bytes"), batch, run: () => check(ours.verify(headers, bytes).verified) },
    { name: of("standardwebhooks"), batch, run: () => check(theirs.verify(body, headers, { jsonParse: false }) !== null) },
    { name: of("crypto.subtle.verify, awaited"), batch, runAsync: async () => check(await webcrypto.subtle.verify("HMAC", key, tag, message)) },
  ]);
}
