// Signed requests: API keys, keys of one's own, bodies, nonces, and what is wrong with them.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request as send } from "node:http";
import { test } from "node:test";
import {
  NonceWindow, RequestSigner, RequestVerifier, SignatureVerifier, Verifier, denialParts, denialResponse, generateKey, signedFetch, verifyRequest,
} from "claviger";
import { apiKeyAuth } from "claviger/express";
import express from "express";
import { integrationSecret, issuingSecret, now, prefix, signedKey, thrown } from "./fixtures.mjs";
import { rejected } from "./living.mjs";

const url = "https://api.example/flights?page=2";
const origin = "https://api.example";
const trusted = new Verifier({ issuingSecrets: [{ prefix, secret: issuingSecret, signing: true }] });
const key = signedKey();
const signer = new RequestSigner({ key });
const ownKey = new Uint8Array(32).fill(7);
const own = new RequestSigner({ key: ownKey, keyid: "partner-1" });
const verifierOf = (options) => new RequestVerifier(trusted, options);
const codeOf = async (verdict) => (await verdict).code ?? "verified";
/** The same request with other parts. */
const changed = ({ method, url, headers, body }, parts) => ({ method, url, headers: [...headers], body, ...parts });
const partsOf = async (parts, options, by = signer) => {
  const fields = await by.signParts(parts, { created: now, ...options });
  const replaced = Object.keys(fields).map((name) => name.toLowerCase());
  const headers = [...(parts.headers ?? [])].filter(([name]) => !replaced.includes(name.toLowerCase()));
  return { method: "GET", ...parts, headers: [...headers, ...Object.entries(fields)] };
};

/** RFC 9421 section B.2.5: what another implementation signed, and what this one signs. */
const RFC = {
  key: new Uint8Array(Buffer.from("uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==", "base64")),
  created: 1_618_884_473,
  components: ["date", "@authority", "content-type"],
  request: {
    method: "POST",
    url: "https://example.com/foo?param=Value&Pet=dog",
    headers: [["Date", "Tue, 20 Apr 2021 02:07:55 GMT"], ["Content-Type", "application/json"]],
  },
  fields: {
    "Signature-Input": 'sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
    Signature: "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
  },
};

test("the example of the RFC comes out and verifies", async () => {
  const rfc = new RequestSigner({ key: RFC.key, keyid: "test-shared-secret" });
  const { created, components, request, fields } = RFC;
  assert.deepEqual(await rfc.signParts(request, { created, components, label: "sig-b25", nonce: null }), fields);
  const verifier = new SignatureVerifier({ anyKey: RFC.key, requiredComponents: components, nonce: "never", requireContentDigest: false });
  const signed = { ...request, headers: [...request.headers, ...Object.entries(fields)], body: "x" };
  const verified = { verified: true, keyid: "test-shared-secret", created, expires: null, tag: null };
  assert.deepEqual(await verifier.verify(signed, { now: created }), verified);
  for (const [name, request] of Object.entries({
    flat: { ...signed, headers: signed.headers.flat() },
    folded: changed(signed, { headers: signed.headers.map(([name, value]) => [name, value.replace("20 Apr", "20\r\n  Apr")]) }),
    "a Request": new Request(signed.url, signed),
  })) {
    assert.deepEqual(await verifier.verify(request, { now: created }), verified, name);
  }
  assert.equal(await codeOf(verifier.verify(changed(signed, { url: "https://example.org/foo" }), { now: created })), "bad_signature");
  assert.equal(await codeOf(verifier.verify(signed, { now: created + 301 })), "signature_expired");
  assert.equal(await codeOf(verifier.verify(signed, { now: created - 31 })), "signature_from_future");
});

test("a signed request proves its key, once", async () => {
  const requests = verifierOf();
  const request = await signer.sign(new Request(url, { headers: { accept: "text/plain" } }), { created: now });
  assert.doesNotMatch(JSON.stringify([...request.headers]), new RegExp(key.slice(-50)));
  const verdict = await requests.verifySigned(request, { now });
  assert.deepEqual({ ...verdict }, { ...trusted.verifyKey(key, { now }) });
  assert.deepEqual(await requests.verifySigned(request, { now }), {
    verified: false, code: "replayed", keyId: verdict.keyId, freshness: "stateless", epoch: null, age: null,
  });
  // What a context demands is decided as for a key that is sent.
  const again = () => partsOf({ url });
  assert.equal(await codeOf(requests.verifySigned(await again(), { now, tenant: "t" })), "wrong_tenant");
  assert.equal(await codeOf(requests.verifySigned(await again(), { now: now + 200 })), "verified");
  assert.equal(await codeOf(requests.verifySigned(await again(), { now: now + 301 })), "signature_expired");
  assert.equal(await codeOf(requests.verify(key, { now })), "verified");
});

test("keys sign that may", async () => {
  const not = new RequestVerifier(new Verifier({ issuingSecrets: [{ prefix, secret: issuingSecret }] }));
  assert.equal(await codeOf(not.verifySigned(await partsOf({ url }), { now })), "unknown_key");
  for (const kind of ["opaque", "opaque_signing"]) {
    const made = () => new RequestSigner({ key: generateKey({ kind, prefix }).key });
    if (kind === "opaque") assert.equal(thrown(made).code, "invalid_secret");
    else assert.equal(await codeOf(verifierOf().verifySigned(await partsOf({ url }, {}, made()), { now })), "unknown_key");
  }
  assert.equal(thrown(() => new RequestSigner({ integrationSecret: issuingSecret })).code, "invalid_secret");
  assert.equal(await codeOf(trusted.verify({})).catch((error) => error.message), "key must be a string or a Uint8Array, got object");
});

test("whatever is changed is denied", async () => {
  const requests = verifierOf();
  const base = { method: "POST", url, headers: [["Accept", "text/plain"]], body: "seven" };
  const signed = await partsOf(base, { components: ["@method", "@authority", "@path", "@query", "accept"] });
  const check = (parts, options) => codeOf(requests.verifySigned(changed(signed, parts), { now, ...options }));
  const without = (...names) => signed.headers.filter(([name]) => !names.includes(name));
  const withValue = (given, value) => signed.headers.map(([name, old]) => [name, name === given ? value : old]);
  assert.equal(await check({ method: "PUT" }), "bad_signature");
  assert.equal(await check({ url: url.replace("2", "3") }), "bad_signature");
  assert.equal(await check({ url: url.replace("api", "app") }), "bad_signature");
  assert.equal(await check({ headers: withValue("Accept", "text/html") }), "bad_signature");
  assert.equal(await check({ headers: withValue("Signature-Input", signed.headers.at(-2)[1].replace(`created=${now}`, `created=${now + 1}`)) }), "bad_signature");
  assert.equal(await check({ headers: without("Accept") }), "component_missing");
  assert.equal(await check({ headers: without("Signature") }), "malformed");
  assert.equal(await check({ headers: without("Signature", "Signature-Input") }), "missing");
  assert.equal(await check({ headers: [...signed.headers, ["Accept", "a"]] }), "bad_signature", "a line more");
  assert.equal(await check({ body: "eight" }), "digest_mismatch");
  assert.equal(await check({ body: undefined, headers: [...signed.headers, ["Content-Length", "5"]] }), "digest_mismatch", "not given");
  for (const text of ["\0", "text/plain\0x\0y", "\u0100", "é"]) {
    assert.match(await check({ headers: withValue("Accept", text) }), /^(malformed|bad_signature)$/, JSON.stringify(text));
  }
  assert.equal(await check({ headers: withValue("Accept", "\u0174ext/plain") }), "malformed", "its lower byte is that of the letter");
  assert.equal(await check({ url: "https://api.example/é" }), "malformed");
  assert.equal(await check({ method: "A B" }), "malformed");
  assert.equal(await check({}, { origin: "https://other.example" }), "bad_signature");
  assert.equal(await check({ url: "http://inner:8080/flights?page=2" }, { origin }), "verified", "as clients know it");
});

test("bodies are held to their digest, small and large, wherever they are from", async () => {
  const requests = verifierOf();
  for (const length of [1, 4095, 4096, 100_000]) {
    const body = new Uint8Array(length).fill(9);
    const request = await signer.sign(new Request(url, { method: "POST", body }), { created: now });
    const wrong = new Request(request.clone(), { body: new Uint8Array(length).fill(8) });
    assert.equal(await codeOf(requests.verifySigned(wrong, { now })), "digest_mismatch", length);
    assert.equal(await codeOf(requests.verifySigned(request, { now })), "verified", length);
    assert.equal((await request.arrayBuffer()).byteLength, length, "and can still be read");
    const parts = await partsOf({ method: "POST", url, body });
    assert.equal(await codeOf(requests.verifySigned(changed(parts, { body: undefined }), { now, body: body.slice(1) })), "digest_mismatch");
    assert.equal(await codeOf(requests.verifySigned(changed(parts, { body: undefined }), { now, body })), "verified", length);
  }
  // Both digests, of which one is wrong.
  const { createHash } = await import("node:crypto");
  const digest = (name, text) => `${name}=:${createHash(name.replace("-", "")).update(text).digest("base64")}:`;
  const body = "x".repeat(3000);
  for (const [digests, code] of [
    [[digest("sha-512", body)], "verified"],
    [[digest("sha-256", body), digest("sha-512", body)], "verified"],
    [[digest("sha-256", body), digest("sha-512", "y")], "digest_mismatch"],
    [["md5=:1B2M2Y8AsgTpgAmY7PhCfg==:"], "digest_mismatch"],
  ]) {
    const components = ["@method", "@authority", "@path", "@query", "content-digest"];
    const parts = await partsOf({ method: "POST", url, headers: digests.map((value) => ["Content-Digest", value]) }, { components });
    assert.equal(await codeOf(requests.verifySigned({ ...parts, body }, { now })), code, digests.join());
  }
});

test("nobody makes it read a body who is not proved", async () => {
  let clones = 0;
  const counted = (request) => ({ method: "POST", url, headers: request.headers, body: {}, clone: () => ((clones += 1), request.clone()) });
  const request = await signer.sign(new Request(url, { method: "POST", body: "seven" }), { created: now });
  const forged = new Request(request.clone(), { headers: { ...Object.fromEntries(request.headers), signature: `sig=:${"A".repeat(43)}=:` } });
  assert.equal(await codeOf(verifierOf().verifySigned(counted(forged), { now })), "bad_signature");
  assert.equal(clones, 0);
  assert.equal(await codeOf(verifierOf().verifySigned(counted(request), { now })), "verified");
  assert.equal(clones, 1);
});

test("a store of nonces that fails lets nobody in", async () => {
  const asked = [];
  for (const [answer, code] of [
    [() => "fresh", "verified"],
    [async () => "fresh", "verified"],
    [() => "seen", "replayed"],
    [() => "unavailable", "replay_unavailable"],
    [() => true, "replay_unavailable"],
    [() => { throw new Error("down"); }, "replay_unavailable"],
    [() => Promise.reject(new Error("down")), "replay_unavailable"],
  ]) {
    const replayStore = { checkAndInsert: (...question) => (asked.push(question), answer()) };
    assert.equal(await codeOf(verifierOf({ replayStore }).verifySigned(await partsOf({ url }, { nonce: "n" }), { now: now + 0.5 })), code);
    const mine = new SignatureVerifier({ anyKey: ownKey, replayStore });
    assert.equal(await codeOf(mine.verify(await partsOf({ url }, { nonce: "n" }, own), { now })), code);
  }
  const [entry, time] = asked[0];
  assert.match(entry.id, /^[0-9a-f]{64}$/);
  assert.deepEqual([entry.keepUntil, time], [now + 300, now]);
  const { createHash } = await import("node:crypto");
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(signer.keyid.length));
  assert.equal(entry.id, createHash("sha256").update(length).update(signer.keyid).update("n").digest("hex"), "as core says it");
  // Denied for another reason, a nonce is not used up.
  const window = new NonceWindow();
  const requests = verifierOf({ replayStore: window });
  const parts = await partsOf({ url });
  assert.equal(await codeOf(requests.verifySigned(parts, { now, tenant: "t" })), "wrong_tenant");
  assert.equal(window.size, 0);
  assert.equal(await codeOf(requests.verifySigned(parts, { now })), "verified");
  assert.equal(denialParts({ code: "replay_unavailable" }).status, 503);
});

test("the policy is that of who asks, though the verifier is the same", async () => {
  const [strict, lax] = [verifierOf({ nonce: "always", maxAge: 10, tag: "web" }), verifierOf({ requiredComponents: ["@path"] })];
  for (let round = 0; round < 2; round += 1) {
    const some = await partsOf({ url }, { components: ["@path"] });
    assert.equal(await codeOf(strict.verifySigned(some, { now })), "unknown_key", "without the tag");
    assert.equal(await codeOf(lax.verifySigned(some, { now })), "verified");
    const tagged = (options) => partsOf({ url }, { tag: "web", ...options });
    assert.equal(await codeOf(strict.verifySigned(await tagged({ nonce: null }), { now })), "component_missing");
    assert.equal(await codeOf(strict.verifySigned(await tagged(), { now: now + 11 })), "signature_expired");
    assert.equal(await codeOf(strict.verifySigned(await tagged({ expires: now + 5 }), { now: now + 6 })), "signature_expired");
    assert.equal(await codeOf(strict.verifySigned(await tagged(), { now })), "verified");
  }
  assert.equal(strict.acceptSignature, 'sig=("@method" "@authority" "@path" "@query");created;alg="hmac-sha256";tag="web"');
  const denial = { code: "missing" };
  assert.equal(denialParts(denial, strict).headers["Accept-Signature"], strict.acceptSignature);
  assert.equal(denialResponse(denial, strict).headers.get("accept-signature"), strict.acceptSignature);
  assert.equal("Accept-Signature" in denialParts(denial).headers, false);
  assert.equal("Accept-Signature" in denialParts({ code: "revoked" }, strict).headers, false);
});

test("whichever credential is there and accepted is verified, and never two", async () => {
  const requests = verifierOf();
  const signed = await partsOf({ url });
  const both = changed(signed, { headers: [...signed.headers, ["X-API-Key", key]] });
  const credentials = { signature: true };
  assert.equal(await codeOf(verifyRequest(requests, changed(both, { headers: both.headers.flat() }), { now, credentials })), "malformed");
  assert.equal(await codeOf(verifyRequest(requests, changed(both, { headers: both.headers.flat() }), { now })), "verified", "it is not looked at");
  const flat = changed(signed, { headers: signed.headers.flat() });
  assert.equal(await codeOf(verifyRequest(requests, flat, { now })), "missing");
  assert.equal(await codeOf(verifyRequest(requests, flat, { now, credentials: { ...credentials, bearer: false, xApiKey: false } })), "verified");
  assert.equal(await codeOf(verifyRequest(requests, { headers: {} }, { now, credentials })), "missing");
  assert.equal(await codeOf(verifyRequest(requests, { headers: { "x-api-key": key } }, { now, credentials })), "verified");
  assert.equal((await rejected(verifyRequest(trusted, flat, { now, credentials }))).code, "invalid_options");
  // Signatures of two keys.
  const other = await partsOf({ url }, { label: "two" }, new RequestSigner({ key: signedKey() }));
  const join = (name) => [signed, other].map(({ headers }) => Object.fromEntries(headers)[name]).join(", ");
  const two = ["Signature-Input", join("Signature-Input"), "Signature", join("Signature")];
  assert.equal(await codeOf(verifyRequest(requests, { method: "GET", url, headers: two }, { now, credentials })), "malformed");
});

test("integration secrets and keys of one's own, by their names", async () => {
  const verifier = new SignatureVerifier({ keys: [{ keyid: "partner-1", key: ownKey }], integrationSecrets: [integrationSecret] });
  const partner = new RequestSigner({ integrationSecret });
  assert.match(partner.keyid, /^cvgws_[0-9A-Za-z]{11}_01$/);
  for (const by of [own, partner]) {
    const parts = await partsOf({ method: "POST", url, body: "seven" }, { tag: "t", expires: now + 60 }, by);
    assert.deepEqual(await verifier.verify(parts, { now }), { verified: true, keyid: by.keyid, created: now, expires: now + 60, tag: "t" });
    assert.deepEqual(await verifier.verify(parts, { now }), { verified: false, code: "replayed" });
    const request = await by.sign(new Request(url, { method: "POST", body: "x" }), { created: now });
    assert.equal((await verifier.verify(request, { now })).verified, true);
  }
  assert.equal(await codeOf(verifier.verify(await partsOf({ url }), { now })), "unknown_key");
  verifier.dispose();
  verifier.dispose();
  assert.equal((await rejected(verifier.verify(await partsOf({ url }), { now }))).code, "disposed");
  const gone = new RequestSigner({ key });
  gone.dispose();
  assert.equal((await rejected(gone.signParts({ url }))).code, "disposed");
});

test("what the request before covered, and by which key, does not tell on the next one", async () => {
  const keys = ["partner-1", "partner-2", "par)er-1"].map((keyid) => ({ keyid, key: ownKey }));
  const verifier = new SignatureVerifier({ keys, requiredComponents: ["@path"], nonce: "never" });
  const headers = [["x-a", "1"], ["x-b", "2"]];
  const by = (keyid, options) => partsOf({ url, headers }, { nonce: null, ...options }, new RequestSigner({ key: ownKey, keyid }));
  const fieldOf = ({ headers }, wanted) => headers.find(([name]) => name === wanted)[1];
  const requests = [
    [await by("partner-1", { components: ["@path", "x-a"] }), "partner-1"],
    [await by("partner-2", { components: ["@path", "x-a"], tag: "partner-1" }), "partner-2"],
    [await by("par)er-1", { components: ["@path", "x-a"] }), "par)er-1"],
    [await by("partner-1", { components: ["@path", "x-b"] }), "partner-1"],
    [await by("partner-1", { components: ["@path"] }), "partner-1"],
    [await by("partner-1", { components: ["@path", "x-a", "x-b"] }), "partner-1"],
  ];
  // Of two signatures the first is by nobody's key, and covers what the request before did.
  const other = new RequestSigner({ key: new Uint8Array(32), keyid: "partner-1" });
  const first = await partsOf({ url, headers }, { nonce: null, components: ["@path", "x-a"] }, other);
  const second = await by("partner-1", { nonce: null, components: ["@path", "x-b"], label: "second" });
  const joined = ["Signature-Input", "Signature"].map((name) => [name, `${fieldOf(first, name)}, ${fieldOf(second, name)}`]);
  requests.push([{ method: "GET", url, headers: [...headers, ...joined] }, "partner-1"]);
  for (const [before] of requests) {
    for (const [request, keyid] of requests) {
      await verifier.verify(before, { now });
      const verdict = await verifier.verify(request, { now });
      assert.deepEqual([verdict.code, verdict.keyid], [undefined, keyid], JSON.stringify(request));
    }
  }
});

test("a value with characters above ASCII is bytes, and signed as such", async () => {
  const headers = [["X-Name", "café"]];
  const bytes = await partsOf({ url, headers }, { components: ["@method", "@authority", "@path", "@query", '"x-name";bs'] });
  assert.equal(await codeOf(verifierOf().verifySigned(bytes, { now })), "verified");
  const other = changed(bytes, { headers: bytes.headers.map(([name, value]) => [name, value.replace("é", "è")]) });
  assert.equal(await codeOf(verifierOf().verifySigned(other, { now })), "bad_signature");
  assert.equal((await rejected(signer.signParts({ url, headers }, { components: ["x-name"] }))).code, "invalid_options");
});

test("what cannot be covered is told by its place", async () => {
  for (const [options, message] of [
    [{ components: ["@method", "x-absent"] }, /^component 1 /],
    [{ components: ["@method", "@method"] }, /twice/],
    [{ tag: "é" }, /./],
    [{ nonce: "n\0x" }, /zero byte/],
    [{ label: "A" }, /label/],
  ]) {
    const error = await rejected(signer.signParts({ url }, options));
    assert.equal(error.code, "invalid_options");
    assert.match(error.message, message);
  }
  assert.equal((await rejected(signer.signParts({ url: "/path" }))).code, "invalid_options");
});

test("a real server of Node verifies what is sent to it", async (t) => {
  const requests = verifierOf();
  const seen = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const told = request.headers["x-untold"] === undefined ? { body } : {};
    seen.push(await codeOf(verifyRequest(requests, request, { now, origin, credentials: { signature: true }, ...told })));
    seen.push((await rejected(verifyRequest(requests, request, { now, credentials: { signature: true } }))).code);
    response.end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => server.close());
  const ask = async ({ method, url, headers, body }, more = {}) => {
    const { pathname, search } = new URL(url);
    const path = more.absolute ? url : pathname + search;
    const request = send({ port: server.address().port, host: "127.0.0.1", method, path, headers: { ...Object.fromEntries(headers), ...more.headers } });
    const [response] = await Promise.all([once(request, "response"), request.end(body)]);
    response[0].resume();
    return seen.splice(0);
  };
  const good = ["verified", "invalid_options"];
  assert.deepEqual(await ask(await partsOf({ url })), good);
  assert.deepEqual(await ask(await partsOf({ url }), { absolute: true }), good);
  const post = () => partsOf({ method: "POST", url, body: "seven" });
  assert.deepEqual(await ask(await post()), good);
  assert.deepEqual(await ask(await post(), { headers: { "x-untold": "1" } }), ["digest_mismatch", "invalid_options"]);
  assert.deepEqual(await ask(await post(), { headers: { "x-untold": "1", "transfer-encoding": "chunked" } }), ["digest_mismatch", "invalid_options"]);
  assert.deepEqual(await ask({ ...(await post()), body: "eight" }), ["digest_mismatch", "invalid_options"]);
  const latin = { method: "GET", url, headers: [["X-Name", "café"]] };
  assert.deepEqual(await ask(await partsOf(latin, { components: ["@method", "@authority", "@path", "@query", '"x-name";bs'] })), good);
});

test("Express takes signed requests behind a router, with the bytes of their body", async (t) => {
  const app = express();
  const requests = verifierOf({ origin });
  const atThen = { acceptSignature: requests.acceptSignature, verify: () => assert.fail(), verifySigned: (request, options) => requests.verifySigned(request, { ...options, now }) };
  app.use(express.json({ verify: (req, _, bytes) => (req.bytes = bytes) }));
  app.use("/flights", apiKeyAuth({ verifier: atThen, credentials: { signature: true }, body: (req) => req.bytes }), (req, res) => res.send(req.apiKey.keyId));
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const ask = async (body, sent = body) => {
    const headers = Object.fromEntries((await partsOf({ method: "POST", url, body })).headers);
    const to = `http://127.0.0.1:${server.address().port}/flights?page=2`;
    return fetch(to, { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body: sent });
  };
  assert.equal((await ask('{"seats": 7}')).status, 200);
  const denied = await ask('{"seats": 7}', '{"seats": 8}');
  assert.deepEqual([denied.status, denied.headers.get("accept-signature")], [401, requests.acceptSignature]);
});

test("signedFetch signs what it sends", async () => {
  const sent = [];
  const fetch = signedFetch(signer, async (request) => (sent.push(request), "sent"));
  assert.equal(await fetch(url, { method: "POST", body: "seven", headers: { accept: "a" } }), "sent");
  const [request] = sent;
  assert.equal(request.headers.get("accept"), "a");
  assert.equal(await codeOf(verifierOf().verifySigned(request, { now: Date.now() / 1000 })), "expired", "the key, of another time");
  assert.equal(await request.text(), "seven");
});

test("options that are wrong are named", () => {
  const options = {
    requiredComponents: ["Path", "x y", 7], requireContentDigest: [1], requireCreated: [1], maxAge: [-1, 1.5, "1"], futureSkew: [-1],
    nonce: ["no", 1], tag: ["", "é", 1], replayStore: [{}, 1], origin: ["api.example", "https://a/b", "https://u@a", 1], maxage: [1],
  };
  for (const [name, wrong] of Object.entries(options)) {
    for (const value of wrong) {
      const given = { [name]: name === "requiredComponents" ? [value] : value };
      for (const make of [(all) => verifierOf(all), (all) => new SignatureVerifier(all)]) {
        const error = thrown(() => make(given));
        assert.ok(error instanceof TypeError && error.message.includes(`options.${name}`), `${name}: ${value}: ${error}`);
      }
    }
  }
  assert.equal(thrown(() => verifierOf({ maxAge: null })).code, "invalid_options");
  verifierOf({ maxAge: null, nonce: "never" });
  assert.match(thrown(() => new RequestVerifier({})).message, /^verifier\.verify must be /);
  assert.match(thrown(() => new SignatureVerifier({ keys: [{ keyid: 1 }] })).message, /^options\.keys\[0\]\.keyid must be /);
  assert.match(thrown(() => new SignatureVerifier({ keys: [{ keyid: "k", key: "text" }] })).message, /^options\.keys\[0\]\.key must be /);
  assert.equal(thrown(() => new SignatureVerifier({ integrationSecrets: ["x"] })).code, "invalid_secret");
  assert.match(thrown(() => new RequestSigner({})).message, /^options\.key must be /);
  assert.match(thrown(() => new RequestSigner({ key: ownKey })).message, /^options\.keyid must be /);
  assert.match(thrown(() => new Verifier({ issuingSecrets: [{ prefix, secret: issuingSecret, signing: 1 }] })).message, /\.signing must be /);
});

test("a body that its caller reads later is not checked here, and its digest must be covered all the same", async () => {
  const key = new Uint8Array(32).fill(9);
  const signer = new RequestSigner({ key, keyid: "partner" });
  const verifier = new SignatureVerifier({ keys: [{ keyid: "partner", key }] });
  const parts = { method: "PUT", url: "https://api.example/a", headers: {}, body: "{}" };
  const outcome = async (signedBody, body) => {
    const fields = await signer.signParts({ ...parts, body: signedBody }, { created: now });
    return (await verifier.verify({ ...parts, body: undefined, headers: { "content-length": "2", ...fields } }, { now, body })).code;
  };
  assert.equal(await outcome("{}", null), undefined);
  assert.equal(await outcome("{}", "{}"), undefined);
  assert.equal(await outcome("{}", "{ }"), "digest_mismatch");
  assert.equal(await outcome("{}", undefined), "digest_mismatch");
  assert.equal(await outcome(undefined, null), "component_missing");
});
