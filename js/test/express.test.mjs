// The adapter for Express, in real Express 5 and 4 behind a real server.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import { test } from "node:test";
import { apiKeyAuth } from "claviger/express";
import express5 from "express";
import express4 from "express4";
import { keys, now, verifierOf } from "./keyrings.mjs";
import { rejected } from "./living.mjs";
import { adapterTests, ask, assertDenied, bearer } from "./web.mjs";

async function listening(app, onConnection) {
  const server = app.listen(0, "127.0.0.1");
  if (onConnection !== undefined) server.on("connection", onConnection);
  await once(server, "listening");
  return { port: server.address().port, close: () => server.close() };
}

/** A verifier at the time of the keyrings, which keeps the addresses that it is told. */
function verifierThen(addresses = []) {
  const verifier = verifierOf();
  return { verify: (key, context) => (addresses.push(context.address), verifier.verify(key, { ...context, now })) };
}

for (const [name, express] of [["Express 5", express5], ["Express 4", express4]]) {
  const major = name.at(-1);
  test(`${name} is that`, () => {
    const { version } = createRequire(import.meta.url)(`${major === "5" ? "express" : "express4"}/package.json`);
    assert.equal(version.split(".")[0], major);
  });

  adapterTests(name, {
    apiKeyAuth,
    start(options, handler) {
      const app = express();
      app.use(apiKeyAuth(options));
      app.get("/", (req, res) => {
        handler(req.apiKey);
        res.send("reached");
      });
      // Whatever came here as an error would be handed on.
      app.use((error, req, res, next) => next());
      app.use((req, res) => {
        handler(req.apiKey);
        res.send("reached");
      });
      return listening(app);
    },
  });

  test(`${name}: an exception of a handler is the application's`, async (t) => {
    const app = express();
    const [denied, errors] = [[], []];
    app.use(apiKeyAuth({ verifier: verifierThen(), onDenied: ({ code }) => denied.push(code), onError: (error) => errors.push(error) }));
    app.get("/sync", () => {
      throw new Error("of sync");
    });
    app.get("/async", async (req, res, next) => {
      await undefined;
      if (major === "4") return next(new Error("of async"));
      throw new Error("of async");
    });
    app.use((error, req, res, next) => res.status(500).send(`handled ${error.message}`));
    const { port, close } = await listening(app);
    t.after(close);
    for (const path of ["sync", "async"]) {
      const { status, body } = await ask(port, bearer(keys.full), { path: `/${path}` });
      assert.deepEqual([status, body], [500, `handled of ${path}`]);
    }
    assert.deepEqual([denied, errors], [[], []]);
  });

  test(`${name}: the address may be that of the connection, IPv4 as IPv6 also`, async (t) => {
    const addresses = [];
    const app = express();
    app.get("/", apiKeyAuth({ verifier: verifierThen(addresses), clientAddress: "connection" }), (req, res) => res.send("reached"));
    let pretended;
    const { port, close } = await listening(app, (socket) => {
      if (pretended !== undefined) Object.defineProperty(socket, "remoteAddress", { value: pretended });
    });
    t.after(close);
    const send = () => ask(port, [...bearer(keys.networks), ["X-Forwarded-For", "10.1.2.3"], ["X-Real-IP", "10.1.2.3"]]);
    assertDenied(await send(), "ip_not_allowed");
    assert.deepEqual(addresses, ["127.0.0.1"]);
    for (const [address, good] of [["10.1.2.3", true], ["::ffff:10.1.2.3", true], ["2001:db8::7", true], ["::ffff:192.0.2.7", false], ["fe80::1%eth0", false]]) {
      pretended = address;
      const response = await send();
      if (good) assert.equal(response.status, 200, address);
      else assertDenied(response, "ip_not_allowed", address);
    }
  });

  test(`${name}: the address may be what Express makes of the proxies that it trusts`, async (t) => {
    const app = express();
    app.set("trust proxy", "loopback");
    app.get("/", apiKeyAuth({ verifier: verifierThen(), clientAddress: (req) => req.ip }), (req, res) => res.send("reached"));
    const { port, close } = await listening(app);
    t.after(close);
    const send = (forwarded) => ask(port, [...bearer(keys.networks), ["X-Forwarded-For", forwarded]]);
    assert.equal((await send("192.0.2.7, 10.1.2.3")).status, 200);
    assertDenied(await send("10.1.2.3, 192.0.2.7"), "ip_not_allowed");
  });

  test(`${name}: what a middleware does to headers counts, and hides no second one`, async (t) => {
    const app = express();
    let change;
    app.use((req, res, next) => (change(req.headers), next()));
    app.use(apiKeyAuth({ verifier: verifierThen(), clientAddress: { header: "X-Real-IP" } }), (req, res) => res.send(req.apiKey.keyId));
    const { port, close } = await listening(app);
    t.after(close);
    const ip = (value) => ["X-Real-IP", value];
    for (const [headers, changing, code] of [
      [[], (headers) => (headers.authorization = `Bearer ${keys.full}`), null],
      [bearer(keys.revoked), (headers) => (headers.authorization = `Bearer ${keys.full}`), null],
      [bearer(keys.full), (headers) => delete headers.authorization, "missing"],
      [[...bearer(keys.full), ...bearer(keys.full)], (headers) => delete headers.authorization, "missing"],
      [[...bearer(keys.full), ...bearer(keys.plain)], (headers) => (headers.authorization = `Bearer ${keys.full}`), "malformed"],
      [[...bearer(keys.full), ...bearer(keys.plain)], (headers) => (headers.authorization = `Bearer ${keys.plain}`), "malformed"],
      [[...bearer(keys.networks), ip("192.0.2.7"), ip("192.0.2.8")], (headers) => (headers["x-real-ip"] = "10.1.2.3"), "ip_not_allowed"],
      [[...bearer(keys.networks), ip("10.1.2.3")], () => {}, null],
      [[...bearer(keys.networks), ip("10.1.2.3")], (headers) => delete headers["x-real-ip"], "ip_not_allowed"],
      [[...bearer(keys.networks), ip("10.1.2.3")], (headers) => (headers["x-real-ip"] = "192.0.2.7"), "ip_not_allowed"],
      [[...bearer(keys.networks), ip("192.0.2.7")], (headers) => (headers["x-real-ip"] = "10.1.2.3"), null],
      // Beside the one that was sent, not in its place.
      [[...bearer(keys.networks), ip("10.1.2.3")], (headers) => (headers["X-Real-IP"] = "192.0.2.7"), "ip_not_allowed"],
      [bearer(keys.full), (headers) => (headers.Authorization = `Bearer ${keys.plain}`), "malformed"],
      [[["X-API-Key", keys.full]], (headers) => (headers["x-api-key"] = [keys.full, keys.plain]), "malformed"],
    ]) {
      change = changing;
      const response = await ask(port, headers);
      if (code === null) assert.equal(response.status, 200, `${changing} ${JSON.stringify(headers)}`);
      else assertDenied(response, code, `${changing} ${JSON.stringify(headers)}`);
    }
  });

  test(`${name}: the same key twice is one key`, async (t) => {
    const app = express();
    app.get("/", apiKeyAuth({ verifier: verifierThen() }), (req, res) => res.send("reached"));
    const { port, close } = await listening(app);
    t.after(close);
    assert.equal((await ask(port, [...bearer(keys.full), ...bearer(keys.full), ["X-API-Key", keys.full]])).status, 200);
    assert.equal((await ask(port, [["X-API-Key", keys.full], ["x-api-key", keys.full]])).status, 200);
  });

  test(`${name}: who was answered meanwhile is not answered again`, async (t) => {
    let handed = 0;
    const app = express();
    const verifier = {
      async verify() {
        answer();
        return { verified: false, code: "revoked" };
      },
    };
    let answer;
    app.use((req, res, next) => {
      answer = () => {
        res.status(504).write("too ");
        setImmediate(() => res.end("late"));
      };
      next();
    });
    app.use(apiKeyAuth({ verifier }), () => (handed += 1));
    const { port, close } = await listening(app);
    t.after(close);
    const { status, body } = await ask(port, bearer(keys.full));
    assert.deepEqual([status, body, handed], [504, "too late", 0]);
  });

  test(`${name}: a denial has its own length`, async (t) => {
    const app = express();
    app.use((req, res, next) => (res.setHeader("Content-Length", "5"), next()));
    app.use(apiKeyAuth({ verifier: verifierThen() }));
    const { port, close } = await listening(app);
    t.after(close);
    const response = await ask(port);
    assertDenied(response, "missing");
    assert.equal(Number(response.headers["content-length"]), response.body.length);
  });

  test(`${name}: a response that takes no denial is given up`, async (t) => {
    let handed = 0;
    const app = express();
    app.use((req, res, next) => {
      res.setHeader = () => {
        throw new Error("no headers");
      };
      next();
    });
    app.use(apiKeyAuth({ verifier: verifierThen() }));
    app.use(() => (handed += 1));
    app.use((error, req, res, next) => (handed += 1));
    const { port, close } = await listening(app);
    t.after(close);
    const { status } = await ask(port);
    assert.deepEqual([status, handed], [NaN, 0]);
  });

  test(`${name}: the middleware itself is none until it has options`, async (t) => {
    const app = express();
    app.use(apiKeyAuth);
    app.get("/", (req, res) => res.send("reached"));
    app.use((error, req, res, next) => res.status(500).send(error.message));
    const { port, close } = await listening(app);
    t.after(close);
    const { status, body } = await ask(port);
    assert.equal(status, 500);
    assert.match(body, /^options/);
  });
}

test("what a handler throws where nobody catches it is thrown", async () => {
  const denied = [];
  const auth = apiKeyAuth({ verifier: verifierThen(), onDenied: (denial) => denied.push(denial), onError: (error) => denied.push(error) });
  const error = new Error("of the handler");
  const fail = () => {
    throw error;
  };
  assert.equal(await rejected(auth({ headers: { "x-api-key": keys.full } }, {}, fail)), error);
  assert.deepEqual(denied, []);
});

test("what makes requests without a connection has headers and no list of them", async () => {
  const answers = [];
  const res = { headersSent: false, setHeader() {}, end: (body) => answers.push(body), destroy() {} };
  const auth = apiKeyAuth({ verifier: verifierThen(), clientAddress: "connection" });
  const req = { headers: { authorization: `Bearer ${keys.full}` }, rawHeaders: [] };
  let handed = 0;
  await auth(req, res, () => (handed += 1));
  assert.deepEqual([handed, answers, req.apiKey.verified], [1, [], true]);
  await auth({ headers: undefined }, res, () => (handed += 1));
  assert.deepEqual([handed, res.statusCode], [1, 503]);
});
