// Keys in requests, and what is answered to denials. What Rust does with the same requests is in tests/vectors/http.json.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Verifier, denialClasses, denialParts, denialResponse, readCredential, verifyRequest } from "claviger";
import { build } from "esbuild";
import { now as then, signedKey, thrown, trusted } from "./fixtures.mjs";
import { idOf, keys, now, verifierOf } from "./keyrings.mjs";
import { rejected } from "./living.mjs";
import { ask, bearer, vectors } from "./web.mjs";

const expectedOf = ({ key = null, code = null }) => ({ key, code });

/** Header fields as arrays and as texts, by name. */
function grouped(headers) {
  const arrays = {};
  for (const [name, value] of headers) (arrays[name.toLowerCase()] ??= []).push(value);
  return { arrays, joined: Object.fromEntries(Object.entries(arrays).map(([name, values]) => [name, values.join(", ")])) };
}

test("keys are read from headers as Rust reads them", () => {
  assert.ok(vectors.reads.length > 70);
  for (const { name, headers, credentials, ifJoined, ...expected } of vectors.reads) {
    const read = (form) => readCredential(form, credentials);
    const { arrays, joined } = grouped(headers);
    assert.deepEqual(read(headers.flat()), expectedOf(expected), name);
    assert.deepEqual(read(arrays), expectedOf(expected), `${name}: arrays`);
    const whenJoined = expectedOf(ifJoined ?? expected);
    assert.deepEqual(read(joined), whenJoined, `${name}: joined`);
    assert.deepEqual(read(new Headers(headers)), whenJoined, `${name}: Headers`);
    assert.deepEqual(read(new Map(Object.entries(joined))), whenJoined, `${name}: a Map`);
    assert.deepEqual(read({ cookie: "a=b", ...joined, host: undefined }), whenJoined, `${name}: among others`);
  }
});

test("keys are read from what Node makes of a request", async (t) => {
  let expectations;
  const server = createServer((request, response) => {
    expectations(request);
    response.end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => server.close());
  for (const { name, headers, credentials, ifJoined, ...expected } of vectors.reads) {
    const got = {};
    expectations = (request) => {
      for (const form of ["rawHeaders", "headersDistinct"]) got[form] = readCredential(request[form], credentials);
    };
    const { status } = await ask(server.address().port, headers);
    assert.equal(status, 200, name);
    assert.deepEqual(got, { rawHeaders: expectedOf(expected), headersDistinct: expectedOf(expected) }, name);
  }
});

test("names that differ by their letters alone are one header", () => {
  const [one, two] = [keys.full, keys.plain];
  assert.deepEqual(readCredential({ "X-Api-Key": one, "x-api-key": one }), { key: one, code: null });
  assert.equal(readCredential({ "X-Api-Key": one, "x-api-key": two }).code, "malformed");
  assert.equal(readCredential({ Authorization: `Bearer ${one}`, AUTHORIZATION: [`Bearer ${two}`] }).code, "malformed");
  // A header may have the name of the method.
  assert.deepEqual(readCredential({ get: "x", "x-api-key": one }), { key: one, code: null });
});

test("values that were joined without a blank are several, too", () => {
  const [one, two] = [keys.full, keys.plain];
  for (const headers of [
    { "x-api-key": `${one},${two}` },
    { "x-api-key": `${one},` },
    { authorization: `Bearer ${one},Bearer ${two}` },
    { authorization: `Digest x,Bearer ${one}` },
    { authorization: `Digest x,\t Bearer ${one}` },
  ]) {
    assert.equal(readCredential(headers).code, "malformed", JSON.stringify(headers));
  }
  assert.equal(readCredential({ authorization: "Digest x,y" }).code, "missing");
});

test("a value in a list is no name", () => {
  assert.equal(readCredential(["X-Note", "x-api-key", keys.full, "text"]).code, "missing");
  assert.deepEqual(readCredential(["X-Note", "authorization", "X-API-Key", keys.full]), { key: keys.full, code: null });
});

test("reading names the parameter", () => {
  for (const wrong of [undefined, null, 7, "x-api-key", true, () => {}]) {
    assert.match(thrown(() => readCredential(wrong)).message, /^headers must be /);
  }
  for (const value of [7, true, {}, Symbol("s")]) {
    for (const headers of [{ "x-api-key": value }, { "x-api-key": [value] }, ["x-api-key", value], { get: () => value }]) {
      const error = thrown(() => readCredential(headers));
      assert.ok(error instanceof TypeError && /^headers\["(x-api-key|authorization)"\] must be a string/.test(error.message), error);
    }
  }
  for (const wrong of [null, 7, "bearer", ["bearer"]]) {
    assert.match(thrown(() => readCredential({}, wrong)).message, /^credentials must be an object/);
  }
  for (const name of ["bearer", "xApiKey", "basic", "restApiKey"]) {
    for (const wrong of [null, 0, "true"]) {
      assert.match(thrown(() => readCredential({}, { [name]: wrong })).message, new RegExp(`^credentials.${name} must be a boolean`));
    }
  }
  assert.deepEqual(readCredential({ "x-api-key": "key" }, { xApiKey: undefined }), { key: "key", code: null });
});

test("a long header is read in time that grows with its length", () => {
  const blanks = " ".repeat(2 ** 20);
  assert.equal(readCredential({ authorization: `Bearer x${blanks}y` }).key.length, 2 ** 20 + 2);
  assert.equal(readCredential({ authorization: `Bearer ${blanks}` }).code, "missing");
  assert.equal(readCredential({ authorization: `${",".repeat(2 ** 20)}, Bearer x` }).code, "malformed");
});

test("a request is verified, with what it needs", async () => {
  const verifier = verifierOf();
  const request = (headers) => new Request("https://api.example/", { headers });
  const verify = (headers, options) => verifyRequest(verifier, request(headers), { now, ...options });
  const verified = await verify(bearer(keys.full), { permissions: ["flights:view"], tenant: "tenant-7" });
  assert.deepEqual([verified.verified, verified.keyId, verified.tenant], [true, idOf(keys.full), "tenant-7"]);
  const basic = [["Authorization", `Basic ${btoa(`${idOf(keys.full)}:${keys.full}`)}`]];
  for (const [headers, options, code] of [
    [bearer(keys.full), { permissions: ["invoices:view"] }, "insufficient_permission"],
    [bearer(keys.full), { tenant: "tenant-9" }, "wrong_tenant"],
    [bearer(keys.full), { now: now + 90_000 }, "keyring_expired"],
    [bearer(keys.networks), {}, "ip_not_allowed"],
    [bearer(keys.networks), { address: "10.1.2.3" }, undefined],
    [bearer(keys.revoked), {}, "revoked"],
    [basic, {}, "missing"],
    [basic, { credentials: { basic: true } }, undefined],
    [[["X-API-Key", keys.imported]], {}, undefined],
  ]) {
    assert.equal((await verify(headers, options)).code, code, `${headers} ${JSON.stringify(options)}`);
  }
  assert.equal((await verifyRequest(new Verifier(trusted), { headers: { authorization: `Bearer ${signedKey()}` } }, { now: then })).verified, true);
  assert.equal((await verifyRequest(verifier, request(bearer(keys.full)))).code, "keyring_expired", "by the clock");
});

test("what carries no key is denied without any knowledge", async () => {
  const nothing = { verified: false, keyId: null, freshness: null, epoch: null, age: null };
  const never = { verify: () => assert.fail("there is no key to verify") };
  assert.deepEqual(await verifyRequest(never, { headers: {} }), { ...nothing, code: "missing" });
  const two = [["Authorization", `Bearer ${keys.full}`], ["X-API-Key", keys.plain]];
  assert.deepEqual(await verifyRequest(never, { headers: new Headers(two) }), { ...nothing, code: "malformed" });
});

test("of two keys in one header none is verified, though Node gives the first", async (t) => {
  const verdicts = [];
  const server = createServer(async (request, response) => {
    assert.equal(request.headers.authorization, `Bearer ${keys.full}`);
    verdicts.push((await verifyRequest(verifierOf(), request, { now })).code);
    response.end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => server.close());
  await ask(server.address().port, [...bearer(keys.full), ...bearer(keys.plain)]);
  await ask(server.address().port, [...bearer(keys.full), ...bearer(keys.full)]);
  assert.deepEqual(verdicts, ["malformed", undefined]);
});

test("wrong options are told whatever a request carries", async () => {
  const verifier = verifierOf();
  for (const headers of [{}, { "x-api-key": keys.full }, { "x-api-key": [keys.full, keys.plain] }]) {
    for (const [options, parameter] of [
      [{ permissions: undefined }, "context.permissions"],
      [{ permissions: "flights:view" }, "context.permissions"],
      [{ tenant: null }, "context.tenant"],
      [{ maxAge: -1 }, "context.maxAge"],
      [{ credentials: 7 }, "credentials"],
    ]) {
      const error = await rejected(verifyRequest(verifier, { headers }, { now, ...options }));
      assert.ok(error instanceof TypeError && error.message.startsWith(`${parameter} must be `), error);
    }
    const error = await rejected(verifyRequest(verifier, { headers }, { now: "now" }));
    assert.ok(error instanceof TypeError && error.message.includes(".now must be "), error);
  }
  assert.match((await rejected(verifyRequest(verifier, undefined))).message, /^request must be an object/);
  assert.match((await rejected(verifyRequest(verifier, {}))).message, /^headers must be /);
});

test("every denial has its answer, the same as in Rust", async () => {
  assert.deepEqual(vectors.denials.map(({ code }) => code).sort(), Object.keys(denialClasses).sort());
  for (const { code, status, headers, body } of vectors.denials) {
    const parts = denialParts({ code });
    assert.deepEqual({ ...parts, body: JSON.parse(parts.body) }, { status, headers, body }, code);
    const response = denialResponse({ code });
    assert.ok(response instanceof Response);
    assert.deepEqual([response.status, Object.fromEntries(response.headers)], [status, Object.fromEntries(new Headers(Object.entries(headers)))]);
    assert.equal(await response.text(), parts.body);
  }
  const unproven = Object.keys(denialClasses).filter((code) => denialClasses[code] === "unproven");
  assert.equal(new Set(unproven.map((code) => JSON.stringify(denialParts({ code })))).size, 1, "one and the same");
});

test("what is no denial is answered as a fault", () => {
  for (const code of [undefined, null, "nonsense", "constructor", "toString", "__proto__"]) {
    assert.deepEqual(denialParts({ code }), denialParts({ code: "verifier_fault" }), String(code));
  }
  assert.equal(denialParts({ verified: true }).status, 503);
});

const root = fileURLToPath(new URL("..", import.meta.url));

/** A program as a bundler of a Worker makes it. */
async function bundled(contents) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    conditions: ["workerd"],
    external: ["*.wasm"],
    logLevel: "silent",
  });
  return outputFiles[0].text;
}

test("who does not use it does not bundle it", async () => {
  const without = await bundled('import { Verifier } from "claviger"; globalThis.v = Verifier;');
  for (const text of ["problem+json", "rest_api_key", "The lifetime of the key is over"]) assert.ok(!without.includes(text), text);
  const reading = await bundled('import { Verifier, readCredential } from "claviger"; globalThis.v = [Verifier, readCredential];');
  assert.ok(reading.includes("rest_api_key") && !reading.includes("problem+json"));
});

test("an adapter brings no second implementation, and no framework", async () => {
  for (const framework of ["hono", "express"]) {
    const program = await bundled(`import { Verifier } from "claviger"; import { apiKeyAuth } from "claviger/${framework}"; globalThis.v = [Verifier, apiKeyAuth];`);
    for (const once of ["drainUsage() needs", "problem+json", "Service Unavailable"]) {
      assert.equal(program.split(once).length, 2, `${framework}: ${once}`);
    }
    assert.ok(!/from ?"(hono|express|node:)/.test(program), framework);
  }
});
