// Every row of the table, in its order. A row has
//   name      of its project in target/packages; `from`: the folder in projects/, where it is another
//   runtime   as the table calls it, and `version`, asked of the tool itself
//   quick     whether it belongs to every run
//   entry     the file of the package that must be taken
//   tools     what the project imports of the tools
//   example   of which folder in examples/ it is a copy, instead of one in projects/; these have a table of their own
//   vectors   `false` where nothing runs; `page`: where only what pages can do is checked
//   run       → { passed, failed, entry, size }
import { bundlerRows } from "./bundlers.mjs";
import { denoAndBunRows } from "./deno-bun.mjs";
import { edgeRows } from "./edge.mjs";
import { exampleRows } from "./examples.mjs";
import { nodeRows } from "./node.mjs";
import { pageRows } from "./pages.mjs";
import { testerRows } from "./testers.mjs";
import { typesRows } from "./types.mjs";
import { workerRows } from "./workers.mjs";

export const rows = [...nodeRows, ...denoAndBunRows, ...workerRows, ...edgeRows, ...bundlerRows, ...pageRows, ...testerRows, ...typesRows, ...exampleRows];
