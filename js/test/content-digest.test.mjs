// Content that comes in pieces against its Content-Digest, by what Node hashes with and without it.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { ClavigerError, ContentDigestReader } from "claviger";

const content = new Uint8Array(100_000).map((_, at) => at * 7);
const digestOf = (name, bytes = content) => `${name}=:${createHash(name.replace("-", "")).update(bytes).digest("base64")}:`;

async function matches(field, length = content.length) {
  const reader = new ContentDigestReader(field);
  for (let at = 0; at < length; at += 33_333) {
    // What takes a piece does not keep the caller's bytes.
    const piece = content.slice(at, Math.min(at + 33_333, length));
    await reader.update(at === 0 ? piece : piece.buffer);
    piece.fill(0);
  }
  return reader.finish();
}

async function checkAll() {
  const [sha256, sha512] = [digestOf("sha-256"), digestOf("sha-512")];
  for (const field of [sha256, sha512, `${sha256}, ${sha512}`, `md5=:AA==:,${sha512}`]) {
    assert.equal(await matches(field), true, field);
    assert.equal(await matches(field, content.length - 1), false, `${field}, less content`);
  }
  const other = digestOf("sha-512", content.subarray(1));
  for (const field of [`${sha256}, ${other}`, other, "md5=:AA==:", sha256.replace(":", ""), `${sha256}, ${sha256}`, "sha-256=:AA==:", "é", "", null, undefined]) {
    assert.equal(await matches(field), false, `${field}`);
  }
  assert.equal(await new ContentDigestReader(digestOf("sha-256", new Uint8Array())).finish(), true, "nothing came");
}

test("content in pieces is held against every digest that is named", checkAll);

test("so it is where the runtime hashes nothing piece by piece", async () => {
  const { getBuiltinModule } = process;
  process.getBuiltinModule = undefined;
  try {
    await checkAll();
  } finally {
    process.getBuiltinModule = getBuiltinModule;
  }
});

test("what is no piece, and what comes behind the end, is refused", async () => {
  const reader = new ContentDigestReader(digestOf("sha-256"));
  await assert.rejects(reader.update("text"), TypeError);
  await reader.finish();
  const isDisposed = (error) => error instanceof ClavigerError && error.code === "disposed";
  await assert.rejects(reader.update(content), isDisposed);
  await assert.rejects(reader.finish(), isDisposed);
  assert.throws(() => new ContentDigestReader(7), TypeError);
});
