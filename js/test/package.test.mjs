// The package as programs get it: as an ES module, as CommonJS, and as types.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as esm from "claviger";
import { build } from "esbuild";
import { now, signedKey, trusted } from "./fixtures.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const folders = [];
after(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

/** A project that has the package installed, by a link. */
function project(files) {
  const folder = mkdtempSync(join(tmpdir(), "claviger-consumer-"));
  folders.push(folder);
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules/claviger"), "dir");
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

test("require gives the same package, with an instance of its own", () => {
  const cjs = createRequire(import.meta.url)("claviger");
  assert.deepEqual(Object.keys(cjs).sort(), Object.keys(esm).sort());
  const verdict = new cjs.Verifier(trusted).verifyKey(signedKey(), { now });
  assert.deepEqual({ ...verdict, keyId: null }, { ...new esm.Verifier(trusted).verifyKey(signedKey(), { now }), keyId: null });
  assert.equal(verdict.verified, true);
  const { key } = cjs.generateKey({ kind: "opaque", prefix: "acme_live" });
  assert.equal(esm.parseKey(key).kind, "opaque");
});

test("the adapters come as ES modules and as CommonJS, over the same implementation", async () => {
  const require = createRequire(import.meta.url);
  for (const framework of ["hono", "express"]) {
    assert.deepEqual(Object.keys(await import(`claviger/${framework}`)), ["apiKeyAuth"]);
    assert.deepEqual(Object.keys(require(`claviger/${framework}`)), ["apiKeyAuth"]);
    for (const format of ["esm", "cjs"]) {
      const text = readFileSync(join(root, "dist", format, `${framework}.js`), "utf8");
      assert.deepEqual(text.match(/(?<=from |require\()"[^"]*"/g), ['"./slim.js"'], format);
    }
  }
});

test("a bundler of CommonJS takes one implementation", async () => {
  const contents = `
    const { Verifier, generateKey, generateSharedSecret } = require("claviger");
    const slim = require("claviger/slim");
    const secret = generateSharedSecret({ purpose: "issuing", version: 1 });
    const { key, keyId } = generateKey({ kind: "signed", prefix: "acme_live", issuingSecret: secret, lifetimeMinutes: 60 });
    const verifier = new Verifier({ issuingSecrets: [{ prefix: "acme_live", secret }] });
    const request = { headers: { authorization: "Basic " + btoa(keyId + ":" + key) } };
    const response = { setHeader() {}, end: console.log };
    const context = { req: { raw: request }, set() {}, body: console.log };
    const options = { verifier, credentials: { basic: true } };
    require("claviger/express").apiKeyAuth(options)(request, response, () => console.log("handed on"));
    require("claviger/hono").apiKeyAuth(options)(context, () => console.log("handed on"));
    console.log(slim.Verifier === Verifier);`;
  const outfile = join(project({}), "bundled.cjs");
  await build({ stdin: { contents, resolveDir: root }, bundle: true, platform: "node", outfile, logLevel: "silent" });
  const lines = execFileSync(process.execPath, [outfile], { encoding: "utf8" });
  assert.equal(lines, "true\nhanded on\nhanded on\n");
});

test("importing does no work; the first use does", () => {
  const script = (load) => `
    const calls = [];
    const spy = (owner, name) => {
      const real = owner[name];
      owner[name] = new Proxy(real, {
        apply: (target, self, parameters) => (calls.push(name), Reflect.apply(target, self, parameters)),
        construct: (target, parameters) => (calls.push(name), Reflect.construct(target, parameters)),
      });
    };
    for (const name of ["Module", "Instance", "Memory", "compile", "instantiate", "compileStreaming", "instantiateStreaming"]) {
      if (WebAssembly[name] !== undefined) spy(WebAssembly, name);
    }
    const fs = process.getBuiltinModule("node:fs");
    for (const name of ["readFileSync"]) {
      const real = fs[name];
      fs[name] = (path, ...rest) => (String(path).endsWith(".wasm") && calls.push(name), real(path, ...rest));
    }
    process.getBuiltinModule("node:module").syncBuiltinESMExports();
    spy(crypto, "getRandomValues");
    const claviger = ${load};
    const imported = [...calls];
    claviger.parseKey("");
    const parsed = [...calls];
    claviger.parseKey("");
    console.log(JSON.stringify({ imported, parsed, again: calls.slice(parsed.length) }));`;
  for (const [type, load] of [["module", 'await import("claviger")'], ["commonjs", 'require("claviger")']]) {
    const output = execFileSync(process.execPath, [`--input-type=${type}`, "--eval", script(load)], { cwd: root, encoding: "utf8" });
    assert.deepEqual(JSON.parse(output), { imported: [], parsed: ["readFileSync", "Module", "Instance"], again: [] }, type);
  }
});

const consumer = `
  import { ClavigerError, type Credentials, type DenialParts, type Freshness, type HeadersLike, type KeyringSource, type UsageBatch, type Verdict, Verifier, type VerifierEvent, type VerifierOptions, bytesSource, generateKey, NonceWindow, type ReplayAnswer, type ReplayStore, denialParts, denialResponse, generateSharedSecret, kvSource, parseKey, readCredential, urlSource, verifyRequest } from "claviger";
  import { type ExpressAuthOptions, type ExpressRequest, apiKeyAuth } from "claviger/express";
  import { fileSource } from "claviger/file-source";
  import { type ReplayNamespace, ReplayDurableObject, durableObjectReplayStore } from "claviger/replay-durable-object";
  const issuingSecret: string = generateSharedSecret({ purpose: "issuing", version: 1 });
  const { key }: { key: string } = generateKey({ kind: "signed", prefix: "acme_live", issuingSecret, lifetimeMinutes: null, readOnly: true });
  generateKey({ kind: "opaque", prefix: "acme_live" });
  const verifier = new Verifier({ issuingSecrets: [{ prefix: "acme_live", secret: issuingSecret }] });
  export function who(presented: string | Uint8Array | null | undefined): string {
    const verdict: Verdict = verifier.verifyKey(presented, { now: 1_790_000_000 });
    if (!verdict.verified) {
      const expired: boolean = verdict.code === "expired";
      return expired ? "expired" : verdict.keyId ?? "nobody";
    }
    const expiresAt: number | null = verdict.expiresAt;
    return expiresAt === null ? verdict.prefix : verdict.keyId;
  }
  const options: VerifierOptions = { keyringKeys: ["cvgkk"], keyring: new ArrayBuffer(8), requireFresh: true, maxAge: 60 };
  export function mayEnter(presented: string, tenant: string, address: string | null): string | readonly string[] | null {
    const ring = new Verifier(options);
    const replaced: "replaced" | "unchanged" = ring.replaceKeyring(new Uint8Array(8), { now: 1_790_000_000 });
    const verdict = ring.verifyKey(presented, { tenant, address, permissions: ["flights:view"] });
    if (!verdict.verified && verdict.needed) ring.insertPart(verdict.needed.part, verdict.needed.index, new Uint8Array(8));
    const freshness: Freshness | null = verdict.freshness;
    return verdict.verified ? verdict.permissions : replaced + freshness + ring.keyring?.epoch;
  }
  const mine: KeyringSource = {
    async keyring(known, { signal }) {
      const stop: boolean = signal.aborted;
      return stop || known === "tag" ? null : { bytes: new Uint8Array(8), tag: "tag" };
    },
    part: async (hash) => (hash === "" ? null : new Uint8Array(8)),
    rememberedEpoch: async () => 7,
  };
  const live = new Verifier({
    keyringKeys: ["cvgkk"],
    source: mine,
    refreshSeconds: 15,
    cacheBytes: 1_000_000,
    timeoutSeconds: 5,
    usage: { maxKeys: 1000 },
    onEvent(event: VerifierEvent) {
      if (event.type === "refresh_failed") throw event.error;
      if (event.type === "part_failed") throw event.part.hash;
      if (event.type === "refreshed" && event.changed) throw event.epoch;
    },
  });
  export async function lives(): Promise<string | null> {
    const replaced: "replaced" | "unchanged" = await live.refresh();
    await live.refreshIfDue();
    live.refreshInBackground();
    live.stopRefreshing();
    const batches: UsageBatch[] = live.drainUsage();
    for (const { uses } of batches) for (const { keyId, count } of uses) if (count > 7) return keyId;
    const verdict: Verdict = await live.verify("key", { tenant: "tenant-7" });
    return verdict.verified ? verdict.owner : replaced;
  }
  export const sources: KeyringSource[] = [
    bytesSource(new ArrayBuffer(8)),
    urlSource("https://keys.example/root", { headers: { Authorization: "Bearer" } }),
    kvSource(new Map<string, Uint8Array>(), { prefix: "acme/", cacheTtl: 30 }),
    fileSource("acme.keyring", { epochFile: "acme.epoch" }),
  ];
  const credentials: Credentials = { basic: true, restApiKey: false };
  export async function answer(headers: HeadersLike, request: { headers: Record<string, string | string[] | undefined>; rawHeaders: string[] }): Promise<number> {
    const { key, code } = readCredential(headers, credentials);
    if (key === null) return denialParts({ code }).status;
    const text: string = key;
    const verdict = await verifyRequest(live, request, { credentials, permissions: ["flights:view"], tenant: "tenant-7", address: text });
    if (verdict.verified) return verdict.permissions?.length ?? 0;
    const { status, headers: fields, body }: DenialParts = denialParts(verdict);
    return status + Object.keys(fields).length + body.length + denialResponse(verdict).status;
  }
  const authOptions: ExpressAuthOptions<ExpressRequest> = { verifier: () => live, clientAddress: "connection", permissions: ["flights:view"] };
  export const middleware = apiKeyAuth(authOptions);
  export const tenantOf = (req: Express.Request): string | null | undefined => req.apiKey?.tenant;
  declare const nonces: ReplayNamespace;
  export const stores: ReplayStore[] = [new NonceWindow({ keepSeconds: 330 }), durableObjectReplayStore(nonces, { shards: 2, onError: (error) => { throw error; } })];
  export const replay = async (store: ReplayStore): Promise<ReplayAnswer> => store.checkAndInsert({ id: "0", keepUntil: 1_790_000_330 }, 1_790_000_000);
  export const memory: ReplayAnswer = new NonceWindow().checkAndInsert({ id: "0", keepUntil: 1 }, 1);
  export class Nonces extends ReplayDurableObject {}
  const parts = parseKey(key);
  export const part: string = parts.wellFormed ? parts.keyId : parts.part;
  try { verifier.dispose(); } catch (error) { if (error instanceof ClavigerError && error.code === "disposed") throw error; }
`;

/** What the compiler says about a file in a strict project that resolves packages in this way. */
function compile(text, { name = "consumer.mts", resolution = "nodenext", lib = ["es2022"], manifest = {}, packages = [], types = [] } = {}) {
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    // The package's own types are looked over, too.
    skipLibCheck: false,
    types,
    target: "es2022",
    lib,
    module: resolution === "nodenext" ? "nodenext" : "esnext",
    moduleResolution: resolution,
  };
  const folder = project({
    [name]: text,
    "package.json": JSON.stringify({ private: true, ...manifest }),
    "tsconfig.json": JSON.stringify({ compilerOptions, files: [name] }),
  });
  for (const name of packages) {
    mkdirSync(join(folder, "node_modules", name, ".."), { recursive: true });
    symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name), "dir");
  }
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" });
  assert.equal(stderr, "");
  return { status, stdout };
}

const settings = [
  { resolution: "nodenext" },
  { resolution: "nodenext", name: "consumer.cts" },
  { resolution: "nodenext", name: "consumer.ts", manifest: { type: "module" } },
  { resolution: "bundler" },
  { resolution: "bundler", name: "consumer.ts", lib: ["es2022", "dom"] },
  { resolution: "bundler", lib: ["esnext"] },
];

for (const setting of settings) {
  test(`the types are good in a strict project: ${JSON.stringify(setting)}`, () => {
    assert.deepEqual(compile(consumer, setting), { status: 0, stdout: "" });
  });
}

test("the runtime's own fetch, URL and signals fit where the types know them", () => {
  const text = `
    import { type KeyringSource, urlSource } from "claviger";
    urlSource(new URL("https://keys.example/root"), { fetch: (url, init) => fetch(url, init) });
    urlSource("https://keys.example/root", { fetch });
    export const mine: KeyringSource = {
      keyring: async (known, { signal }) => ({ bytes: new Uint8Array(await (await fetch("/root", { signal })).arrayBuffer()) }),
      part: async (hash, { signal }) => (signal.throwIfAborted(), null),
    };`;
  assert.deepEqual(compile(text, { resolution: "bundler", lib: ["es2022", "dom"] }), { status: 0, stdout: "" });
});

const honoApp = `
  import { type ApiKeyEnv, type ApiKeyAuthOptions, apiKeyAuth } from "claviger/hono";
  import { type Verified, Verifier, denialResponse, kvSource, verifyRequest } from "claviger";
  import { type Context, type Env, Hono } from "hono";
  type Bindings = { KEYRING_KEY: string; KEYRING: Map<string, Uint8Array> };
  let verifier: Verifier | undefined;
  const app = new Hono<ApiKeyEnv & { Bindings: Bindings }>();
  app.use(
    "/flights/*",
    apiKeyAuth<{ Bindings: Bindings }>({
      verifier: ({ env }) => (verifier ??= new Verifier({ keyringKeys: [env.KEYRING_KEY], source: kvSource(env.KEYRING) })),
      credentials: { basic: true },
      permissions: (c) => [c.req.method === "GET" ? "flights:view" : "flights:edit"],
      tenant: async (c) => c.req.param("tenant") ?? "",
      requireFresh: true,
      minEpoch: 7,
      maxAge: 60,
      clientAddress: { header: "CF-Connecting-IP" },
      onDenied: (denied, c) => (c.env.KEYRING_KEY === denied.code ? denied.keyId : null),
      onError: async (error, c) => c.req.url + String(error),
    }),
  );
  app.get("/flights/:id", (c) => {
    const verdict: Verified = c.get("apiKey");
    const tenant: string | null = c.var.apiKey.tenant;
    return c.json({ tenant, owner: verdict.owner });
  });
  // Where no app is told what is on its contexts, the handlers behind it are.
  const other = new Hono();
  const options: ApiKeyAuthOptions<Context<Env>> = { verifier: new Verifier({ keyringKeys: [] }), clientAddress: (c) => c.req.header("x") ?? null };
  other.get("/", apiKeyAuth(options), (c) => c.text(c.var.apiKey.keyId));
  other.get("/more", apiKeyAuth({ verifier: () => verifier!, tenant: (c) => c.req.path }), (c) => c.text(c.var.apiKey.keyId));
  other.use(apiKeyAuth({ verifier: new Verifier({ keyringKeys: [] }) }));
  export async function fetch(request: Request): Promise<Response> {
    const verdict = await verifyRequest(verifier!, request);
    return verdict.verified ? app.fetch(request) : denialResponse(verdict);
  }
`;

const expressApp = `
  import { type ApiKeyAuthOptions, apiKeyAuth } from "claviger/express";
  import { type Verified, Verifier, denialParts, verifyRequest } from "claviger";
  import express, { type Request } from "express";
  import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
  const verifier = new Verifier({ keyringKeys: [] });
  const app = express();
  app.use("/flights", apiKeyAuth({ verifier, permissions: ["flights:view"], clientAddress: "connection" }));
  app.use(apiKeyAuth({ verifier: async () => verifier, clientAddress: { header: "X-Real-IP" }, onDenied: ({ code, keyId }) => code + keyId }));
  app.get(
    "/flights/:id",
    apiKeyAuth({ verifier, tenant: (req: Request) => req.hostname, clientAddress: (req: Request) => req.ip, onError: (error, req) => req.path + error }),
    (req, res) => {
      const verdict: Verified | undefined = req.apiKey;
      res.json({ tenant: verdict?.tenant });
    },
  );
  export const options: ApiKeyAuthOptions<Request> = { verifier };
  createServer(async (request: IncomingMessage, response: ServerResponse) => {
    const verdict = await verifyRequest(verifier, request);
    if (verdict.verified) return response.end(verdict.tenant);
    const { status, headers, body } = denialParts(verdict);
    return response.writeHead(status, headers).end(body);
  });
`;

for (const [framework, text, packages, lib] of [
  ["Hono", honoApp, ["hono"], ["es2022", "dom", "dom.iterable"]],
  ["Express", expressApp, ["express"], ["es2022"]],
]) {
  for (const resolution of ["nodenext", "bundler"]) {
    test(`the types fit those of ${framework}: ${resolution}`, () => {
      const ofExpress = ["@types/express", "@types/express-serve-static-core", "@types/serve-static", "@types/send", "@types/http-errors"];
      const all = framework === "Hono" ? packages : [...packages, "@types/node", "undici-types", ...ofExpress, "@types/body-parser", "@types/connect", "@types/qs", "@types/range-parser"];
      const types = framework === "Hono" ? [] : ["node"];
      assert.deepEqual(compile(text, { resolution, lib, packages: all, types }), { status: 0, stdout: "" });
    });
  }
}

test("options of an adapter that it does not have do not compile", () => {
  for (const [line, error] of [
    ["apiKeyAuth({ verifier, permission: ['flights:view'] });", /TS2561|TS2353/],
    ["apiKeyAuth({ verifier, permissions: 'flights:view' });", /TS2322/],
    ["apiKeyAuth({ verifier, permissions: undefined });", /TS2379|TS2375|TS2322/],
    ["apiKeyAuth({ verifier, tenant: undefined });", /TS2379|TS2375|TS2322/],
    ["apiKeyAuth({ verifier, clientAddress: 'X-Forwarded-For' });", /TS2322/],
    ["apiKeyAuth({});", /TS2345/],
    ["apiKeyAuth({ verifier: () => undefined });", /TS2322/],
  ]) {
    const { status, stdout } = compile(`
      import { apiKeyAuth } from "claviger/express";
      import type { Verifier } from "claviger";
      declare const verifier: Verifier;
      ${line}`);
    assert.notEqual(status, 0, line);
    assert.match(stdout, error, line);
  }
});

test("who does not look at `verified` does not compile", () => {
  const use = (line) =>
    compile(`
      import { Verifier, parseKey, generateKey } from "claviger";
      declare const verifier: Verifier;
      const verdict = verifier.verifyKey("key");
      ${line}`);
  assert.deepEqual(use("export const id: string | null = verdict.keyId;"), { status: 0, stdout: "" });
  for (const [line, error] of [
    ["export const id: string = verdict.keyId;", /TS2322.*'string \| null'/],
    ["export const prefix = verdict.prefix;", /TS2339.*'prefix' does not exist on type 'Denied'/s],
    ["export const code = verdict.code;", /TS2339.*'code' does not exist on type 'Verified'/s],
    ["if (!verdict.verified) throw verdict.prefix;", /TS2339/],
    ['if (!verdict.verified && verdict.code === "expierd") throw 0;', /TS2367/],
    ["verifier.verifyKey(7);", /TS2345/],
    ['verifier.verifyKey("key", { tenant: undefined });', /TS2379/],
    ["new Verifier({ issuingSecrets: [], keyringKeys: [] });", /TS2345/],
    ["new Verifier({ issuingSecrets: [], requireFresh: true });", /TS2345|TS2353/],
    ["if (verdict.verified) verdict.permissions?.push('*');", /TS2339.*'push' does not exist on type 'readonly string\[\]'/s],
    ['export const id = parseKey("key").keyId;', /TS2339.*'keyId' does not exist on type 'NotWellFormed'/s],
    ['generateKey({ kind: "signed", prefix: "a", issuingSecret: "b" });', /TS2345.*lifetimeMinutes/s],
  ]) {
    const { status, stdout } = use(line);
    assert.notEqual(status, 0, line);
    assert.match(stdout, error, line);
    assert.equal(stdout.match(/error TS/g).length, 1, stdout);
  }
});
