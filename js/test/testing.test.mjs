// `claviger/testing`: what programs' own tests are made of is real.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { ClavigerError, Verifier, parseKey } from "claviger";
import { TestRing } from "claviger/testing";
import { thrown } from "./fixtures.mjs";

const now = 1_790_000_000;
const clock = { now: () => now };

/** A verifier of the ring as it is. */
const verifierOf = (ring) => new Verifier({ keyringKeys: [ring.keyringKey], keyring: ring.bundle(), now });

test("a key is what the test said of it", () => {
  const ring = new TestRing(clock);
  const terms = {
    tenant: "tenant-7",
    owner: "sa-12",
    externalId: "customer 9",
    role: "dispatcher",
    permissions: ["flights:view", "crews:*"],
    networks: ["198.51.100.0/24", "2001:db8::/32"],
    metadata: '{"plan":"gold"}',
    limits: [{ name: "requests", max: 100, perSeconds: 60 }],
    readOnly: true,
    expiresAt: now + 600,
  };
  for (const kind of ["opaque", "opaque_signing", "signed"]) {
    const { key, keyId } = ring.addKey({ ...terms, kind, prefix: "acme_live" });
    assert.equal(parseKey(key).kind, kind);
    const verdict = verifierOf(ring).verifyKey(key, { now, address: "198.51.100.7", tenant: "tenant-7", permissions: ["crews:view"] });
    const { networks: _, ...said } = terms;
    const { issuedAt: __, ...rest } = verdict.toJSON();
    const known = { verified: true, keyId, kind, prefix: "acme_live", freshness: "fresh", age: 0, revocationChecked: true };
    assert.deepEqual(rest, { ...said, ...known, epoch: rest.epoch });
    const denied = (context) => verifierOf(ring).verifyKey(key, { now, address: "198.51.100.7", ...context }).code;
    assert.equal(denied({ address: "203.0.113.1" }), "ip_not_allowed");
    assert.equal(denied({ tenant: "tenant-8" }), "wrong_tenant");
    assert.equal(denied({ permissions: ["crews:change"] }), "insufficient_permission");
    assert.equal(denied({ now: now + 600 }), "expired");
  }
});

test("without terms a key may nothing, and is good", () => {
  const ring = new TestRing(clock);
  const { key } = ring.addKey();
  const verdict = verifierOf(ring).verifyKey(key, { now });
  assert.deepEqual([verdict.prefix, verdict.tenant, verdict.owner, verdict.permissions], ["test_key", "tenant-1", "owner-1", []]);
  assert.equal(verifierOf(ring).verifyKey(key, { now, permissions: ["a:view"] }).code, "insufficient_permission");
});

test("keys change, end and go, for a verifier that refreshes", async () => {
  let time = now;
  const ring = new TestRing({ freshFor: 60, now: () => time });
  const keys = ["opaque", "signed"].map((kind) => ring.addKey({ kind }));
  const verifier = new Verifier({ keyringKeys: [ring.keyringKey], source: ring });
  const codes = async () => {
    await verifier.refresh({ now: time });
    return Promise.all(keys.map(async ({ key }) => (await verifier.verify(key, { now: time })).code));
  };
  assert.deepEqual(await codes(), [undefined, undefined]);
  assert.equal(await verifier.refresh({ now: time }), "unchanged");
  for (const { keyId } of keys) ring.changeKey(keyId, { disabled: true });
  assert.deepEqual(await codes(), ["disabled", "disabled"]);
  for (const { keyId } of keys) ring.changeKey(keyId, { disabled: false });
  assert.deepEqual(await codes(), [undefined, undefined]);
  for (const { keyId } of keys) ring.changeKey(keyId, { revoked: true });
  assert.deepEqual(await codes(), ["revoked", "revoked"]);
  const { epoch } = verifier.keyring;
  time += 15;
  assert.equal(await verifier.refresh({ now: time }), "replaced");
  assert.deepEqual([verifier.keyring.epoch, verifier.keyring.issuedAt], [epoch + 1, time]);
});

test("rings do not know each other, and bundles can be given away", () => {
  const [one, other] = [new TestRing(clock), new TestRing(clock)];
  const { key } = one.addKey();
  assert.equal(verifierOf(other).verifyKey(key, { now }).code, "unknown_key");
  assert.equal(thrown(() => new Verifier({ keyringKeys: [other.keyringKey], keyring: one.bundle(), now })).code, "unknown_keyring_key");
  one.bundle().fill(0);
  assert.equal(verifierOf(one).verifyKey(key, { now }).verified, true);
  const many = new TestRing(clock);
  const keys = Array.from({ length: 700 }, (_, index) => many.addKey({ owner: `owner-${index}` }));
  const verifier = verifierOf(many);
  for (const [index, { key }] of keys.entries()) assert.equal(verifier.verifyKey(key, { now }).owner, `owner-${index}`);
});

test("what is wrong is said, and changes nothing", () => {
  const ring = new TestRing(clock);
  const { keyId, key } = ring.addKey();
  for (const [options, error, message] of [
    [{ permission: ["a:view"] }, TypeError, /options\.permission is unknown: a key has tenant/],
    [{ permissions: "a:view" }, TypeError, /options\.permissions must be an array/],
    [{ permissions: [7] }, TypeError, /options\.permissions\[0\] must be a string/],
    [{ limits: [{ name: "requests", max: 1 }] }, TypeError, /options\.limits\[0\]\.perSeconds/],
    [{ limits: [{ name: "requests", max: 1, perSeconds: 2 ** 32 }] }, TypeError, /options\.limits\[0\]\.perSeconds/],
    [{ revoked: "yes" }, TypeError, /options\.revoked must be a boolean/],
    [{ expiresAt: 1.5 }, TypeError, /options\.expiresAt must be an integer/],
    [{ permissions: ["no permission"] }, Error, /keys\[0\]/],
    [{ networks: ["somewhere"] }, Error, /keys\[0\]/],
    [{ tenant: "" }, Error, /keys\[0\]/],
  ]) {
    for (const call of [() => ring.addKey(options), () => ring.changeKey(keyId, options)]) {
      const thrownBy = thrown(call);
      assert.ok(thrownBy instanceof error, String(thrownBy));
      assert.match(thrownBy.message, message);
      if (error === Error) assert.equal(thrownBy.code, "invalid_options");
    }
  }
  assert.equal(thrown(() => ring.addKey({ prefix: "UPPER" })).code, "invalid_prefix");
  assert.match(thrown(() => ring.addKey({ kind: "imported" })).message, /options\.kind/);
  assert.match(thrown(() => ring.changeKey("00000000001", {})).message, /no such key/);
  const signed = ring.addKey({ kind: "signed", tenant: "tenant-7" });
  ring.addKey({ kind: "signed", tenant: "tenant-8" });
  assert.match(thrown(() => ring.changeKey(signed.keyId, { tenant: "tenant-8" })).message, /a signed key is of the tenant/);
  assert.equal(verifierOf(ring).verifyKey(signed.key, { now, tenant: "tenant-7" }).verified, true);
  assert.match(thrown(() => new TestRing({ freshFor: "60" })).message, /options\.freshFor/);
  assert.match(thrown(() => new TestRing({ freshfor: 60 })).message, /options\.freshfor is unknown: a ring has freshFor/);
  assert.match(thrown(() => new TestRing({ now: 7 })).message, /options\.now/);
  assert.equal(verifierOf(ring).verifyKey(key, { now }).verified, true);
});

test("what is left out, undefined or null is as nothing was said", () => {
  const ring = new TestRing({ now: () => now, freshFor: undefined });
  const names = ["tenant", "owner", "externalId", "role", "permissions", "networks", "metadata", "limits", "readOnly", "notBefore", "expiresAt", "revoked", "disabled"];
  const nothing = Object.fromEntries(["kind", "prefix", ...names].map((name) => [name, undefined]));
  const nulls = { externalId: null, role: null, metadata: null, notBefore: null, expiresAt: null };
  for (const terms of [{}, nothing, nulls]) {
    const { key } = ring.addKey(terms);
    const { freshFor, validFor } = verifierOf(ring).keyring;
    assert.deepEqual([freshFor, validFor], [60, 86_400]);
    const { tenant, owner, expiresAt, role } = verifierOf(ring).verifyKey(key, { now });
    assert.deepEqual([tenant, owner, expiresAt, role], ["tenant-1", "owner-1", null, null]);
  }
  const { key, keyId } = ring.addKey({ expiresAt: now, role: "dispatcher" });
  assert.equal(verifierOf(ring).verifyKey(key, { now }).code, "expired");
  ring.changeKey(keyId, { role: undefined, expiresAt: null });
  assert.equal(verifierOf(ring).verifyKey(key, { now }).role, "dispatcher");
});

test("signed keys of each prefix and tenant stand side by side", () => {
  const ring = new TestRing(clock);
  const all = ["tenant-1", "tenant-2", "tenant-1"].flatMap((tenant) =>
    ["acme_live", "acme_test"].map((prefix) => ({ tenant, prefix, ...ring.addKey({ kind: "signed", tenant, prefix }) })),
  );
  for (const { tenant, prefix, key } of all) {
    const verdict = verifierOf(ring).verifyKey(key, { now, tenant });
    assert.deepEqual([verdict.verified, verdict.prefix], [true, prefix]);
    assert.equal(parseKey(key).version, tenant === "tenant-1" ? 1 : 2);
  }
});

test("a clock that goes back makes a newer keyring of an earlier time, and one that is known is not given", async () => {
  let time = now;
  const ring = new TestRing({ now: () => time });
  const verifier = new Verifier({ keyringKeys: [ring.keyringKey], source: ring });
  await verifier.refresh({ now: time });
  const { tag } = await ring.keyring(undefined);
  assert.equal(await ring.keyring(tag), null);
  const { epoch } = verifier.keyring;
  time -= 1000;
  assert.equal(await verifier.refresh({ now: time }), "replaced");
  assert.deepEqual([verifier.keyring.issuedAt, verifier.keyring.epoch], [time, epoch + 1]);
  for (const wrong of [NaN, -1, 1.5, "now", undefined]) {
    time = wrong;
    const error = thrown(() => ring.bundle());
    assert.ok(error instanceof TypeError && error.message.startsWith("options.now() must be"), String(error));
  }
});

test("a key that cannot be leaves nothing behind", () => {
  const ring = new TestRing(clock);
  for (const wrong of [{ tenant: "" }, { tenant: "x".repeat(65) }, { permissions: ["no permission"] }]) {
    const error = thrown(() => ring.addKey({ kind: "signed", ...wrong }));
    assert.equal(error.code, "invalid_options", error.message);
    for (const kind of ["opaque", "signed"]) {
      const { key } = ring.addKey({ kind });
      assert.equal(verifierOf(ring).verifyKey(key, { now }).verified, true);
    }
  }
});

test("the clock of a ring may use rings, and may fail", () => {
  let asked;
  const ring = new TestRing({ now: () => (asked?.(), now) });
  const other = new TestRing(clock);
  const added = [];
  asked = () => {
    asked = undefined;
    other.addKey();
    added.push(ring.addKey({ kind: "signed", tenant: "tenant-7" }));
  };
  added.push(ring.addKey({ kind: "signed", tenant: "tenant-8" }));
  assert.equal(added.length, 2);
  for (const { key } of added) assert.equal(verifierOf(ring).verifyKey(key, { now }).verified, true);
  const error = new Error("no time");
  asked = () => {
    throw error;
  };
  assert.equal(thrown(() => ring.addKey({ kind: "signed", tenant: "tenant-9" })), error);
  asked = undefined;
  for (const { key } of added) assert.equal(verifierOf(ring).verifyKey(key, { now }).verified, true);
});

test("its errors are those of the package", () => {
  const require = createRequire(import.meta.url);
  for (const [Ring, Expected] of [[TestRing, ClavigerError], [require("claviger/testing").TestRing, require("claviger").ClavigerError]]) {
    for (const wrong of [() => new Ring().addKey({ prefix: "UPPER" }), () => new Ring().changeKey("00000000001", {})]) {
      assert.ok(thrown(wrong) instanceof Expected, String(thrown(wrong)));
    }
  }
});

test("require gives it, too", () => {
  const { TestRing: OfCommonJs } = createRequire(import.meta.url)("claviger/testing");
  const ring = new OfCommonJs(clock);
  const { key } = ring.addKey();
  assert.equal(verifierOf(ring).verifyKey(key, { now }).verified, true);
});
