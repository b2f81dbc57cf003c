// A parameter of a wrong type is the program's mistake: a TypeError that names it. A key is never that.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Verifier, generateKey, generateSharedSecret, parseKey } from "claviger";
import { issuingSecret, now, prefix, signedKey, thrown, trusted } from "./fixtures.mjs";

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

test("a TypeError shows no value", () => {
  const error = thrown(() => new Verifier({ issuingSecrets: [[issuingSecret]] }));
  assert.ok(!error.stack.includes(issuingSecret.slice(-50)), error.stack);
});
