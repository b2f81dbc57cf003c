// The adapter for Hono, in real Hono behind a real server.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { serve } from "@hono/node-server";
import { getConnInfo } from "@hono/node-server/conninfo";
import { apiKeyAuth } from "claviger/hono";
import { Hono } from "hono";
import { cors } from "hono/cors";
import { keys, now, verifierOf } from "./keyrings.mjs";
import { adapterTests, ask, assertDenied, bearer } from "./web.mjs";

async function listening(app) {
  const server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" });
  await once(server, "listening");
  return { port: server.address().port, close: () => server.close() };
}

adapterTests("Hono", {
  apiKeyAuth,
  start(options, handler) {
    const app = new Hono();
    app.use(apiKeyAuth(options));
    app.get("/", (c) => {
      assert.equal(c.get("apiKey"), c.var.apiKey);
      handler(c.var.apiKey);
      return c.text("reached");
    });
    return listening(app);
  },
});

/** A verifier at the time of the keyrings. */
function verifierThen() {
  const verifier = verifierOf();
  return { verify: (key, context) => verifier.verify(key, { ...context, now }) };
}

test("Hono: an exception of a handler is the application's", async (t) => {
  const app = new Hono();
  const [denied, errors] = [[], []];
  const onDenied = ({ code }) => denied.push(code);
  app.onError((error, c) => c.text(`handled ${error.message}`, 500));
  app.use(apiKeyAuth({ verifier: verifierThen(), onDenied, onError: (error) => errors.push(error) }));
  app.get("/sync", () => {
    throw new Error("of sync");
  });
  app.get("/async", async () => {
    await undefined;
    throw new Error("of async");
  });
  const { port, close } = await listening(app);
  t.after(close);
  for (const path of ["sync", "async"]) {
    const { status, body } = await ask(port, bearer(keys.full), { path: `/${path}` });
    assert.deepEqual([status, body], [500, `handled of ${path}`]);
  }
  assert.deepEqual([denied, errors], [[], []]);
  // Where there is none, nobody is told that it might be there.
  assert.equal((await ask(port, bearer(keys.full), { path: "/nowhere" })).status, 404);
  assertDenied(await ask(port, [], { path: "/nowhere" }), "missing");
});

for (const before of [[], [cors({ origin: "https://app.example" })]]) {
  test(`Hono: a denial has the headers that were set before, with ${before.length} other middlewares`, async (t) => {
    const app = new Hono();
    for (const middleware of before) app.use(middleware);
    app.use(async (c, next) => {
      c.header("X-Request-Id", "7");
      c.header("Content-Type", "text/plain");
      c.status(418);
      await next();
    });
    app.use(apiKeyAuth({ verifier: verifierThen() }));
    const { port, close } = await listening(app);
    t.after(close);
    const response = await ask(port, [["Origin", "https://app.example"]]);
    assertDenied(response, "missing");
    assert.equal(response.headers["x-request-id"], "7");
    assert.equal(response.headers["access-control-allow-origin"], before.length === 0 ? undefined : "https://app.example");
  });
}

test("Hono: a denial takes the place of a response that was there before", async () => {
  const app = new Hono();
  app.use(async (c, next) => {
    c.res = new Response("early", { headers: { "WWW-Authenticate": "Digest", "X-Request-Id": "7" } });
    await next();
  });
  app.use(apiKeyAuth({ verifier: verifierThen() }));
  let reached = 0;
  app.get("/", (c) => c.text(String((reached += 1))));
  const response = await app.request("/");
  assertDenied({ status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() }, "missing");
  assert.deepEqual([response.headers.get("x-request-id"), reached], ["7", 0]);
});

test("Hono: in Node the address may be that of the connection", async (t) => {
  const addresses = [];
  const app = new Hono();
  const verifier = { verify: async (_, { address }) => (addresses.push(address), { verified: false, code: "ip_not_allowed" }) };
  app.use(apiKeyAuth({ verifier, clientAddress: (c) => getConnInfo(c).remote.address }));
  const { port, close } = await listening(app);
  t.after(close);
  assertDenied(await ask(port, bearer(keys.networks)), "ip_not_allowed");
  assert.deepEqual(addresses, ["127.0.0.1"]);
});

test("Hono: only the path that it is used for is closed", async (t) => {
  const app = new Hono();
  app.use("/closed/*", apiKeyAuth({ verifier: verifierThen() }));
  app.get("/open", (c) => c.text(String(c.get("apiKey"))));
  app.get("/closed/one", (c) => c.text("reached"));
  app.get("/inline", apiKeyAuth({ verifier: verifierThen() }), (c) => c.text(c.var.apiKey.keyId));
  const { port, close } = await listening(app);
  t.after(close);
  assert.equal((await ask(port, [], { path: "/open" })).body, "undefined");
  assertDenied(await ask(port, [], { path: "/closed/one" }), "missing");
  assertDenied(await ask(port, [], { path: "/inline" }), "missing");
  assert.equal((await ask(port, bearer(keys.full), { path: "/inline" })).status, 200);
});

test("Hono: the same key in two fields is one, and a field that was sent twice is none", async (t) => {
  const app = new Hono();
  app.get("/", apiKeyAuth({ verifier: verifierThen() }), (c) => c.text("reached"));
  const { port, close } = await listening(app);
  t.after(close);
  assert.equal((await ask(port, [...bearer(keys.full), ["X-API-Key", keys.full]])).status, 200);
  assertDenied(await ask(port, [...bearer(keys.full), ...bearer(keys.full)]), "malformed");
});

test("Hono: in a Worker each request lets the verifier refresh, and no failure of that is one of the request", async () => {
  const request = () => new Request("https://api.example/", { headers: bearer(keys.full) });
  const app = (verifier) => {
    const app = new Hono();
    app.get("/", apiKeyAuth({ verifier: () => verifier }), (c) => c.text("reached"));
    return app;
  };
  const waiting = [];
  const executionCtx = { waitUntil: (promise) => waiting.push(promise), passThroughOnException() {} };
  let refreshes = 0;
  const refreshing = { ...verifierThen(), refreshIfDue: async () => void (refreshes += 1) };
  assert.equal((await app(refreshing).fetch(request(), {}, executionCtx)).status, 200);
  assert.equal((await app(refreshing).fetch(new Request("https://api.example/"), {}, executionCtx)).status, 401);
  assert.deepEqual([refreshes, waiting.length, await waiting[0]], [2, 2, undefined]);
  // Without an execution context there is nobody who would wait for it.
  assert.equal((await app(refreshing).fetch(request())).status, 200);
  assert.equal(refreshes, 2);
  const fail = () => {
    throw new Error("failed");
  };
  assert.equal((await app(refreshing).fetch(request(), {}, { waitUntil: fail })).status, 200);
  assert.equal((await app({ ...verifierThen(), refreshIfDue: fail }).fetch(request(), {}, executionCtx)).status, 200);
  assert.equal((await app(verifierThen()).fetch(request(), {}, executionCtx)).status, 200);
  // Verifiers have the method.
  const verifier = verifierOf();
  await app(verifier).fetch(request(), {}, executionCtx);
  assert.equal(await waiting.at(-1), undefined);
});

test("Hono: the middleware itself is none until it has options", async () => {
  const app = new Hono();
  app.onError((error, c) => c.text(error.message, 500));
  app.use(apiKeyAuth);
  app.get("/", (c) => c.text("reached"));
  const response = await app.request("/");
  assert.equal(response.status, 500);
  assert.match(await response.text(), /^options/);
});

test("Hono: what is bound by a function gets the environment of the Worker", async () => {
  const app = new Hono();
  const verifier = ({ env }) => env.VERIFIER;
  app.get("/", apiKeyAuth({ verifier, tenant: (c) => c.req.query("tenant") }), (c) => c.text("reached"));
  const response = (path) => app.fetch(new Request(`https://api.example${path}`, { headers: bearer(keys.full) }), { VERIFIER: verifierThen() });
  assert.equal((await response("/?tenant=tenant-7")).status, 200);
  assert.equal((await response("/?tenant=tenant-9")).status, 403);
  // A tenant that is not there is no tenant at all.
  assert.equal((await response("/")).status, 503);
});
