// Bundlers of programs for Node. What they write runs without the package.
import { rmSync } from "node:fs";
import { bundleIn } from "../lib/bundle.mjs";
import { run } from "../lib/processes.mjs";
import { reportIn } from "../lib/project.mjs";
import { node, packageVersion, tool, versionOf } from "../lib/tools.mjs";

/** Bundles, takes the package away, and runs what was written. */
function bundled(bundle, program) {
  return async (project) => {
    const { folder, path } = project;
    await bundle(project);
    rmSync(path("node_modules/claviger"), { recursive: true });
    return { ...reportIn(await run(node, [program], { cwd: folder })), ...bundleIn(path("out")) };
  };
}

function esbuild(source, format, program) {
  const flags = ["--bundle", "--platform=node", "--target=node20", `--format=${format}`, "--sourcemap", "--log-level=warning"];
  const bundle = ({ folder }) => run(node, [tool("esbuild/bin/esbuild"), source, ...flags, `--outfile=${program}`], { cwd: folder });
  return bundled(bundle, program);
}

const ofEsbuild = { quick: true, entry: "esm/entry/bundled.js", version: () => versionOf(node, [tool("esbuild/bin/esbuild"), "--version"]) };

const ofRollup = { from: "bundled", runtime: "rollup, for Node", entry: "esm/entry/bundled.js", tools: ["@rollup/plugin-node-resolve"], version: () => packageVersion("rollup") };
const vite = () => tool("vite/bin/vite.js");
const ofVite = { from: "bundled", tools: ["vite"], version: () => versionOf(node, [vite(), "--version"]) };

export const bundlerRows = [
  { ...ofEsbuild, name: "esbuild-esm", from: "bundled", runtime: "esbuild, to an ES module", run: esbuild("main.mjs", "esm", "out/main.mjs") },
  { ...ofEsbuild, name: "esbuild-cjs", from: "bundled", runtime: "esbuild, CommonJS", run: esbuild("main.cjs", "cjs", "out/main.cjs") },
  {
    ...ofRollup,
    name: "rollup",
    run: bundled(({ folder }) => run(node, [tool("rollup/dist/bin/rollup"), "--config", "--silent"], { cwd: folder }), "out/main.mjs"),
  },
  {
    name: "webpack",
    from: "bundled",
    runtime: "webpack, for Node",
    entry: "esm/entry/bundled.js",
    tools: ["webpack"],
    version: () => packageVersion("webpack"),
    run: bundled(({ folder }) => run(node, ["webpack.mjs"], { cwd: folder }), "out/main.cjs"),
  },
  {
    ...ofVite,
    name: "vite-ssr",
    runtime: "Vite, for servers",
    entry: "esm/entry/bundled.js",
    run: bundled(({ folder }) => run(node, [vite(), "build", "--logLevel=warn"], { cwd: folder }), "out/main.js"),
  },
  {
    ...ofVite,
    name: "vite-ssr-dev",
    from: "vite-server",
    runtime: "Vite, for servers, in development",
    entry: "esm/entry/node.js",
    run: async ({ folder }) => reportIn(await run(node, ["server.mjs"], { cwd: folder })),
  },
];
