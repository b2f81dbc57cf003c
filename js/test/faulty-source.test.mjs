// Whatever a source does, it costs freshness and makes no key good.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { ClavigerError, generateKey } from "claviger";
import { faultySource } from "./faulty-source.mjs";
import { bundle, freshFor, keys, now, validFor, verifierOf } from "./keyrings.mjs";
import { living, rejected, settled, sourceOf, split } from "./living.mjs";

/** Lets time pass until a promise is settled. */
async function waiting(promise) {
  let done = false;
  const mark = () => (done = true);
  promise.then(mark, mark);
  for (;;) {
    await settled();
    if (done) return promise;
    mock.timers.tick(500);
  }
}

const bad = [keys.revoked, keys.forged, keys.unknown, keys.signedRevoked, keys.disabled, generateKey({ kind: "opaque", prefix: "acme_live" }).key];

for (const fault of faultySource().names) {
  test(`a source that ${fault}: what is known is used for as long as it is valid`, async () => {
    mock.timers.enable({ apis: ["setTimeout", "Date"], now: now * 1000 });
    try {
      const source = faultySource();
      const { verifier, events } = living(source);
      const used = [keys.full, keys.revokedLater, keys.plain];
      for (const key of used) assert.equal((await verifier.verify(key, { now })).verified, true);
      source.fail(fault);
      const overtaken = fault === "has a root before its parts";
      for (const [after, freshness] of [[30, "fresh"], [freshFor - 1, "fresh"], [freshFor, "stale"], [freshFor + 100, "stale"], [validFor / 2, "stale"], [validFor - 1, "stale"]]) {
        await waiting(verifier.refreshIfDue({ now: now + after }));
        for (const key of used) {
          const verdict = await waiting(verifier.verify(key, { now: now + after }));
          assert.deepEqual([verdict.verified, verdict.freshness, verdict.epoch, verdict.age], [true, freshness, 1, after], `after ${after} s`);
        }
        for (const key of bad) assert.equal((await waiting(verifier.verify(key, { now: now + after }))).verified, false);
        assert.equal(verifier.keyring.epoch, overtaken ? 2 : 1);
      }
      for (const key of [...used, ...bad]) {
        const verdict = await waiting(verifier.verify(key, { now: now + validFor }));
        // The newer keyring is valid for longer, but does not have the part.
        const codes = overtaken ? ["keyring_unavailable", "unknown_key"] : ["keyring_expired"];
        if (key !== keys.signedRevoked && key !== keys.disabled && key !== keys.revoked && key !== keys.forged) assert.ok(codes.includes(verdict.code), `${verdict.code}`);
        assert.equal(verdict.verified, false);
        const after = now + validFor + 30;
        assert.equal((await waiting(verifier.verify(key, { now: after }))).code, "keyring_expired");
      }
      const types = new Set(events.map(({ type }) => type));
      assert.ok(types.has("half_expired"));
      if (!fault.startsWith("plays")) assert.ok(types.has(overtaken ? "part_failed" : "refresh_failed"), `${[...types]}`);
      // It is well again.
      source.fail("none");
      source.keyring = async () => ({ bytes: split("epoch3").root });
      const later = now + validFor + 40;
      await waiting(verifier.refresh({ now: later }));
      assert.equal((await waiting(verifier.verify(keys.full, { now: later }))).epoch, 3);
      assert.equal((await waiting(verifier.verify(keys.revokedLater, { now: later }))).code, "revoked");
    } finally {
      mock.timers.reset();
    }
  });

  test(`a source that ${fault} from the beginning: no key is good`, async () => {
    mock.timers.enable({ apis: ["setTimeout", "Date"], now: now * 1000 });
    try {
      const source = faultySource();
      source.fail(fault);
      const { verifier } = living(source);
      for (let turn = 0; turn < 20; turn += 1) {
        for (const key of [keys.full, keys.revoked, keys.revokedLater]) {
          const verdict = await waiting(verifier.verify(key, { now: now + 100 * turn }));
          // Where the parts are the right ones, all is well.
          if (fault.startsWith("plays")) assert.equal(verdict.verified, key !== keys.revoked);
          else assert.equal(verdict.verified, false);
        }
      }
    } finally {
      mock.timers.reset();
    }
  });
}

test("no root with a changed bit is taken", async () => {
  const { root } = split("epoch1");
  // Behind the body are its authenticators, and a byte of these says nothing.
  const body = new DataView(root.buffer).getUint32(48, true);
  const nothing = body + 2;
  const source = sourceOf("epoch1");
  const { verifier } = living(source);
  for (let place = 0; place < root.length; place += 1) {
    if (place === nothing) continue;
    source.answer = () => {
      const bytes = root.slice();
      bytes[place] ^= 1 << (place % 8);
      return { bytes, tag: "bad" };
    };
    const error = await rejected(verifier.refresh({ now }));
    assert.ok(error instanceof ClavigerError, `byte ${place}: ${error}`);
    assert.equal(verifier.keyring, null);
  }
  assert.ok(source.asked.every((known) => known === undefined));
});

test("no part with a changed bit is taken", async () => {
  const source = sourceOf("epoch1");
  const { verifier, told } = living(source);
  await verifier.refresh({ now });
  let bytes = new Uint8Array(0);
  source.part = async (hash) => {
    bytes = source.parts.get(hash).slice();
    bytes[place % bytes.length] ^= 1 << (place % 8);
    return bytes;
  };
  let place = 0;
  let time = now;
  do {
    assert.equal((await verifier.verify(keys.full, { now: time })).code, "keyring_unavailable");
    place += 1;
    // As long as the part is left alone after failures.
    time += 31;
  } while (place < bytes.length);
  assert.ok(told("part_failed").length >= bytes.length);
  assert.ok(told("part_failed").every(({ error }) => error.code === "wrong_hash"));
});

test("of a bundle with a changed bit, a key gets the verdict that it should get, or none", async () => {
  const good = verifierOf();
  const expected = Object.values(keys).map((key) => JSON.stringify(good.verifyKey(key, { now })));
  const seen = new Set();
  for (let place = 0; place < bundle("epoch1").length; place += 5) {
    const bytes = bundle("epoch1");
    bytes[place] ^= 1 << (place % 8);
    const source = sourceOf("epoch1");
    source.answer = () => ({ bytes });
    const { verifier } = living(source);
    for (const [at, key] of Object.values(keys).entries()) {
      const verdict = await verifier.verify(key, { now });
      const told = JSON.stringify(verdict);
      if (told !== expected[at]) assert.ok(["keyring_unavailable", "keyring_invalid"].includes(verdict.code), told);
      seen.add(told === expected[at] ? "right" : verdict.code);
    }
    verifier.dispose();
  }
  assert.deepEqual([...seen].sort(), ["keyring_invalid", "keyring_unavailable", "right"]);
});

test("a bundle that was damaged on its way is read again, whatever its tag", async () => {
  const source = sourceOf("epoch1");
  const damaged = bundle("epoch1");
  damaged.fill(0, damaged.length - 600);
  source.answer = (known) => (known === "one" ? null : { bytes: damaged, tag: "one" });
  const { verifier } = living(source);
  assert.equal((await verifier.verify(keys.full, { now })).code, "keyring_invalid");
  source.answer = (known) => (known === "one" ? null : { bytes: bundle("epoch1"), tag: "one" });
  assert.equal(await verifier.refresh({ now: now + 2 }), "unchanged");
  assert.equal((await verifier.verify(keys.full, { now: now + 2 })).verified, true);
  await verifier.refresh({ now: now + 4 });
  assert.deepEqual(source.asked, [undefined, undefined, "one"]);
});
