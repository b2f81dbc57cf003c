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
await build({ ...common, format: "esm", entryPoints: ["src/entry/node.ts", "src/entry/workerd.ts"], outdir: "dist/esm" });
await build({ ...common, format: "cjs", entryPoints: { node: "src/entry/node-cjs.ts" }, outdir: "dist/cjs" });
writeFileSync("dist/cjs/package.json", '{ "type": "commonjs" }\n');

execFileSync(process.execPath, ["node_modules/typescript/bin/tsc"], { stdio: "inherit" });
rmSync("dist/esm/types/entry", { recursive: true });
for (const internal of ["clock", "wasm"]) rmSync(`dist/esm/types/${internal}.d.ts`);
cpSync("dist/esm/types", "dist/cjs/types", { recursive: true });
