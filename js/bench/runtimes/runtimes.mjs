// Measures the package in every runtime, from outside, and prints one JSON line a result. Its argument is the folder of the
// native benchmarks, which has the keyring. The runtimes are those that tests/packages has installed.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync, copyFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { generateKey, generateSharedSecret } from "claviger";
import { serving } from "../../../tests/packages/lib/processes.mjs";
import { bun, deno, workerd, workerdAddress } from "../../../tests/packages/lib/tools.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const [rings] = process.argv.slice(2);
const wasm = createRequire(import.meta.url).resolve("claviger/claviger.wasm");
const ROUNDS = 25;
const ROUND_MS = 20;
const STARTS = 21;
/** Calls before anything is measured: more than there are keys. */
const WARM_UP = 50_000;

const print = (name, figure, unit, limit) => console.log(JSON.stringify({ name, figure, unit, limit }));
const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];

async function milliseconds(work) {
  const started = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - started) / 1e6;
}

/** Has a process while `use` is at work, that answers a line of standard input by a line of standard output. */
async function inProcess(command, args, use) {
  const child = spawn(command, args, { cwd: here, stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, DENO_NO_UPDATE_CHECK: "1" } });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (expected) => {
    const { value } = await lines.next();
    if (value !== expected) throw new Error(`${command} said ${value} for ${expected}`);
  };
  try {
    await answer("ready");
    return await use((name, count) => (child.stdin.write(`${name} ${count}\n`), answer("done")));
  } finally {
    child.kill();
  }
}

/** Has a workerd with one Worker while `use` is at work, which gets its address. */
async function inWorkerd(script, bindings, use) {
  const folder = mkdtempSync(join(tmpdir(), "claviger-bench-"));
  try {
    await build({
      entryPoints: [join(here, script)],
      bundle: true,
      format: "esm",
      conditions: ["workerd"],
      outfile: join(folder, "worker.js"),
      // As wrangler has it: the WebAssembly is a module beside the script.
      plugins: [{ name: "wasm", setup: ({ onResolve }) => onResolve({ filter: /\.wasm$/ }, () => ({ path: "claviger.wasm", external: true })) }],
      logLevel: "warning",
    });
    copyFileSync(wasm, join(folder, "claviger.wasm"));
    for (const { name, bytes } of bindings) if (bytes) writeFileSync(join(folder, name), bytes);
    const values = bindings.map(({ name, bytes, text }) => `(name = "${name}", ${bytes ? `data = embed "${name}"` : `text = "${text}"`})`);
    writeFileSync(
      join(folder, "config.capnp"),
      `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js"), (name = "claviger.wasm", wasm = embed "claviger.wasm")],
  bindings = [${values.join(", ")}],
  compatibilityDate = "2026-01-01",
);
`,
    );
    const options = { cwd: folder, seconds: 300, ready: workerdAddress };
    return await serving(workerd(), ["serve", "config.capnp", "--control-fd=1"], options, use);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Asks the Worker of the cases. */
function asking(url) {
  return async (name, count) => {
    const response = await fetch(`${url}?case=${name}&count=${count}`);
    const text = await response.text();
    if (text !== "done") throw new Error(`workerd answered ${response.status} ${text}`);
  };
}

/** Nanoseconds a call, of each case, in turns; what asking itself takes is taken off. */
async function measure(ask) {
  const names = ["signed", "claviger", "subtle"];
  const counts = {};
  // Every part of the keyring is touched, and compilers have done what they do.
  for (const name of names) await ask(name, WARM_UP);
  for (const name of names) {
    let count = 64;
    while ((await milliseconds(() => ask(name, count))) < ROUND_MS) count *= 2;
    counts[name] = count;
  }
  const figures = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const name of names) {
      const asking = await milliseconds(() => ask("empty", 0));
      const taken = await milliseconds(() => ask(name, counts[name]));
      figures[name].push(((taken - asking) * 1e6) / counts[name]);
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(figures[name])]));
}

async function hotPaths() {
  const read = (name) => readFileSync(join(rings, name));
  const bindings = [
    { name: "KEYRING_KEY", text: read("keyring-key").toString("latin1") },
    { name: "BUNDLE", bytes: read("small.bundle") },
    { name: "KEYS", bytes: read("small.keys") },
  ];
  const measured = {
    Node: () => inProcess(process.execPath, ["server.mjs", rings], measure),
    Deno: () => inProcess(deno(), ["run", "--no-remote", "--allow-read", "server.mjs", rings], measure),
    Bun: () => inProcess(bun(), ["server.mjs", rings], measure),
    workerd: () => inWorkerd("worker.mjs", bindings, (url) => measure(asking(url))),
  };
  for (const [name, figures] of Object.entries(measured)) {
    const { signed, claviger, subtle } = await figures();
    print(`${name}, verifyKey of signed keys, no keyring`, signed, "ns");
    print(`${name}, verifyKey, keyring of 10 thousand keys`, claviger, "ns");
    print(`${name}, its own crypto.subtle.verify, awaited, 54 bytes`, subtle, "ns");
    print(`${name}, crypto.subtle.verify takes so many times a signed key's time`, subtle / signed, "×");
  }
}

async function firstVerdict(secret, key) {
  const taken = Array.from({ length: STARTS }, () => {
    const program = ["first-verdict.mjs", "acme_live", secret, key];
    const { status, stdout, stderr } = spawnSync(process.execPath, program, { cwd: here, encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
    return Number(stdout);
  });
  const alone = [];
  for (let start = 0; start < STARTS; start += 1) {
    alone.push(await milliseconds(() => spawnSync(process.execPath, ["empty.mjs"], { cwd: here })));
  }
  print("Node, an empty process", median(alone), "ms");
  print("Node, a cold process, from import to its first verdict", median(taken), "ms", 10);
}

async function firstRequest(secret, key) {
  const first = (script) =>
    inWorkerd(script, [{ name: "SECRET", text: secret }], (url) =>
      milliseconds(async () => {
        const text = await (await fetch(url, { headers: { "x-api-key": key } })).text();
        if (text !== "hello") throw new Error(`workerd answered ${text}`);
      }),
    );
  const [empty, verifying] = [[], []];
  for (let start = 0; start < STARTS; start += 1) {
    empty.push(await first("empty.mjs"));
    verifying.push(await first("first-request.mjs"));
  }
  print("workerd, the first request of an empty Worker", median(empty), "ms");
  print("workerd, the first request that verifies a key, beside that", median(verifying) / median(empty), "×", 2);
}

await hotPaths();
const secret = generateSharedSecret({ purpose: "issuing", version: 1 });
const { key } = generateKey({ kind: "signed", prefix: "acme_live", issuingSecret: secret, lifetimeMinutes: 60 });
await firstVerdict(secret, key);
await firstRequest(secret, key);
