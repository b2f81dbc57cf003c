// Deno, which may read nothing but the vectors and ask nobody, and Bun.
import { run } from "../lib/processes.mjs";
import { reportIn } from "../lib/project.mjs";
import { bun, deno, versionOf } from "../lib/tools.mjs";

const permissions = ["--no-prompt", "--no-remote", "--allow-read=vectors.json"];

export const denoAndBunRows = [
  {
    name: "deno",
    runtime: "Deno",
    quick: true,
    entry: "esm/entry/deno.js",
    version: () => versionOf(deno()),
    run: async ({ folder, path }) => {
      const env = { DENO_NO_UPDATE_CHECK: "1", DENO_DIR: path(".deno") };
      return reportIn(await run(deno(), ["run", ...permissions, "main.ts"], { cwd: folder, env }));
    },
  },
  {
    name: "bun",
    runtime: "Bun, ES modules",
    quick: true,
    entry: "esm/entry/node.js",
    version: () => versionOf(bun()),
    run: async ({ folder }) => reportIn(await run(bun(), ["main.ts"], { cwd: folder })),
  },
  {
    name: "bun-cjs",
    from: "node-cjs",
    runtime: "Bun, CommonJS",
    quick: true,
    type: "commonjs",
    entry: "cjs/entry/node-cjs.js",
    version: () => versionOf(bun()),
    run: async ({ folder }) => reportIn(await run(bun(), ["main.cjs"], { cwd: folder })),
  },
];
