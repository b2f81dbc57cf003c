// Keyrings that come by themselves: when the source is asked, and what its answers do.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { ClavigerError, Verifier } from "claviger";
import { thrown } from "./fixtures.mjs";
import { bundle, freshFor, keyringKeys, keys, now, validFor } from "./keyrings.mjs";
import { living, rejected, scripted, settled, sourceOf, split } from "./living.mjs";

/** Runs with timers and clock in the hand of the test, from `now` on. */
async function withClock(run) {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: now * 1000 });
  try {
    await run(async (seconds) => {
      mock.timers.tick(seconds * 1000);
      await settled();
    });
  } finally {
    mock.timers.reset();
  }
}

const epochs = [1, 2, 3].map((epoch) => split(`epoch${epoch}`));
const allParts = new Map(epochs.flatMap(({ parts }) => [...parts]));

/** Every order of a list. */
function orders(list) {
  if (list.length < 2) return [list];
  return list.flatMap((one, at) => orders(list.filter((_, other) => other !== at)).map((rest) => [one, ...rest]));
}

test("refresh asks with the tag of the keyring that is in use, and tells what became of it", async () => {
  const source = sourceOf("epoch1", "epoch2");
  const { verifier, events } = living(source);
  source.answer = () => ({ bytes: epochs[0].root, tag: "one" });
  assert.equal(await verifier.refresh({ now }), "replaced");
  source.answer = () => null;
  assert.equal(await verifier.refresh({ now }), "unchanged");
  source.answer = () => ({ bytes: epochs[0].root, tag: "uno" });
  assert.equal(await verifier.refresh({ now }), "unchanged");
  // What is refused leaves its tag behind.
  source.answer = () => ({ bytes: epochs[0].root.subarray(1), tag: "bad" });
  assert.equal((await rejected(verifier.refresh({ now }))).code, "not_a_keyring");
  source.answer = () => ({ bytes: epochs[1].root });
  assert.equal(await verifier.refresh({ now: now + 30 }), "replaced");
  source.answer = () => null;
  await verifier.refresh({ now: now + 30 });
  assert.deepEqual(source.asked, [undefined, "one", "one", "uno", "uno", undefined]);
  // A keyring that the program has put in place has no tag.
  source.answer = () => ({ bytes: epochs[1].root, tag: "two" });
  await verifier.refresh({ now: now + 30 });
  verifier.replaceKeyring(bundle("epoch3"), { now: now + 60 });
  source.answer = () => null;
  await verifier.refresh({ now: now + 60 });
  assert.equal(source.asked.at(-1), undefined);
  const failed = events.findIndex(({ type }) => type === "refresh_failed");
  assert.deepEqual(events[failed], { ...events[failed], type: "refresh_failed", failures: 1 });
  assert.deepEqual(
    events.filter(({ type }) => type === "refreshed").map(({ epoch, changed }) => [epoch, changed]),
    [[1, true], [1, false], [1, false], [2, true], [2, false], [2, false], [3, false]],
  );
});

test("a bundle is taken as a root is, and its parts are not asked for", async () => {
  const source = sourceOf("epoch1");
  source.answer = () => ({ bytes: bundle("epoch1"), tag: "one" });
  const { verifier } = living(source);
  assert.equal((await verifier.verify(keys.full, { now })).verified, true);
  source.answer = () => ({ bytes: bundle("epoch2"), tag: "two" });
  await verifier.refresh({ now: now + 30 });
  assert.equal((await verifier.verify(keys.revokedLater, { now: now + 30 })).code, "revoked");
  assert.deepEqual(source.fetched, []);
});

test("a keyring that is stale when it is loaded is asked for again before the first verdict", async () => {
  const late = now + freshFor;
  const source = sourceOf("epoch1", "epoch3");
  source.answer = () => ({ bytes: epochs[2].root });
  const { verifier } = living(source, { keyring: bundle("epoch1"), now });
  assert.equal((await verifier.verify(keys.revokedLater, { now: late - 1 })).verified, true);
  assert.equal(source.asked.length, 0);
  const verdict = await verifier.verify(keys.revokedLater, { now: late });
  assert.deepEqual([verdict.code, verdict.epoch, verdict.freshness], ["revoked", 3, "fresh"]);
  assert.equal(source.asked.length, 1);
});

test("a stale keyring is asked for once a second at most", async () => {
  const source = sourceOf("epoch1");
  const { verifier } = living(source);
  const late = now + 1000;
  for (const [after, asked] of [[0, 1], [0.9, 1], [1, 2], [1.5, 2], [2, 3]]) {
    const verdict = await verifier.verify(keys.full, { now: late + after });
    assert.deepEqual([verdict.verified, verdict.freshness, verdict.age], [true, "stale", 1000 + Math.floor(after)]);
    assert.equal(source.asked.length, asked, `after ${after} s`);
  }
});

test("what fails is tried again after 1, 2, 4 … 60 seconds, a fifth more or less", async () => {
  const source = sourceOf("epoch1");
  const failure = new Error("out of order");
  source.answer = () => Promise.reject(failure);
  const { verifier, told } = living(source);
  let time = now;
  for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
    const before = source.asked.length;
    assert.equal((await verifier.verify(keys.full, { now: time })).code, "keyring_unavailable");
    await verifier.refreshIfDue({ now: time });
    assert.equal(source.asked.length, before + 1);
    const { error, failures, retryInSeconds } = told("refresh_failed").at(-1);
    assert.deepEqual([error, failures], [failure, before + 1]);
    assert.ok(retryInSeconds >= seconds * 0.8 && retryInSeconds <= seconds * 1.2, `${retryInSeconds} for ${seconds}`);
    for (const early of [0.1, 0.5, 0.99]) {
      await verifier.verify(keys.full, { now: time + early * retryInSeconds });
      await verifier.refreshIfDue({ now: time + early * retryInSeconds });
    }
    assert.equal(source.asked.length, before + 1, `within ${seconds} s`);
    time += retryInSeconds;
  }
  assert.equal(await rejected(verifier.refresh({ now: time - 30 })), failure, "who asks for it gets it at any time");
  source.answer = () => ({ bytes: epochs[0].root });
  await verifier.refresh({ now: time });
  source.answer = () => Promise.reject(failure);
  await verifier.verify(keys.full, { now: time + freshFor });
  assert.equal(told("refresh_failed").at(-1).failures, 1, "it counts from the last success");
});

test("a clock that was wrong and is set right does not stop refreshes", async () => {
  const source = sourceOf("epoch1");
  source.answer = () => Promise.reject(new Error("out of order"));
  const { verifier } = living(source);
  await verifier.verify(keys.full, { now: now + 1_000_000_000 });
  assert.equal(source.asked.length, 1);
  source.answer = () => ({ bytes: epochs[0].root });
  assert.equal((await verifier.verify(keys.full, { now })).verified, true);
});

test("a source that gives no keyring at all", async () => {
  const source = sourceOf("epoch1");
  for (const [answer, code] of [[null, "no_keyring"], ["text", undefined], [{}, undefined], [{ bytes: "text" }, undefined], [{ bytes: epochs[0].root, tag: 7 }, undefined]]) {
    source.answer = () => answer;
    const error = await rejected(living(source).verifier.refresh({ now }));
    assert.ok(error instanceof (code === undefined ? TypeError : ClavigerError), `${error}`);
    assert.equal(error.code, code);
  }
});

test("who asks for a refresh at the same time gets the same one", async () => {
  const source = scripted(allParts);
  const { verifier, told } = living(source);
  const all = [verifier.refresh({ now }), verifier.refresh({ now }), verifier.refreshIfDue({ now }), verifier.verify(keys.full, { now })];
  await settled();
  assert.equal(source.calls.length, 1);
  source.calls[0].resolve({ bytes: epochs[0].root });
  const [one, two, due, verdict] = await Promise.all(all);
  assert.deepEqual([one, two, due, verdict.verified], ["replaced", "replaced", undefined, true]);
  assert.equal(source.calls.length, 1);
  assert.equal(told("refreshed").length, 1);
  // And the same failure.
  const failing = [rejected(verifier.refresh({ now })), rejected(verifier.refresh({ now }))];
  await settled();
  source.calls[1].reject(new Error("out of order"));
  const [first, second] = await Promise.all(failing);
  assert.equal(first, second);
  assert.equal(told("refresh_failed").length, 1);
});

test("who has waited for a second for somebody else's refresh begins one", async () => {
  await withClock(async (pass) => {
    const source = scripted(allParts);
    const { verifier } = living(source);
    const lost = rejected(verifier.refresh({ now }));
    const waiting = Array.from({ length: 20 }, () => verifier.refresh({ now }));
    await pass(0.999);
    assert.equal(source.calls.length, 1);
    await pass(0.001);
    assert.equal(source.calls.length, 2, "one of the twenty");
    source.calls[1].resolve({ bytes: epochs[0].root });
    assert.deepEqual(await Promise.all(waiting), waiting.map(() => "replaced"));
    verifier.dispose();
    assert.equal((await lost).code, "disposed");
  });
});

test("refreshes that overlap end at the newest epoch, and a revoked key never comes back", async () => {
  for (const asked of orders([0, 1, 2])) {
    for (const answered of orders([0, 1, 2])) {
      await withClock(async (pass) => {
        const source = scripted(allParts);
        const { verifier, told } = living(source);
        verifier.replaceKeyring(epochs[0].root, { now });
        assert.equal((await verifier.verify(keys.revokedLater, { now })).verified, true);
        const refreshes = [];
        for (let at = 0; at < 3; at += 1) {
          refreshes.push(verifier.refresh({ now: now + 60 }));
          await pass(1);
        }
        // Whoever has waited for a second for one begins one, which the next one waits for.
        while (source.calls.length < 3) await pass(1);
        let newest = 1;
        for (const at of answered) {
          const epoch = asked[at];
          source.calls[at].resolve({ bytes: epochs[epoch].root, tag: `${epoch}` });
          await settled();
          newest = Math.max(newest, epoch + 1);
          assert.equal(verifier.keyring.epoch, newest);
          const { verified, code } = await verifier.verify(keys.revokedLater, { now: now + 60 });
          assert.deepEqual([verified, code], newest === 1 ? [true, undefined] : [false, "revoked"], `${asked} in the order ${answered}`);
        }
        const results = await Promise.all(refreshes);
        assert.ok(results.every((result) => result === "replaced" || result === "unchanged"), `${results}`);
        assert.deepEqual(told("refresh_failed"), []);
        // The tag is that of the newest one.
        void verifier.refresh({ now: now + 60 }).catch(() => {});
        await settled();
        assert.equal(source.calls[3].known, "2");
        verifier.dispose();
      });
    }
  }
});

test("an older keyring that no newer refresh explains is a failure", async () => {
  const source = sourceOf("epoch1", "epoch2");
  const { verifier, told } = living(source);
  source.answer = () => ({ bytes: epochs[1].root });
  await verifier.refresh({ now: now + 30 });
  source.answer = () => ({ bytes: epochs[0].root });
  assert.equal((await rejected(verifier.refresh({ now: now + 30 }))).code, "older_epoch");
  assert.equal(told("refresh_failed")[0].error.code, "older_epoch");
  source.answer = () => ({ bytes: bundle("epoch1Other") });
  const other = living(source, { keyring: bundle("epoch1"), now });
  assert.equal((await rejected(other.verifier.refresh({ now }))).code, "same_epoch_other_content");
});

test("parts that are in use and have changed come with the refresh; until then the keyring before decides", async () => {
  const source = sourceOf("epoch1", "epoch2");
  const { verifier, told } = living(source);
  for (const key of [keys.full, keys.revokedLater, keys.plain]) await verifier.verify(key, { now });
  source.answer = () => ({ bytes: epochs[1].root });
  const late = [...epochs[1].parts].filter(([hash]) => !epochs[0].parts.has(hash));
  assert.equal(late.length, 2, "a chunk and a page");
  for (const [hash] of late) source.parts.delete(hash);
  source.fetched.length = 0;
  const later = now + 30;
  assert.equal(await verifier.refresh({ now: later }), "replaced");
  assert.deepEqual([...source.fetched].sort(), late.map(([hash]) => hash).sort());
  assert.deepEqual(told("part_failed").map(({ error }) => error.code), ["part_unavailable", "part_unavailable"]);
  const before = await verifier.verify(keys.revokedLater, { now: later });
  assert.deepEqual([before.verified, before.epoch, before.age, before.role], [true, 1, 30, "dispatcher"]);
  // A policy of the keyring before is none of this one, under the same index.
  for (let time = 0; time < 3; time += 1) assert.equal(verifier.verifyKey(keys.full, { now: later }).role, "dispatcher");
  assert.deepEqual(source.fetched.length, 2, "what is awaited is not asked for by each request");

  for (const [hash, bytes] of late) source.parts.set(hash, bytes);
  // Not before a second has gone by.
  await verifier.refreshIfDue({ now: later + 0.9 });
  assert.equal(source.fetched.length, 2);
  await verifier.refreshIfDue({ now: later + 1 });
  assert.equal(source.fetched.length, 4);
  const after = await verifier.verify(keys.revokedLater, { now: later + 1 });
  assert.deepEqual([after.code, after.epoch], ["revoked", 2]);
  for (let time = 0; time < 3; time += 1) {
    const full = verifier.verifyKey(keys.full, { now: later });
    assert.deepEqual([full.role, full.epoch], ["manager", 2]);
  }
});

test("parts that do not come are tried again after 1, 2, 4 … 30 seconds by whoever says that it may be time", async () => {
  const source = sourceOf("epoch1", "epoch2");
  const { verifier } = living(source, { refreshSeconds: 10_000 });
  await verifier.verify(keys.full, { now });
  source.answer = () => ({ bytes: epochs[1].root });
  source.parts = epochs[0].parts;
  let time = now + 1;
  await verifier.refresh({ now: time });
  for (const seconds of [1, 2, 4, 8, 16]) {
    const { length } = source.asked;
    await verifier.refreshIfDue({ now: time + seconds - 0.1 });
    assert.equal(source.asked.length, length);
    await verifier.refreshIfDue({ now: (time += seconds) });
    assert.equal(source.asked.length, length + 1, `after ${seconds} s`);
  }
});

test("refreshIfDue keeps the interval, and never throws", async () => {
  for (const [options, seconds] of [[{}, freshFor / 4], [{ refreshSeconds: 7 }, 7]]) {
    const source = sourceOf("epoch1");
    const { verifier } = living(source, options);
    await verifier.refreshIfDue({ now });
    assert.equal(source.asked.length, 1);
    await verifier.refreshIfDue({ now: now + seconds * 0.79 });
    assert.equal(source.asked.length, 1);
    await verifier.refreshIfDue({ now: now + seconds * 1.21 });
    assert.equal(source.asked.length, 2);
    source.answer = () => Promise.reject(new Error("out of order"));
    assert.equal(await verifier.refreshIfDue({ now: now + seconds * 3 }), undefined);
    assert.equal(source.asked.length, 3);
    verifier.dispose();
    assert.equal(await verifier.refreshIfDue({ now: now + seconds * 9 }), undefined);
  }
  assert.equal(await new Verifier({ keyringKeys }).refreshIfDue(), undefined);
});

test("in the background it refreshes by itself until it is stopped", async () => {
  await withClock(async (pass) => {
    const source = sourceOf("epoch1");
    const { verifier } = living(source, { refreshSeconds: 10 });
    verifier.refreshInBackground();
    verifier.refreshInBackground();
    await pass(0);
    assert.equal(source.asked.length, 1);
    for (let turn = 2; turn < 5; turn += 1) {
      await pass(7.9);
      assert.equal(source.asked.length, turn - 1);
      for (let tenth = 0; source.asked.length < turn && tenth < 45; tenth += 1) await pass(0.1);
      assert.equal(source.asked.length, turn);
    }
    source.answer = () => Promise.reject(new Error("out of order"));
    await pass(12.1);
    assert.equal(source.asked.length, 5);
    await pass(1.3);
    assert.equal(source.asked.length, 6, "a failure is tried again soon");
    verifier.stopRefreshing();
    await pass(1000);
    assert.equal(source.asked.length, 6);
    verifier.refreshInBackground();
    await pass(0.1);
    assert.equal(source.asked.length, 7);
    verifier.dispose();
    await pass(1000);
    assert.equal(source.asked.length, 7);
  });
});

test("a part that a request awaits is fetched by the background before its time", async () => {
  await withClock(async (pass) => {
    const source = sourceOf("epoch1");
    const { verifier } = living(source, { refreshSeconds: 1000 });
    verifier.refreshInBackground();
    await pass(0);
    const { parts } = source;
    source.parts = new Map();
    assert.equal((await verifier.verify(keys.full)).code, "keyring_unavailable");
    source.parts = parts;
    await pass(1);
    assert.deepEqual([source.asked.length, source.fetched.length], [2, 2]);
    assert.equal(verifier.verifyKey(keys.full).needed.part, "page", "the chunk is here");
  });
});

test("timers of the background do not keep a process alive", async () => {
  const { execFileSync } = await import("node:child_process");
  const script = `
    import { Verifier, bytesSource } from "claviger";
    const source = bytesSource(Buffer.from("${Buffer.from(bundle("epoch1")).toString("base64")}", "base64"));
    const verifier = new Verifier({ keyringKeys: ${JSON.stringify(keyringKeys)}, source, refreshSeconds: 1000 });
    await verifier.refresh({ now: ${now} });
    verifier.refreshInBackground();`;
  execFileSync(process.execPath, ["--input-type=module", "--eval", script], { cwd: new URL("..", import.meta.url), timeout: 60_000 });
});

test("half of a keyring's life is told once", async () => {
  const source = sourceOf("epoch1", "epoch3");
  const { verifier, told } = living(source);
  const half = validFor / 2;
  await verifier.verify(keys.full, { now: now + half - 1 });
  assert.deepEqual(told("half_expired"), []);
  for (const after of [half, half + 1, half + 100]) await verifier.verify(keys.full, { now: now + after });
  assert.deepEqual(told("half_expired"), [{ type: "half_expired", epoch: 1, age: half, validFor }]);
  source.answer = () => ({ bytes: epochs[2].root });
  await verifier.verify(keys.full, { now: now + 60 + half + 200 });
  assert.deepEqual(told("half_expired").map(({ epoch, age }) => [epoch, age]), [[1, half], [3, half + 200]]);
});

test("who listens and throws breaks nothing", async () => {
  const source = sourceOf("epoch1");
  for (const onEvent of [() => { throw new Error("listener"); }, () => Promise.reject(new Error("listener"))]) {
    const { verifier } = living(source, { onEvent });
    assert.equal((await verifier.verify(keys.full, { now: now + validFor / 2 })).verified, true);
  }
});

test("the highest epoch is remembered, and nothing below it is taken", async () => {
  const source = sourceOf("epoch1", "epoch2");
  let remembered = 0;
  source.rememberedEpoch = async () => remembered;
  source.rememberEpoch = async (epoch) => void (remembered = epoch);
  source.answer = () => ({ bytes: epochs[1].root });
  await living(source).verifier.refresh({ now: now + 30 });
  assert.equal(remembered, 2);
  // After a restart, somebody plays the earlier one.
  source.answer = () => ({ bytes: epochs[0].root });
  const { verifier } = living(source);
  assert.equal((await rejected(verifier.refresh({ now }))).code, "older_epoch");
  assert.equal((await verifier.verify(keys.revokedLater, { now: now + 2 })).code, "keyring_unavailable");
  // The one that was deployed with the program is too old to decide, then.
  const deployed = living(source, { keyring: bundle("epoch1"), now });
  await rejected(deployed.verifier.refresh({ now }));
  assert.equal((await deployed.verifier.verify(keys.revokedLater, { now })).code, "keyring_stale");
  assert.equal(remembered, 2);
  source.answer = () => ({ bytes: epochs[2].root });
  assert.equal(await deployed.verifier.refresh({ now: now + 60 }), "replaced");
  assert.equal((await deployed.verifier.verify(keys.revokedLater, { now: now + 60 })).code, "revoked");
  assert.equal(remembered, 3);
});

test("an epoch in doubt fails the refresh; one that cannot be remembered is told", async () => {
  const source = sourceOf("epoch1");
  for (const answer of [() => Promise.reject(new Error("disk")), async () => -1, async () => "2", async () => undefined, () => { throw new Error("disk"); }]) {
    source.rememberedEpoch = answer;
    const { verifier, told } = living(source);
    await rejected(verifier.refresh({ now }));
    assert.equal(verifier.keyring, null);
    assert.equal(told("refresh_failed").length, 1);
    assert.equal(source.asked.length, 0);
    source.rememberedEpoch = async () => 1;
    assert.equal(await verifier.refresh({ now }), "replaced");
    source.asked.length = 0;
  }
  source.rememberedEpoch = async () => 0;
  const failure = new Error("disk full");
  let tries = 0;
  source.rememberEpoch = () => Promise.reject(((tries += 1), failure));
  const { verifier, told } = living(source);
  for (let turn = 1; turn < 3; turn += 1) {
    assert.equal(await verifier.refresh({ now }), turn === 1 ? "replaced" : "unchanged");
    assert.equal(tries, turn, "it is tried again");
  }
  assert.deepEqual(told("epoch_not_remembered"), Array(2).fill({ type: "epoch_not_remembered", error: failure }));
});

test("dispose ends whatever waits, with `disposed` and nothing else", async () => {
  const first = scripted(null);
  const one = living(first);
  const waiting = [one.verifier.refresh({ now }), one.verifier.refresh({ now }), one.verifier.verify(keys.full, { now })].map(rejected);
  const due = one.verifier.refreshIfDue({ now });
  await settled();
  one.verifier.dispose();
  for (const error of await Promise.all(waiting)) assert.ok(error instanceof ClavigerError && error.code === "disposed", `${error}`);
  assert.equal(await due, undefined);
  assert.equal(first.calls[0].signal.aborted, true);
  // What comes afterwards goes nowhere.
  first.calls[0].resolve({ bytes: epochs[0].root });
  await settled();
  assert.deepEqual(one.events, []);

  const second = scripted(null);
  const two = living(second);
  two.verifier.replaceKeyring(epochs[0].root, { now });
  const verdicts = [two.verifier.verify(keys.full, { now }), two.verifier.verify(keys.full, { now })].map(rejected);
  await settled();
  two.verifier.dispose();
  second.partCalls[0].reject(new Error("out of order"));
  for (const error of await Promise.all(verdicts)) assert.equal(error.code, "disposed");
  assert.deepEqual(two.events, []);

  // By an answer of the source itself, and by who listens.
  for (const dispose of ["answer", "onEvent"]) {
    const source = sourceOf("epoch1");
    const verifier = new Verifier({ keyringKeys, source, onEvent: () => dispose === "onEvent" && verifier.dispose() });
    if (dispose === "answer") source.answer = () => (verifier.dispose(), { bytes: epochs[0].root });
    assert.equal((await rejected(verifier.refresh({ now }))).code, "disposed");
    for (const call of [() => verifier.verify(keys.full), () => verifier.refresh()]) assert.equal((await rejected(call())).code, "disposed");
    for (const call of [() => verifier.refreshInBackground(), () => verifier.drainUsage()]) assert.equal(thrown(call).code, "disposed");
    verifier.stopRefreshing();
  }
});

test("without a source there is nothing to refresh, and verify says what verifyKey says", async () => {
  const verifier = new Verifier({ keyringKeys, keyring: bundle("epoch1"), now });
  assert.deepEqual(await verifier.verify(keys.full, { now }), verifier.verifyKey(keys.full, { now }));
  assert.equal((await rejected(verifier.refresh())).code, "invalid_options");
  assert.equal(thrown(() => verifier.refreshInBackground()).code, "invalid_options");
  verifier.stopRefreshing();
});

test("a verification reads key and context once", async () => {
  const source = scripted(allParts);
  const { verifier } = living(source);
  const key = new TextEncoder().encode(keys.full);
  const context = { now, tenant: "tenant-7", permissions: ["flights:view"] };
  const verdict = verifier.verify(key, context);
  key.fill(0);
  context.tenant = "tenant-8";
  context.permissions.push("nothing:else");
  await settled();
  source.calls[0].resolve({ bytes: epochs[0].root });
  assert.equal((await verdict).verified, true);
});
