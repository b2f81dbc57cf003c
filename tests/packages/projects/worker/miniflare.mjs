import { readFileSync } from "node:fs";
import { Miniflare } from "miniflare";

const miniflare = new Miniflare({
  modulesRoot: "out",
  modules: [
    { type: "ESModule", path: "out/worker.js" },
    { type: "CompiledWasm", path: "out/claviger.wasm" },
  ],
  compatibilityDate: "2026-01-01",
});
const response = await miniflare.dispatchFetch("http://localhost/", { method: "POST", body: readFileSync("vectors.json") });
console.log(await response.text());
await miniflare.dispose();
