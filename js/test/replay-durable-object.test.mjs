// Nonces in a real Durable Object of a real workerd, and with namespaces that fail.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { durableObjectReplayStore } from "claviger/replay-durable-object";
import { build } from "esbuild";

const { default: workerd } = createRequire(import.meta.url)("workerd");
const root = fileURLToPath(new URL("..", import.meta.url));
const unixSeconds = () => Math.floor(Date.now() / 1000);

let last = 0;
const newId = () => (last += 1).toString(16).padStart(64, "0");

/** The Worker: it asks the store for the test, whose clock it can put ahead. */
const WORKER = `
  import { ReplayDurableObject, durableObjectReplayStore } from "claviger/replay-durable-object";
  const clock = Date.now;
  let ahead = 0;
  Date.now = () => clock() + ahead * 1000;
  export class Nonces extends ReplayDurableObject {
    #state;
    constructor(state) {
      super(state);
      this.#state = state;
    }
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/loses-an-answer") return (await super.fetch(request), Promise.reject(new Error("lost")));
      if (pathname === "/alarm") await this.alarm();
      // So soon that nobody waits for it.
      if (pathname === "/wake") await this.#state.storage.setAlarm(clock());
      if (pathname === "/") return super.fetch(request);
      const [{ count }] = this.#state.storage.sql.exec("SELECT COUNT(*) AS count FROM nonces");
      return Response.json({ count, alarm: await this.#state.storage.getAlarm() });
    }
  }
  export default {
    async fetch(request, env) {
      const { pathname, searchParams } = new URL(request.url);
      if (pathname === "/ahead") return new Response(String((ahead = Number(searchParams.get("seconds")))));
      const names = [];
      const namespace = {
        idFromName: (name) => (names.push(name), env.NONCES.idFromName(name)),
        get: (id) => env.NONCES.get(id),
      };
      if (pathname !== "/check") return env.NONCES.get(env.NONCES.idFromName("claviger-nonces-0")).fetch(request);
      const { entry, now, times, options, losing } = await request.json();
      if (losing) {
        let left = losing;
        namespace.get = (id) => {
          const stub = env.NONCES.get(id);
          return { fetch: (url, init) => stub.fetch((left -= 1) >= 0 ? "https://nonces/loses-an-answer" : url, init) };
        };
      }
      const store = durableObjectReplayStore(namespace, options);
      return Response.json({ answers: await Promise.all(Array.from({ length: times ?? 1 }, () => store.checkAndInsert(entry, now))), names });
    },
  };`;

const CONFIG = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker), (name = "files", disk = (path = "storage", writable = true))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "2026-01-01",
  durableObjectNamespaces = [(className = "Nonces", uniqueKey = "claviger-nonces-of-this-test", enableSql = true)],
  durableObjectStorage = (localDisk = "files"),
  bindings = [(name = "NONCES", durableObjectNamespace = "Nonces")],
);
`;

let folder, server, url;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "claviger-nonces-"));
  const options = { bundle: true, format: "esm", conditions: ["workerd"], outfile: join(folder, "worker.js"), logLevel: "silent" };
  await build({ ...options, stdin: { contents: WORKER, resolveDir: root } });
  writeFileSync(join(folder, "config.capnp"), CONFIG);
  const { mkdirSync } = await import("node:fs");
  mkdirSync(join(folder, "storage"));
  server = spawn(workerd, ["serve", "config.capnp", "--control-fd=1"], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface({ input: server.stdout }), "line");
  url = `http://127.0.0.1:${JSON.parse(line).port}`;
});

after(async () => {
  if (server?.exitCode === null) {
    server.kill();
    await once(server, "exit");
  }
  if (folder) rmSync(folder, { recursive: true });
});

const post = async (path, body = {}) => (await fetch(url + path, { method: "POST", body: JSON.stringify(body) })).json();
const check = (entry, more = {}) => post("/check", { entry, now: unixSeconds(), ...more });
const answer = async (entry, more) => (await check(entry, more)).answers[0];

test("a nonce is fresh once, and for as long as can be promised", async () => {
  const now = unixSeconds();
  const entry = { id: newId(), keepUntil: now + 300 };
  assert.deepEqual(await check(entry), { answers: ["fresh"], names: ["claviger-nonces-0"] });
  assert.equal(await answer(entry), "seen");
  assert.equal(await answer({ ...entry, keepUntil: now + 301 }), "seen");
  assert.equal(await answer({ ...entry, id: newId() }), "fresh");
  assert.equal(await answer({ id: newId(), keepUntil: now - 1 }, { now }), "unavailable", "over");
  assert.equal(await answer({ id: newId(), keepUntil: now + 86_401 }, { now }), "unavailable", "more than a day");
  // The clock of who asks is wrong, that of the object is not.
  assert.equal(await answer({ id: newId(), keepUntil: now - 500 }, { now: now - 600 }), "unavailable");
  assert.equal(await answer({ id: newId(), keepUntil: now + 172_800 }, { now: now + 172_000 }), "unavailable");
});

test("of many who ask at once one is told that it is fresh", async () => {
  for (let round = 0; round < 8; round += 1) {
    const entry = { id: newId(), keepUntil: unixSeconds() + 300 };
    const asked = await Promise.all(Array.from({ length: 10 }, () => check(entry, { times: 5 })));
    const answers = asked.flatMap(({ answers }) => answers).sort();
    assert.deepEqual(answers, ["fresh", ...Array(49).fill("seen")]);
  }
});

test("shards divide the ids, and each has one place", async () => {
  const names = new Set();
  const options = { shards: 3, name: "n" };
  for (let id = 0; id < 12; id += 1) {
    const entry = { id: newId(), keepUntil: unixSeconds() + 300 };
    const asked = await check(entry, { times: 2, options });
    assert.deepEqual(asked.answers.sort(), ["fresh", "seen"]);
    assert.equal(new Set(asked.names).size, 1);
    names.add(asked.names[0]);
  }
  assert.deepEqual([...names].sort(), ["n-0", "n-1", "n-2"]);
});

test("an answer that got lost burns no nonce", async () => {
  const entry = { id: newId(), keepUntil: unixSeconds() + 300 };
  assert.equal(await answer(entry, { losing: 1 }), "fresh");
  assert.equal(await answer(entry, { losing: 1 }), "seen");
  assert.equal(await answer({ ...entry, id: newId() }, { losing: 2 }), "unavailable");
});

test("what is over is deleted by an alarm, and nothing else", async (t) => {
  t.after(() => post("/ahead?seconds=0"));
  const soon = { id: newId(), keepUntil: unixSeconds() + 10 };
  const later = { id: newId(), keepUntil: unixSeconds() + 3000 };
  for (const entry of [soon, later]) assert.equal(await answer(entry), "fresh");
  const before = await post("/count");
  assert.ok(before.alarm > Date.now() && before.alarm <= (unixSeconds() + 361) * 1000, "it will be woken");
  await post("/ahead?seconds=68");
  assert.deepEqual((await post("/alarm")).count, before.count, "a minute of grace");
  // By now all but the last one are over. The alarm runs by itself.
  await post("/ahead?seconds=1000");
  await post("/wake");
  let now;
  do now = await post("/count");
  while (now.count !== 1);
  assert.equal(await answer(later), "seen");
  assert.equal(await answer(soon, { now: soon.keepUntil }), "unavailable", "forgotten is not fresh");
});

test("whatever fails is unavailable, in time", async () => {
  const entry = { id: newId(), keepUntil: unixSeconds() + 300 };
  const stub = (fetch) => ({ idFromName: String, get: () => ({ fetch }) });
  const answering = (status, text) => stub(async () => new Response(text, { status }));
  const broken = () => {
    throw new Error("of the namespace");
  };
  for (const [namespace, expected] of [
    [answering(500, "fresh"), /status 500/],
    [answering(200, "fresher"), /status 200/],
    [answering(200, ""), /status 200/],
    [stub(async () => broken()), /of the namespace/],
    [stub(broken), /of the namespace/],
    [{ idFromName: broken, get: broken }, /of the namespace/],
    [stub(() => new Promise(() => {})), /did not answer within 0\.05 seconds/],
    [stub(async () => ({ status: 200, text: () => new Promise(() => {}) })), /did not answer within 0\.05 seconds/],
  ]) {
    const errors = [];
    const onError = (error) => {
      errors.push(error);
      throw new Error("of onError");
    };
    const store = durableObjectReplayStore(namespace, { timeoutSeconds: 0.05, onError });
    assert.equal(await store.checkAndInsert(entry, unixSeconds()), "unavailable");
    assert.equal(errors.length, 1);
    assert.match(String(errors[0]), expected);
  }
  assert.equal(await durableObjectReplayStore(answering(200, "fresh")).checkAndInsert(entry, unixSeconds()), "fresh");
});

test("what is no namespace, option or entry is refused", async () => {
  const namespace = { idFromName: String, get: () => assert.fail("nobody is asked") };
  for (const call of [
    () => durableObjectReplayStore(undefined),
    () => durableObjectReplayStore({ get() {} }),
    () => durableObjectReplayStore(namespace, { shards: -1 }),
    () => durableObjectReplayStore(namespace, { name: 7 }),
    () => durableObjectReplayStore(namespace, { timeoutSeconds: 0 }),
    () => durableObjectReplayStore(namespace, { timeoutSeconds: NaN }),
    () => durableObjectReplayStore(namespace, { onError: 7 }),
  ]) {
    assert.throws(call, TypeError, String(call));
  }
  const store = durableObjectReplayStore(namespace);
  for (const entry of [undefined, { id: "AB".repeat(32), keepUntil: 1 }, { id: newId(), keepUntil: NaN }]) {
    await assert.rejects(async () => store.checkAndInsert(entry, 1), TypeError);
  }
});
