// Pages in a real browser, as it comes and through each bundler.
import { cpSync } from "node:fs";
import { browserVersion, reportOfPage } from "../lib/browser.mjs";
import { bundleIn, entryIn } from "../lib/bundle.mjs";
import { answers, freePort, servingFolder } from "../lib/http.mjs";
import { run, serving } from "../lib/processes.mjs";
import { node, packageVersion, tool, versionOf } from "../lib/tools.mjs";

const aPage = { from: "page", page: true, entry: "esm/entry/browser.js" };
const vite = () => tool("vite/bin/vite.js");
const ofVite = { ...aPage, tools: ["vite"], version: () => versionOf(node, [vite(), "--version"]) };

/** Bundles into out/, and opens what was written. */
function bundled(bundle, ...beside) {
  return async (project) => {
    const { path } = project;
    await bundle(project);
    const written = bundleIn(path("out"));
    for (const file of ["vectors.json", ...beside]) cpSync(path(file), path(`out/${file}`));
    return { ...(await servingFolder(path("out"), (url) => reportOfPage(url))), ...written };
  };
}

const esbuild = ["main.js", "--bundle", "--format=esm", "--minify", "--sourcemap", "--log-level=warning", "--outfile=out/main.js"];

export const pageRows = [
  {
    ...aPage,
    name: "chromium",
    runtime: "Chromium, an import map",
    version: browserVersion,
    run: ({ folder }) =>
      servingFolder(folder, async (url) => {
        const report = await reportOfPage(`${url}import-map.html`);
        return { ...report, entry: entryIn(report.requested) };
      }),
  },
  {
    ...ofVite,
    name: "vite",
    runtime: "Chromium, built by Vite",
    run: bundled(({ folder }) => run(node, [vite(), "build", "--logLevel=warn"], { cwd: folder })),
  },
  {
    ...ofVite,
    name: "vite-dev",
    runtime: "Chromium, served by Vite",
    run: async ({ folder, path }) => {
      const url = `http://127.0.0.1:${await freePort()}/`;
      const flags = ["--host=127.0.0.1", `--port=${new URL(url).port}`, "--strictPort"];
      return serving(node, [vite(), ...flags], { cwd: folder, ready: () => answers(url) }, async () => {
        const report = await reportOfPage(url, (text) => text.startsWith("[vite]"));
        return { ...report, entry: bundleIn(path("node_modules/.vite/deps")).entry };
      });
    },
  },
  {
    ...aPage,
    name: "webpack-page",
    runtime: "Chromium, built by webpack",
    tools: ["webpack"],
    version: () => packageVersion("webpack"),
    run: bundled(({ folder }) => run(node, ["webpack.mjs"], { cwd: folder }), "index.html"),
  },
  {
    ...aPage,
    name: "esbuild-page",
    runtime: "Chromium, built by esbuild",
    version: () => versionOf(node, [tool("esbuild/bin/esbuild"), "--version"]),
    run: bundled(({ folder }) => run(node, [tool("esbuild/bin/esbuild"), ...esbuild], { cwd: folder }), "index.html"),
  },
];
