// Signs and verifies requests with the npm package http-message-signatures: a list of jobs in, a list of answers out.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// The development tools of the npm package have it.
const require = createRequire(new URL("../../../js/package.json", import.meta.url));
const { createSigner, createVerifier, httpbis } = require("http-message-signatures");

/** The lines of fields as the package takes them: several of one name in a list. */
function headers(lines) {
  const headers = {};
  for (const [name, value] of lines) {
    headers[name] = name in headers ? [headers[name], value].flat() : value;
  }
  return headers;
}

async function sign(job, request, key) {
  const { headers } = await httpbis.signMessage(
    {
      key: createSigner(key, "hmac-sha256", job.keyid),
      name: "theirs",
      fields: job.components,
      params: ["created", "keyid", "alg", ...(job.nonce === null ? [] : ["nonce"])],
      paramValues: { created: new Date(job.created * 1000), nonce: job.nonce },
    },
    request,
  );
  return { signature_input: headers["Signature-Input"], signature: headers["Signature"] };
}

async function verify(request, key) {
  const keyLookup = async ({ keyid }) => {
    return { id: keyid, algs: ["hmac-sha256"], verify: createVerifier(key, "hmac-sha256") };
  };
  try {
    // Of ours no clock is ahead of the other's.
    return { verified: (await httpbis.verifyMessage({ keyLookup, tolerance: 5 }, request)) === true };
  } catch (error) {
    return { verified: false, why: String(error) };
  }
}

const answers = [];
for (const job of JSON.parse(readFileSync(0, "utf8"))) {
  const key = Buffer.from(job.key, "base64");
  const request = { method: job.method, url: job.url, headers: headers(job.fields) };
  answers.push(await (job.do === "sign" ? sign(job, request, key) : verify(request, key)));
}
process.stdout.write(JSON.stringify(answers));
