// Keys of every kind: generated, read and verified.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClavigerError, Verifier, generateKey, generateSharedSecret, parseKey } from "claviger";
import { integrationSecret, issuingSecret, now, otherSecret, prefix, signedKey, stateless, thrown, trusted } from "./fixtures.mjs";

test("an opaque key of either kind has the form of its kind and reads back", () => {
  for (const [kind, letter] of [["opaque", "k"], ["opaque_signing", "h"]]) {
    const { key, keyId } = generateKey({ kind, prefix });
    assert.match(key, new RegExp(`^acme_live_[0-9A-Za-z]{11}_${letter}[0-9A-Za-z]{50}$`));
    assert.deepEqual(parseKey(key), {
      wellFormed: true,
      kind,
      prefix,
      keyId: key.slice(10, 21),
      version: null,
      readOnly: null,
      issuedAt: null,
      expiresAt: null,
    });
    assert.notEqual(generateKey({ kind, prefix }).key, key);
  }
});

test("a signed key says when it was issued, when it expires and what it may do", () => {
  for (const [lifetimeMinutes, readOnly] of [[60, undefined], [1, true], [null, false], [67_108_863, true]]) {
    const key = signedKey({ lifetimeMinutes, readOnly });
    assert.match(key, /^acme_live_[0-9A-Za-z]{11}_[0-9A-Za-z]{11}_s[0-9A-Za-z]{50}$/);
    const facts = {
      kind: "signed",
      prefix,
      keyId: key.slice(10, 21),
      readOnly: readOnly ?? false,
      issuedAt: now,
      expiresAt: lifetimeMinutes === null ? null : now + lifetimeMinutes * 60,
    };
    assert.deepEqual(parseKey(key), { wellFormed: true, version: 1, ...facts });
    const verifier = new Verifier({ ...trusted, allowKeysWithoutLifetime: true });
    const unknown = { tenant: null, owner: null, externalId: null, role: null, permissions: null, metadata: null, limits: null };
    const verdict = { verified: true, revocationChecked: false, ...stateless, ...unknown, ...facts };
    assert.deepEqual(verifier.verifyKey(key, { now }).toJSON(), verdict);
    assert.deepEqual(verifier.verifyKey(new TextEncoder().encode(key), { now }).toJSON(), verdict);
    assert.deepEqual(verifier.verifyKey(Buffer.from(key), { now }).toJSON(), verdict);
  }
});

test("a key is issued and verified now where no time is given", () => {
  const before = Date.now() / 1000;
  const key = signedKey({ issuedAt: undefined });
  const { issuedAt } = parseKey(key);
  // Cut to the minute.
  assert.ok(before - 60 < issuedAt && issuedAt <= Date.now() / 1000, `${issuedAt}`);
  const verifier = new Verifier(trusted);
  for (const context of [undefined, {}, { now: undefined }]) assert.equal(verifier.verifyKey(key, context).verified, true);
});

test("shared secrets and what is no key read as what they are", () => {
  for (const [purpose, kind, name] of [["issuing", "issuing_secret", "cvgis"], ["integration", "integration_secret", "cvgws"]]) {
    for (const version of [0, 255]) {
      const secret = generateSharedSecret({ purpose, version });
      const { wellFormed, kind: found, prefix: start, version: number, keyId } = parseKey(secret);
      assert.deepEqual([wellFormed, found, start, number, keyId], [true, kind, name, version, secret.slice(6, 17)]);
    }
  }
  const key = signedKey();
  const parts = (text) => (({ wellFormed, part }) => ({ wellFormed, part }))(parseKey(text));
  assert.deepEqual(parts(""), { wellFormed: false, part: "text" });
  assert.deepEqual(parts(key.slice(1)), { wellFormed: false, part: "checksum" });
  assert.deepEqual(parts(key.replace("acme", "Acme")), { wellFormed: false, part: "prefix" });
  assert.deepEqual(parts(`${key.slice(0, 12)}-${key.slice(13)}`), { wellFormed: false, part: "id" });
  assert.equal(typeof parseKey("").message, "string");
});

test("each denial has its code", () => {
  const verifier = new Verifier(trusted);
  const key = signedKey();
  const denied = (presented, at = now) => {
    const verdict = verifier.verifyKey(presented, { now: at });
    assert.equal(verdict.verified, false);
    return [verdict.code, verdict.keyId];
  };
  const id = (text) => text.slice(10, 21);
  const opaque = generateKey({ kind: "opaque", prefix }).key;
  const elsewhere = signedKey({ prefix: "acme_test" });
  const forged = signedKey({ issuingSecret: otherSecret });
  const forever = signedKey({ lifetimeMinutes: null });
  const unknown = signedKey({ issuingSecret: generateSharedSecret({ purpose: "issuing", version: 2 }) });
  assert.deepEqual(denied(""), ["missing", null]);
  assert.deepEqual(denied("hunter2"), ["malformed", null]);
  assert.deepEqual(denied(issuingSecret), ["malformed", null]);
  assert.deepEqual(denied(key.replace("live", "l1ve")), ["bad_checksum", null]);
  assert.deepEqual(denied(elsewhere), ["wrong_prefix", id(elsewhere)]);
  assert.deepEqual(denied(opaque), ["unknown_key", id(opaque)]);
  assert.deepEqual(denied(unknown), ["unknown_key", id(unknown)]);
  assert.deepEqual(denied(forged), ["bad_secret", id(forged)]);
  assert.deepEqual(denied(key, now - 301), ["not_yet_valid", id(key)]);
  assert.deepEqual(denied(key, now + 3600), ["expired", id(key)]);
  assert.deepEqual(denied(forever), ["lifetime_required", id(forever)]);
});

test("a key is not good when its secret has been taken away", () => {
  const key = signedKey();
  const next = generateSharedSecret({ purpose: "issuing", version: 2 });
  const both = new Verifier({ issuingSecrets: [...trusted.issuingSecrets, { prefix, secret: next }] });
  assert.equal(both.verifyKey(key, { now }).verified, true);
  assert.equal(both.verifyKey(signedKey({ issuingSecret: next }), { now }).verified, true);
  const later = new Verifier({ issuingSecrets: [{ prefix, secret: next }] });
  assert.equal(later.verifyKey(key, { now }).code, "unknown_key");
});

test("errors are a ClavigerError with its code, and hold nothing of a secret", () => {
  const cases = [
    ["invalid_prefix", () => signedKey({ prefix: issuingSecret })],
    ["invalid_prefix", () => generateKey({ kind: "opaque", prefix: "cvgis" })],
    ["invalid_prefix", () => new Verifier({ issuingSecrets: [{ prefix: issuingSecret, secret: issuingSecret }] })],
    ["invalid_secret", () => signedKey({ issuingSecret: issuingSecret.slice(0, -1) })],
    ["invalid_secret", () => signedKey({ issuingSecret: integrationSecret })],
    ["invalid_secret", () => signedKey({ issuingSecret: signedKey() })],
    ["invalid_secret", () => new Verifier({ issuingSecrets: [{ prefix, secret: `${issuingSecret} ` }] })],
    ["invalid_secret", () => new Verifier({ issuingSecrets: [{ prefix, secret: integrationSecret }] })],
    ["invalid_secret", () => new Verifier({ issuingSecrets: [{ prefix, secret: `\ud800${issuingSecret}` }] })],
    ["invalid_time", () => signedKey({ issuedAt: 0 })],
    ["invalid_time", () => signedKey({ issuedAt: 2 ** 60 })],
    ["invalid_time", () => signedKey({ lifetimeMinutes: 0 })],
    ["invalid_time", () => signedKey({ lifetimeMinutes: 67_108_864 })],
    ["invalid_options", () => signedKey({ lifetimeMinutes: 1.5 })],
    ["invalid_options", () => signedKey({ lifetimeMinutes: -1 })],
    ["invalid_options", () => signedKey({ lifetimeMinutes: NaN })],
    ["invalid_options", () => signedKey({ issuedAt: Infinity })],
    ["invalid_options", () => generateSharedSecret({ purpose: "issuing", version: 256 })],
    ["invalid_options", () => new Verifier({ issuingSecrets: [] })],
    ["invalid_options", () => new Verifier({ issuingSecrets: [{ prefix, secret: issuingSecret }, { prefix, secret: otherSecret }] })],
  ];
  for (const [code, call] of cases) {
    const error = thrown(call);
    assert.ok(error instanceof ClavigerError && error instanceof Error, `${call}: ${error}`);
    assert.equal(error.name, "ClavigerError");
    assert.equal(error.code, code, `${call}: ${error.message}`);
    const shown = `${error.stack} ${JSON.stringify(error)} ${error.cause}`;
    for (const secret of [issuingSecret, otherSecret, integrationSecret]) {
      for (let at = 21; at + 6 <= secret.length; at += 1) assert.ok(!shown.includes(secret.slice(at, at + 6)), shown);
    }
  }
});
