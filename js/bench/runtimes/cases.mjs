// What is measured in every runtime: verifying keys of a keyring, and the runtime's own HMAC beside it.
import { Verifier, generateKey, generateSharedSecret } from "claviger";

const KEY_LENGTH = 73;
const now = 1_790_000_000;

/** The cases over a keyring: each does `count` calls, and throws if one did not turn out as it should. */
export async function casesOver({ keyringKey, bundle, keys }) {
  const verifier = new Verifier({ keyringKeys: [keyringKey], keyring: bundle, now });
  const texts = [];
  const decoder = new TextDecoder();
  for (let at = 0; at < keys.length; at += KEY_LENGTH) texts.push(decoder.decode(keys.subarray(at, at + KEY_LENGTH)));
  const context = { now };
  const [prefix, secret] = ["acme_live", generateSharedSecret({ purpose: "issuing", version: 1 })];
  const signed = { kind: "signed", prefix, issuingSecret: secret, lifetimeMinutes: 60, issuedAt: now };
  const signedKeys = Array.from({ length: 256 }, () => generateKey(signed).key);
  const stateless = new Verifier({ issuingSecrets: [{ prefix, secret }] });
  let turn = 0;
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const message = new Uint8Array(54).fill(0x61);
  const key = await crypto.subtle.importKey("raw", new Uint8Array(32).fill(7), hmac, false, ["sign", "verify"]);
  const tag = await crypto.subtle.sign("HMAC", key, message);
  return {
    empty: async () => {},
    claviger: async (count) => {
      for (let call = 0; call < count; call += 1) {
        turn = turn + 1 < texts.length ? turn + 1 : 0;
        if (!verifier.verifyKey(texts[turn], context).verified) throw new Error("a key was denied");
      }
    },
    signed: async (count) => {
      for (let call = 0; call < count; call += 1) {
        turn = (turn + 1) & 255;
        if (!stateless.verifyKey(signedKeys[turn], context).verified) throw new Error("a key was denied");
      }
    },
    subtle: async (count) => {
      for (let call = 0; call < count; call += 1) {
        if (!(await crypto.subtle.verify("HMAC", key, tag, message))) throw new Error("a tag was denied");
      }
    },
  };
}
