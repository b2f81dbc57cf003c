// README.md does what it says: its JavaScript runs as it is, and prints what stands behind each `console.log`.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const blocks = [...readme.matchAll(/```js\n([^]*?)```/g)].map(([, block]) => block);

test("every program of the README prints what it says", () => {
  assert.equal(blocks.length, 2);
  for (const block of blocks) {
    const said = [...block.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, line]) => line);
    assert.ok(said.length > 0, block);
    const printed = execFileSync(process.execPath, ["--input-type=module", "--eval", block], { cwd: root, encoding: "utf8" });
    assert.deepEqual(printed.trim().split("\n"), said);
  }
});

test("every program of SIGNATURES.md prints what it says", () => {
  const guide = readFileSync(new URL("../SIGNATURES.md", import.meta.url), "utf8");
  const programs = [...guide.matchAll(/```js\n([^]*?)```/g)].map(([, block]) => block);
  assert.equal(programs.length, 2);
  for (const block of programs) {
    const said = [...block.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, line]) => line);
    assert.ok(said.length > 0, block);
    const printed = execFileSync(process.execPath, ["--input-type=module", "--eval", block], { cwd: root, encoding: "utf8" });
    assert.deepEqual(printed.trim().split("\n"), said);
  }
});

test("the README names every import of the package", () => {
  const { exports } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  for (const name of Object.keys(exports)) {
    if (/package\.json|testing\.wasm/.test(name)) continue;
    assert.ok(readme.includes(`\`claviger${name.slice(1)}\``), name);
  }
});
