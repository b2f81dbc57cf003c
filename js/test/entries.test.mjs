// The entries: one implementation, whatever gives it its WebAssembly.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as node from "claviger";
import * as slim from "claviger/slim";
import { now, signedKey, thrown, trusted } from "./fixtures.mjs";

const dist = (name) => new URL(`../dist/${name}`, import.meta.url);
const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

/** What a program prints that imports slim alone. */
const alone = (program) =>
  execFileSync(process.execPath, ["--input-type=module", "--eval", `import * as claviger from "claviger/slim"; ${program}`], {
    cwd: new URL("..", import.meta.url),
    encoding: "utf8",
  });

const CODE = "const code = (call) => { try { return String(call()); } catch (error) { return error.code ?? error.name; } };";

test("the entries are one implementation", () => {
  assert.deepEqual(Object.keys(slim).sort(), Object.keys(node).sort());
  for (const name of Object.keys(slim)) assert.equal(slim[name], node[name], name);
  assert.equal(node.version, manifest.version);
  assert.equal(typeof node.abiVersion, "number");
});

test("slim says what it needs, and takes it as a module, as bytes or as a function", () => {
  const file = JSON.stringify(dist("claviger.wasm").pathname);
  const read = `import { readFileSync } from "node:fs"; const bytes = readFileSync(${file});`;
  assert.equal(alone(`${CODE} console.log(code(() => claviger.parseKey("x")))`), "no_wasm\n");
  for (const given of ["bytes", "new WebAssembly.Module(bytes)", "() => bytes", "bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)"]) {
    const program = `${read} console.log(claviger.provideWasm(${given}), claviger.parseKey("x").part, claviger.provideWasm(bytes));`;
    assert.equal(alone(program), "true text false\n", given);
  }
  for (const [given, code] of [
    ["new Uint8Array(8)", "wrong_wasm"],
    ["() => ({})", "wrong_wasm"],
    // A good module, and not this one.
    ["new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])", "wrong_wasm"],
    ["null", "TypeError"],
    ["'claviger.wasm'", "TypeError"],
  ]) {
    assert.equal(alone(`${CODE} console.log(code(() => (claviger.provideWasm(${given}), claviger.parseKey("x"))))`), `${code}\n`, given);
    // And the next time, too.
    if (code === "wrong_wasm") assert.equal(alone(`${CODE} claviger.provideWasm(${given}); code(() => claviger.parseKey("x")); console.log(code(() => claviger.parseKey("x")))`), `${code}\n`, given);
  }
  // What failed can be provided once more.
  assert.equal(alone(`${read} ${CODE} claviger.provideWasm({}); console.log(code(() => claviger.parseKey("x")), claviger.provideWasm(bytes), claviger.parseKey("x").part)`), "wrong_wasm true text\n");
});

/** Lets a program look into its WebAssembly, and have it without memory. */
const SPY = `
  import { readFileSync } from "node:fs";
  const { Instance } = WebAssembly;
  let memory, full = false;
  WebAssembly.Instance = function (module, imports) {
    const { exports } = new Instance(module, imports);
    memory = exports.memory;
    return { exports: { ...exports, exchange: (length) => (full ? 0 : exports.exchange(length)) } };
  };
  claviger.provideWasm(readFileSync(${JSON.stringify(dist("claviger.wasm").pathname)}));`;

test("secrets that were made or read are overwritten", () => {
  const program = `
    const filled = [];
    const real = crypto.getRandomValues.bind(crypto);
    crypto.getRandomValues = (view) => (filled.push(view.buffer), real(view));
    // Behind the stack, which is written over all the time.
    const holds = (text) => Buffer.from(memory.buffer, 65_536).includes(text.slice(22, -2));
    const secret = claviger.generateSharedSecret({ purpose: "issuing", version: 1 });
    const before = [holds(secret)];
    const signed = claviger.generateKey({ kind: "signed", prefix: "acme_live", issuingSecret: secret, lifetimeMinutes: null });
    before.push(holds(signed.key), holds(secret));
    const opaque = claviger.generateKey({ kind: "opaque", prefix: "acme_live" });
    before.push(holds(opaque.key));
    claviger.parseKey(secret);
    before.push(holds(secret));
    const verifier = new claviger.Verifier({ issuingSecrets: [{ prefix: "acme_live", secret }], allowKeysWithoutLifetime: true });
    before.push(holds(secret));
    const { verified } = verifier.verifyKey(signed.key);
    const presented = holds(signed.key);
    verifier.dispose();
    const randomLeft = filled.filter((buffer) => new Uint8Array(buffer).some((byte) => byte !== 0)).length;
    console.log(JSON.stringify([before, verified, presented, holds(signed.key), filled.length, randomLeft]));`;
  assert.deepEqual(JSON.parse(alone(`${SPY} ${program}`)), [Array(6).fill(false), true, true, false, 3, 0]);
});

test("without memory nothing is written", () => {
  const program = `claviger.parseKey("x"); full = true; console.log(code(() => claviger.parseKey("x")), code(() => claviger.generateKey({ kind: "opaque", prefix: "a" })));`;
  assert.equal(alone(`${SPY} ${CODE} ${program}`), "no_memory no_memory\n");
});

/** A module that has what the glue looks for, and says that its ABI is of this version. */
function ofVersion(version) {
  const named = (name, kind, index) => [name.length, ...Buffer.from(name), kind, index];
  const exported = [3, ...named("memory", 2, 0), ...named("__wbindgen_start", 0, 0), ...named("abi_version", 0, 1)];
  const sections = [
    [1, [2, 0x60, 0, 0, 0x60, 0, 1, 0x7f]],
    [3, [2, 0, 1]],
    [5, [1, 0, 1]],
    [7, exported],
    [10, [2, 2, 0, 0x0b, 4, 0, 0x41, version, 0x0b]],
  ];
  return [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...sections.flatMap(([id, bytes]) => [id, bytes.length, ...bytes])];
}

test("WebAssembly of another version is refused", () => {
  const given = (version) => `claviger.provideWasm(new Uint8Array(${JSON.stringify(ofVersion(version))}));`;
  const said = (version) =>
    alone(`${given(version)} try { claviger.parseKey("x"); } catch (error) { console.log(error.code, error.cause?.message); }`);
  assert.equal(said(node.abiVersion + 1), `wrong_wasm ABI version ${node.abiVersion + 1}\n`);
  // One of this version would be taken.
  assert.doesNotMatch(said(node.abiVersion), /wrong_wasm/);
});

test("the package tests itself, and edge runtimes have it do so before requests come", () => {
  assert.equal(node.selfTest(), undefined);
  assert.equal(alone(`${CODE} console.log(code(claviger.selfTest))`), "no_wasm\n");
  for (const name of ["workerd", "edge-light"]) assert.match(readFileSync(dist(`esm/entry/${name}.js`), "utf8"), /^selfTest\(\);$/m);
  for (const name of ["node", "bundled", "deno"]) assert.ok(!readFileSync(dist(`esm/entry/${name}.js`), "utf8").includes("selfTest("), name);
});

test("the entry for bundlers brings the WebAssembly along", async () => {
  const text = readFileSync(dist("esm/entry/bundled.js"), "utf8");
  assert.ok(text.includes(readFileSync(dist("claviger.wasm")).toString("base64")));
  assert.ok(!text.includes("node:"));
  const program = `const bundled = await import(${JSON.stringify(dist("esm/entry/bundled.js").href)}); console.log(bundled.parseKey("x").part)`;
  assert.equal(alone(program), "text\n");
});

test("the entry for browsers reads parts as the others do, and says why it does nothing else", async () => {
  const browser = await import(dist("esm/entry/browser.js"));
  assert.deepEqual(Object.keys(browser).sort(), Object.keys(node).sort());
  const key = signedKey();
  for (const text of [key, key.slice(0, -1), "", "x".repeat(5000), key.replace("acme", "acne"), trusted.issuingSecrets[0].secret]) {
    assert.deepEqual(browser.parseKey(text), node.parseKey(text));
  }
  assert.throws(() => browser.parseKey(7), TypeError);
  for (const call of [() => new browser.Verifier(trusted), browser.generateKey, browser.generateSharedSecret, browser.provideWasm, browser.verifyRequest]) {
    const error = thrown(call);
    assert.equal(error.code, "not_in_browser");
    assert.ok(error instanceof browser.ClavigerError);
    assert.match(error.message, /a secret that is in a page is public/);
  }
  assert.ok(!readFileSync(dist("esm/entry/browser.js"), "utf8").includes("RawVerifier"));
  assert.equal(new node.Verifier(trusted).verifyKey(key, { now }).verified, true);
});

test("each runtime gets its entry, the specific ones first", () => {
  const conditions = Object.keys(manifest.exports["."]);
  assert.deepEqual(conditions, ["workerd", "edge-light", "deno", "node", "browser", "module", "import", "require"]);
  assert.deepEqual(Object.keys(manifest.exports["."].node), ["module", "import", "require"]);
  for (const name of ["workerd", "edge-light", "deno"]) {
    const text = readFileSync(dist(`esm/entry/${name}.js`), "utf8");
    assert.ok(text.split("\n").length <= 8 && text.includes("claviger.wasm"), name);
  }
  for (const name of ["slim", "entry/workerd", "entry/node", "entry/testing"]) {
    assert.ok(!/\bconsole\./.test(readFileSync(dist(`esm/${name}.js`), "utf8")), name);
  }
});
