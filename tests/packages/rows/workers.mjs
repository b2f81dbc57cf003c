// Cloudflare's runtime: bare, and in the tools around it.
import { bundleIn } from "../lib/bundle.mjs";
import { askWorker } from "../lib/http.mjs";
import { run, serving } from "../lib/processes.mjs";
import { node, tool, versionOf, workerd } from "../lib/tools.mjs";

/** Bundles the Worker as wrangler would: one script, and the WebAssembly beside it. */
async function bundle({ folder, path }) {
  const flags = ["--bundle", "--format=esm", "--conditions=workerd", "--loader:.wasm=copy", "--asset-names=[name]", "--sourcemap"];
  await run(node, [tool("esbuild/bin/esbuild"), "worker.js", ...flags, "--log-level=warning", "--outfile=out/worker.js"], { cwd: folder });
  return bundleIn(path("out"));
}

/** workerd tells on its control descriptor when it listens, and where. */
function listening({ stdout }) {
  const line = stdout.split("\n").find((line) => line.includes('"listen"'));
  return line && `http://127.0.0.1:${JSON.parse(line).port}/`;
}

export const workerRows = [
  {
    name: "workerd",
    from: "worker",
    runtime: "workerd, bundled by esbuild",
    quick: true,
    entry: "esm/entry/workerd.js",
    version: () => versionOf(workerd()),
    run: async (project) => {
      const { entry, size } = await bundle(project);
      const parameters = ["serve", "config.capnp", "--control-fd=1"];
      const report = await serving(workerd(), parameters, { cwd: project.folder, ready: listening }, (url) => askWorker(url, project.vectors));
      return { ...report, entry, size };
    },
  },
];
