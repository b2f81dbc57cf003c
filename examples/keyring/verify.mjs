// Verifies keys in JavaScript with the keyring that the Rust program published: `node verify.mjs acme.keyring`.
import { readFile } from "node:fs/promises";
import { Verifier } from "claviger";

const verifier = new Verifier({ keyringKeys: [process.env.KEYRING_KEY], keyring: await readFile(process.argv[2]) });
for (const key of process.env.KEYS.split(",")) {
  const verdict = verifier.verifyKey(key, { permissions: ["flights:view"] });
  if (verdict.verified) console.log(verdict.tenant, verdict.owner, verdict.freshness, verdict.epoch);
  else console.log(verdict.code, verdict.freshness, verdict.epoch);
}
