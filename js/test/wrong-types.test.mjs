// A parameter of a wrong type is the program's mistake: a TypeError that names it. A key is never that.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Verifier, Webhook, generateKey, generateSharedSecret, parseKey } from "claviger";
import { issuingSecret, now, prefix, signedKey, thrown, trusted } from "./fixtures.mjs";
import { keyringKeys, root } from "./keyrings.mjs";
import { rejected, sourceOf } from "./living.mjs";

const values = {
  undefined: undefined,
  null: null,
  boolean: true,
  number: 7,
  bigint: 7n,
  string: "text",
  symbol: Symbol("text"),
  function: () => {},
  array: ["text"],
  object: {},
};

/** Every value but those of `right` makes `call` throw a TypeError that names `parameter`. */
function onlyTakes(parameter, right, call) {
  for (const [type, value] of Object.entries(values)) {
    if (right.includes(type)) continue;
    const error = thrown(() => call(value));
    assert.ok(error instanceof TypeError, `${parameter} as ${type}: ${error}`);
    assert.match(error.message, new RegExp(`^${parameter.replaceAll(/[.[\]]/g, "\\$&")} must be `), `as ${type}`);
  }
}

test("generateKey names the parameter", () => {
  const signed = { kind: "signed", prefix, issuingSecret, lifetimeMinutes: 60 };
  onlyTakes("options", ["object"], (value) => generateKey(value));
  onlyTakes("options.kind", [], (value) => generateKey({ ...signed, kind: value }));
  onlyTakes("options.prefix", ["string"], (value) => generateKey({ ...signed, prefix: value }));
  onlyTakes("options.prefix", ["string"], (value) => generateKey({ kind: "opaque", prefix: value }));
  onlyTakes("options.issuingSecret", ["string"], (value) => generateKey({ ...signed, issuingSecret: value }));
  onlyTakes("options.lifetimeMinutes", ["number", "null"], (value) => generateKey({ ...signed, lifetimeMinutes: value }));
  onlyTakes("options.readOnly", ["boolean", "undefined"], (value) => generateKey({ ...signed, readOnly: value }));
  onlyTakes("options.issuedAt", ["number", "undefined"], (value) => generateKey({ ...signed, issuedAt: value }));
});

test("generateSharedSecret names the parameter", () => {
  onlyTakes("options", ["object"], (value) => generateSharedSecret(value));
  onlyTakes("options.purpose", ["string"], (value) => generateSharedSecret({ purpose: value, version: 1 }));
  onlyTakes("options.version", ["number"], (value) => generateSharedSecret({ purpose: "issuing", version: value }));
});

test("Webhook names the parameter", () => {
  const secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
  onlyTakes("options", ["object"], (value) => new Webhook(value));
  onlyTakes("options.secrets", ["array"], (value) => new Webhook({ secrets: value }));
  onlyTakes("options.secrets[1]", ["string"], (value) => new Webhook({ secrets: [secret, value] }));
  onlyTakes("options.tolerance", ["number", "undefined"], (value) => new Webhook({ secrets: [secret], tolerance: value }));
  const webhook = new Webhook({ secrets: [secret] });
  const headers = webhook.sign("msg_1", now, "");
  onlyTakes("id", ["string"], (value) => webhook.sign(value, now, ""));
  onlyTakes("timestamp", ["number"], (value) => webhook.sign("msg_1", value, ""));
  onlyTakes("body", ["string"], (value) => webhook.sign("msg_1", now, value));
  onlyTakes("headers", ["object", "array"], (value) => webhook.verify(value, ""));
  onlyTakes("body", ["string"], (value) => webhook.verify(headers, value, { now }));
  onlyTakes("options", ["object", "undefined"], (value) => webhook.verify(headers, "", value));
  onlyTakes("options.now", ["number", "undefined"], (value) => webhook.verify(headers, "", { now: value }));
});

test("parseKey names the parameter", () => {
  onlyTakes("text", ["string"], (value) => parseKey(value));
});

test("Verifier names the parameter", () => {
  const good = trusted.issuingSecrets[0];
  onlyTakes("options", ["object"], (value) => new Verifier(value));
  onlyTakes("options.issuingSecrets", ["array"], (value) => new Verifier({ issuingSecrets: value }));
  onlyTakes("options.issuingSecrets[1]", ["object"], (value) => new Verifier({ issuingSecrets: [good, value] }));
  onlyTakes("options.issuingSecrets[0].prefix", ["string"], (value) => new Verifier({ issuingSecrets: [{ ...good, prefix: value }] }));
  onlyTakes("options.issuingSecrets[0].secret", ["string"], (value) => new Verifier({ issuingSecrets: [{ ...good, secret: value }] }));
  onlyTakes("options.allowKeysWithoutLifetime", ["boolean", "undefined"], (value) => {
    new Verifier({ ...trusted, allowKeysWithoutLifetime: value });
  });
});

test("verifyKey names the parameter", () => {
  const verifier = new Verifier(trusted);
  const key = signedKey();
  onlyTakes("key", ["string", "null", "undefined"], (value) => verifier.verifyKey(value, { now }));
  onlyTakes("context", ["object", "undefined"], (value) => verifier.verifyKey(key, value));
  onlyTakes("context.now", ["number", "undefined"], (value) => verifier.verifyKey(key, { now: value }));
  for (const impossible of [NaN, -1, -Infinity]) onlyTakesNoTime(impossible);
  // Between failed calls it works as ever.
  assert.equal(verifier.verifyKey(key, { now }).verified, true);

  function onlyTakesNoTime(time) {
    const error = thrown(() => verifier.verifyKey(key, { now: time }));
    assert.ok(error instanceof TypeError && error.message.startsWith("context.now must be "), `${time}: ${error}`);
  }
});

test("Verifier with a keyring names the parameter", () => {
  const making = (option) => (value) => new Verifier({ keyringKeys, [option]: value });
  onlyTakes("options.keyringKeys", ["array", "undefined"], (value) => new Verifier({ keyringKeys: value }));
  onlyTakes("options.keyringKeys[0]", ["string"], (value) => new Verifier({ keyringKeys: [value] }));
  onlyTakes("options.keyring", ["undefined"], making("keyring"));
  onlyTakes("options.keyringId", ["string", "undefined"], making("keyringId"));
  onlyTakes("options.requireFresh", ["boolean", "undefined"], making("requireFresh"));
  onlyTakes("options.minEpoch", ["number", "undefined"], making("minEpoch"));
  onlyTakes("options.maxAge", ["number", "undefined"], making("maxAge"));
  const verifier = new Verifier({ keyringKeys });
  onlyTakes("keyring", [], (value) => verifier.replaceKeyring(value, { now }));
  onlyTakes("options", ["object", "undefined"], (value) => verifier.replaceKeyring(root(), value));
  onlyTakes("options.now", ["number", "undefined"], (value) => verifier.replaceKeyring(root(), { now: value }));
  onlyTakes("part", [], (value) => verifier.insertPart(value, 0, root()));
  onlyTakes("index", ["number"], (value) => verifier.insertPart("chunk", value, root()));
  onlyTakes("bytes", [], (value) => verifier.insertPart("chunk", 0, value));
});

test("Verifier with a source names the parameter", async () => {
  const source = sourceOf("epoch1");
  const making = (option) => (value) => new Verifier({ keyringKeys, source, [option]: value });
  onlyTakes("options.refreshSeconds", ["number", "undefined"], making("refreshSeconds"));
  onlyTakes("options.cacheBytes", ["number", "undefined"], making("cacheBytes"));
  onlyTakes("options.timeoutSeconds", ["number", "undefined"], making("timeoutSeconds"));
  onlyTakes("options.onEvent", ["function", "undefined"], making("onEvent"));
  onlyTakes("options.usage", ["object", "undefined"], making("usage"));
  onlyTakes("options.usage.maxKeys", ["number", "undefined"], (maxKeys) => making("usage")({ maxKeys }));
  onlyTakes("options.source", ["object", "undefined"], (value) => {
    // An object has to have more to be one.
    new Verifier({ keyringKeys, source: value });
  });
  for (const method of ["keyring", "part"]) {
    onlyTakes(`options.source.${method}`, ["function"], (value) => making("source")({ ...source, [method]: value }));
  }
  for (const method of ["rememberedEpoch", "rememberEpoch"]) {
    onlyTakes(`options.source.${method}`, ["function", "undefined"], (value) => making("source")({ ...source, [method]: value }));
  }
  for (const [option, impossible] of [
    ...[0, 0.9, -1, NaN, Infinity, 3e6].map((value) => ["refreshSeconds", value]),
    ...[0, -1, NaN, Infinity, 3e6].map((value) => ["timeoutSeconds", value]),
    ...[-1, 0.5, NaN, Infinity].map((value) => ["cacheBytes", value]),
  ]) {
    const error = thrown(() => making(option)(impossible));
    assert.ok(error instanceof TypeError && error.message.startsWith(`options.${option} must be `), `${impossible}: ${error}`);
  }
  const verifier = new Verifier({ keyringKeys, source, usage: {} });
  onlyTakes("options.now", ["number", "undefined"], (now) => verifier.drainUsage({ now }));
  for (const [value, call, parameter] of [
    [7, (value) => verifier.verify(value), "key"],
    [[], (value) => verifier.verify("", value), "context"],
    ["now", (now) => verifier.verify("", { now }), "context.now"],
    [undefined, (tenant) => verifier.verify("", { tenant }), "context.tenant"],
    [7, (value) => verifier.refresh(value), "options"],
    ["now", (now) => verifier.refresh({ now }), "options.now"],
  ]) {
    const error = await rejected(call(value));
    assert.ok(error instanceof TypeError && error.message.startsWith(`${parameter} must be `), `${parameter}: ${error}`);
  }
  assert.equal(await verifier.refreshIfDue(7), undefined);
});

test("what needs a source, or a keyring, says so", () => {
  const { issuingSecrets } = trusted;
  const source = sourceOf("epoch1");
  for (const [options, part] of [
    [{ keyringKeys, refreshSeconds: 7 }, "refreshSeconds needs options.source"],
    [{ keyringKeys, timeoutSeconds: 7 }, "timeoutSeconds needs options.source"],
    [{ issuingSecrets, source }, "source needs options.keyringKeys"],
    [{ issuingSecrets, cacheBytes: 7 }, "cacheBytes needs"],
    [{ issuingSecrets, onEvent: () => {} }, "onEvent needs"],
    [{ issuingSecrets, usage: {} }, "usage needs"],
  ]) {
    const error = thrown(() => new Verifier(options));
    assert.ok(error.code === "invalid_options" && error.message.includes(part), `${part}: ${error}`);
  }
});

test("what a request needs has its type, and is not undefined", () => {
  const verifier = new Verifier({ keyringKeys });
  const verifying = (field) => (value) => verifier.verifyKey(null, { now, [field]: value });
  onlyTakes("context.tenant", ["string"], verifying("tenant"));
  onlyTakes("context.address", ["string", "null", "undefined"], verifying("address"));
  onlyTakes("context.permissions", ["array"], verifying("permissions"));
  onlyTakes("context.permissions[1]", ["string"], (value) => verifier.verifyKey(null, { now, permissions: ["a", value] }));
  onlyTakes("context.requireFresh", ["boolean", "undefined"], verifying("requireFresh"));
  onlyTakes("context.minEpoch", ["number", "undefined"], verifying("minEpoch"));
  onlyTakes("context.maxAge", ["number", "undefined"], verifying("maxAge"));
  for (const impossible of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
    for (const field of ["minEpoch", "maxAge"]) {
      const error = thrown(() => verifying(field)(impossible));
      assert.ok(error instanceof TypeError && error.message.startsWith(`context.${field} must be `), `${impossible}: ${error}`);
    }
  }
  assert.equal(verifier.verifyKey(null, { now }).code, "missing");
});

test("a TypeError shows no value", () => {
  const error = thrown(() => new Verifier({ issuingSecrets: [[issuingSecret]] }));
  assert.ok(!error.stack.includes(issuingSecret.slice(-50)), error.stack);
});
