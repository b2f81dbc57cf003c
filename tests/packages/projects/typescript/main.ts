import * as claviger from "claviger";
import { ClavigerError, type Verdict, Verifier, type VerifierOptions, generateKey, generateSharedSecret } from "claviger";
import { fileSource } from "claviger/file-source";

/** Whether a verifier is disposed of where its block ends. */
export function checkUsing(): string[] {
  const secret: string = generateSharedSecret({ purpose: "issuing", version: 1 });
  const options: VerifierOptions = { issuingSecrets: [{ prefix: "acme", secret }] };
  let kept: Verifier;
  {
    using verifier = new Verifier(options);
    const { key } = generateKey({ kind: "signed", prefix: "acme", issuingSecret: secret, lifetimeMinutes: 60 });
    const verdict: Verdict = verifier.verifyKey(key);
    if (!verdict.verified) return [verdict.code];
    kept = verifier;
  }
  try {
    kept.verifyKey("key");
    return ["using: the verifier still verifies"];
  } catch (error) {
    return error instanceof ClavigerError && error.code === "disposed" ? [] : [String(error)];
  }
}

export const sources = [fileSource("acme.keyring")];
export { claviger };
