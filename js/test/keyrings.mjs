// Keyrings that the tests share, made by `cargo run -p claviger-parity --bin js-fixtures`.
import { readFileSync } from "node:fs";
import { Verifier } from "claviger";

const file = JSON.parse(readFileSync(new URL("../../tests/vectors/keyring/js-fixtures.json", import.meta.url), "utf8"));
const bytes = (base64) => new Uint8Array(Buffer.from(base64, "base64"));

export const now = file.now;
export const freshFor = file.fresh_for;
export const validFor = file.valid_for;
export const keys = file.keys;
/** Some keys of the bundle `wide`, each in another chunk. */
export const wideKeys = file.wide_keys;
export const ids = { keyring: file.keyring_id, otherKeyring: file.other_keyring_id, keyringKey: file.keyring_key_id, imported: file.imported_id };
export const keyringKeys = [file.keyring_key];
export const otherKeyringKey = file.other_keyring_key;
export const issuingSecret = file.issuing_secret;
/** Bundles by name, each a copy of its own. */
export const bundle = (name) => bytes(file.bundles[name]);
export const root = () => bytes(file.root);
/** The parts that the root names. */
export const parts = file.parts.map((part) => ({ ...part, bytes: bytes(part.bytes) }));

/** A verifier with the first epoch. */
export function verifierOf(name = "epoch1", options = {}) {
  const verifier = new Verifier({ keyringKeys, ...options });
  verifier.replaceKeyring(bundle(name), { now });
  return verifier;
}

/** The id in the text of a key without claims. */
export const idOf = (key) => key.slice(10, 21);
