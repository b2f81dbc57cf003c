// An API in Bun: its keys are verified with a ring in a folder.
import { Verifier, denialResponse, verifyRequest } from "claviger";
import { fileSource } from "claviger/file-source";

const { KEYRING_KEY, RING, PORT = "3000" } = process.env;
if (!KEYRING_KEY || !RING) throw new Error("KEYRING_KEY or RING is not set");

const verifier = new Verifier({
  keyringKeys: [KEYRING_KEY],
  source: fileSource(RING),
  onEvent: (event) => event.type !== "refreshed" && console.warn(event),
});
verifier.refreshInBackground();

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: PORT,
  async fetch(request, server) {
    const verdict = await verifyRequest(verifier, request, {
      permissions: ["flights:view"],
      // Behind a proxy it would be that of the proxy.
      address: server.requestIP(request)?.address ?? null,
    });
    if (!verdict.verified) {
      console.warn(verdict.code, verdict.keyId);
      return denialResponse(verdict);
    }
    return Response.json({ tenant: verdict.tenant, owner: verdict.owner });
  },
});
console.log(`http://${server.hostname}:${server.port}`);

async function shutDown() {
  // Requests that are under way get their answers.
  await server.stop();
  verifier.dispose();
  process.exit();
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, shutDown);
