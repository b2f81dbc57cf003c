// Makes dist/ from src/ and wasm/: one bundle per entry, one copy of the WebAssembly, and the types.
// `cargo xtask build` calls this after it has written wasm/.
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL(".", import.meta.url));
process.chdir(root);
rmSync("dist", { recursive: true, force: true });
mkdirSync("dist", { recursive: true });
copyFileSync("wasm/claviger_wasm_js_bg.wasm", "dist/claviger.wasm");

const common = {
  bundle: true,
  target: "es2022",
  platform: "neutral",
  // The one copy of the WebAssembly lies beside the folders of both formats.
  external: ["node:*", "../claviger.wasm"],
  logLevel: "warning",
};
const fileSource = { "file-source": "src/sources/file.ts" };
const esm = { node: "src/entry/node.ts", workerd: "src/entry/workerd.ts", ...fileSource };
await build({ ...common, format: "esm", entryPoints: esm, outdir: "dist/esm" });
await build({ ...common, format: "cjs", entryPoints: { node: "src/entry/node-cjs.ts", ...fileSource }, outdir: "dist/cjs" });
writeFileSync("dist/cjs/package.json", '{ "type": "commonjs" }\n');

execFileSync(process.execPath, ["node_modules/typescript/bin/tsc"], { stdio: "inherit" });
rmSync("dist/esm/types/entry", { recursive: true });
const internals = ["clock", "fetching", "flights", "lifetime", "living", "refreshing", "ring", "schedule", "sources/limits", "turns", "wasm"];
for (const internal of internals) rmSync(`dist/esm/types/${internal}.d.ts`);
cpSync("dist/esm/types", "dist/cjs/types", { recursive: true });
