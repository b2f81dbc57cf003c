// Measures verifying a signed request in Node beside npm http-message-signatures, and prints one JSON line a result. Both are
// given what a server has: a request with its headers, and one key.
import { createHmac, timingSafeEqual } from "node:crypto";
import { RequestSigner, SignatureVerifier } from "claviger";
import * as theirs from "http-message-signatures";
import { check, measure } from "./rounds.mjs";

const key = new Uint8Array(32).fill(7);
const keyid = "partner-1";
const components = ["@method", "@authority", "@path", "@query", "content-type"];
const url = "https://api.example.com/v1/flights?from=VIE&to=LIS";
const unsigned = {
  host: "api.example.com",
  "user-agent": "acme-client/1.4",
  accept: "application/json",
  "content-type": "application/json",
  date: "Sun, 20 Sep 2026 14:13:20 GMT",
};
const signer = new RequestSigner({ key, keyid });
const signed = await signer.signParts({ method: "GET", url, headers: unsigned }, { components });
const headers = { ...unsigned, ...Object.fromEntries(Object.entries(signed).map(([name, value]) => [name.toLowerCase(), value])) };

// Nonces are remembered there; here one request is made again and again.
const replayStore = { checkAndInsert: () => "fresh" };
const ours = new SignatureVerifier({ keys: [{ keyid, key }], replayStore });
const verify = (data, signature) => {
  const tag = createHmac("sha256", key).update(data).digest();
  return tag.length === signature.length && timingSafeEqual(tag, signature);
};
const config = {
  keyLookup: async ({ keyid: named }) => (named === keyid ? { id: keyid, algs: ["hmac-sha256"], verify: async (data, signature) => verify(data, signature) } : null),
  maxAge: 300,
  requiredFields: ["@method", "@authority", "@path", "@query"],
};
const request = { method: "GET", url, headers };
const fetched = new Request(url, { headers });

await measure([
  { name: "claviger SignatureVerifier.verify, five components", runAsync: async () => check((await ours.verify(request)).verified) },
  { name: "the same, a Request of the Fetch API", runAsync: async () => check((await ours.verify(fetched)).verified) },
  { name: "npm http-message-signatures, five components", batch: 16, runAsync: async () => check((await theirs.httpbis.verifyMessage(config, request)) === true) },
]);
