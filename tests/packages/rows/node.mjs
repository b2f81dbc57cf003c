// Node: its own version of this runner, and the later one.
import { run } from "../lib/processes.mjs";
import { reportIn } from "../lib/project.mjs";
import { node, node22, versionOf } from "../lib/tools.mjs";

const esm = (program) => async ({ folder }) => reportIn(await run(program(), ["main.mjs"], { cwd: folder }));
const cjs = (program) => async ({ folder }) => reportIn(await run(program(), ["main.cjs"], { cwd: folder }));
const here = () => node;

const asModule = { from: "node-esm", quick: true, entry: "esm/entry/node.js" };
const asCommonJs = { from: "node-cjs", quick: true, entry: "cjs/entry/node-cjs.js", type: "commonjs" };

export const nodeRows = [
  { ...asModule, name: "node-esm", runtime: "Node, ES modules", version: () => versionOf(node), run: esm(here) },
  { ...asCommonJs, name: "node-cjs", runtime: "Node, CommonJS", version: () => versionOf(node), run: cjs(here) },
  { ...asModule, name: "node22-esm", runtime: "Node, ES modules", version: () => versionOf(node22()), run: esm(node22) },
  { ...asCommonJs, name: "node22-cjs", runtime: "Node, CommonJS", version: () => versionOf(node22()), run: cjs(node22) },
];
