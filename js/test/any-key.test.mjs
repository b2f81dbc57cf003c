// Whatever is presented is denied and never throws.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Verifier } from "claviger";
import { now, signedKey, stateless, trusted } from "./fixtures.mjs";

const verifier = new Verifier(trusted);
const good = signedKey();

function denied(key, code) {
  const shown = typeof key === "string" ? `${key.length} characters` : String(key?.length);
  assert.deepEqual(verifier.verifyKey(key, { now }), { verified: false, code, keyId: null, ...stateless }, shown);
  // What came before leaves nothing behind.
  assert.equal(verifier.verifyKey(good, { now }).verified, true);
}

test("nothing is missing", () => {
  for (const nothing of ["", null, undefined, new Uint8Array(0), Buffer.alloc(0)]) denied(nothing, "missing");
  assert.equal(verifier.verifyKey().code, "missing");
});

test("text that is no key is malformed", () => {
  const texts = [
    "\ud800",
    "\udfff\ud800",
    `\ud83d${good.slice(1)}`,
    good.slice(0, -1) + "\udc00",
    "\0",
    "\0".repeat(91),
    `${good}\0`,
    `${good.slice(0, 40)}\0${good.slice(41)}`,
    "🔑",
    "🔑".repeat(30),
    "é".repeat(85),
    good.replaceAll("_", "\uff3f"),
    `\ufeff${good}`,
    ` ${good}`,
    `${good}\n`,
    "0".repeat(2 ** 20),
    "🔑".repeat(2 ** 18),
    good + "0".repeat(2 ** 20),
    // About the size of the buffer, in characters and in bytes.
    ...[340, 341, 342, 511, 512, 513, 1022, 1023, 1024, 1025, 4095, 4096, 4097].flatMap((length) =>
      ["0", "é", "\u20ac", "🔑", "\ud800"].map((character) => character.repeat(length)),
    ),
  ];
  for (const text of texts) denied(text, "malformed");
});

test("bytes that are no key are malformed", () => {
  const encoder = new TextEncoder();
  for (const length of [1, 52, 53, 85, 108, 109, 1023, 1024, 1025, 4096, 4097, 2 ** 20]) {
    for (const byte of [0, 0x30, 0x80, 0xc3, 0xff]) denied(new Uint8Array(length).fill(byte), "malformed");
  }
  denied(Uint8Array.from([0xf0, 0x9f, 0x94]), "malformed");
  denied(Uint8Array.from([0xef, 0xbb, 0xbf, ...encoder.encode(good)]), "malformed");
  const spoiled = encoder.encode(good);
  spoiled[60] = 0xff;
  denied(spoiled, "malformed");
  // A window into a larger buffer is read as the window that it is.
  const larger = encoder.encode(`xx${good}yy`);
  assert.equal(verifier.verifyKey(larger.subarray(2, -2), { now }).verified, true);
  denied(larger, "malformed");
});

test("every character counts", () => {
  for (let place = 0; place < good.length; place += 1) {
    for (const character of ["0", "1", "Z", "_", "-", "\0", "é", "\ud800"]) {
      if (good[place] === character) continue;
      const verdict = verifier.verifyKey(good.slice(0, place) + character + good.slice(place + 1), { now });
      assert.equal(verdict.verified, false, `${character} at ${place}`);
      assert.ok(["malformed", "bad_checksum"].includes(verdict.code), verdict.code);
    }
  }
});

test("any time is a time", () => {
  for (const [time, code] of [[0, "not_yet_valid"], [0.5, "not_yet_valid"], [2 ** 53, "expired"], [Number.MAX_VALUE, "expired"], [Infinity, "expired"]]) {
    assert.equal(verifier.verifyKey(good, { now: time }).code, code, `${time}`);
  }
  assert.equal(verifier.verifyKey(good, { now: now + 3599.9 }).verified, true);
});
