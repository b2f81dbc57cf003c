// Vercel's edge runtime.
import { bundleIn } from "../lib/bundle.mjs";
import { run } from "../lib/processes.mjs";
import { reportIn } from "../lib/project.mjs";
import { node, packageVersion } from "../lib/tools.mjs";

export const edgeRows = [
  {
    name: "edge-runtime",
    runtime: "Vercel's edge-runtime",
    quick: true,
    entry: "esm/entry/edge-light.js",
    tools: ["edge-runtime", "esbuild"],
    version: () => packageVersion("edge-runtime"),
    run: async ({ folder, path }) => {
      const report = reportIn(await run(node, ["host.mjs"], { cwd: folder }));
      return { ...report, ...bundleIn(path("out")) };
    },
  },
];
