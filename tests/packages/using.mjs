// `using` as the runtimes have it that know it.

/** Whether a verifier is disposed of where its block ends. */
export function checkUsing({ ClavigerError, Verifier, generateSharedSecret }) {
  let kept;
  {
    using verifier = new Verifier({ issuingSecrets: [{ prefix: "acme", secret: generateSharedSecret({ purpose: "issuing", version: 1 }) }] });
    kept = verifier;
  }
  try {
    kept.verifyKey("key");
    return ["using: the verifier still verifies"];
  } catch (error) {
    return error instanceof ClavigerError && error.code === "disposed" ? [] : [`using: ${error}`];
  }
}
