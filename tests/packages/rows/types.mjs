// TypeScript: compiled strictly under each way to resolve packages, and run. And those who judge a package as it is packed.
import { writeFileSync } from "node:fs";
import { run } from "../lib/processes.mjs";
import { reportIn, tarball } from "../lib/project.mjs";
import { node, packageVersion, tool, versionOf } from "../lib/tools.mjs";

const tsc = () => tool("typescript/bin/tsc");

function compiled(module, moduleResolution, start) {
  return async ({ folder, path }) => {
    const compilerOptions = {
      strict: true,
      exactOptionalPropertyTypes: true,
      // The package's own types are looked over, too.
      skipLibCheck: false,
      types: [],
      target: "es2022",
      lib: ["es2022"],
      module,
      moduleResolution,
      rootDir: ".",
      outDir: "out",
    };
    writeFileSync(path("tsconfig.json"), JSON.stringify({ compilerOptions, files: ["main.ts"] }));
    await run(node, [tsc(), "-p", "."], { cwd: folder });
    return reportIn(await run(node, [start], { cwd: folder }));
  };
}

const ofTypeScript = { from: "typescript", quick: true, version: () => versionOf(node, [tsc(), "--version"]) };
const asModule = { ...ofTypeScript, entry: "esm/entry/node.js" };
const asCommonJs = { ...ofTypeScript, entry: "cjs/entry/node-cjs.js", type: "commonjs" };
const judge = { from: "tarball", quick: true, vectors: false };

export const typesRows = [
  { ...asModule, name: "typescript-bundler", runtime: "TypeScript, `bundler`", run: compiled("esnext", "bundler", "start.mjs") },
  { ...asCommonJs, name: "typescript-node16", runtime: "TypeScript, `node16`, CommonJS", run: compiled("node16", "node16", "start.cjs") },
  { ...asModule, name: "typescript-nodenext", runtime: "TypeScript, `nodenext`", run: compiled("nodenext", "nodenext", "start.mjs") },
  {
    ...judge,
    name: "publint",
    runtime: "publint",
    version: () => packageVersion("publint"),
    run: async ({ folder }) => {
      await run(node, [tool("publint/src/cli.js"), "run", tarball, "--strict"], { cwd: folder });
      return {};
    },
  },
  {
    ...judge,
    name: "attw",
    runtime: "Are the types wrong?",
    version: () => packageVersion("@arethetypeswrong/cli"),
    run: async ({ folder }) => {
      const flags = ["--profile", "node16", "--exclude-entrypoints", "claviger.wasm", "testing.wasm", "--format", "ascii"];
      await run(node, [tool("@arethetypeswrong/cli/dist/index.js"), tarball, ...flags], { cwd: folder });
      return {};
    },
  },
];
