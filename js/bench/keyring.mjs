// Measures verification with a keyring in Node, and prints one JSON line a result. The keyrings are written by the native
// benchmarks into the folder that is the argument: `<name>.bundle`, `<name>.keys` (keys of one length, one behind the
// other) and `keyring-key`.
import { readFileSync } from "node:fs";
import { createHmac, timingSafeEqual } from "node:crypto";
import { join } from "node:path";
import { Verifier } from "claviger";
import { check, measure } from "./rounds.mjs";

const KEY_LENGTH = 73;
const folder = process.argv[2];
const keyringKeys = [readFileSync(join(folder, "keyring-key"), "latin1")];
const now = 1_790_000_000;
const context = { now };

function ring(name) {
  const bundle = readFileSync(join(folder, `${name}.bundle`));
  const bytes = readFileSync(join(folder, `${name}.keys`));
  const keys = Array.from({ length: bytes.length / KEY_LENGTH }, (_, index) =>
    bytes.latin1Slice(index * KEY_LENGTH, (index + 1) * KEY_LENGTH),
  );
  const verifier = new Verifier({ keyringKeys });
  verifier.replaceKeyring(bundle, context);
  // Every part is touched once before anything is measured.
  for (const key of keys) check(verifier.verifyKey(key, context).verified);
  let turn = 0;
  const run = () => {
    turn = turn + 1 === keys.length ? 0 : turn + 1;
    check(verifier.verifyKey(keys[turn], context).verified);
  };
  return { bundle, run, verifier };
}

const small = ring("small");
const large = ring("large");
const diverse = ring("diverse");
const macKey = new Uint8Array(32).fill(7);
const message = new Uint8Array(54).fill(0x61);
const tag = createHmac("sha256", macKey).update(message).digest();

// The part of the first bucket, found by the offsets of the bundle.
const offset = (part) => Number(large.bundle.readBigUInt64LE(24 + 8 * part));
const chunk = large.bundle.subarray(offset(0), offset(1));

function open(bundle) {
  const verifier = new Verifier({ keyringKeys });
  verifier.replaceKeyring(bundle, context);
  verifier.dispose();
}

await measure([
  {
    name: "node:crypto createHmac + timingSafeEqual",
    run: () => check(timingSafeEqual(createHmac("sha256", macKey).update(message).digest(), tag)),
  },
  { name: "claviger, keyring: 10 thousand keys", run: small.run },
  { name: "claviger, keyring: random over a million, 10 policies", run: large.run },
  { name: "claviger, keyring: random over a million, one policy each", run: diverse.run },
  { name: "claviger, first touch of a chunk: a million keys", run: () => large.verifier.insertPart("chunk", 0, chunk), batch: 1 },
  { name: "claviger, open bundle: a million keys, 10 policies", run: () => open(large.bundle), batch: 1 },
  { name: "claviger, open bundle: a million keys, one policy each", run: () => open(diverse.bundle), batch: 1 },
]);
