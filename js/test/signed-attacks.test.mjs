// What somebody without a key does with signed requests that he has seen, and what must not come of it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import { RequestSigner, RequestVerifier, SignatureVerifier, Verifier } from "claviger";
import { apiKeyAuth } from "claviger/express";
import { issuingSecret, now, prefix, signedKey, thrown } from "./fixtures.mjs";

const origin = "https://api.example";
const key = new Uint8Array(32).fill(7);
const signer = new RequestSigner({ key, keyid: "partner" });
const verifierOf = (options) => new SignatureVerifier({ anyKey: key, origin, ...options });
const codeOf = async (verdict) => (await verdict).code ?? "verified";
/** The fields of a signature without nonce, which may come again and again. */
const fieldsOf = (parts, options) => signer.signParts(parts, { created: now, nonce: null, ...options });
const text = (fields) => Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`).join("");

test("no part of a request line gets past the signature of another", async (t) => {
  const verifier = verifierOf({ nonce: "never" });
  const asked = [];
  const server = createServer(async (request, response) => {
    asked.push([request.url, await codeOf(verifier.verify(request, { now }))]);
    response.end();
  });
  server.on("connect", async (request, socket) => {
    asked.push([request.url, await codeOf(verifier.verify(request, { now }))]);
    socket.end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => server.close());
  const ask = async (method, path, target) => {
    const socket = connect(server.address().port, "127.0.0.1");
    const fields = await fieldsOf({ method, url: origin + path });
    socket.end(`${method} ${target} HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n${text(fields)}\r\n`);
    await once(socket.resume(), "close");
    assert.equal(asked.length, 1, `Node takes ${target}`);
    const [[url, code]] = asked.splice(0);
    assert.equal(url, target);
    return code;
  };
  assert.equal(await ask("GET", "/a?b=1", "/a?b=1"), "verified");
  assert.equal(await ask("GET", "/a?b=1", "http://other.example/a?b=1"), "verified");
  assert.equal(await ask("GET", "//other.example/a", "//other.example/a"), "verified");
  assert.equal(await ask("OPTIONS", "/", "*"), "verified");
  assert.equal(await ask("OPTIONS", "", "*"), "verified");
  for (const [method, path, target] of [
    ["GET", "/", "*"],
    ["GET", "/", "*?delete=1"],
    ["GET", "/", "*/admin"],
    ["OPTIONS", "/", "*?delete=1"],
    ["GET", "/a", "/a#?delete=1"],
    ["GET", "/a", "http://other.example/a#?delete=1"],
    ["CONNECT", "/", "inner.example:443"],
  ]) {
    assert.equal(await ask(method, path, target), "malformed", `${method} ${target}`);
  }
  // What a Request has behind a `#` is never sent.
  assert.equal(await codeOf(verifier.verify(new Request(`${origin}/a#b`, { headers: await fieldsOf({ url: `${origin}/a` }) }), { now })), "verified");
});

test("content that is added to a request without any is no part of it", async () => {
  const verifier = verifierOf();
  const bare = { method: "DELETE", url: `${origin}/a` };
  const fields = await fieldsOf(bare);
  const code = (parts, headers) => codeOf(verifier.verify({ ...bare, headers: { ...fields, ...headers }, ...parts }, { now }));
  assert.equal(await code({}), "verified");
  assert.equal(await code({ body: null }), "verified");
  assert.equal(await code({}, { "content-length": "0" }), "verified");
  for (const [parts, headers] of [
    [{ body: "x" }, {}],
    [{ body: { parsed: true } }, {}],
    [{ body: [] }, {}],
    [{ body: false }, {}],
    [{ body: new ReadableStream() }, {}],
    [{}, { "content-length": "1" }],
    [{}, { "content-length": "0, 1" }],
    [{}, { "content-length": "-0" }],
    [{}, { "content-length": "0", "transfer-encoding": "chunked" }],
    [{ rawHeaders: [] }, { "transfer-encoding": "chunked" }],
    [{ rawHeaders: [], httpVersionMajor: 2, stream: {} }, {}],
    [{ rawHeaders: [], httpVersionMajor: 2, stream: { endAfterHeaders: false }, body: {} }, {}],
  ]) {
    assert.equal(await code(parts, headers), "component_missing", JSON.stringify([parts, headers]));
  }
  // Node's requests have what a parser left there, also where there was nothing.
  assert.equal(await code({ rawHeaders: [], body: {} }), "verified");
  assert.equal(await code({ rawHeaders: [], httpVersionMajor: 2, stream: { endAfterHeaders: true }, body: {} }), "verified");
});

test("a body that is read is held to its digest, by a key of one's own too, and read of nobody else", async () => {
  const { keyid } = signer;
  for (const length of [1, 5000]) {
    const [body, other] = [7, 8].map((byte) => new Uint8Array(length).fill(byte));
    const request = await signer.sign(new Request(origin, { method: "POST", body }), { created: now });
    let clones = 0;
    const counted = (parts) => ({ method: "POST", url: origin, headers: request.headers, ...parts, clone: () => ((clones += 1), new Request(origin, { method: "POST", body: parts.body })) });
    const stranger = new SignatureVerifier({ keys: [{ keyid, key: new Uint8Array(32) }], origin });
    assert.equal(await codeOf(stranger.verify(counted({ body }), { now })), "bad_signature");
    assert.equal(clones, 0);
    assert.equal(await codeOf(verifierOf().verify(counted({ body: other }), { now })), "digest_mismatch");
    assert.equal(clones, 1);
    assert.equal(await codeOf(verifierOf().verify(counted({ body }), { now })), "verified");
    // Where no digest is covered, there is none to hold it to.
    const fields = await fieldsOf({ method: "PUT", url: origin });
    for (const given of [new Request(origin, { method: "PUT", headers: fields, body }), { method: "PUT", url: origin, headers: fields, body }]) {
      assert.equal(await codeOf(verifierOf().verify(given, { now })), "component_missing", length);
    }
  }
});

test("whoever signed is named by his own name, however long that of the one before", async () => {
  const keyids = ["partner-10", "partner-1", "partner", "partner-1", "p", "partner-10"];
  const verifier = new SignatureVerifier({ keys: keyids.map((keyid) => ({ keyid, key })), origin });
  for (const keyid of keyids) {
    for (const tag of ["partner", "partner-10", "p"]) {
      const headers = await new RequestSigner({ key, keyid }).signParts({ url: origin }, { created: now, tag });
      const verdict = await verifier.verify({ method: "GET", url: origin, headers }, { now });
      assert.deepEqual([verdict.keyid, verdict.tag], [keyid, tag]);
    }
  }
});

test("the origin of a call is that of the call", async () => {
  const headers = await fieldsOf({ url: `${origin}/a` });
  const request = { method: "GET", url: "/a", headers };
  const elsewhere = verifierOf({ origin: "https://other.example" });
  assert.equal(await codeOf(elsewhere.verify(request, { now })), "bad_signature");
  assert.equal(await codeOf(elsewhere.verify(request, { now, origin })), "verified");
  assert.equal(await codeOf(verifierOf().verify(request, { now, origin: "https://other.example" })), "bad_signature");
  const trusted = new Verifier({ issuingSecrets: [{ prefix, secret: issuingSecret, signing: true }] });
  const requests = new RequestVerifier(trusted, { origin: "https://other.example" });
  const fields = await new RequestSigner({ key: signedKey() }).signParts({ url: `${origin}/a` }, { created: now });
  assert.equal(await codeOf(requests.verifySigned({ ...request, headers: fields }, { now })), "bad_signature");
  assert.equal(await codeOf(requests.verifySigned({ ...request, headers: fields }, { now, origin })), "verified");
});

test("a body that somebody else has read matches no digest", async () => {
  const request = await signer.sign(new Request(origin, { method: "POST", body: "seven" }), { created: now });
  await request.clone().text();
  assert.equal(await codeOf(verifierOf().verify(request.clone(), { now })), "verified");
  await request.text();
  assert.equal(await codeOf(verifierOf().verify(request, { now })), "digest_mismatch");
  assert.equal(await codeOf(verifierOf().verify(request, { now, body: "seven" })), "verified");
});

test("a store that has forgotten a nonce is not asked, however slowly the request came", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: now * 1000 });
  // As a database does it whose entries end by themselves.
  const kept = new Map();
  const asked = [];
  const replayStore = {
    checkAndInsert({ id, keepUntil }, time) {
      asked.push(time);
      if (kept.get(id) >= Date.now() / 1000) return "seen";
      kept.set(id, keepUntil);
      return "fresh";
    },
  };
  const verifier = verifierOf({ replayStore });
  const request = await signer.sign(new Request(origin, { method: "POST", body: "seven" }), { created: now });
  const slow = (seconds) => {
    const body = new ReadableStream({
      pull(controller) {
        t.mock.timers.tick(seconds * 1000);
        controller.enqueue(new TextEncoder().encode("seven"));
        controller.close();
      },
    }, { highWaterMark: 0 });
    return new Request(request, { body, duplex: "half" });
  };
  assert.equal(await codeOf(verifier.verify(slow(10))), "verified");
  t.mock.timers.tick(280_000);
  assert.equal(await codeOf(verifier.verify(slow(10))), "replayed");
  assert.equal(await codeOf(verifier.verify(slow(1))), "replay_unavailable");
  assert.deepEqual(asked, [now + 10, now + 300], "by the time at which it is asked");
});

test("what a clock signs that is ahead is good once, too, and the window remembers it for as long", async () => {
  const verifier = verifierOf();
  const request = { method: "POST", url: origin, headers: await signer.signParts({ method: "POST", url: origin }, { created: now + 30 }) };
  assert.equal(await codeOf(verifier.verify(request, { now })), "verified");
  assert.equal(await codeOf(verifier.verify(request, { now: now + 330 })), "replayed");
  assert.equal(await codeOf(verifier.verify(request, { now: now + 331 })), "signature_expired");
});

test("nobody is proved by an empty key", async () => {
  for (const [name, options] of Object.entries({
    "options.keys[0].key": { keys: [{ keyid: "partner", key: new Uint8Array(0) }] },
    "options.anyKey": { anyKey: new ArrayBuffer(0) },
  })) {
    const error = thrown(() => new SignatureVerifier(options));
    assert.deepEqual([error.code, error.message], ["invalid_secret", `${name} is empty`]);
  }
  assert.equal(thrown(() => new RequestSigner({ key: new Uint8Array(0), keyid: "partner" })).code, "invalid_secret");
});

test("a middleware that finds no body says nothing of one", async () => {
  const verifier = verifierOf();
  const requests = { verify: () => assert.fail(), verifySigned: (request, options) => verifier.verify(request, { now, body: options.body }) };
  const parts = { method: "POST", url: "/a", body: undefined };
  const headers = { "content-length": "5", ...(await fieldsOf({ ...parts, url: `${origin}/a`, body: "seven" }, { nonce: undefined })) };
  const statusFor = async (body) => {
    const response = { setHeader() {}, end() {} };
    const auth = apiKeyAuth({ verifier: requests, credentials: { signature: true }, body: () => body, onError: (error) => (response.error = error) });
    await auth({ ...parts, headers }, response, () => (response.statusCode = 200));
    return [response.statusCode, response.error?.message];
  };
  assert.deepEqual(await statusFor(undefined), [401, undefined]);
  const [status, message] = await statusFor(null);
  assert.equal(status, 503);
  assert.match(message, /^what options\.body\(\) gives must be /);
  assert.deepEqual(await statusFor("eight"), [401, undefined]);
  assert.deepEqual(await statusFor(Buffer.from("seven")), [200, undefined]);
});

test("many fields are covered as few are, in each form of headers", async () => {
  const names = Array.from({ length: 40 }, (_, index) => `x-${index}`);
  const lines = [...names.map((name, index) => [name, `${index}`]), ["X-0", "again"], ["x-not-covered", "1"]];
  const options = { components: ["@method", "@authority", "@path", "@query", ...names] };
  const fields = await fieldsOf({ url: origin, headers: lines }, options);
  const all = [...lines, ...Object.entries(fields)];
  const joined = new Headers(all);
  const upper = all.filter(([name]) => name !== "x-0" && name !== "X-0").map(([name, value]) => [name.toUpperCase(), value]);
  const record = { ...Object.fromEntries(upper), "X-0": ["0", "again"] };
  const code = (headers, more) => codeOf(verifierOf().verify({ method: "GET", url: origin, headers, ...more }, { now }));
  assert.equal(await code(all), "verified");
  assert.equal(await code(all.flat()), "verified");
  assert.equal(await code(joined), "verified");
  assert.equal(await code(record), "verified");
  assert.equal(await code(Object.fromEntries(joined), { rawHeaders: all.flat() }), "verified");
  assert.equal(await code(Object.fromEntries(joined), { rawHeaders: [...all, ["x-7", "8"]].flat() }), "bad_signature");
  assert.equal(await code({ ...Object.fromEntries(joined), "x-7": "8" }, { rawHeaders: all.flat() }), "bad_signature");
  assert.equal(await code([...all, ["x-7", "8"]]), "bad_signature");
  assert.equal(await code({ ...record, "X-7": undefined }), "component_missing");
  await assert.rejects(code({ ...record, "X-7": 7 }), /^TypeError: headers\["x-7"\] must be a string/);
});

test("who proves nothing does not make each line be looked at for each name", async () => {
  const names = Array.from({ length: 500 }, (_, index) => `a${index + 1000}`);
  const lines = Array.from({ length: 2000 }, (_, index) => [`b${index + 1000}`, ""]);
  const input = `sig=(${names.map((name) => `"${name}"`).join(" ")})`;
  const flat = [...lines, ["Signature-Input", input], ["Signature", "sig=:AA==:"]].flat();
  let looked = 0;
  const rawHeaders = new Proxy(flat, { get: (list, place) => ((looked += 1), list[place]) });
  const headers = { "signature-input": input, signature: "sig=:AA==:", ...Object.fromEntries(names.map((name) => [name, ""])) };
  assert.equal(await codeOf(verifierOf().verify({ method: "GET", url: "/", headers, rawHeaders }, { now })), "malformed");
  assert.ok(looked < 20 * flat.length, `${looked} of ${flat.length}`);
});
