// Keyrings that come in and take each other's place, whole and in parts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClavigerError, Verifier, generateKey } from "claviger";
import { thrown } from "./fixtures.mjs";
import { bundle, ids, idOf, issuingSecret, keyringKeys, keys, now, otherKeyringKey, parts, root, verifierOf } from "./keyrings.mjs";

const stateless = { issuingSecrets: [{ prefix: "acme_live", secret: issuingSecret }] };
const info = { keyringId: ids.keyring, keyringKeyId: ids.keyringKey, epoch: 1, issuedAt: now, freshFor: 60, validFor: 86_400 };
const changed = (bytes, place) => ((bytes[place] ^= 1), bytes);

function refused(verifier, bytes, code, time = now) {
  const error = thrown(() => verifier.replaceKeyring(bytes, { now: time }));
  assert.ok(error instanceof ClavigerError, `${code}: ${error}`);
  assert.equal(error.code, code, error.message);
  assert.ok(error.message.length > 10, error.message);
}

test("a newer keyring takes the place of the one before", () => {
  const verifier = new Verifier({ keyringKeys });
  assert.equal(verifier.keyring, null);
  assert.equal(verifier.replaceKeyring(bundle("epoch1"), { now }), "replaced");
  assert.deepEqual(verifier.keyring, info);
  const before = verifier.verifyKey(keys.revokedLater, { now: now + 30 });
  assert.equal(before.verified, true);
  let full;
  for (let time = 1; time <= 3; time += 1) full = verifier.verifyKey(keys.full, { now: now + 30 });
  const kept = JSON.stringify([before, full]);
  assert.equal(verifier.replaceKeyring(bundle("epoch1"), { now }), "unchanged");
  assert.equal(verifier.replaceKeyring(bundle("epoch2").buffer, { now }), "replaced");
  assert.deepEqual(verifier.keyring, { ...info, epoch: 2, issuedAt: now + 30 });
  const after = verifier.verifyKey(keys.revokedLater, { now: now + 30 });
  assert.deepEqual(after, { verified: false, code: "revoked", keyId: idOf(keys.revokedLater), freshness: "fresh", epoch: 2, age: 0 });
  const later = verifier.verifyKey(keys.full, { now: now + 30 });
  assert.deepEqual([full.epoch, full.role, later.epoch, later.role], [1, "dispatcher", 2, "manager"]);
  // What was said before is still what was said.
  assert.equal(JSON.stringify([before, full]), kept);
  verifier.dispose();
  assert.equal(JSON.stringify([before, full]), kept);
});

test("a keyring that is refused leaves the one before in use", () => {
  const verifier = verifierOf();
  const good = bundle("epoch2");
  // Behind the preamble and the offsets of n parts.
  const inRoot = 24 + 8 * (new DataView(good.buffer).getUint32(12, true) + 1) + 60;
  const version = bundle("epoch2");
  version[4] = 2;
  const longer = new Uint8Array(good.length + 1);
  longer.set(good);
  for (const [bytes, code] of [
    [new Uint8Array(0), "not_a_keyring"],
    [new Uint8Array(12_000_000), "oversized"],
    [new TextEncoder().encode("<!doctype html>"), "not_a_keyring"],
    [version, "unsupported_version"],
    [good.subarray(0, 20), "truncated"],
    [good.subarray(0, good.length - 1), "truncated"],
    [longer, "oversized"],
    [changed(bundle("epoch2"), inRoot), "wrong_mac"],
    [bundle("otherId"), "wrong_keyring"],
    [bundle("otherKey"), "unknown_keyring_key"],
    [bundle("epoch1Other"), "same_epoch_other_content"],
    [root().subarray(0, 100), "truncated"],
  ]) {
    refused(verifier, bytes, code);
    assert.deepEqual(verifier.keyring, info);
    assert.equal(verifier.verifyKey(keys.revokedLater, { now }).verified, true);
  }
  refused(verifier, good, "issued_in_future", now + 30 - 301);
  assert.equal(verifier.replaceKeyring(good, { now: now + 30 - 300 }), "replaced");
  refused(verifier, bundle("epoch1"), "older_epoch");
  assert.equal(verifier.verifyKey(keys.revokedLater, { now }).code, "revoked");
  refused(new Verifier({ keyringKeys, minEpoch: 2 }), bundle("epoch1"), "older_epoch");
  refused(new Verifier(stateless), bundle("epoch1"), "no_keyring");
  refused(new Verifier({ keyringKeys, keyringId: ids.otherKeyring }), bundle("epoch1"), "wrong_keyring");
  assert.equal(verifierOf("epoch1", { keyringId: ids.keyring }).keyring.epoch, 1);
  const two = verifierOf("epoch1", { keyringKeys: [otherKeyringKey, ...keyringKeys] });
  assert.equal(two.replaceKeyring(bundle("otherKey"), { now }), "replaced");
});

test("a part that is not what it was makes its keys undecided", () => {
  const bytes = bundle("epoch1");
  const verifier = new Verifier({ keyringKeys });
  verifier.replaceKeyring(bytes, { now });
  const known = verifier.verifyKey(keys.full, { now });
  assert.equal(known.verified, true);
  bytes.fill(0);
  // What was read before stays.
  assert.equal(verifier.verifyKey(keys.full, { now }).verified, true);
  const others = Object.values(keys).map((key) => verifier.verifyKey(key, { now }));
  const denied = others.find(({ code }) => code === "keyring_invalid");
  assert.deepEqual([denied.verified, denied.freshness, denied.epoch, denied.age], [false, "fresh", 1, 0]);
  assert.equal(denied.needed, undefined);
  assert.ok(!others.some(({ code }) => code === "keyring_unavailable"));
  // Its bytes are gone altogether.
  const gone = bundle("epoch1");
  const other = new Verifier({ keyringKeys });
  other.replaceKeyring(gone, { now });
  structuredClone(gone.buffer, { transfer: [gone.buffer] });
  assert.equal(other.verifyKey(keys.full, { now }).code, "keyring_invalid");
});

test("a root alone says which part it needs, and takes it", () => {
  const verifier = new Verifier({ keyringKeys });
  assert.equal(verifier.replaceKeyring(root(), { now }), "replaced");
  const needed = [];
  for (;;) {
    const verdict = verifier.verifyKey(keys.full, { now, tenant: "tenant-7" });
    if (verdict.verified) break;
    assert.deepEqual({ ...verdict }, { verified: false, code: "keyring_unavailable", keyId: idOf(keys.full), freshness: "fresh", epoch: 1, age: 0 });
    assert.deepEqual(verifier.verifyKey(keys.full, { now }).needed, verdict.needed);
    const { part, index, hash } = verdict.needed;
    const found = parts.find((candidate) => candidate.hash === hash);
    assert.deepEqual([found.part, found.index], [part, index]);
    assert.equal(thrown(() => verifier.insertPart(part, index, changed(found.bytes.slice(), 7))).code, "wrong_hash");
    assert.equal(thrown(() => verifier.insertPart(part, index, new Uint8Array(12_000_000))).code, "wrong_hash");
    assert.equal(thrown(() => verifier.insertPart(part, 4000, found.bytes)).code, "no_such_part");
    verifier.insertPart(part, index, found.bytes);
    needed.push(part);
  }
  assert.deepEqual(needed, ["chunk", "page"]);
  const verdict = verifier.verifyKey(keys.full, { now });
  assert.deepEqual(verdict, verifierOf().verifyKey(keys.full, { now }));
  // A bundle of the same root changes nothing, and of the next one only what it changes.
  assert.equal(verifier.replaceKeyring(bundle("epoch1"), { now }), "unchanged");
  assert.equal(verifier.replaceKeyring(bundle("epoch2"), { now }), "replaced");
  assert.equal(verifier.verifyKey(keys.imported, { now: now + 30 }).verified, true);
  for (const without of [new Verifier({ keyringKeys }), new Verifier(stateless)]) {
    assert.equal(thrown(() => without.insertPart("chunk", 0, parts[0].bytes)).code, "no_keyring");
  }
});

test("options that contradict each other, or hold no keyring key, are refused", () => {
  const good = keyringKeys[0];
  for (const [options, code, part] of [
    [{ ...stateless, keyringKeys }, "invalid_options", "issuingSecrets"],
    [{ ...stateless, requireFresh: true }, "invalid_options", "requireFresh"],
    [{ ...stateless, keyring: bundle("epoch1") }, "invalid_options", "keyring"],
    [{ keyringKeys, allowKeysWithoutLifetime: true }, "invalid_options", "allowKeysWithoutLifetime"],
    [{ keyringKeys: [] }, "invalid_options", "keyring key"],
    [{ keyringKeys: [good, good] }, "invalid_options", "keyring key"],
    [{ keyringKeys: [good, otherKeyringKey, good] }, "invalid_options", "keyring key"],
    [{ keyringKeys, keyringId: "short" }, "invalid_options", "options.keyringId: "],
    [{ keyringKeys, keyringId: "*" }, "invalid_options", "options.keyringId: "],
    [{ keyringKeys: [good, issuingSecret] }, "invalid_secret", "options.keyringKeys[1]: "],
    [{ keyringKeys: [good.slice(0, -1)] }, "invalid_secret", "options.keyringKeys[0]: "],
    [{ keyringKeys, keyring: new Uint8Array(3) }, "not_a_keyring", "keyring"],
  ]) {
    const error = thrown(() => new Verifier(options));
    assert.ok(error instanceof ClavigerError && error.code === code && error.message.includes(part), `${part}: ${error}`);
    for (const secret of [good, issuingSecret]) {
      for (let at = 21; at + 6 <= secret.length; at += 1) assert.ok(!error.stack.includes(secret.slice(at, at + 6)));
    }
  }
  assert.throws(() => new Verifier({}), { name: "TypeError", message: /issuingSecrets.*keyringKeys/ });
});

test("no text of an option is two", () => {
  const [good] = keyringKeys;
  const trusting = (prefix, secret) => new Verifier({ issuingSecrets: [{ prefix, secret }] });
  for (const between of ["\n", "\r\n", "\r", "\v", "\f", "\0", "\u0085", "\u2028", "\u2029"]) {
    for (const [code, call] of [
      ["invalid_secret", () => new Verifier({ keyringKeys: [good + between + otherKeyringKey] })],
      ["invalid_secret", () => new Verifier({ keyringKeys: [good + between] })],
      ["invalid_secret", () => new Verifier({ keyringKeys: [between + good] })],
      ["invalid_secret", () => new Verifier({ keyringKeys: [good, between] })],
      ["invalid_options", () => new Verifier({ keyringKeys, keyringId: ids.keyring + between + otherKeyringKey })],
      ["invalid_options", () => new Verifier({ keyringKeys, keyringId: ids.keyring + between })],
      ["invalid_options", () => new Verifier({ keyringKeys, keyringId: `*${between}` })],
      ["invalid_prefix", () => trusting(`acme_live${between}${issuingSecret}${between}acme_test`, issuingSecret)],
      ["invalid_prefix", () => trusting(`acme_live${between}`, issuingSecret)],
      ["invalid_secret", () => trusting("acme_live", `${issuingSecret}${between}acme_test${between}${issuingSecret}`)],
      ["invalid_secret", () => trusting("acme_live", issuingSecret + between)],
      ["invalid_prefix", () => generateKey({ kind: "opaque", prefix: `acme_live${between}` })],
      ["invalid_prefix", () => generateKey({ kind: "signed", prefix: `acme_live${between}${issuingSecret}`, issuingSecret, lifetimeMinutes: null })],
      ["invalid_secret", () => generateKey({ kind: "signed", prefix: "acme_live", issuingSecret: issuingSecret + between, lifetimeMinutes: null })],
    ]) {
      assert.equal(thrown(call).code, code, `${JSON.stringify(between)} ${call}`);
    }
  }
  // And none is nothing.
  const { issuingSecrets } = stateless;
  for (const [code, options] of [
    ["invalid_secret", { keyringKeys: [good, ""] }],
    ["invalid_options", { keyringKeys, keyringId: "" }],
    ["invalid_secret", { issuingSecrets: [...issuingSecrets, { prefix: "acme_test", secret: "" }] }],
    ["invalid_prefix", { issuingSecrets: [...issuingSecrets, { prefix: "", secret: issuingSecret }] }],
  ]) {
    assert.equal(thrown(() => new Verifier(options)).code, code);
  }
});

test("bytes that say less than they are are not written", () => {
  let length = () => 8;
  class Short extends Uint8Array {
    get length() {
      return length();
    }
  }
  const long = new Short(1_000_000).fill(0xff);
  const before = verifierOf();
  const verifier = new Verifier({ keyringKeys });
  verifier.replaceKeyring(root(), { now });
  assert.ok(thrown(() => verifier.insertPart("chunk", 0, long)) instanceof RangeError);
  assert.ok(thrown(() => verifier.replaceKeyring(long, { now })) instanceof RangeError);
  let reads = 0;
  length = () => ((reads += 1) === 1 ? 8 : long.byteLength);
  assert.ok(thrown(() => verifier.insertPart("chunk", 0, long)) instanceof RangeError);
  for (const each of [before, verifierOf()]) assert.equal(each.verifyKey(keys.full, { now }).verified, true);
});

test("a disposed verifier does nothing any more", () => {
  const verifier = verifierOf();
  verifier.dispose();
  for (const call of [
    () => verifier.verifyKey(keys.full, { now }),
    () => verifier.replaceKeyring(bundle("epoch2"), { now }),
    () => verifier.insertPart("chunk", 0, parts[0].bytes),
    () => verifier.keyring,
  ]) {
    assert.equal(thrown(call).code, "disposed");
  }
});

test("a verifier goes on while memory grows under it", () => {
  const first = verifierOf();
  const all = [];
  for (let index = 0; index < 300; index += 1) {
    const verifier = verifierOf();
    all.push(verifier);
    const context = index % 2 ? { now } : { now, permissions: Array(200).fill("flights:view") };
    assert.equal(verifier.verifyKey(keys.full, context).verified, true);
    assert.equal(first.verifyKey(keys.full, context).owner, "sa-12");
  }
  for (const verifier of all) verifier.dispose();
});

test("what goes wrong in the caller's own bytes is his error, and no denial", () => {
  let armed = false;
  class Odd extends Uint8Array {
    subarray(...range) {
      if (armed) throw new RangeError("odd");
      return super.subarray(...range);
    }
  }
  const verifier = new Verifier({ keyringKeys });
  verifier.replaceKeyring(new Odd(bundle("epoch1")), { now });
  armed = true;
  assert.throws(() => verifier.verifyKey(keys.full, { now }), RangeError);
  armed = false;
  assert.equal(verifier.verifyKey(keys.full, { now }).verified, true);
});
