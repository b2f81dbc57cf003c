// An API in Express: its keys are verified with a ring from a URL or a folder, and their use is reported.
import { Verifier, urlSource } from "claviger";
import { apiKeyAuth } from "claviger/express";
import { fileSource } from "claviger/file-source";
import express from "express";
import { reportUsage } from "./usage.js";

const { KEYRING_KEY, RING, PORT = "8080" } = process.env;
if (!KEYRING_KEY || !RING) throw new Error("KEYRING_KEY or RING is not set");

const verifier = new Verifier({
  keyringKeys: [KEYRING_KEY],
  source: URL.canParse(RING) ? urlSource(RING) : fileSource(RING),
  usage: {},
  onEvent: (event) => event.type !== "refreshed" && console.warn(event),
});
verifier.refreshInBackground();
const reporting = setInterval(() => reportUsage(verifier), Number(process.env.USAGE_SECONDS ?? 60) * 1000);

/** Lets requests through whose key has these permissions. */
const needs = (...permissions) =>
  apiKeyAuth({
    verifier,
    permissions,
    // Behind a proxy: app.set("trust proxy", …), and (req) => req.ip.
    clientAddress: "connection",
    onDenied: ({ code, keyId }, req) => console.warn(req.method, req.path, code, keyId),
    onError: (error) => console.error(error),
  });

const app = express();
app.disable("x-powered-by");
app.get("/flights", needs("flights:view"), (req, res) => {
  res.json({ tenant: req.apiKey.tenant, owner: req.apiKey.owner });
});
app.post("/flights", needs("flights:view", "flights:plan"), (req, res) => {
  res.status(201).json({ plannedBy: req.apiKey.owner });
});

const server = app.listen(Number(PORT), "127.0.0.1", (error) => {
  if (error) throw error;
  console.log(`http://127.0.0.1:${server.address().port}`);
});

async function shutDown() {
  clearInterval(reporting);
  const impatience = setTimeout(() => server.closeAllConnections(), 10_000);
  await new Promise((closed) => server.close(closed));
  clearTimeout(impatience);
  await reportUsage(verifier);
  verifier.dispose();
}
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, shutDown);
