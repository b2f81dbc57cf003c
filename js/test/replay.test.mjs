// Nonces of signed requests: the window in memory. What core says to the same questions is in tests/vectors/replay.json.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { NonceWindow } from "claviger";
import { build } from "esbuild";

const vectors = JSON.parse(readFileSync(new URL("../../tests/vectors/replay.json", import.meta.url), "utf8"));
const root = fileURLToPath(new URL("..", import.meta.url));
const idOf = (number) => number.toString(16).padStart(64, "0");

test("ids are what the vectors say", () => {
  for (const { keyid, nonce, id } of vectors.ids) {
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(Buffer.byteLength(keyid)));
    assert.equal(createHash("sha256").update(length).update(keyid).update(nonce).digest("hex"), id);
  }
});

test("a window answers as that of core does", () => {
  let steps = 0;
  for (const { about, capacity, keepSeconds, sizeAtTheEnd, steps: asked } of vectors.windows) {
    const window = new NonceWindow({ capacity, keepSeconds });
    for (const [index, [nonce, keepUntil, now, answer]] of asked.entries()) {
      assert.equal(window.checkAndInsert({ id: vectors.nonces[nonce], keepUntil }, now), answer, `${about}, step ${index}`);
      steps += 1;
    }
    assert.equal(window.size, sizeAtTheEnd, about);
  }
  assert.ok(steps > 3000, `${steps} steps`);
});

test("the default has room for 65,536, each for 330 seconds", () => {
  const window = new NonceWindow();
  for (let number = 0; number < 65_536; number += 1) assert.equal(window.checkAndInsert({ id: idOf(number), keepUntil: 1330 }, 1000), "fresh");
  assert.equal(window.checkAndInsert({ id: idOf(65_536), keepUntil: 1330 }, 1000), "unavailable");
  assert.equal(window.checkAndInsert({ id: idOf(0), keepUntil: 1330 }, 1000), "seen");
  assert.equal(new NonceWindow().checkAndInsert({ id: idOf(0), keepUntil: 1331 }, 1000), "unavailable");
});

test("what is no entry or option is refused", () => {
  const window = new NonceWindow();
  const good = { id: idOf(1), keepUntil: 1 };
  for (const call of [
    () => window.checkAndInsert(undefined, 1),
    () => window.checkAndInsert({ ...good, id: idOf(0xabc).toUpperCase() }, 1),
    () => window.checkAndInsert({ ...good, id: `${good.id}\n` }, 1),
    () => window.checkAndInsert({ ...good, id: 7 }, 1),
    () => window.checkAndInsert({ ...good, keepUntil: NaN }, 1),
    () => window.checkAndInsert({ ...good, keepUntil: 1.5 }, 1),
    () => window.checkAndInsert(good, -1),
    () => window.checkAndInsert(good, "1"),
    () => window.checkAndInsert(good),
    () => new NonceWindow({ capacity: -1 }),
    () => new NonceWindow({ keepSeconds: Infinity }),
    () => new NonceWindow(7),
  ]) {
    assert.throws(call, TypeError, String(call));
  }
  assert.equal(window.size, 0);
});

test("who does not use it does not bundle it", async () => {
  const bundled = async (contents) => {
    const options = { bundle: true, write: false, minify: true, format: "esm", conditions: ["workerd"], external: ["*.wasm"], logLevel: "silent" };
    return (await build({ ...options, stdin: { contents, resolveDir: root } })).outputFiles[0].text;
  };
  const without = await bundled('import { Verifier } from "claviger"; globalThis.v = Verifier;');
  const using = await bundled('import { NonceWindow } from "claviger"; globalThis.v = NonceWindow;');
  assert.ok(using.includes("keepSeconds") && !without.includes("keepSeconds"));
  const object = await bundled('import { durableObjectReplayStore } from "claviger/replay-durable-object"; globalThis.v = durableObjectReplayStore;');
  assert.ok(object.includes("timeoutSeconds") && !object.includes("keepSeconds") && !object.includes("SELECT"));
});

test("the program of REPLAY.md prints what it says", () => {
  const blocks = [...readFileSync(new URL("../REPLAY.md", import.meta.url), "utf8").matchAll(/```js\n([^]*?)```/g)];
  assert.equal(blocks.length, 1);
  for (const [, block] of blocks) {
    const said = [...block.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, line]) => line);
    const printed = execFileSync(process.execPath, ["--input-type=module", "--eval", block], { cwd: root, encoding: "utf8" });
    assert.deepEqual(printed.trim().split("\n"), said);
  }
});
