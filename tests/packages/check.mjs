// What every project runs: the golden vectors, and what no vector shows. The package is imported by the project, as its
// user would; this file is imported before it.
import { stopWatching, takeNoticed } from "./watch.mjs";

/**
 * Everything that a server's runtime can do: a promise of `{ passed, failed, entry }`. `expectedAtImport` is what importing the package is
 * to do here.
 */
export async function check(claviger, vectors, entry, expectedAtImport = []) {
  const atImport = { done: takeNoticed(), expected: expectedAtImport };
  return checking(atImport, entry, async (tests) => {
    keys(claviger, vectors, tests);
    keyrings(claviger, vectors, tests);
    webhooks(claviger, vectors, tests);
    await signatures(claviger, vectors, tests);
    await digests(claviger, tests);
    generating(claviger, tests);
    disposing(claviger, tests);
  });
}

/** What a page can do: it reads keys, and refuses the rest. `load` gets the vectors. */
export async function checkInPage(claviger, load) {
  const atImport = { done: takeNoticed(), expected: [] };
  const vectors = await load();
  takeNoticed();
  return checking(atImport, undefined, async (tests) => {
    const { ClavigerError, Verifier, generateKey, generateSharedSecret, parseKey } = claviger;
    const texts = vectors.keys.cases.filter(({ parts }) => parts !== undefined);
    for (const { name, key, parts } of texts) tests.vector(name, () => snakeCase(parseKey(key)), parts);
    const refused = (act) => {
      try {
        return act();
      } catch (error) {
        return error instanceof ClavigerError ? error.code : String(error);
      }
    };
    const [{ options }] = vectors.keys.verifiers;
    tests.also("new Verifier", () => refused(() => new Verifier(options)), "not_in_browser");
    tests.also("generateKey", () => refused(() => generateKey({ kind: "opaque", prefix: "acme" })), "not_in_browser");
    const secret = () => refused(() => generateSharedSecret({ purpose: "issuing", version: 1 }));
    tests.also("generateSharedSecret", secret, "not_in_browser");
  });
}

async function checking(atImport, entry, run) {
  const failed = [];
  let passed = 0;
  const test = (name, act, expected) => {
    let said;
    try {
      said = inOrder(act());
    } catch (error) {
      said = String(error);
    }
    if (said !== inOrder(expected)) failed.push(`${name}: ${said} instead of ${inOrder(expected)}`);
    return said === inOrder(expected);
  };
  await run({
    also: test,
    vector: (name, act, expected) => {
      if (test(name, act, expected)) passed += 1;
    },
  });
  test("done at import", () => atImport.done, atImport.expected);
  const sent = (call) => call.startsWith("console.") || call === "fetch";
  test("printed or fetched when used", () => takeNoticed().filter(sent), []);
  stopWatching();
  return { passed, failed, entry };
}

function keys({ Verifier, parseKey }, { keys: { verifiers, cases } }, tests) {
  const made = new Map(verifiers.map(({ name, options }) => [name, new Verifier(options)]));
  for (const { name, verifier, now, key, key_base64: base64, verdict, parts } of cases) {
    const said = (presented) => plain(made.get(verifier).verifyKey(presented, { now }));
    if (key === undefined) {
      tests.vector(name, () => said(decode(base64)), verdict);
      continue;
    }
    const bytes = new TextEncoder().encode(key);
    tests.vector(name, () => [said(key), said(bytes), snakeCase(parseKey(key))], [verdict, verdict, parts]);
  }
}

function keyrings({ ClavigerError, Verifier }, { keyring: { verifiers, cases, replacements }, files }, tests) {
  const give = (verifier, { file, now }) => verifier.replaceKeyring(decode(files[file]), { now });
  const make = (name) => {
    const { options, keyrings } = verifiers[name];
    const verifier = new Verifier(options);
    for (const keyring of keyrings) give(verifier, keyring);
    return verifier;
  };
  const made = new Map(Object.keys(verifiers).map((name) => [name, make(name)]));
  for (const { name, verifier, request, key, verdict } of cases) {
    tests.vector(name, () => plain(made.get(verifier).verifyKey(key, request)), verdict);
  }
  for (const { name, verifier, offered, outcome } of replacements) {
    const take = () => {
      try {
        return give(make(verifier), offered);
      } catch (error) {
        if (error instanceof ClavigerError) return error.code;
        throw error;
      }
    };
    tests.vector(name, take, outcome);
  }
}

function webhooks({ Webhook }, { webhooks: { cases } }, tests) {
  for (const { name, secrets, tolerance, headers, body_base64: body, now, verdict } of cases) {
    const said = () => new Webhook({ secrets, tolerance }).verify(headers, decode(body), { now });
    tests.vector(name, said, verdict);
  }
}

/** Of signed requests those of which RFC 9421 says what becomes of them. */
async function signatures({ SignatureVerifier }, { signatures: { key_base64: key, now, cases } }, tests) {
  const nothingButTheRfc = { requiredComponents: [], requireContentDigest: false, requireCreated: false, maxAge: null, nonce: "never" };
  const verifier = new SignatureVerifier({ anyKey: decode(key), ...nothingButTheRfc });
  for (const { name, expect, request, signature_input: input, signature } of cases) {
    if (expect === "policy") continue;
    const { method, target_uri: url, request_target: requestTarget, fields, body } = request;
    const headers = fields.map(([name, value]) => [name, byteString(value)]);
    if (input !== undefined) headers.push(["Signature-Input", byteString(input)]);
    if (signature !== undefined) headers.push(["Signature", byteString(signature)]);
    const { verified } = await verifier.verify({ method, url, requestTarget: requestTarget ?? undefined, headers }, { now, body: body ?? null });
    tests.vector(name, () => (verified ? "accept" : "reject"), expect);
  }
}

/** A text in UTF-8 as headers have it: a character for each byte. */
function byteString(text) {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}

/** Content in pieces, which each runtime hashes in its own way. */
async function digests({ ContentDigestReader }, tests) {
  const sha256 = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
  const sha512 = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";
  for (const [field, expected] of [[sha256, true], [`${sha256}, ${sha512}`, true], [sha512.replace("WZ", "Wa"), false], ["md5=:AA==:", false]]) {
    const reader = new ContentDigestReader(field);
    for (const piece of ['{"hello"', "", ': "world"}']) await reader.update(new TextEncoder().encode(piece));
    const matches = await reader.finish();
    tests.also(`content digest, ${field}`, () => matches, expected);
  }
}

function generating({ Verifier, generateKey, generateSharedSecret, version }, tests) {
  const secret = generateSharedSecret({ purpose: "issuing", version: 1 });
  const signed = () => generateKey({ kind: "signed", prefix: "acme_live", issuingSecret: secret, lifetimeMinutes: 60 });
  const [one, other] = [signed(), signed()];
  const verifier = new Verifier({ issuingSecrets: [{ prefix: "acme_live", secret }] });
  tests.also("a key that was made here", () => verifier.verifyKey(one.key).keyId, one.keyId);
  tests.also("two keys have two ids", () => one.keyId !== other.keyId, true);
  tests.also("version", () => /^\d+\.\d+\.\d+/.test(version), true);
}

function disposing({ ClavigerError, Verifier, generateSharedSecret }, tests) {
  const secret = generateSharedSecret({ purpose: "issuing", version: 1 });
  const verifier = new Verifier({ issuingSecrets: [{ prefix: "acme_live", secret }] });
  tests.also("disposed", () => {
    verifier[Symbol.dispose]();
    try {
      return verifier.verifyKey("key");
    } catch (error) {
      return error instanceof ClavigerError ? error.code : String(error);
    }
  }, "disposed");
}

/** A verdict as the golden files have it. */
function plain(verdict) {
  return snakeCase(JSON.parse(JSON.stringify(verdict)));
}

function snakeCase(value) {
  if (Array.isArray(value)) return value.map(snakeCase);
  if (typeof value !== "object" || value === null) return value;
  const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [snake(name), snakeCase(field)]));
}

/** As JSON whose fields are in one order, whatever the order in which they were made. */
function inOrder(value) {
  const sorted = (_, field) =>
    typeof field === "object" && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1)))
      : field;
  return JSON.stringify(value, sorted);
}

function decode(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
