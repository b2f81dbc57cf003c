// What the parity suite asks of a JavaScript runtime: verdicts on a batch of presented keys.
import { ClavigerError, SignatureVerifier, Verifier, kvSource, parseKey, urlSource } from "claviger";

const keyringBytes = [];
const living = [];
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

function decodeBase64(text) {
  if (globalThis.Buffer !== undefined) return new Uint8Array(Buffer.from(text, "base64"));
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** Keyrings come once with their bytes, and then by name. */
function bytesOf({ name, bytes }) {
  if (bytes !== undefined) keyringBytes[name] = decodeBase64(bytes);
  return keyringBytes[name];
}

/**
 * The verifier for these options, made once, as a program would, and given those of the keyrings that it has not had.
 * Without keyrings, the one that lives, whatever it was given.
 */
export function verifierFor(options, keyrings) {
  const wanted = JSON.stringify(options);
  const had = (names) => keyrings === undefined || names.every((name, place) => keyrings[place]?.name === name);
  keyrings?.forEach(bytesOf);
  let found = living.findLast(({ options, names }) => options === wanted && had(names));
  if (found === undefined) living.push((found = { options: wanted, names: [], verifier: new Verifier(options) }));
  for (const keyring of keyrings?.slice(found.names.length) ?? []) {
    found.verifier.replaceKeyring(bytesOf(keyring), { now: keyring.now });
    found.names.push(keyring.name);
  }
  return found.verifier;
}

const sourced = new Map();

/** The verifier for these options with a source: at a URL, or in the KV namespace `RINGS` under a prefix. */
export function sourcedFor(options, { url, prefix }, env) {
  const name = JSON.stringify([options, url, prefix]);
  let verifier = sourced.get(name);
  if (verifier === undefined) {
    const source = url === undefined ? kvSource(env.RINGS, { prefix }) : urlSource(url);
    sourced.set(name, (verifier = new Verifier({ ...options, source })));
  }
  return verifier;
}

/** Asks the source: whether there is a keyring. */
async function refreshed(verifier) {
  // What went wrong is seen in the verdicts.
  await verifier.refresh().catch(() => undefined);
  return verifier.keyring !== null;
}

/** `replaced`, `unchanged`, or the code with which a keyring is refused. */
function offered(verifier, keyring) {
  try {
    return verifier.replaceKeyring(bytesOf(keyring), { now: keyring.now });
  } catch (error) {
    if (error instanceof ClavigerError) return error.code;
    throw error;
  }
}

function textOf(bytes) {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

/** A verdict as one line, the same in every language. */
function line(verdict) {
  const {
    verified, code, keyId, kind, prefix, tenant, owner, externalId, role, permissions, readOnly, metadata, limits, issuedAt,
    expiresAt, freshness, epoch, age, revocationChecked,
  } = verdict;
  const flat = limits?.map(({ name, max, perSeconds }) => [name, max, perSeconds]);
  const fields = [verified, code, keyId, kind, prefix, tenant, owner, externalId, role, permissions, readOnly, metadata, flat];
  fields.push(issuedAt, expiresAt, freshness, epoch, age, revocationChecked);
  return JSON.stringify(fields.map((field) => field ?? null));
}

/** SHA-256 of the verdicts' lines; every second key is presented as text, if it is some. */
async function digest(verifier, facts, keys) {
  const lines = keys.map((key, place) => {
    const bytes = decodeBase64(key);
    return line(verifier.verifyKey((place % 2 === 1 && textOf(bytes)) || bytes, facts));
  });
  const hash = await crypto.subtle.digest("SHA-256", encoder.encode(lines.join("\n")));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const NOTHING_BUT_THE_RFC = {
  requiredComponents: [], requireContentDigest: false, requireCreated: false, maxAge: null, nonce: "never",
};

/** What becomes of each signed request under one key: `null` if it is accepted, or a denial code. */
async function signatureCodes({ key, now, defaultPolicy, requests }) {
  const policy = defaultPolicy ? {} : NOTHING_BUT_THE_RFC;
  // Every case is one that nobody has made before.
  const verifier = () => new SignatureVerifier({ ...policy, anyKey: decodeBase64(key) });
  return Promise.all(requests.map(async ({ method, url, requestTarget, headers, body }) => {
    const request = { method, url, requestTarget: requestTarget ?? undefined, headers };
    const signatures = verifier();
    // Without a body nothing is known of it.
    const verdict = await signatures.verify(request, { now, body: body ?? null });
    signatures.dispose();
    return verdict.verified ? null : verdict.code;
  }));
}

/**
 * `{ signatures }` → what becomes of signed requests; `{ options, keyrings, facts, keys }`, the keys in base64 → what `verifyKey` and `parseKey` say about each, or with
 * `digest` a hash of that; `{ options, keyrings, offer }` → what becomes of one more keyring; `{ options, source, facts,
 * keys }` → what `verify` says about each, and with `refresh` whether there is a keyring.
 */
export async function answer(question, env) {
  const { options, keyrings, facts, keys, parse, offer, digest: hashed, source, refresh, signatures } = question;
  if (signatures !== undefined) return signatureCodes(signatures);
  if (source !== undefined) {
    const verifier = sourcedFor(options, source, env);
    if (refresh) return refreshed(verifier);
    return Promise.all(keys.map((key) => verifier.verify(decodeBase64(key), facts)));
  }
  const verifier = verifierFor(options, keyrings);
  if (offer !== undefined) {
    const outcome = offered(verifier, offer);
    // What took it is no longer what its keyrings say.
    if (outcome === "replaced") living.splice(living.findIndex((entry) => entry.verifier === verifier), 1);
    return outcome;
  }
  if (hashed) return digest(verifier, facts, keys);
  return keys.map((key) => {
    const bytes = decodeBase64(key);
    const fromBytes = verifier.verifyKey(bytes, facts);
    const text = textOf(bytes);
    if (text === undefined) return { verdict: fromBytes };
    const verdict = verifier.verifyKey(text, facts);
    if (JSON.stringify(verdict) !== JSON.stringify(fromBytes)) throw new Error(`text and bytes differ: ${JSON.stringify([verdict, fromBytes])}`);
    return parse ? { verdict, parts: parseKey(text) } : { verdict };
  });
}
