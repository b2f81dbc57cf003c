// The parts that verdicts need are fetched: once, not too many, and never without their hash.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { ClavigerError, generateKey } from "claviger";
import { keys, now, wideKeys } from "./keyrings.mjs";
import { living, rejected, scripted, settled, sourceOf, split } from "./living.mjs";

const madeUp = () => generateKey({ kind: "opaque", prefix: "acme_live" }).key;

test("verify loads the keyring and the parts that it needs, and no others", async () => {
  const source = sourceOf("epoch1");
  const { verifier, told } = living(source);
  assert.equal(verifier.verifyKey(keys.full, { now }).code, "keyring_unavailable");
  const verdict = await verifier.verify(keys.full, { now, tenant: "tenant-7" });
  assert.deepEqual([verdict.verified, verdict.owner, verdict.freshness], [true, "sa-12", "fresh"]);
  assert.equal(source.fetched.length, 2, "a chunk and a page");
  assert.deepEqual(told("refreshed"), [{ type: "refreshed", epoch: 1, changed: true }]);
  assert.deepEqual(await verifier.verify(keys.full, { now }), verifier.verifyKey(keys.full, { now }));
  assert.deepEqual([source.asked.length, source.fetched.length], [1, 2]);
  assert.equal((await verifier.verify(keys.full, { now, tenant: "tenant-8" })).code, "wrong_tenant");
  assert.equal((await verifier.verify(new TextEncoder().encode(keys.plain), { now })).owner, "sa-13");
  assert.equal((await verifier.verify(keys.imported, { now })).owner, "sa-15");
  assert.equal((await verifier.verify(null, { now })).code, "missing");
  assert.equal((await verifier.verify(keys.revoked, { now })).code, "revoked");
});

test("who needs a part that is on its way waits for it", async () => {
  const { root, parts } = split("epoch1");
  const source = scripted(null);
  const { verifier } = living(source);
  verifier.replaceKeyring(root, { now });
  const all = Array.from({ length: 50 }, () => verifier.verify(keys.full, { now }));
  for (let round = 0; round < 2; round += 1) {
    await settled();
    assert.equal(source.partCalls.length, round + 1);
    const { hash, resolve } = source.partCalls[round];
    resolve(parts.get(hash));
  }
  for (const verdict of await Promise.all(all)) assert.equal(verdict.verified, true);
  assert.equal(source.partCalls.length, 2);
});

test("who has waited for a second for somebody else's fetch fetches himself", async () => {
  const { root, parts } = split("epoch1");
  const source = scripted(null);
  const { verifier } = living(source);
  verifier.replaceKeyring(root, { now });
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  try {
    const lost = rejected(verifier.verify(keys.full, { now }));
    const [second, third] = [verifier.verify(keys.full, { now }), verifier.verify(keys.full, { now })];
    await settled();
    mock.timers.tick(999);
    await settled();
    assert.equal(source.partCalls.length, 1);
    mock.timers.tick(1);
    await settled();
    assert.equal(source.partCalls.length, 2, "one of the two");
    source.partCalls[1].resolve(parts.get(source.partCalls[1].hash));
    await settled();
    assert.equal(source.partCalls.length, 3, "the page, once for both");
    source.partCalls[2].resolve(parts.get(source.partCalls[2].hash));
    assert.deepEqual([(await second).verified, (await third).verified], [true, true]);
    verifier.dispose();
    assert.equal((await lost).code, "disposed");
  } finally {
    mock.timers.reset();
  }
});

test("eight fetches at once, 256 wait, and the others are answered", async () => {
  const { root, parts } = split("wide");
  const source = scripted(null);
  const { verifier } = living(source);
  verifier.replaceKeyring(root, { now });
  const pending = new Map();
  // Keys of 300 chunks.
  while (pending.size < 300) {
    const key = madeUp();
    const { needed } = verifier.verifyKey(key, { now });
    if (needed && !pending.has(needed.hash)) pending.set(needed.hash, key);
  }
  const verdicts = [];
  for (const key of pending.values()) void verifier.verify(key, { now }).then((verdict) => verdicts.push(verdict));
  await settled();
  assert.equal(source.partCalls.length, 8);
  // 256 tokens are taken by 8 who fetch and 248 who wait.
  assert.equal(verdicts.length, 300 - 256);
  assert.ok(verdicts.every(({ code, needed }) => code === "keyring_unavailable" && needed));
  for (let at = 0; at < 256; at += 1) {
    assert.ok(source.partCalls.length <= at + 8);
    source.partCalls[at].resolve(parts.get(source.partCalls[at].hash));
    await settled();
  }
  assert.equal(source.partCalls.length, 256);
  assert.equal(verdicts.filter(({ code }) => code === "unknown_key").length, 256);
});

test("fetches for made-up keys are counted by the clock of the requests", async () => {
  const source = sourceOf("wide");
  // Parts go at once, so that there always is one that is needed.
  const { verifier } = living(source, { cacheBytes: 0 });
  const needing = () => {
    for (;;) {
      const key = madeUp();
      if (verifier.verifyKey(key, { now }).needed) return key;
    }
  };
  await verifier.refresh({ now });
  const flood = async (time) => {
    const before = source.fetched.length;
    for (;;) {
      const { code } = await verifier.verify(needing(), { now: time });
      if (code === "keyring_unavailable") return source.fetched.length - before;
      assert.equal(code, "unknown_key");
    }
  };
  assert.equal(await flood(now), 256);
  assert.equal(await flood(now), 0);
  assert.equal(await flood(now + 0.5), 16);
  assert.equal(await flood(now - 30), 0, "a clock that is behind gives nothing");
  assert.equal(await flood(now + 1.5), 32);
  // A clock that was wrong, and is set right.
  assert.equal(await flood(now + 10_000), 256);
  assert.equal(await flood(now + 2), 0);
  assert.equal(await flood(now + 3), 32);
});

test("who proves a key gets its tokens back", async () => {
  const source = sourceOf("epoch1");
  // Everything is given up that may be, so that parts are fetched again and again.
  const { verifier } = living(source, { cacheBytes: 0 });
  const good = Object.entries(keys).filter(([name]) => !["unknown", "forged", "lost"].includes(name)).map(([, key]) => key);
  for (let round = 0; round < 40; round += 1) {
    for (const key of good) assert.notEqual((await verifier.verify(key, { now })).code, "keyring_unavailable");
  }
  assert.ok(source.fetched.length > 300, `${source.fetched.length} fetches`);
});

for (const [name, answer, code] of [
  ["is not there", async () => null, "part_unavailable"],
  ["is another one", async () => new Uint8Array(100), "wrong_hash"],
  ["cannot be had", async () => Promise.reject(new Error("out of order")), undefined],
  ["breaks the source", () => { throw new Error("out of order"); }, undefined],
  ["is no bytes", async () => "text", undefined],
]) {
  test(`a part that ${name} leaves the keys of it undecided, and is left alone for a while`, async () => {
    const source = sourceOf("epoch1");
    const { verifier, told } = living(source);
    await verifier.refresh({ now });
    const real = source.part;
    source.part = (hash) => (source.fetched.push(hash), answer());
    const verdict = await verifier.verify(keys.full, { now });
    assert.deepEqual([verdict.code, verdict.needed.part], ["keyring_unavailable", "chunk"]);
    const [{ part, error }] = told("part_failed");
    assert.deepEqual(part, verdict.needed);
    assert.ok(error instanceof Error);
    assert.equal(error.code, code, `${error}`);
    // Seconds after the first failure, and whether it is tried again then: after 1, 2, 4, 8 and 16 seconds.
    let tries = 1;
    for (const [after, tried] of [[0.9, 0], [1, 1], [2.9, 0], [3, 1], [6.9, 0], [7, 1], [14.9, 0], [15, 1], [30.9, 0], [31, 1], [59.9, 0]]) {
      tries += tried;
      await verifier.verify(keys.full, { now: now + after });
      assert.equal(source.fetched.filter((hash) => hash === part.hash).length, tries, `after ${after} s`);
    }
    source.part = real;
    assert.equal((await verifier.verify(keys.full, { now: now + 200 })).verified, true);
  });
}

test("a source that does not answer is given up after its time, whether or not it listens", async () => {
  const { root } = split("epoch1");
  const source = scripted(null);
  const { verifier, told } = living(source, { timeoutSeconds: 3 });
  verifier.replaceKeyring(root, { now });
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  try {
    const verdict = verifier.verify(keys.full, { now });
    await settled();
    mock.timers.tick(2999);
    await settled();
    assert.equal(source.partCalls[0].signal.aborted, false);
    mock.timers.tick(1);
    assert.equal((await verdict).code, "keyring_unavailable");
    assert.equal(source.partCalls[0].signal.aborted, true);
    assert.equal(source.partCalls[0].signal.reason.code, "timed_out");
    const [{ error }] = told("part_failed");
    assert.ok(error instanceof ClavigerError);
    assert.equal(error.code, "timed_out");
  } finally {
    mock.timers.reset();
  }
});

test("while a needed part cannot be had, the keyring before decides, where it proves the key", async () => {
  const [first, second] = [split("epoch1"), split("epoch2")];
  const source = sourceOf("epoch1", "epoch2");
  const { verifier, told } = living(source, { keyring: first.root, now });
  for (const key of [keys.revokedLater, keys.plain]) await verifier.verify(key, { now });
  verifier.replaceKeyring(second.root, { now: now + 30 });
  for (const hash of second.parts.keys()) if (!first.parts.has(hash)) source.parts.delete(hash);
  assert.equal(verifier.verifyKey(keys.revokedLater, { now: now + 30 }).code, "keyring_unavailable");
  const verdict = await verifier.verify(keys.revokedLater, { now: now + 30 });
  assert.deepEqual([verdict.verified, verdict.epoch, verdict.age], [true, 1, 30]);
  assert.deepEqual(told("part_failed").map(({ part }) => part.part), ["chunk"]);
  assert.equal((await verifier.verify(keys.forged, { now: now + 30 })).verified, false);
  // When they are there, the refresh that comes next brings them.
  source.parts = second.parts;
  source.answer = () => ({ bytes: second.root });
  await verifier.refresh({ now: now + 31 });
  assert.equal((await verifier.verify(keys.revokedLater, { now: now + 31 })).code, "revoked");
});

test("a part that was needed of a keyring that is gone costs nothing but another look", async () => {
  const [first, second] = [split("epoch1"), split("epoch2")];
  const source = scripted(null);
  const { verifier, told } = living(source);
  verifier.replaceKeyring(first.root, { now });
  const verdict = verifier.verify(keys.revokedLater, { now: now + 30 });
  await settled();
  verifier.replaceKeyring(second.root, { now: now + 30 });
  // The chunk of the first one is deleted by now.
  source.partCalls[0].resolve(null);
  await settled();
  assert.notEqual(source.partCalls[1].hash, source.partCalls[0].hash);
  for (let at = 1; at < 3; at += 1) {
    await settled();
    source.partCalls[at].resolve(second.parts.get(source.partCalls[at].hash));
  }
  assert.deepEqual([(await verdict).code, (await verdict).epoch], ["revoked", 2]);
  assert.deepEqual(told("part_failed"), []);
});

test("a million made-up keys drive nothing out that real ones use, and fetch no more than they may", async () => {
  const source = sourceOf("wide");
  const { verifier } = living(source, { cacheBytes: 16 * 1024 });
  // Once to come, and once more to be known as used when room is made.
  for (let round = 0; round < 2; round += 1) {
    for (const key of wideKeys) assert.equal((await verifier.verify(key, { now })).verified, true);
  }
  const real = new Set(source.fetched);
  assert.equal(real.size, wideKeys.length + 1, "a chunk for each and one page");
  const before = source.fetched.length;
  const seconds = 50;
  const count = { unknown_key: 0, keyring_unavailable: 0 };
  for (let second = 0; second < seconds; second += 1) {
    for (let turn = 0; turn < 1_000_000 / seconds; turn += 1) {
      count[(await verifier.verify(madeUp(), { now: now + second })).code] += 1;
    }
    for (const key of wideKeys) assert.equal(verifier.verifyKey(key, { now: now + second }).verified, true);
  }
  assert.equal(count.unknown_key + count.keyring_unavailable, 1_000_000);
  const fetched = source.fetched.slice(before);
  assert.ok(fetched.length <= 256 + 32 * (seconds - 1), `${fetched.length} fetches`);
  assert.ok(fetched.length > 320, `${fetched.length} fetches: parts have to go and come again`);
  assert.deepEqual(fetched.filter((hash) => real.has(hash)), []);
});
