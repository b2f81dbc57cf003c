// Webhooks: the golden cases, which Rust is held to as well; and the library of Standard Webhooks beside this one.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Webhook, generateSharedSecret } from "claviger";
import * as standard from "standardwebhooks";
import { integrationSecret, issuingSecret, thrown } from "./fixtures.mjs";

const vectors = JSON.parse(readFileSync(new URL("../../tests/vectors/webhooks.json", import.meta.url), "utf8"));
const known = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const id = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
const time = 1_649_367_553;
const body = '{"email":"test@example.com","username":"test_user"}';
const signature = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";
const headers = { "webhook-id": id, "webhook-timestamp": `${time}`, "webhook-signature": signature };
const bytesOf = (base64) => new Uint8Array(Buffer.from(base64, "base64"));

/** The same in each form in which a body may be given. */
function forms(base64) {
  const bytes = bytesOf(base64);
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  const isText = Buffer.from(text).equals(Buffer.from(bytes));
  const within = new Uint8Array([1, 2, ...bytes, 3]).subarray(2, 2 + bytes.length);
  return [bytes, Buffer.from(bytes), within, bytes.buffer, ...(isText ? [text] : [])];
}

test("secrets are read as the vectors say", () => {
  assert.ok(vectors.secrets.length >= 20);
  for (const { name, text, whsec } of vectors.secrets) {
    if (whsec === null) {
      const error = thrown(() => new Webhook({ secrets: [known, text] }));
      assert.equal(error.code, "invalid_secret", name);
      assert.match(error.message, /^options\.secrets\[1\]: /, name);
      assert.ok(text.length < 12 || !error.message.includes(text.slice(6, 16)), name);
    } else {
      assert.deepEqual(new Webhook({ secrets: [text] }).sign(id, time, body), new Webhook({ secrets: [whsec] }).sign(id, time, body), name);
    }
  }
});

test("webhooks are signed as the vectors say", () => {
  assert.ok(vectors.signed.length >= 25);
  for (const { name, secrets, id, timestamp, body_base64, signature } of vectors.signed) {
    const webhook = new Webhook({ secrets });
    for (const body of forms(body_base64)) {
      if (signature === null) {
        assert.equal(thrown(() => webhook.sign(id, timestamp, body)).code, "invalid_options", name);
      } else {
        const expected = { "webhook-id": id, "webhook-timestamp": `${timestamp}`, "webhook-signature": signature };
        assert.deepEqual(webhook.sign(id, timestamp, body), expected, name);
      }
    }
  }
});

test("webhooks are verified as the vectors say", () => {
  assert.ok(vectors.cases.length >= 90);
  for (const { name, secrets, headers, body_base64, now, tolerance, verdict } of vectors.cases) {
    for (const options of [{ secrets }, { secrets, tolerance }]) {
      const webhook = new Webhook(options);
      for (const body of forms(body_base64)) assert.deepEqual(webhook.verify(headers, body, { now }), verdict, name);
      webhook.dispose();
    }
  }
});

test("headers are taken in each form in which runtimes give them", () => {
  const webhook = new Webhook({ secrets: [known] });
  const good = { verified: true, id, timestamp: time };
  const pairs = Object.entries(headers);
  const capitals = pairs.map(([name, value]) => [name.toUpperCase(), value]);
  for (const given of [headers, new Headers(headers), Object.fromEntries(capitals), pairs.flat(), capitals.flat(), Object.fromEntries(pairs.map(([name, value]) => [name, [value]]))]) {
    assert.deepEqual(webhook.verify(given, body, { now: time }), good);
  }
  const code = (given) => webhook.verify(given, body, { now: time }).code;
  assert.equal(code([]), "missing");
  // What was sent twice is no single value, the same or not.
  for (const [name, value] of pairs) {
    assert.equal(code([...pairs.flat(), name, value]), "malformed", name);
    const joined = new Headers(headers);
    joined.append(name, value);
    assert.equal(code(joined), "malformed", name);
  }
});

test("the tolerance is what the program says", () => {
  const strict = new Webhook({ secrets: [known], tolerance: 0 });
  assert.equal(strict.verify(headers, body, { now: time }).verified, true);
  assert.equal(strict.verify(headers, body, { now: time + 1 }).code, "signature_expired");
  assert.equal(strict.verify(headers, body, { now: time - 1 }).code, "signature_from_future");
  const lax = new Webhook({ secrets: [known], tolerance: Number.MAX_SAFE_INTEGER });
  assert.equal(lax.verify(headers, body).verified, true);
  assert.equal(new Webhook({ secrets: [known] }).verify(headers, body).code, "signature_expired");
});

test("headers and bodies cannot run into one another", () => {
  const webhook = new Webhook({ secrets: [known], tolerance: Number.MAX_SAFE_INTEGER });
  const whole = id + time + signature + body;
  for (let first = 0; first <= 40; first += 1) {
    for (const [a, b, c] of [[first, first + 10, first + 57], [first, 41, 88], [31, first + 31, 88]]) {
      const cut = { "webhook-id": whole.slice(0, a), "webhook-timestamp": whole.slice(a, b), "webhook-signature": whole.slice(b, c) };
      const { verified } = webhook.verify(cut, whole.slice(c), { now: time });
      assert.equal(verified, a === 31 && b === 41 && c === 88, `${a} ${b} ${c}`);
    }
  }
  // Characters of two and more bytes, also such as a header and the body make together.
  for (const odd of ["é", "世", "😀", "\ud83d"]) {
    for (const name of Object.keys(headers)) {
      for (const value of [odd + headers[name], headers[name] + odd, headers[name].slice(1) + odd, odd]) {
        assert.equal(webhook.verify({ ...headers, [name]: value }, `\ude00${body}`, { now: time }).code, "malformed");
      }
    }
    assert.equal(thrown(() => webhook.sign(id + odd, time, body)).code, "invalid_options");
  }
});

test("the library of Standard Webhooks takes what is signed here, and the other way round", () => {
  const now = Math.floor(Date.now() / 1000);
  for (const secret of [known, ...vectors.secrets.filter(({ whsec }) => whsec !== null).map(({ whsec }) => whsec)]) {
    const [ours, theirs] = [new Webhook({ secrets: [secret] }), new standard.Webhook(secret)];
    const rotating = new Webhook({ secrets: [integrationSecret, secret] });
    for (const body of ["{}", '"Grüße, 世界 😀"', JSON.stringify("x".repeat(100_000))]) {
      for (const webhook of [ours, rotating]) {
        assert.deepEqual(theirs.verify(body, webhook.sign(id, now, body)), JSON.parse(body));
        const signed = { "webhook-id": id, "webhook-timestamp": `${now}`, "webhook-signature": theirs.sign(id, new Date(now * 1000), body) };
        assert.deepEqual(webhook.verify(signed, body), { verified: true, id, timestamp: now });
        assert.equal(webhook.verify(signed, `${body} `).code, "bad_signature");
        assert.throws(() => theirs.verify(`${body} `, ours.sign(id, now, body)), standard.WebhookVerificationError);
      }
    }
    // What they take for another text, and for a number.
    const bytes = Buffer.from([0x22, 0xff, 0x22]);
    assert.throws(() => theirs.verify(bytes, ours.sign(id, now, bytes)), standard.WebhookVerificationError);
    assert.equal(ours.verify(ours.sign(id, now, bytes), bytes).verified, true);
    const lax = { ...ours.sign(id, now, "{}"), "webhook-timestamp": `${now}abc` };
    assert.deepEqual(theirs.verify("{}", lax), {});
    assert.equal(ours.verify(lax, "{}").code, "malformed");
  }
});

test("secrets of Claviger sign webhooks if they are for integration", () => {
  const [ours, other] = [integrationSecret, generateSharedSecret({ purpose: "integration", version: 1 })];
  const signed = new Webhook({ secrets: [ours] }).sign(id, time, body);
  assert.equal(new Webhook({ secrets: [other, ours] }).verify(signed, body, { now: time }).verified, true);
  assert.equal(new Webhook({ secrets: [other] }).verify(signed, body, { now: time }).code, "bad_signature");
  const error = thrown(() => new Webhook({ secrets: [issuingSecret] }));
  assert.equal(error.code, "invalid_secret");
  assert.match(error.message, /cvgis_…\), which never signs webhooks$/);
});

test("there are 1 to 8 secrets", () => {
  for (const count of [0, 9]) {
    assert.equal(thrown(() => new Webhook({ secrets: Array(count).fill(known) })).code, "invalid_options");
  }
  const eight = new Webhook({ secrets: Array(8).fill(known) });
  assert.equal(eight.sign(id, time, body)["webhook-signature"], Array(8).fill(signature).join(" "));
});

test("a body may be large", () => {
  const webhook = new Webhook({ secrets: [known] });
  const large = new Uint8Array(5_000_000).fill(7);
  const signed = webhook.sign(id, time, large);
  assert.equal(webhook.verify(signed, large, { now: time }).verified, true);
  large[4_999_999] = 8;
  assert.equal(webhook.verify(signed, large, { now: time }).code, "bad_signature");
});

test("what is disposed of is not used", () => {
  const webhook = new Webhook({ secrets: [known] });
  webhook[Symbol.dispose]();
  webhook.dispose();
  assert.equal(thrown(() => webhook.sign(id, time, body)).code, "disposed");
  assert.equal(thrown(() => webhook.verify(headers, body)).code, "disposed");
  const other = new Webhook({ secrets: [known] });
  const disposing = { get: (name) => (other.dispose(), headers[name]) };
  assert.equal(thrown(() => other.verify(disposing, body, { now: time })).code, "disposed");
});
