// Programs that run tests, which have module systems of their own.
import { existsSync, readFileSync } from "node:fs";
import { run } from "../lib/processes.mjs";
import { node, packageVersion, tool } from "../lib/tools.mjs";

/** Runs the tests; the report is in a file, as they print what they like. */
function tested(parameters) {
  return async ({ folder, path }) => {
    const failure = await run(node, parameters(), { cwd: folder }).then(() => undefined, (error) => error);
    if (!existsSync(path("report.json"))) throw failure ?? new Error("it ran no test");
    return JSON.parse(readFileSync(path("report.json"), "utf8"));
  };
}

const jest = (...flags) => tested(() => [...flags, tool("jest/bin/jest.js"), "--ci", "--runInBand"]);

export const testerRows = [
  {
    name: "vitest",
    runtime: "vitest",
    tools: ["vitest"],
    entry: "esm/entry/node.js",
    version: () => packageVersion("vitest"),
    run: tested(() => [tool("vitest/vitest.mjs"), "run"]),
  },
  {
    name: "jest-esm",
    runtime: "jest, ES modules",
    entry: "esm/entry/node.js",
    version: () => packageVersion("jest"),
    run: jest("--experimental-vm-modules"),
  },
  {
    name: "jest-cjs",
    runtime: "jest, CommonJS",
    type: "commonjs",
    entry: "cjs/entry/node-cjs.js",
    version: () => packageVersion("jest"),
    run: jest(),
  },
];
