// The parity suite's Node: a batch a line in, its answers a line out.
import { createInterface } from "node:readline";
import { answer } from "./harness.mjs";

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + "\n");
}
