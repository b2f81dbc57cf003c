// Cloudflare's runtime: bare, and in the tools around it.
import { bundleIn } from "../lib/bundle.mjs";
import { answers, askWorker, freePort } from "../lib/http.mjs";
import { run, serving } from "../lib/processes.mjs";
import { reportIn } from "../lib/project.mjs";
import { node, packageVersion, tool, versionOf, workerd, workerdAddress } from "../lib/tools.mjs";

/** Bundles the Worker as wrangler would: one script, and the WebAssembly beside it. */
async function bundle({ folder, path }) {
  const flags = ["--bundle", "--format=esm", "--conditions=workerd", "--loader:.wasm=copy", "--asset-names=[name]", "--sourcemap"];
  await run(node, [tool("esbuild/bin/esbuild"), "worker.js", ...flags, "--log-level=warning", "--outfile=out/worker.js"], { cwd: folder });
  return bundleIn(path("out"));
}

const wrangler = () => tool("wrangler/bin/wrangler.js");

/** It keeps its files in the project, and asks and tells nobody. */
export function secluded({ path }) {
  const files = { XDG_CONFIG_HOME: path(".config"), WRANGLER_LOG_PATH: path(".logs"), MINIFLARE_REGISTRY_PATH: path(".registry") };
  return { ...files, WRANGLER_SEND_METRICS: "false", CLOUDFLARE_CF_FETCH_ENABLED: "false" };
}

const aWorker = { from: "worker", entry: "esm/entry/workerd.js" };

export const workerRows = [
  {
    ...aWorker,
    name: "workerd",
    runtime: "workerd, bundled by esbuild",
    quick: true,
    version: () => versionOf(workerd()),
    run: async (project) => {
      const { entry, size } = await bundle(project);
      const parameters = ["serve", "config.capnp", "--control-fd=1"];
      const report = await serving(workerd(), parameters, { cwd: project.folder, ready: workerdAddress }, (url) => askWorker(url, project.vectors));
      return { ...report, entry, size };
    },
  },
  {
    ...aWorker,
    name: "miniflare",
    runtime: "miniflare",
    tools: ["miniflare"],
    version: () => packageVersion("miniflare"),
    run: async (project) => {
      const { entry, size } = await bundle(project);
      const env = { CLOUDFLARE_CF_FETCH_ENABLED: "false" };
      return { ...reportIn(await run(node, ["miniflare.mjs"], { cwd: project.folder, env })), entry, size };
    },
  },
  {
    ...aWorker,
    name: "wrangler-dev",
    runtime: "`wrangler dev`",
    version: () => versionOf(node, [wrangler(), "--version"]),
    run: async (project) => {
      const url = `http://127.0.0.1:${await freePort()}/`;
      const flags = ["--local", "--ip", "127.0.0.1", "--port", new URL(url).port, "--inspector-port", String(await freePort())];
      const options = { cwd: project.folder, env: secluded(project), ready: () => answers(url) };
      return serving(node, [wrangler(), "dev", ...flags], options, async () => {
        const report = await askWorker(url, project.vectors);
        // It takes away its bundle when it ends.
        return { ...report, entry: bundleIn(project.path(".wrangler/tmp")).entry };
      });
    },
  },
  {
    ...aWorker,
    name: "wrangler-deploy",
    runtime: "`wrangler deploy --dry-run`",
    vectors: false,
    version: () => versionOf(node, [wrangler(), "--version"]),
    run: async (project) => {
      const { folder, path } = project;
      const flags = ["--dry-run", "--outdir", "out"];
      const { stdout } = await run(node, [wrangler(), "deploy", ...flags], { cwd: folder, env: secluded(project) });
      const upload = /Total Upload: ([\d.]+ KiB) \/ gzip: ([\d.]+ KiB)/.exec(stdout);
      if (upload === null) throw new Error(`it names no size of the upload: ${stdout}`);
      return { entry: bundleIn(path("out")).entry, size: `${upload[1]}, gzip ${upload[2]}` };
    },
  },
];
