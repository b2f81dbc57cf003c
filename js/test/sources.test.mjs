// The built-in sources, each against something real.
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readFile, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ClavigerError, bytesSource, kvSource, urlSource } from "claviger";
import { fileSource } from "claviger/file-source";
import { thrown } from "./fixtures.mjs";
import { bundle, keys, now } from "./keyrings.mjs";
import { living, rejected, split } from "./living.mjs";

const options = { signal: new AbortController().signal };
const [first, second] = [split("epoch1"), split("epoch2")];
const [someHash, somePart] = [...first.parts][0];
const missingHash = "0".repeat(64);

test("bytesSource has one keyring", async () => {
  const source = bytesSource(bundle("epoch1"));
  const { verifier, told } = living(source);
  assert.equal((await verifier.verify(keys.full, { now })).verified, true);
  assert.equal(await verifier.refresh({ now }), "unchanged");
  assert.equal(await source.part(someHash, options), null);
  assert.deepEqual(told("refreshed").map(({ changed }) => changed), [true, false]);
  assert.deepEqual((await bytesSource(first.root.buffer).keyring(undefined, options)).bytes, first.root);
});

/** A web server on loopback: `routes` by path, and what was asked of it. */
async function serving(routes) {
  const requests = [];
  const server = createServer((request, response) => {
    requests.push({ path: request.url, headers: request.headers });
    const route = routes[request.url];
    if (typeof route === "function") return route(request, response);
    if (route === undefined) return response.writeHead(404).end("not here");
    const etag = `"${route.length}-${route[60]}-${route.at(-1)}"`;
    if (request.headers["if-none-match"] === etag) return response.writeHead(304).end();
    response.writeHead(200, { ETag: etag }).end(route);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => (server.closeAllConnections(), server.close()));
  return { requests, routes, origin: `http://127.0.0.1:${server.address().port}` };
}

const routesOf = ({ root, parts }) => ({
  "/rings/acme/root": root,
  ...Object.fromEntries([...parts].map(([hash, bytes]) => [`/rings/acme/parts/${hash}`, bytes])),
});

test("urlSource reads a root, parts beside it, and nothing twice", async () => {
  const { requests, routes, origin } = await serving(routesOf(first));
  const source = urlSource(`${origin}/rings/acme/root`, { headers: { Authorization: "Bearer reader" } });
  const { verifier } = living(source);
  assert.equal((await verifier.verify(keys.full, { now })).verified, true);
  assert.equal(await verifier.refresh({ now }), "unchanged");
  assert.deepEqual(requests.map(({ path }) => path.slice(0, 18)), ["/rings/acme/root", "/rings/acme/parts/", "/rings/acme/parts/", "/rings/acme/root"]);
  assert.ok(requests.every(({ headers }) => headers.authorization === "Bearer reader"));
  assert.equal(requests.at(-1).headers["if-none-match"], `"${first.root.length}-${first.root[60]}-${first.root.at(-1)}"`);
  Object.assign(routes, routesOf(second));
  assert.equal(await verifier.refresh({ now: now + 30 }), "replaced");
  assert.equal((await verifier.verify(keys.revokedLater, { now: now + 30 })).code, "revoked");
  assert.equal(await source.part(missingHash, options), null);
});

test("urlSource reads a bundle, at an address that is an object, after a redirect, by another fetch", async () => {
  const { requests, routes, origin } = await serving({ "/acme.keyring?version=3": bundle("epoch1") });
  routes["/old"] = (_, response) => response.writeHead(302, { Location: "/acme.keyring?version=3" }).end();
  const asked = [];
  const spy = (url, init) => (asked.push(url), fetch(url, init));
  for (const url of [`${origin}/acme.keyring?version=3`, new URL(`${origin}/old`)]) {
    const { verifier } = living(urlSource(url, { fetch: spy }));
    assert.equal((await verifier.verify(keys.full, { now })).verified, true);
    assert.equal(await verifier.refresh({ now }), "unchanged");
  }
  assert.equal(asked.length, 4);
  assert.equal(requests.length, 6);
  // Parts are beside it, without the query.
  await urlSource(`${origin}/acme.keyring?version=3`).part(missingHash, options);
  assert.equal(requests.at(-1).path, `/parts/${missingHash}`);
});

test("urlSource tells what was answered instead, and no secret", async () => {
  const { routes, origin } = await serving({});
  const secret = "s3cret-t0ken";
  const source = urlSource(`${origin}/root?token=${secret}`);
  const url = `/root?token=${secret}`;
  for (const status of [404, 500, 403, 204, 206, 304]) {
    routes[url] = (_, response) => response.writeHead(status).end();
    const error = await rejected(source.keyring(undefined, options));
    assert.ok(error instanceof ClavigerError && error.code === "source_failed", `${error}`);
    assert.match(error.message, new RegExp(`/root answered with status ${status}$`));
    assert.ok(!error.stack.includes(secret));
  }
  routes[`/parts/${someHash}`] = (_, response) => response.writeHead(500).end("x".repeat(100_000));
  assert.equal((await rejected(source.part(someHash, options))).code, "source_failed");
  // Nobody listens there.
  const nobody = await rejected(urlSource("http://127.0.0.1:1/root").keyring(undefined, options));
  assert.ok(nobody instanceof Error);
});

test("urlSource reads no more than there can be", async () => {
  const { routes, origin } = await serving({});
  const source = urlSource(`${origin}/root`);
  let written = 0;
  const endless = (_, response) => {
    response.writeHead(200);
    const piece = Buffer.alloc(1024 * 1024);
    const more = () => {
      while (!response.destroyed && response.write(piece)) written += 1;
      written += 1;
    };
    response.on("drain", more);
    more();
  };
  routes[`/parts/${someHash}`] = endless;
  assert.equal((await rejected(source.part(someHash, options))).code, "oversized");
  assert.ok(written < 200, `${written} MiB were written`);
  // It is believed when it says so itself.
  routes["/root"] = (_, response) => response.writeHead(200, { "Content-Length": `${256 * 1024 * 1024 + 1}` }).write("CVGB");
  assert.equal((await rejected(source.keyring(undefined, options))).code, "oversized");
  // What is cut off is no keyring.
  routes["/root"] = (_, response) => {
    response.writeHead(200, { "Content-Length": "1000" }).write(first.root.subarray(0, 500));
    setImmediate(() => response.destroy());
  };
  assert.ok((await rejected(source.keyring(undefined, options))) instanceof Error);
});

test("urlSource stops when it is told to", async () => {
  const { routes, origin } = await serving({});
  let closed;
  const gone = new Promise((resolve) => (closed = resolve));
  routes["/root"] = (_, response) => {
    response.writeHead(200).write("CVGR");
    response.on("close", closed);
  };
  const { verifier } = living(urlSource(`${origin}/root`), { timeoutSeconds: 0.05 });
  assert.equal((await rejected(verifier.refresh({ now }))).code, "timed_out");
  await gone;
});

test("kvSource reads from whatever has a get", async () => {
  const values = new Map([["root", first.root], ...[...first.parts].map(([hash, bytes]) => [`parts/${hash}`, bytes])]);
  const prefixed = new Map([...values].map(([name, bytes]) => [`acme/${name}`, bytes]));
  const asked = [];
  const kv = (give) => ({ get: async (name, type) => (asked.push([name, type]), give(prefixed.get(name))) });
  for (const namespace of [
    kv((bytes) => bytes?.slice().buffer ?? null),
    kv((bytes) => bytes),
    kv((bytes) => bytes && { arrayBuffer: async () => bytes.slice().buffer, size: bytes.length }),
    prefixed,
  ]) {
    asked.length = 0;
    const source = kvSource(namespace, { prefix: "acme/", cacheTtl: 30 });
    const { verifier } = living(source);
    assert.equal((await verifier.verify(keys.full, { now })).verified, true);
    assert.equal(await verifier.refresh({ now }), "unchanged");
    assert.equal(await source.part(missingHash, options), null);
    if (namespace === prefixed) continue;
    assert.deepEqual(asked[0], ["acme/root", { type: "arrayBuffer", cacheTtl: 30 }]);
    assert.ok(asked.slice(1).every(([name, type]) => (name === "acme/root" ? type.cacheTtl === 30 : type === "arrayBuffer")));
  }
  asked.length = 0;
  assert.equal((await rejected(kvSource(kv(() => null)).keyring(undefined, options))).code, "source_failed");
  assert.deepEqual(asked, [["root", "arrayBuffer"]]);
  assert.ok((await rejected(kvSource(kv(() => "text")).keyring(undefined, options))) instanceof TypeError);
  const large = { arrayBuffer: () => assert.fail("it is not read"), size: 16 * 1024 * 1024 + 1 };
  assert.equal((await rejected(kvSource(kv(() => large)).part(someHash, options))).code, "oversized");
});

test("kvSource asks R2 with the tag of what is in use", async () => {
  const asked = [];
  // As an R2 bucket: options are an object or nothing, and without the condition there is no body.
  const bucket = {
    head: () => {},
    get: async (name, given) => {
      asked.push(given);
      assert.ok(given === undefined || typeof given === "object", `${given}`);
      const bytes = name === "root" ? first.root : first.parts.get(name.slice(6));
      if (bytes === undefined) return null;
      const object = { etag: "abc", size: bytes.length };
      if (given?.onlyIf.etagDoesNotMatch === object.etag) return object;
      return { ...object, body: {}, arrayBuffer: async () => bytes.slice().buffer };
    },
  };
  const { verifier } = living(kvSource(bucket));
  assert.equal((await verifier.verify(keys.full, { now })).verified, true);
  assert.equal(await verifier.refresh({ now }), "unchanged");
  assert.deepEqual(asked, [undefined, undefined, undefined, { onlyIf: { etagDoesNotMatch: "abc" } }]);
  assert.equal((await rejected(kvSource({ ...bucket, get: async () => null }).keyring("abc", options))).code, "source_failed");
});

/** A folder that is removed in the end. */
async function folder() {
  const path = await mkdtemp(join(tmpdir(), "claviger-source-"));
  after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** Puts a file in the place of another at once, as a publisher does. */
async function publish(path, bytes) {
  await writeFile(`${path}.new`, bytes);
  await rename(`${path}.new`, path);
}

test("fileSource reads a bundle, again when it is another file", async () => {
  const path = join(await folder(), "acme.keyring");
  await publish(path, bundle("epoch1"));
  const { verifier } = living(fileSource(path));
  assert.equal((await verifier.verify(keys.revokedLater, { now })).verified, true);
  assert.equal(await verifier.refresh({ now }), "unchanged");
  await publish(path, bundle("epoch2"));
  assert.equal(await verifier.refresh({ now: now + 30 }), "replaced");
  assert.equal((await verifier.verify(keys.revokedLater, { now: now + 30 })).code, "revoked");
  await rm(path);
  assert.equal((await rejected(verifier.refresh({ now: now + 30 }))).code, "ENOENT");
  assert.equal((await verifier.verify(keys.full, { now: now + 30 })).verified, true);
});

test("fileSource does not read a file again that has not changed", async () => {
  const path = join(await folder(), "acme.keyring");
  await publish(path, bundle("epoch1"));
  const source = fileSource(path);
  const { tag } = await source.keyring(undefined, options);
  assert.equal(await source.keyring(tag, options), null);
  const { mtimeNs, size, ino } = await stat(path, { bigint: true });
  assert.equal(tag, `${mtimeNs}-${size}-${ino}`);
});

test("fileSource reads a folder with a root and parts", async () => {
  const path = await folder();
  await mkdir(join(path, "parts"));
  await publish(join(path, "root"), first.root);
  for (const [hash, bytes] of first.parts) await writeFile(join(path, "parts", hash), bytes);
  const source = fileSource(path);
  const { verifier } = living(source);
  assert.equal((await verifier.verify(keys.full, { now })).verified, true);
  assert.equal(await source.part(missingHash, options), null);
  assert.equal(await readFile(join(path, "root.epoch"), "utf8"), "1\n");
  await rm(join(path, "parts", someHash));
  await mkdir(join(path, "parts", someHash));
  assert.ok((await rejected(source.part(someHash, options))) instanceof Error, "what cannot be read is not missing");
});

test("fileSource remembers the highest epoch across restarts", async () => {
  const path = join(await folder(), "acme.keyring");
  await publish(path, bundle("epoch2"));
  await living(fileSource(path)).verifier.refresh({ now: now + 30 });
  assert.equal(await readFile(`${path}.epoch`, "utf8"), "2\n");
  await publish(path, bundle("epoch1"));
  assert.equal((await rejected(living(fileSource(path)).verifier.refresh({ now }))).code, "older_epoch");
  const elsewhere = join(await folder(), "epoch");
  const { verifier } = living(fileSource(path, { epochFile: elsewhere }));
  assert.equal(await verifier.refresh({ now }), "replaced");
  assert.equal(await readFile(elsewhere, "utf8"), "1\n");

  const source = fileSource(path);
  // Whichever comes first, the highest stays.
  await Promise.all([9, 8, 7].map((epoch) => source.rememberEpoch(epoch)));
  assert.equal(await source.rememberedEpoch(), 9);
  assert.deepEqual((await readdir(join(path, ".."))).sort(), ["acme.keyring", "acme.keyring.epoch"], "nothing is left lying about");

  for (const text of ["", "nine", "-9", "1e3", "99999999999999999"]) {
    await writeFile(`${path}.epoch`, text);
    assert.match((await rejected(living(fileSource(path)).verifier.refresh({ now }))).message, /epoch/, text);
  }
  await rm(`${path}.epoch`);
  await mkdir(`${path}.epoch`);
  assert.equal((await rejected(living(fileSource(path)).verifier.refresh({ now }))).code, "EISDIR");
});

test("fileSource tells that an epoch cannot be remembered", async () => {
  const path = join(await folder(), "acme.keyring");
  await publish(path, bundle("epoch1"));
  const { verifier, told } = living(fileSource(path, { epochFile: join(path, "..", "missing", "epoch") }));
  assert.equal(await verifier.refresh({ now }), "replaced");
  assert.equal(told("epoch_not_remembered")[0].error.code, "ENOENT");
});

test("no name of a part leads elsewhere", async () => {
  const path = await folder();
  await chmod(path, 0o700);
  for (const source of [urlSource("http://127.0.0.1:1/root"), kvSource(new Map()), fileSource(path)]) {
    for (const hash of ["", "../root", missingHash.slice(1), missingHash.toUpperCase().replaceAll("0", "A"), `${missingHash}/`, 7]) {
      assert.ok((await rejected(source.part(hash, options))) instanceof Error);
    }
  }
});

test("CommonJS has the file source, too, and the workerd entry does not", async () => {
  const { fileSource: cjs } = createRequire(import.meta.url)("claviger/file-source");
  const path = join(await folder(), "acme.keyring");
  await publish(path, bundle("epoch1"));
  assert.deepEqual((await cjs(path).keyring(undefined, options)).bytes, (await fileSource(path).keyring(undefined, options)).bytes);
  for (const name of ["slim", "entry/workerd"]) {
    const text = await readFile(new URL(`../dist/esm/${name}.js`, import.meta.url), "utf8");
    assert.ok(!text.includes("node:") && !text.includes("fileSource"), name);
  }
});

test("options of sources that cannot be are refused", () => {
  assert.equal(thrown(() => kvSource(new Map(), { cacheTtl: 29 })).code, "invalid_options");
  for (const call of [
    () => bytesSource("text"),
    () => urlSource("no address"),
    () => urlSource(7),
    () => urlSource({}),
    () => urlSource("http://a/", { headers: 7 }),
    () => urlSource("http://a/", { headers: { A: 7 } }),
    () => urlSource("http://a/", { fetch: 7 }),
    () => kvSource(7),
    () => kvSource({}),
    () => kvSource(new Map(), { prefix: 7 }),
    () => kvSource(new Map(), { cacheTtl: "60" }),
    () => fileSource(7),
    () => fileSource("a", { epochFile: 7 }),
  ]) {
    assert.ok(thrown(call) instanceof TypeError, `${call}`);
  }
});
