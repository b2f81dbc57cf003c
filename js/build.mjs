// Makes dist/ from src/ and wasm/: the implementation (slim.js), the entries over it, one copy of the WebAssembly beside
// them and one as text for bundlers, and the types. `cargo xtask build` calls this after it has written wasm/.
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL(".", import.meta.url));
process.chdir(root);
rmSync("dist", { recursive: true, force: true });
mkdirSync("dist", { recursive: true });
copyFileSync("wasm/claviger_wasm_js_bg.wasm", "dist/claviger.wasm");

const { version } = JSON.parse(readFileSync("package.json", "utf8"));

/** `x.wasm?base64` is the text of the file in dist/. */
const wasmAsText = {
  name: "wasm-as-text",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\.wasm\?base64$/ }, ({ path }) => ({ path, namespace: "base64" }));
    onLoad({ filter: /.*/, namespace: "base64" }, ({ path }) => {
      const name = /([a-z-]+\.wasm)\?/.exec(path)[1];
      return { contents: readFileSync(join("dist", name)), loader: "base64" };
    });
  },
};

const common = {
  bundle: true,
  target: "es2022",
  // Deno has it, and nobody else sees that file.
  supported: { "import-source": true },
  platform: "neutral",
  outbase: "src",
  logLevel: "warning",
  define: { PACKAGE_VERSION: JSON.stringify(version) },
  plugins: [wasmAsText],
};
// Entries import the implementation, and the WebAssembly, as files: so there is one of each, whatever is imported.
const external = ["node:*", "./slim.js", "../slim.js", "../../claviger.wasm", "../../claviger.wasm?module"];

async function bundle(format, entryPoints) {
  const outdir = `dist/${format}`;
  await build({ ...common, format, outdir, entryPoints: ["src/slim.ts"], external: ["node:*"] });
  await build({ ...common, format, outdir, entryPoints, external });
}
const entry = (name) => `src/entry/${name}`;
const beside = ["src/sources/file.ts", "src/hono.ts", "src/express.ts"];
await bundle("esm", [
  ...["node.ts", "bundled.ts", "workerd.ts", "edge-light.ts", "deno.js"].map(entry),
  ...beside,
]);
await bundle("cjs", [entry("node-cjs.ts"), ...beside]);
writeFileSync("dist/cjs/package.json", '{ "type": "commonjs" }\n');

execFileSync(process.execPath, ["node_modules/typescript/bin/tsc"], { stdio: "inherit" });
rmSync("dist/esm/types/entry", { recursive: true });
const internals = ["base64", "clock", "fetching", "flights", "lifetime", "living", "refreshing", "ring", "schedule", "sources/limits", "turns"];
for (const internal of internals) rmSync(`dist/esm/types/${internal}.d.ts`);
cpSync("dist/esm/types", "dist/cjs/types", { recursive: true });
