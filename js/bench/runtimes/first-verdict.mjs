// A program that verifies one key: what it takes from import to the first verdict is its time less that of an empty one.
import { Verifier } from "claviger";

const [prefix, secret, key] = process.argv.slice(2);
const verifier = new Verifier({ issuingSecrets: [{ prefix, secret }] });
if (!verifier.verifyKey(key).verified) throw new Error("the key was denied");
