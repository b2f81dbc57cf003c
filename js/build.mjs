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
for (const name of ["claviger", "testing"]) copyFileSync(`wasm/${name}_bg.wasm`, `dist/${name}.wasm`);

const { version } = JSON.parse(readFileSync("package.json", "utf8"));

/** `x.wasm?base64` is the text of the file. */
const wasmAsText = {
  name: "wasm-as-text",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\.wasm\?base64$/ }, ({ path, resolveDir }) => ({
      path: join(resolveDir, path.slice(0, path.indexOf("?"))),
      namespace: "base64",
    }));
    onLoad({ filter: /.*/, namespace: "base64" }, ({ path }) => ({ contents: readFileSync(path), loader: "base64" }));
  },
};

/** What of the generated glue is not needed, and what stands in its place. */
const TRIMMED = [
  // It is given a compiled module. Where an edge function is developed, that is one of another realm, and no instance of the
  // class here.
  [/\n *if \(!\(module instanceof WebAssembly\.Module\)\) \{\n *module = new WebAssembly\.Module\(module\);\n *\}\n/, "\n"],
  // It is called in one way.
  [/if \(module !== undefined\) \{\n *if \(Object\.getPrototypeOf\(module\)[^]*?console\.warn[^]*?\n *\}\n *\}\n/, "({ module } = module);\n"],
  // Nobody but this package has them.
  [/if \(Symbol\.dispose\) RawVerifier[^\n]*\n/, ""],
  [/if \(Symbol\.dispose\) RawWebhook[^\n]*\n/, ""],
  // Made with the first of them, so that a bundler leaves it out with the class.
  [/const RawWebhookFinalization = (\([^\n]*\n[^\n]*\n[^\n]*);\n/, "let ofWebhooks;\nconst RawWebhookFinalization = () => (ofWebhooks ??= $1);\n"],
  [
    /RawWebhookFinalization\.(register[^]*?RawWebhookFinalization)\.unregister/,
    "RawWebhookFinalization().$1().unregister",
  ],
  // It decodes messages of faults, not gigabytes.
  [/let cachedTextDecoder = [^]*?\nfunction decodeText\(bytes\) \{\n[^]*?\n\}\n/, "const decodeText = (bytes) => new TextDecoder().decode(bytes);\n"],
];

const trimmedGlue = {
  name: "trimmed-glue",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]wasm[\\/][a-z]+\.js$/ }, ({ path }) => {
      let contents = readFileSync(path, "utf8");
      for (const [what, instead] of TRIMMED) {
        if (path.endsWith("claviger.js") && !what.test(contents)) throw new Error(`${path} is not as wasm-bindgen wrote it before: look at what ${what} became`);
        contents = contents.replace(what, instead);
      }
      return { contents, loader: "js" };
    });
  },
};

/** An entry that is not over the implementation takes its class of errors from it all the same. */
const errorOfSlim = {
  name: "error-of-slim",
  setup({ onResolve }) {
    onResolve({ filter: /\/claviger-error\.js$/ }, () => ({ path: "../slim.js", external: true }));
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
  // The glue would warn of what is not done here.
  drop: ["console"],
  define: { PACKAGE_VERSION: JSON.stringify(version) },
  plugins: [wasmAsText, trimmedGlue],
};
// Entries import the implementation, and the WebAssembly, as files: so there is one of each, whatever is imported.
const external = ["node:*", "./slim.js", "../slim.js", ...["claviger", "testing"].flatMap((name) => [`../../${name}.wasm`, `../../${name}.wasm?module`])];

async function bundle(format, entryPoints, testing) {
  const outdir = `dist/${format}`;
  // A cold process has to read it, so it comes without comments; the source map has them.
  const short = { minifyWhitespace: true, minifySyntax: true, sourcemap: true, sourcesContent: true };
  await build({ ...common, ...short, format, outdir, entryPoints: ["src/slim.ts"], external: ["node:*"] });
  await build({ ...common, format, outdir, entryPoints, external });
  await build({ ...common, format, outdir, entryPoints: testing, external, plugins: [...common.plugins, errorOfSlim] });
}
const entry = (name) => `src/entry/${name}`;
const beside = ["src/sources/file.ts", "src/hono.ts", "src/express.ts", "src/replay-durable-object.ts"];
await bundle(
  "esm",
  [...["node.ts", "bundled.ts", "workerd.ts", "edge-light.ts", "deno.js", "browser.ts"].map(entry), ...beside],
  ["testing.ts", "testing-workerd.ts", "testing-edge-light.ts"].map(entry),
);
await bundle("cjs", [entry("node-cjs.ts"), ...beside], [entry("testing.ts")]);
writeFileSync("dist/cjs/package.json", '{ "type": "commonjs" }\n');

execFileSync(process.execPath, ["node_modules/typescript/bin/tsc"], { stdio: "inherit" });
rmSync("dist/esm/types/entry", { recursive: true });
const internals = ["base64", "clock", "exchange", "fetching", "flights", "lifetime", "living", "refreshing", "ring", "schedule", "signed-request", "sources/limits", "testing-wasm", "turns"];
for (const internal of internals) rmSync(`dist/esm/types/${internal}.d.ts`);
cpSync("dist/esm/types", "dist/cjs/types", { recursive: true });
