// What Vercel does with an edge function: it is bundled, what it imports as `…wasm?module` is compiled before and bound, and
// it runs where neither text nor WebAssembly may be compiled.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EdgeRuntime } from "edge-runtime";
import { build } from "esbuild";

const compiled = {};

const wasmModules = {
  name: "wasm-modules",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\.wasm\?module$/ }, ({ path, resolveDir }) => ({ path: join(resolveDir, path.replace("?module", "")), namespace: "compiled" }));
    onLoad({ filter: /.*/, namespace: "compiled" }, ({ path }) => {
      const name = `wasm_${Object.keys(compiled).length}`;
      const bytes = readFileSync(path);
      compiled[name] = new WebAssembly.Module(bytes);
      mkdirSync("out", { recursive: true });
      writeFileSync(`out/${name}.wasm`, bytes);
      return { contents: `export default globalThis.${name};` };
    });
  },
};

await build({
  stdin: {
    contents: 'import route from "./route.js"; addEventListener("fetch", (event) => event.respondWith(route(event.request)));',
    resolveDir: import.meta.dirname,
  },
  bundle: true,
  format: "iife",
  target: "es2022",
  conditions: ["edge-light"],
  plugins: [wasmModules],
  outfile: "out/route.js",
  sourcemap: true,
});
const runtime = new EdgeRuntime({
  codeGeneration: { strings: false, wasm: false },
  extend: (context) => Object.assign(context, compiled),
  initialCode: readFileSync("out/route.js", "utf8"),
});
const response = await runtime.dispatchFetch("http://localhost/", { method: "POST", body: readFileSync("vectors.json", "utf8") });
if (!response.ok) throw new Error(await response.text());
console.log(await response.text());
