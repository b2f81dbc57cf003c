// Requests over raw sockets, which alone can repeat a header, and what the tests of the adapters have in common.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { once } from "node:events";
import { connect } from "node:net";
import { mock, test } from "node:test";
import { Verifier } from "claviger";
import { signedKey, thrown, trusted } from "./fixtures.mjs";
import { idOf, keys, now, verifierOf } from "./keyrings.mjs";

export const vectors = JSON.parse(readFileSync(new URL("../../tests/vectors/http.json", import.meta.url), "utf8"));

/** Sends a request with these headers as they are, and reads the response to its end. */
export async function ask(port, headers = [], { path = "/", method = "GET" } = {}) {
  const socket = connect(port, "127.0.0.1");
  const lines = [["Host", "localhost"], ["Connection", "close"], ...headers].map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`, "latin1");
  let text = "";
  socket.setEncoding("latin1").on("data", (chunk) => (text += chunk));
  await once(socket, "close");
  const end = text.indexOf("\r\n\r\n");
  const [first, ...rest] = text.slice(0, end).split("\r\n");
  const fields = rest.map((line) => line.split(/: ?(.*)/s, 2)).map(([name, value]) => [name.toLowerCase(), value]);
  const response = { status: Number(first.split(" ")[1]), headers: Object.fromEntries(fields), body: text.slice(end + 4) };
  const chunked = response.headers["transfer-encoding"] === "chunked";
  return chunked ? { ...response, body: response.body.replaceAll(/(?:^|\r\n)[0-9a-f]+\r\n/g, "").trimEnd() } : response;
}

/** That a response is the one that belongs to this code. */
export function assertDenied({ status, headers, body }, code, message) {
  const expected = vectors.denials.find((denial) => denial.code === code);
  assert.deepEqual({ code: status, body: JSON.parse(body || "null") }, { code: expected.status, body: expected.body }, message);
  for (const name of ["Content-Type", "WWW-Authenticate", "Retry-After"]) {
    assert.equal(headers[name.toLowerCase()], expected.headers[name], `${message ?? code}: ${name}`);
  }
}

export const bearer = (key) => [["Authorization", `Bearer ${key}`]];
const xApiKey = (key) => [["X-API-Key", key]];

/**
 * What both adapters have to do. `start(options, handler)` starts a real server, behind whose `apiKeyAuth` is the handler,
 * and gives its port; `apiKeyAuth` is what makes the middleware.
 */
export function adapterTests(name, { apiKeyAuth, start }) {
  const titled = (title, run) =>
    test(`${name}: ${title}`, async (t) => {
      mock.timers.enable({ apis: ["Date"], now: now * 1000 });
      try {
        await run(t);
      } finally {
        mock.timers.reset();
      }
    });
  /** Starts a server that counts what reaches its handler, and keeps what the hooks are told. */
  const serving = async (t, options) => {
    const told = { reached: 0, verdicts: [], denied: [], errors: [] };
    const hooks = { onDenied: (denied) => told.denied.push(denied.code), onError: (error) => told.errors.push(error) };
    const { port, close } = await start({ ...hooks, ...options }, (verdict) => {
      told.reached += 1;
      told.verdicts.push(verdict);
    });
    t.after(close);
    return { told, send: (headers, more) => ask(port, headers, more) };
  };

  titled("a verified request reaches its handler, with the verdict", async (t) => {
    const { told, send } = await serving(t, { verifier: verifierOf(), permissions: ["flights:view"] });
    assert.equal((await send(bearer(keys.full))).status, 200);
    assert.equal((await send(xApiKey(keys.full))).status, 200);
    assert.deepEqual(told.verdicts.map(({ verified, keyId, tenant }) => [verified, keyId, tenant]), Array(2).fill([true, idOf(keys.full), "tenant-7"]));
    assert.deepEqual([told.denied, told.errors], [[], []]);
  });

  titled("whatever is denied reaches no handler, and is told to onDenied", async (t) => {
    const { told, send } = await serving(t, { verifier: verifierOf(), permissions: ["flights:view"], tenant: "tenant-7" });
    const requests = [
      [[], "missing"],
      [bearer(""), "missing"],
      [[["Authorization", "Digest x"]], "missing"],
      [bearer(`${keys.full}0`), "unknown_key"],
      [[...bearer(keys.full), ...xApiKey(keys.plain)], "malformed"],
      [bearer(keys.unknown), "unknown_key"],
      [bearer(keys.forged), "bad_secret"],
      [bearer(keys.revoked), "revoked"],
      [bearer(keys.disabled), "disabled"],
      [bearer(keys.networks), "wrong_tenant"],
    ];
    for (const [headers, code] of requests) assertDenied(await send(headers), code, code);
    assert.deepEqual(told, { reached: 0, verdicts: [], denied: requests.map(([, code]) => code), errors: [] });
    const head = await send([], { method: "HEAD" });
    assert.deepEqual([head.status, head.body, told.reached], [401, "", 0]);
  });

  titled("two different keys are never one of them, wherever they are", async (t) => {
    const { told, send } = await serving(t, { verifier: verifierOf() });
    const [one, two] = [keys.full, keys.plain];
    for (const headers of [
      [...bearer(one), ...bearer(two)],
      [...bearer(two), ...bearer(one)],
      [...bearer(one), ...bearer(one), ...bearer(two)],
      [...xApiKey(one), ...xApiKey(two)],
      [...xApiKey(two), ...xApiKey(one)],
      [...xApiKey(""), ...xApiKey(one)],
      [...bearer(one), ...xApiKey(two)],
      [["Authorization", "Digest x"], ...bearer(one), ...xApiKey(two)],
    ]) {
      assertDenied(await send(headers), "malformed", JSON.stringify(headers));
    }
    assert.equal(told.reached, 0);
    assert.deepEqual(new Set(told.denied), new Set(["malformed"]));
  });

  titled("credentials say where a key is read from", async (t) => {
    const { send } = await serving(t, { verifier: verifierOf(), credentials: { bearer: false, basic: true } });
    const basic = [["Authorization", `Basic ${btoa(`${idOf(keys.full)}:${keys.full}`)}`]];
    assert.equal((await send(basic)).status, 200);
    assert.equal((await send(xApiKey(keys.full))).status, 200);
    assertDenied(await send(bearer(keys.full)), "missing");
  });

  titled("permissions and tenant are given, or by a function of the request", async (t) => {
    const seen = [];
    const given = (value) => (c) => (seen.push(typeof c), value);
    for (const [options, code] of [
      [{ permissions: ["flights:view", "bookings:view"] }, null],
      [{ permissions: ["flights:view", "invoices:view"] }, "insufficient_permission"],
      [{ permissions: [] }, null],
      [{ permissions: given(["flights:view"]) }, null],
      [{ permissions: given(["invoices:view"]) }, "insufficient_permission"],
      [{ permissions: given(Promise.resolve(["invoices:view"])) }, "insufficient_permission"],
      [{ tenant: "tenant-7" }, null],
      [{ tenant: "tenant-9" }, "wrong_tenant"],
      [{ tenant: "" }, "wrong_tenant"],
      [{ tenant: given("tenant-7") }, null],
      [{ tenant: given("tenant-9") }, "wrong_tenant"],
      [{ tenant: given(Promise.resolve("tenant-9")) }, "wrong_tenant"],
    ]) {
      const { told, send } = await serving(t, { verifier: verifierOf(), ...options });
      const response = await send(bearer(keys.full));
      if (code === null) assert.equal(response.status, 200);
      else assertDenied(response, code);
      assert.equal(told.reached, code === null ? 1 : 0);
    }
    assert.deepEqual(seen, Array(6).fill("object"));
  });

  titled("a list of permissions is what is in it, whatever it says when it is walked through", async (t) => {
    const list = Object.assign(["invoices:view"], { *[Symbol.iterator]() {} });
    for (const permissions of [list, () => list]) {
      const { told, send } = await serving(t, { verifier: verifierOf(), permissions });
      assertDenied(await send(bearer(keys.full)), "insufficient_permission");
      assert.equal(told.reached, 0);
    }
  });

  titled("requests at the same time keep their demands apart", async (t) => {
    const demands = [["invoices:view"], ["flights:view"]];
    let resolve;
    const both = new Promise((given) => (resolve = given));
    const { told, send } = await serving(t, {
      verifier: verifierOf(),
      permissions: () => demands.shift(),
      // The first one waits until the second one has said what it needs.
      clientAddress: () => (demands.length === 0 && resolve(null), both),
    });
    const responses = await Promise.all([send(bearer(keys.full)), send(bearer(keys.full))]);
    assert.deepEqual(responses.map(({ status }) => status).sort(), [200, 403]);
    assert.equal(told.reached, 1);
  });

  titled("what was demanded when it was made is demanded, whatever becomes of the options", async (t) => {
    const options = { verifier: verifierOf(), permissions: ["invoices:view"], credentials: { bearer: true } };
    const { told, send } = await serving(t, options);
    options.permissions.length = 0;
    options.credentials.bearer = false;
    assertDenied(await send(bearer(keys.full)), "insufficient_permission");
    assert.equal(told.reached, 0);
  });

  titled("knowledge may have to be fresh, of an epoch, or of an age", async (t) => {
    const { keyring } = verifierOf();
    for (const [options, seconds, code] of [
      [{ requireFresh: true }, 0, null],
      [{ requireFresh: true }, keyring.freshFor + 1, "keyring_stale"],
      [{ requireFresh: false }, keyring.freshFor + 1, null],
      [{ minEpoch: keyring.epoch }, 0, null],
      [{ minEpoch: keyring.epoch + 1 }, 0, "keyring_stale"],
      [{ maxAge: 7 }, 7, null],
      [{ maxAge: 6 }, 7, "keyring_stale"],
      [{}, keyring.validFor + 1, "keyring_expired"],
    ]) {
      const { told, send } = await serving(t, { verifier: verifierOf(), ...options });
      mock.timers.setTime((keyring.issuedAt + seconds) * 1000);
      const response = await send(bearer(keys.full));
      if (code === null) assert.equal(response.status, 200, JSON.stringify(options));
      else assertDenied(response, code, JSON.stringify(options));
      assert.equal(told.reached, code === null ? 1 : 0);
    }
  });

  titled("a key that is bound to networks needs an address, from where it was said", async (t) => {
    const from = (header, ...values) => [...bearer(keys.networks), ...values.map((value) => [header, value])];
    const ip = "CF-Connecting-IP";
    const forwarded = "X-Forwarded-For";
    for (const [clientAddress, headers, good] of [
      [undefined, from(ip, "10.1.2.3"), false],
      [{ header: ip }, from(ip, "10.1.2.3"), true],
      [{ header: "cf-connecting-ip" }, from(ip, "2001:db8::7"), true],
      [{ header: ip }, from(ip, "::ffff:10.1.2.3"), true],
      [{ header: ip }, from(ip, "192.0.2.7"), false],
      [{ header: ip }, from(ip), false],
      [{ header: ip }, from(ip, ""), false],
      [{ header: ip }, from(forwarded, "10.1.2.3"), false],
      [{ header: ip }, from(ip, "10.1.2.3", "192.0.2.7"), false],
      [{ header: ip }, from(ip, "10.1.2.3", "10.1.2.3"), false],
      [{ header: ip }, from(ip, "10.1.2.3, 192.0.2.7"), false],
      [{ header: ip }, from(ip, "10.1.2.3:443"), false],
      [{ header: ip }, from(ip, "[2001:db8::7]"), false],
      [{ header: ip }, from(ip, `10.1.2.3${",".repeat(5000)}`), false],
      [{ header: forwarded }, from(forwarded, "10.1.2.3, 192.0.2.7"), false],
      [{ header: forwarded }, from(forwarded, "192.0.2.7, 10.1.2.3"), false],
      // Node drops the second of two such headers.
      [{ header: "From" }, from("From", "10.1.2.3", "192.0.2.7"), false],
      [() => "10.1.2.3", from(ip), true],
      [async () => "10.1.2.3", from(ip), true],
      [() => "192.0.2.7", from(ip, "10.1.2.3"), false],
      [() => null, from(ip, "10.1.2.3"), false],
      [() => undefined, from(ip, "10.1.2.3"), false],
    ]) {
      const { told, send } = await serving(t, { verifier: verifierOf(), ...(clientAddress && { clientAddress }) });
      const response = await send(headers);
      const shown = `${clientAddress?.header ?? clientAddress}: ${JSON.stringify(headers.slice(1)).slice(0, 100)}`;
      if (good) assert.equal(response.status, 200, shown);
      else assertDenied(response, "ip_not_allowed", shown);
      assert.equal(told.reached, good ? 1 : 0, shown);
      // A key that is bound to none needs none.
      assert.equal((await send(bearer(keys.full))).status, 200);
    }
  });

  titled("the verifier may come from a function, at each request", async (t) => {
    let verifier;
    let calls = 0;
    const options = { verifier: async (c) => ((calls += typeof c === "object"), (verifier ??= verifierOf())) };
    const { told, send } = await serving(t, options);
    for (let round = 0; round < 3; round += 1) assert.equal((await send(bearer(keys.full))).status, 200);
    assertDenied(await send(bearer(keys.revoked)), "revoked");
    assert.deepEqual([calls, told.reached], [4, 3]);
  });

  titled("without a keyring signed keys are verified", async (t) => {
    mock.timers.reset();
    const { told, send } = await serving(t, { verifier: new Verifier(trusted) });
    const key = signedKey({ issuedAt: undefined });
    assert.equal((await send(bearer(key))).status, 200);
    assert.equal(told.verdicts[0].freshness, "stateless");
    assertDenied(await send(bearer(keys.full)), "unknown_key");
  });

  const leak = "leaked detail";
  const failing = () => {
    throw new Error(leak);
  };
  const disposed = () => {
    const verifier = verifierOf();
    verifier.dispose();
    return verifier;
  };
  const answering = (answer) => ({ verify: async () => answer });
  const faults = {
    "a verifier that was disposed of": () => ({ verifier: disposed() }),
    "a function that gives no verifier": () => ({ verifier: () => undefined }),
    "a function that gives null": () => ({ verifier: () => null }),
    "a function that gives a string": () => ({ verifier: () => "verifier" }),
    "a function that gives an object": () => ({ verifier: () => ({}) }),
    "a function that gives the promise of nothing": () => ({ verifier: async () => undefined }),
    "a function that throws": () => ({ verifier: failing }),
    "a function that rejects": () => ({ verifier: async () => failing() }),
    "a function that rejects with nothing": () => ({ verifier: () => Promise.reject() }),
    "a class": () => ({ verifier: Verifier }),
    "a verifier that throws": () => ({ verifier: { verify: failing } }),
    "a verifier that rejects": () => ({ verifier: { verify: async () => failing() } }),
    "no verdict": () => ({ verifier: answering(undefined) }),
    "null as a verdict": () => ({ verifier: answering(null) }),
    "true as a verdict": () => ({ verifier: answering(true) }),
    "a verdict of nothing": () => ({ verifier: answering({}) }),
    "a list as a verdict": () => ({ verifier: answering([true]) }),
    "a verdict that says yes": () => ({ verifier: answering({ verified: "true" }) }),
    "a verdict that says 1": () => ({ verifier: answering({ verified: 1 }) }),
    "a verdict that throws": () => ({ verifier: answering({ get verified() { return failing(); } }) }),
    "a denial whose code throws": () => ({ verifier: answering({ verified: false, get code() { return failing(); } }) }),
    "a denial whose code is no text and throws": () => ({ verifier: answering({ verified: false, code: { toString: failing } }) }),
    "permissions that throw": () => ({ permissions: failing }),
    "permissions that reject": () => ({ permissions: async () => failing() }),
    "permissions of undefined": () => ({ permissions: () => undefined }),
    "permissions of null": () => ({ permissions: () => null }),
    "permissions as a string": () => ({ permissions: () => "flights:view" }),
    "permissions of numbers": () => ({ permissions: () => [7] }),
    "permissions with holes": () => ({ permissions: () => new Array(1) }),
    "permissions as an object like a list": () => ({ permissions: () => ({ length: 0 }) }),
    "a tenant that throws": () => ({ tenant: failing }),
    "a tenant of undefined": () => ({ tenant: () => undefined }),
    "a tenant of null": () => ({ tenant: async () => null }),
    "a tenant as a number": () => ({ tenant: () => 7 }),
    "an address that throws": () => ({ clientAddress: failing }),
    "an address as a number": () => ({ clientAddress: () => 7 }),
  };
  titled("what goes wrong is denied, and only the hooks are told what it was", async (t) => {
    for (const [fault, options] of Object.entries(faults)) {
      const { told, send } = await serving(t, { verifier: verifierOf(), ...options() });
      const response = await send(bearer(keys.full));
      assertDenied(response, "verifier_fault", fault);
      assert.ok(!response.body.includes(leak), fault);
      assert.deepEqual([told.reached, told.denied, told.errors.length], [0, ["verifier_fault"], 1], fault);
    }
  });

  titled("a denial that no verifier gives is a fault", async (t) => {
    for (const code of [undefined, "nonsense", "constructor", "__proto__"]) {
      const { told, send } = await serving(t, { verifier: answering({ verified: false, code }) });
      assertDenied(await send(bearer(keys.full)), "verifier_fault", String(code));
      assert.equal(told.reached, 0);
    }
  });

  titled("what a hook does changes nothing", async (t) => {
    const rejecting = async () => failing();
    const never = () => new Promise(() => {});
    const forging = (denied) => Object.assign(denied, { verified: true, code: "expired" });
    for (const hook of [failing, rejecting, never, forging, () => ({ then: failing })]) {
      for (const [options, code] of [[{}, "revoked"], [{ verifier: failing }, "verifier_fault"]]) {
        const { told, send } = await serving(t, { verifier: verifierOf(), onDenied: hook, onError: hook, ...options });
        assertDenied(await send(bearer(keys.revoked)), code, String(hook));
        assert.equal(told.reached, 0);
      }
    }
  });

  test(`${name}: wrong options show when it is made`, () => {
    const verifier = verifierOf();
    const wrong = [undefined, null, 7, "text", true, Symbol("s")];
    const and = (...more) => [...wrong, ...more];
    for (const [option, values, named] of [
      ["verifier", and([], {}, { verify: true }, { verifyKey: () => {} })],
      ["credentials", [null, 7, "bearer", ["bearer"]]],
      ["credentials", [{ bearer: "yes" }, { bearer: null }], "credentials.bearer"],
      ["credentials", [{ restApiKey: 1 }], "credentials.restApiKey"],
      ["permissions", [...and({}, { length: 0 }, new Set(["a"]))]],
      ["permissions", [["a", 7], ["a", undefined]], "options.permissions[1]"],
      ["tenant", [undefined, null, 7, true, ["tenant-7"], {}]],
      ["requireFresh", [null, 7, "true"]],
      ["minEpoch", [null, "7", -1, 0.5, NaN, 7n]],
      ["maxAge", [null, "7", -1, 0.5, NaN, 7n]],
      ["clientAddress", [null, 7, true, "X-Forwarded-For", "CF-Connecting-IP"]],
      ["clientAddress", [{}, [], { header: undefined }, { header: 7 }, { header: "" }, { header: "a b" }, { header: "a:" }], "options.clientAddress.header"],
      ["onDenied", [null, 7, "log", {}]],
      ["onError", [null, 7, "log", {}]],
    ]) {
      for (const value of values) {
        const error = thrown(() => apiKeyAuth({ verifier, [option]: value }));
        assert.ok(error instanceof TypeError, `${option}: ${error}`);
        assert.ok(error.message.startsWith(`${named ?? `options.${option}`} must be `), error.message);
      }
    }
    for (const options of [undefined, null, 7, "text", [], () => {}]) {
      assert.match(thrown(() => apiKeyAuth(options)).message, /^options must be an object/);
    }
    assert.match(thrown(() => apiKeyAuth(verifier)).message, /^options\.verifier must be a Verifier/);
    // What demands nothing because it is misspelt.
    for (const option of ["permission", "scopes", "Tenant"]) {
      assert.match(thrown(() => apiKeyAuth({ verifier, [option]: ["flights:view"] })).message, new RegExp(`^options\\.${option} is not an option`));
    }
  });
}
