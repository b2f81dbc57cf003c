// Counting the use of keys.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Verifier, generateKey } from "claviger";
import { thrown } from "./fixtures.mjs";
import { bundle, idOf, ids, keyringKeys, keys, now } from "./keyrings.mjs";
import { living, sourceOf } from "./living.mjs";

const counting = (usage = {}) => new Verifier({ keyringKeys, keyring: bundle("epoch1"), now, usage });

test("uses are counted by key, whichever way the key is verified", async () => {
  const source = sourceOf("epoch1");
  const { verifier } = living(source, { usage: {}, now });
  for (const after of [1, 7, 3]) await verifier.verify(keys.full, { now: now + after, permissions: ["flights:view"] });
  assert.equal(verifier.verifyKey(keys.full, { now: now + 5 }).verified, true);
  await verifier.verify(keys.imported, { now: now + 8 });
  // Denied keys are not counted.
  for (const key of [keys.revoked, keys.forged, keys.unknown, null, generateKey({ kind: "opaque", prefix: "acme_live" }).key]) {
    await verifier.verify(key, { now: now + 9 });
  }
  await verifier.verify(keys.full, { now: now + 9, tenant: "tenant-8" });
  const [batch, ...more] = verifier.drainUsage({ now: now + 10 });
  assert.deepEqual(more, []);
  assert.deepEqual({ ...batch, uses: null }, { from: now, until: now + 10, lost: 0, uses: null });
  assert.deepEqual(new Map(batch.uses.map((use) => [use.keyId, use])), new Map([
    [idOf(keys.full), { keyId: idOf(keys.full), count: 4, lastUsedAt: now + 7 }],
    [ids.imported, { keyId: ids.imported, count: 1, lastUsedAt: now + 8 }],
  ]));
  assert.deepEqual(verifier.drainUsage({ now: now + 10 }), []);
  assert.deepEqual(verifier.drainUsage({ now: now + 12 }), [{ from: now + 10, until: now + 12, uses: [], lost: 0 }]);
});

test("what has no room is told as lost, and leaves a gap in the time", () => {
  const verifier = counting({ maxKeys: 1 });
  for (const key of [keys.full, keys.plain, keys.plain, keys.full]) verifier.verifyKey(key, { now: now + 3 });
  assert.deepEqual(verifier.drainUsage({ now: now + 10 }), [
    { from: now + 4, until: now + 10, uses: [{ keyId: idOf(keys.full), count: 2, lastUsedAt: now + 3 }], lost: 2 },
  ]);
});

test("who did not ask for it is told so", () => {
  const error = thrown(() => new Verifier({ keyringKeys }).drainUsage());
  assert.equal(error.code, "invalid_options");
});
