// An API in Deno: its keys are verified with a ring from a URL or a folder.
import { Verifier, denialResponse, urlSource, verifyRequest } from "claviger";
import { fileSource } from "claviger/file-source";

function required(name: string): string {
  const value = Deno.env.get(name);
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

const ring = required("RING");
const verifier = new Verifier({
  keyringKeys: [required("KEYRING_KEY")],
  source: URL.canParse(ring) ? urlSource(ring) : fileSource(ring),
  onEvent: (event) => event.type !== "refreshed" && console.warn(event),
});
verifier.refreshInBackground();

async function answer(request: Request, info: Deno.ServeHandlerInfo<Deno.NetAddr>): Promise<Response> {
  const verdict = await verifyRequest(verifier, request, {
    permissions: ["flights:view"],
    // Behind a proxy it would be that of the proxy.
    address: info.remoteAddr.hostname,
  });
  if (!verdict.verified) {
    console.warn(verdict.code, verdict.keyId);
    return denialResponse(verdict);
  }
  return Response.json({ tenant: verdict.tenant, owner: verdict.owner });
}

const server = Deno.serve({
  hostname: "127.0.0.1",
  port: Number(Deno.env.get("PORT") ?? 8000),
  onListen: ({ hostname, port }) => console.log(`http://${hostname}:${port}`),
}, answer);

for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => server.shutdown());
await server.finished;
verifier.dispose();
Deno.exit();
