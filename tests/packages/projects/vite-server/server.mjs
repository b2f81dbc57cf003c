import { createServer } from "vite";

const vite = await createServer({ appType: "custom", server: { middlewareMode: true, ws: false }, logLevel: "warn" });
// Vite itself is at work in the same program: there would be much to notice.
(await vite.ssrLoadModule("/watch.mjs")).stopWatching();
await vite.ssrLoadModule("/main.mjs");
await vite.close();
