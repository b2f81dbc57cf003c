// Verdicts with a keyring: whose a key is, what it may do, and how old that knowledge is.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Verifier } from "claviger";
import { bundle, freshFor, idOf, ids, issuingSecret, keyringKeys, keys, now, validFor, verifierOf } from "./keyrings.mjs";

const fresh = { freshness: "fresh", epoch: 1, age: 0 };
const full = {
  verified: true,
  keyId: idOf(keys.full),
  kind: "opaque",
  prefix: "acme_live",
  tenant: "tenant-7",
  owner: "sa-12",
  externalId: "crm/4711",
  role: "dispatcher",
  permissions: ["flights:*", "bookings:view"],
  readOnly: false,
  metadata: '{"plan":"pro"}',
  limits: [
    { name: "requests", max: 600, perSeconds: 60 },
    { name: "exports", max: 60_000, perSeconds: 3600 },
  ],
  issuedAt: null,
  expiresAt: null,
  ...fresh,
  revocationChecked: true,
};
const nothing = { externalId: null, role: null, permissions: [], metadata: null, limits: [] };

test("a verdict says whose the key is and what it may do", () => {
  const verifier = verifierOf();
  const expected = {
    full,
    signing: { ...full, keyId: idOf(keys.signing), kind: "opaque_signing" },
    plain: { ...full, ...nothing, keyId: idOf(keys.plain), tenant: "tenant-8", owner: "sa-13" },
    signed: { ...full, keyId: idOf(keys.signed), kind: "signed", issuedAt: now, expiresAt: now + 3600 },
    expiring: { ...full, keyId: idOf(keys.expiring), expiresAt: now + 40 },
    readOnly: { ...full, ...nothing, keyId: idOf(keys.readOnly), tenant: "tenant-\ufffd", owner: "sa-14", permissions: ["*"], readOnly: true },
    imported: { ...full, ...nothing, keyId: ids.imported, kind: "imported", owner: "sa-15" },
    unicode: {
      ...full,
      keyId: idOf(keys.unicode),
      tenant: "müller-🔑",
      owner: "\ufeffgröße",
      externalId: "ä",
      role: "Ärzte",
      permissions: ["flights:view"],
      metadata: '{"ort":"Köln"}',
      limits: [{ name: "Abrufe täglich", max: 7, perSeconds: 86_400 }],
    },
    // Its numbers look like characters, and a length is one that is no ASCII.
    odd: {
      ...full,
      ...nothing,
      keyId: idOf(keys.odd),
      tenant: "tenant-8",
      owner: "sa-13",
      permissions: ["x".repeat(128), "flights:view"],
      limits: [
        { name: "cut", max: 0x82e2, perSeconds: 2 ** 32 - 1 },
        { name: "whole", max: 0xa9c3, perSeconds: 1 },
        { name: "large", max: 2 ** 53 - 1, perSeconds: 0 },
      ],
    },
  };
  const networks = { ...full, ...nothing, keyId: idOf(keys.networks), tenant: "tenant-9", owner: "sa-13" };
  assert.deepEqual(verifier.verifyKey(keys.networks, { now, address: "10.0.0.1" }).toJSON(), networks);
  // The second and third time it comes from what was kept.
  for (let time = 1; time <= 3; time += 1) {
    for (const [name, verdict] of Object.entries(expected)) {
      assert.deepEqual(verifier.verifyKey(keys[name], { now }).toJSON(), verdict, name);
      assert.deepEqual(verifier.verifyKey(Buffer.from(keys[name]), { now }).toJSON(), verdict, name);
    }
  }
});

test("each denial has its code, and says what it knows", () => {
  const verifier = verifierOf();
  const denied = (key, code, keyId, context = { now }) => {
    assert.deepEqual(verifier.verifyKey(key, context), { verified: false, code, keyId, ...fresh }, code);
  };
  for (const [name, code] of [
    ["revoked", "revoked"],
    ["signedRevoked", "revoked"],
    ["disabled", "disabled"],
    ["early", "not_yet_valid"],
    ["unknown", "unknown_key"],
    ["forged", "bad_secret"],
    ["lost", "keyring_invalid"],
  ]) {
    denied(keys[name], code, idOf(keys[name]));
  }
  denied("sk_legacy_4f2b8d", "unknown_key", null);
  denied("0".repeat(512), "unknown_key", null);
  for (const long of ["0".repeat(513), "é".repeat(2000), "0".repeat(2 ** 20), new Uint8Array(5000)]) denied(long, "malformed", null);
  denied("", "missing", null);
  denied(issuingSecret, "malformed", null);
  const early = verifier.verifyKey(keys.early, { now: now + 20 });
  assert.deepEqual([early.verified, early.age], [true, 20]);
  assert.equal(verifier.verifyKey(keys.expiring, { now: now + 40 }).code, "expired");
});

test("a keyring grows stale, and then it is used no longer", () => {
  const verifier = verifierOf();
  const facts = (time) => {
    const { verified, code, freshness, epoch, age } = verifier.verifyKey(keys.full, { now: time });
    return [verified, code, freshness, epoch, age];
  };
  assert.deepEqual(facts(now - 100), [true, undefined, "fresh", 1, 0]);
  assert.deepEqual(facts(now + freshFor - 1), [true, undefined, "fresh", 1, freshFor - 1]);
  assert.deepEqual(facts(now + freshFor), [true, undefined, "stale", 1, freshFor]);
  assert.deepEqual(facts(now + validFor - 1), [true, undefined, "stale", 1, validFor - 1]);
  assert.deepEqual(facts(now + validFor), [false, "keyring_expired", "stale", 1, validFor]);
});

test("requests and verifiers may demand more than that", () => {
  const verdicts = (verifier, context) => {
    const { verified, code, freshness } = verifier.verifyKey(keys.full, context);
    return verified ? freshness : `${freshness} ${code}`;
  };
  const demands = [
    [{ requireFresh: true }, "fresh", "stale keyring_stale"],
    [{ requireFresh: false }, "fresh", "stale"],
    [{ minEpoch: 1 }, "fresh", "stale"],
    [{ maxAge: 0 }, "fresh", "stale keyring_stale"],
    [{ maxAge: freshFor }, "fresh", "stale"],
    [{ maxAge: freshFor - 1 }, "fresh", "stale keyring_stale"],
    [{ minEpoch: 2 ** 32 }, "fresh keyring_stale", "stale keyring_stale"],
    [{ minEpoch: 2 ** 53 - 1, maxAge: 2 ** 53 - 1 }, "fresh keyring_stale", "stale keyring_stale"],
  ];
  const verifier = verifierOf();
  for (const [demand, early, late] of demands) {
    assert.equal(verdicts(verifier, { now, ...demand }), early, JSON.stringify(demand));
    assert.equal(verdicts(verifier, { now: now + freshFor, ...demand }), late, JSON.stringify(demand));
    if ((demand.minEpoch ?? 0) > 1) continue;
    const demanding = verifierOf("epoch1", demand);
    assert.equal(verdicts(demanding, { now }), early, JSON.stringify(demand));
    assert.equal(verdicts(demanding, { now: now + freshFor }), late, JSON.stringify(demand));
  }
  assert.equal(verdicts(verifier, { now, minEpoch: 2 }), "fresh keyring_stale");
});

test("a key is good for its tenant, from its networks and for its permissions", () => {
  const verifier = verifierOf();
  const code = (name, context) => {
    const verdict = verifier.verifyKey(keys[name], { now, ...context });
    return verdict.verified ? "verified" : verdict.code;
  };
  for (const [name, context, expected] of [
    ["full", { tenant: "tenant-7" }, "verified"],
    ["full", { tenant: "tenant-8" }, "wrong_tenant"],
    ["full", { tenant: "" }, "wrong_tenant"],
    ["full", { tenant: "tenant-7é" }, "wrong_tenant"],
    ["unicode", { tenant: "müller-🔑" }, "verified"],
    ["readOnly", { tenant: "tenant-\ufffd" }, "verified"],
    ["readOnly", { tenant: "tenant-\ud800" }, "wrong_tenant"],
    ["networks", {}, "ip_not_allowed"],
    ["networks", { address: "10.1.2.3" }, "verified"],
    ["networks", { address: "::ffff:10.1.2.3" }, "verified"],
    ["networks", { address: "2001:db8::7" }, "verified"],
    ["networks", { address: "11.1.2.3" }, "ip_not_allowed"],
    ["networks", { address: null }, "ip_not_allowed"],
    ["networks", { address: undefined }, "ip_not_allowed"],
    ["networks", { address: "" }, "ip_not_allowed"],
    ["networks", { address: "10.1.2.3 " }, "ip_not_allowed"],
    ["networks", { address: "1".repeat(300) }, "ip_not_allowed"],
    ["full", { address: "not an address" }, "verified"],
    ["full", { permissions: [] }, "verified"],
    ["full", { permissions: ["flights:edit", "bookings:view"] }, "verified"],
    ["full", { permissions: ["flights:edit", "bookings:edit"] }, "insufficient_permission"],
    ["full", { permissions: ["flights:*"] }, "insufficient_permission"],
    ["full", { permissions: ["flights:é"] }, "insufficient_permission"],
    ["full", { permissions: ["flights:view".repeat(20)] }, "insufficient_permission"],
    ["full", { permissions: Array(100).fill("flights:view") }, "verified"],
    ["readOnly", { permissions: ["flights:view"] }, "verified"],
    ["readOnly", { permissions: ["flights:edit"] }, "insufficient_permission"],
    ["networks", { tenant: "tenant-9", address: "10.0.0.1", permissions: ["a"], requireFresh: true }, "insufficient_permission"],
    ["revoked", { tenant: "tenant-8", permissions: ["a"] }, "revoked"],
    ["signed", { tenant: "tenant-7", permissions: ["flights:edit"] }, "verified"],
    ["imported", { tenant: "tenant-7" }, "verified"],
  ]) {
    assert.equal(code(name, context), expected, `${name} ${JSON.stringify(context)}`);
  }
  // Without a keyring there is nothing to know it from.
  const stateless = new Verifier({ issuingSecrets: [{ prefix: "acme_live", secret: issuingSecret }] });
  assert.equal(stateless.verifyKey(keys.signed, { now }).verified, true);
  for (const [context, expected] of [[{ tenant: "tenant-7" }, "wrong_tenant"], [{ permissions: ["a"] }, "insufficient_permission"], [{ maxAge: 7 }, "keyring_unavailable"]]) {
    assert.equal(stateless.verifyKey(keys.signed, { now, ...context }).code, expected);
  }
});

test("a context may be as long as the buffer, and not longer", () => {
  const verifier = verifierOf();
  const permission = "flights:view";
  for (let count = 150; count < 350; count += 1) {
    const context = { now, permissions: Array(count).fill(permission) };
    const room = count * (permission.length + 2) + 32 + keys.full.length <= 4096;
    let code;
    try {
      code = verifier.verifyKey(keys.full, context).verified;
    } catch (error) {
      code = error.code;
    }
    assert.equal(code, room ? true : "invalid_options", `${count}`);
  }
  for (const tenant of ["x".repeat(5000), "é".repeat(2500), "🔑".repeat(1100)]) {
    assert.throws(() => verifier.verifyKey(keys.full, { now, tenant }), { name: "ClavigerError", code: "invalid_options" });
  }
  assert.equal(verifier.verifyKey("0".repeat(2 ** 20), { now, tenant: "x" }).code, "malformed");
  assert.equal(verifier.verifyKey(keys.full, { now, tenant: "tenant-7" }).verified, true);
});

test("a verdict in JSON is what the core says, and shared lists are frozen", () => {
  const verifier = verifierOf();
  const verdict = verifier.verifyKey(keys.full, { now });
  assert.deepEqual(JSON.parse(JSON.stringify(verdict)), full);
  const { limits, permissions } = verdict;
  for (const change of [() => permissions.push("*"), () => limits.pop(), () => (limits[0].max = 7)]) assert.throws(change, TypeError);
  const plain = verifier.verifyKey(keys.plain, { now });
  for (const change of [() => plain.permissions.push("*"), () => plain.limits.push({})]) assert.throws(change, TypeError);
  const unavailable = new Verifier({ keyringKeys }).verifyKey(keys.full, { now });
  assert.equal(unavailable.needed, null);
  const none = { freshness: null, epoch: null, age: null };
  assert.deepEqual(JSON.parse(JSON.stringify(unavailable)), { verified: false, code: "keyring_unavailable", keyId: idOf(keys.full), ...none });
});

test("verifiers with and without keyring stand side by side", () => {
  const one = verifierOf();
  const two = new Verifier({ keyringKeys, keyring: bundle("epoch2").buffer });
  assert.equal(one.verifyKey(keys.revokedLater, { now }).verified, true);
  assert.equal(two.verifyKey(keys.revokedLater, { now: now + 30 }).code, "revoked");
  one.dispose();
  assert.equal(two.verifyKey(keys.full, { now: now + 30 }).epoch, 2);
});
