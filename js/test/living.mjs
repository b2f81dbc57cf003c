// What the tests of verifiers with a source share.
import { createHash } from "node:crypto";
import { Verifier } from "claviger";
import { bundle, keyringKeys } from "./keyrings.mjs";

/** The root of a bundle, and its parts by their hashes. */
export function split(name) {
  const bytes = bundle(name);
  const view = new DataView(bytes.buffer);
  const [rootLength, count] = [view.getUint32(8, true), view.getUint32(12, true)];
  const offset = (index) => Number(view.getBigUint64(24 + 8 * index, true));
  const start = 24 + 8 * (count + 1);
  const parts = new Map();
  for (let index = 0; index < count; index += 1) {
    const part = bytes.slice(offset(index), offset(index + 1));
    if (part.length > 0) parts.set(createHash("sha256").update(part).digest("hex"), part);
  }
  return { root: bytes.slice(start, start + rootLength), parts };
}

/** A source of roots and parts, which counts what it is asked for. `answer` says what its `keyring` gives. */
export function sourceOf(...names) {
  const rings = names.map(split);
  const source = {
    asked: [],
    fetched: [],
    parts: new Map(rings.flatMap(({ parts }) => [...parts])),
    answer: () => ({ bytes: rings[0].root }),
    keyring: async (known, options) => {
      source.asked.push(known);
      return source.answer(known, options);
    },
    part: async (hash) => {
      source.fetched.push(hash);
      return source.parts.get(hash) ?? null;
    },
  };
  return source;
}

/** A verifier with a source, and the list of what it tells. */
export function living(source, options = {}) {
  const events = [];
  const verifier = new Verifier({ keyringKeys, source, onEvent: (event) => events.push(event), ...options });
  return { verifier, events, told: (type) => events.filter((event) => event.type === type) };
}

/** A promise that is settled from outside. */
export function deferred() {
  let resolve;
  let reject;
  const promise = new Promise((...both) => ([resolve, reject] = both));
  return { promise, resolve, reject };
}

/** A source whose calls are settled by the test, one by one: `calls` are those of `keyring`. */
export function scripted(parts = new Map()) {
  const source = {
    calls: [],
    partCalls: [],
    keyring(known, { signal }) {
      const call = { known, signal, ...deferred() };
      source.calls.push(call);
      return call.promise;
    },
    part(hash, { signal }) {
      if (parts !== null) return Promise.resolve(parts.get(hash) ?? null);
      const call = { hash, signal, ...deferred() };
      source.partCalls.push(call);
      return call.promise;
    },
  };
  return source;
}

/** Lets everything run that can run now. Timers that are mocked stay as they are. */
export async function settled() {
  for (let round = 0; round < 3; round += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** What a promise is rejected with. */
export async function rejected(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
