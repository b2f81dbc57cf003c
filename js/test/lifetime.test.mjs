// Verifiers from their making to their end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClavigerError, Verifier, generateSharedSecret } from "claviger";
import { now, prefix, signedKey, thrown, trusted } from "./fixtures.mjs";

test("a disposed verifier says so, however often it is disposed", () => {
  const verifier = new Verifier(trusted);
  const other = new Verifier(trusted);
  assert.equal(verifier.verifyKey(signedKey(), { now }).verified, true);
  verifier.dispose();
  verifier.dispose();
  for (const key of [signedKey(), "", undefined, 7]) {
    const error = thrown(() => verifier.verifyKey(key, { now }));
    assert.ok(error instanceof ClavigerError, `${error}`);
    assert.equal(error.code, "disposed");
  }
  assert.equal(other.verifyKey(signedKey(), { now }).verified, true);
});

test("`using` can dispose of it", () => {
  assert.equal(typeof Symbol.dispose, "symbol", "this runtime has Symbol.dispose");
  const verifier = new Verifier(trusted);
  verifier[Symbol.dispose]();
  assert.equal(thrown(() => verifier.verifyKey("")).code, "disposed");
});

test("an old verifier works while thousands are made, live and dead", () => {
  const old = new Verifier(trusted);
  const key = signedKey();
  assert.equal(old.verifyKey(key, { now }).verified, true);
  const living = [];
  for (let index = 0; index < 5_000; index += 1) {
    const verifier = new Verifier(trusted);
    if (index % 5 === 0) verifier.dispose();
    else living.push(verifier);
    // Each growth of the memory falls between two of these calls.
    assert.equal(old.verifyKey(key, { now }).verified, true, `after ${index}`);
  }
  for (const verifier of living) assert.equal(verifier.verifyKey(key, { now }).verified, true);
  assert.equal(old.verifyKey(key.replace("live", "l1ve"), { now }).code, "bad_checksum");
  for (const verifier of living) verifier.dispose();
  assert.equal(old.verifyKey(new TextEncoder().encode(key), { now }).verified, true);
});

test("verifiers do not share what they trust", () => {
  const verifiers = Array.from({ length: 20 }, () => {
    const issuingSecret = generateSharedSecret({ purpose: "issuing", version: 1 });
    const verifier = new Verifier({ issuingSecrets: [{ prefix, secret: issuingSecret }] });
    return { verifier, key: signedKey({ issuingSecret }) };
  });
  for (const { verifier } of verifiers) {
    const good = verifiers.filter(({ key }) => verifier.verifyKey(key, { now }).verified);
    assert.deepEqual(good.map((one) => one.verifier), [verifier]);
  }
});
