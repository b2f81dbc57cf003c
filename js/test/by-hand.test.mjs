// A request that is signed with openssl and sent with curl, as the project's README shows it, to a server that has a keyring.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { test } from "node:test";
import { RequestVerifier, Verifier, denialParts, verifyRequest } from "claviger";
import { TestRing } from "claviger/testing";

const [, section] = readFileSync(new URL("../../README.md", import.meta.url), "utf8").split("## Signed requests and webhooks\n");
const [, program] = /```sh\n([\s\S]*?)```/.exec(section);
const [, printed] = /```\n\n {4}(hello .*)\n/.exec(section);

test("what the README signs with openssl and sends with curl is let in, and nothing that was changed", async (t) => {
  const ring = new TestRing();
  const { key, keyId: id } = ring.addKey({ kind: "opaque_signing", prefix: "acme_live" });
  const verifier = new Verifier({ keyringKeys: [ring.keyringKey], source: ring });
  let requests;
  const server = createServer(async (request, response) => {
    const verdict = await verifyRequest(requests, request, { credentials: { signature: true } });
    if (verdict.verified) return response.end(`hello ${verdict.keyId}, from ${request.url}\n`);
    const { status, headers, body } = denialParts(verdict, requests);
    response.writeHead(status, headers).end(body);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => server.close());
  const origin = `http://127.0.0.1:${server.address().port}`;
  requests = new RequestVerifier(verifier, { origin });
  const run = async (text) => {
    const child = spawn("bash", ["-euo", "pipefail", "-c", text], { env: { ...process.env, KEY: key, ORIGIN: origin } });
    let [output, errors] = ["", ""];
    child.stdout.on("data", (data) => (output += data));
    child.stderr.on("data", (data) => (errors += data));
    const [code] = await once(child, "close");
    assert.equal(code, 0, `bash, openssl and curl are needed: ${errors}`);
    return output;
  };
  assert.equal(await run(program), `hello ${id}, from /flights?page=2\n`);
  assert.equal(printed.replace(/^hello \w{11},/, `hello ${id},`), `hello ${id}, from /flights?page=2`);
  assert.match(await run(program.replace("curl -s \"$ORIGIN/flights?page=2", "curl -s \"$ORIGIN/flights?page=3")), /"status":401/);
  assert.match(await run(program.replace("signing_secret=$(printf %s \"$secret\"", "signing_secret=$(printf %s \"x\"")), /"status":401/);
  ring.changeKey(id, { revoked: true });
  await verifier.refresh();
  assert.match(await run(program), /"code":"revoked"/);
});
