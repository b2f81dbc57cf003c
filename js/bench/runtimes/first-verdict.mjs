// A program that verifies one key, and prints how many milliseconds that took from importing the package on.
// The loader has been used before, as by any program.
await import("./empty.mjs");
const [prefix, secret, key] = process.argv.slice(2);
const started = performance.now();
const { Verifier } = await import("claviger");
const verifier = new Verifier({ issuingSecrets: [{ prefix, secret }] });
const { verified } = verifier.verifyKey(key);
const ended = performance.now();
if (!verified) throw new Error("the key was denied");
console.log(ended - started);
