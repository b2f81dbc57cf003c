// Installs the packed tarball into a tiny project for each runtime and bundler, runs each, and prints one table; and into a
// copy of each server in examples/, which is started and asked as its README says, for a second one.
//
//   node run.mjs [--quick] [--only name,…] [--json] [--write]
//
// --quick leaves out what takes long; --only takes projects by name; --write puts the first table into README.md.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { entryOf } from "./lib/bundle.mjs";
import { within } from "./lib/processes.mjs";
import { common, prepare, prepareExample, root } from "./lib/project.mjs";
import { asText, asTextOfExamples, write } from "./lib/table.mjs";
import { rows } from "./rows/all.mjs";

const options = { quick: { type: "boolean" }, only: { type: "string" }, json: { type: "boolean" }, write: { type: "boolean" } };
const { values: wanted } = parseArgs({ options });
if (wanted.write && (wanted.quick || wanted.only !== undefined)) throw new Error("--write writes the whole table: not with --quick or --only");

const names = wanted.only?.split(",");
const unknown = names?.filter((name) => !rows.some((row) => row.name === name)) ?? [];
if (unknown.length > 0) throw new Error(`no such project: ${unknown.join(", ")}; there are ${rows.map(({ name }) => name).join(", ")}`);

const shared = common();
const results = [];
for (const row of rows) {
  if (names === undefined ? wanted.quick && !row.quick : !names.includes(row.name)) continue;
  const result = await resultOf(row);
  process.stderr.write(`packages: ${row.name}: ${result.problem ?? "ok"} (${(result.milliseconds / 1000).toFixed(1)} s)\n`);
  results.push(result);
}

const examples = results.filter(({ example }) => example !== undefined);
const runtimes = results.filter(({ example }) => example === undefined);
if (wanted.json) console.log(JSON.stringify(results, null, 2));
else console.log([runtimes.length > 0 && asText(runtimes), examples.length > 0 && asTextOfExamples(examples)].filter(Boolean).join("\n\n"));
if (wanted.write) write(join(root, "README.md"), runtimes);
// Whatever a tool has left running ends with this.
process.exit(results.some(({ problem }) => problem !== undefined) ? 1 : 0);

/** Runs a row: its tool's version, its project, and what it reports. */
async function resultOf(row) {
  const { name, runtime, example } = row;
  const result = { name, runtime, example, total: row.page ? shared.inPage : row.vectors === false ? undefined : shared.all };
  const start = performance.now();
  try {
    result.version = await row.version();
    const project = await (example === undefined ? prepare(row, shared) : prepareExample(row));
    const { passed, failed = [], entry, size } = await within(120, row.run(project), name);
    Object.assign(result, { passed, size, entry: entryOf(entry) ?? entry });
    if (row.entry !== undefined && result.entry !== row.entry) failed.push(`took ${result.entry} instead of ${row.entry}`);
    if (result.total !== undefined && passed !== result.total) failed.push(`${result.total - passed} vectors did not pass`);
    if (failed.length > 0) result.problem = failed.join("\n");
  } catch (error) {
    result.problem = error.message;
  }
  return { ...result, milliseconds: Math.round(performance.now() - start) };
}
