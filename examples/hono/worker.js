// An API in a Worker with Hono: permissions for each route, and the limits that verdicts carry.
import { Verifier, kvSource } from "claviger";
import { apiKeyAuth } from "claviger/hono";
import { Hono } from "hono";
import { limited } from "./limited.js";

/** One for all requests of this isolate. Secrets are there only from the first one on. */
let verifier;

/** Lets requests through whose key has these permissions. */
const needs = (...permissions) =>
  apiKeyAuth({
    verifier: ({ env }) =>
      (verifier ??= new Verifier({
        keyringKeys: [env.KEYRING_KEY],
        source: kvSource(env.RINGS, { prefix: "edge/" }),
        onEvent: (event) => event.type !== "refreshed" && console.warn("keyring", event.type, String(event.error ?? "")),
      })),
    permissions,
    clientAddress: { header: "CF-Connecting-IP" },
    onDenied: ({ code, keyId }, c) => console.warn(c.req.method, c.req.path, code, keyId),
    onError: (error) => console.error(error),
  });

const app = new Hono();
app.get("/flights", needs("flights:view"), limited("requests"), (c) => {
  const { tenant, owner } = c.var.apiKey;
  return c.json({ tenant, owner });
});
app.post("/flights", needs("flights:view", "flights:plan"), limited("requests", "plans"), (c) => {
  return c.json({ plannedBy: c.var.apiKey.owner }, 201);
});
export default app;
