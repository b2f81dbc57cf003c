// A source that fails in the ways in which sources fail.
import { split } from "./living.mjs";

const flipped = (bytes, place) => {
  const copy = bytes.slice();
  copy[place % copy.length] ^= 1 << (place % 8);
  return copy;
};
const never = new Promise(() => {});
const server = () => Promise.reject(new Error("status 500"));

/**
 * A source with the parts of `epoch1` and `epoch2` that gives `epoch1` at first. After `fail(name)` it does what is named;
 * `place` and `source.turn` choose where.
 */
export function faultySource() {
  const [first, second, mixed] = ["epoch1", "epoch2", "otherId"].map(split);
  const parts = new Map([...second.parts, ...first.parts]);
  let fault = "none";
  let turn = 0;
  const faults = {
    none: { keyring: () => ({ bytes: first.root }), part: (hash) => parts.get(hash) ?? null },
    "cuts off": {
      keyring: () => ({ bytes: second.root.subarray(0, (turn * 397) % second.root.length) }),
      part: (hash) => parts.get(hash)?.subarray(0, -1) ?? null,
    },
    "flips bits": {
      keyring: () => ({ bytes: flipped(second.root, turn * 397) }),
      part: (hash) => (parts.has(hash) ? flipped(parts.get(hash), turn * 31) : null),
    },
    "plays an old root again": { keyring: () => ({ bytes: first.root }), part: (hash) => parts.get(hash) ?? null },
    "mixes two rings": { keyring: () => ({ bytes: mixed.root }), part: () => [...mixed.parts.values()][turn % mixed.parts.size] },
    hangs: { keyring: () => never, part: () => never },
    "answers slowly, and then fails": {
      keyring: () => new Promise((_, reject) => setTimeout(() => reject(new Error("slow")), 5000)),
      part: () => new Promise((_, reject) => setTimeout(() => reject(new Error("slow")), 5000)),
    },
    "fails with 500": { keyring: server, part: server },
    "throws": {
      keyring: () => {
        throw new Error("no promise");
      },
      part: () => {
        throw new Error("no promise");
      },
    },
    "gives nonsense": { keyring: () => ({ bytes: "keyring" }), part: () => 42 },
    "has a root before its parts": { keyring: () => ({ bytes: second.root }), part: (hash) => first.parts.get(hash) ?? null },
  };
  return {
    names: Object.keys(faults).slice(1),
    fail: (name) => void (fault = name),
    keyring: (...call) => ((turn += 1), faults[fault].keyring(...call)),
    part: (...call) => ((turn += 1), faults[fault].part(...call)),
  };
}
