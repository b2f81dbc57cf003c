// Node, Deno and Bun: does what a line of standard input asks for, and answers with a line.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { casesOver } from "./cases.mjs";

const [folder] = process.argv.slice(2);
const read = (name) => new Uint8Array(readFileSync(`${folder}/${name}`));
const cases = await casesOver({
  keyringKey: readFileSync(`${folder}/keyring-key`, "latin1"),
  bundle: read("small.bundle"),
  keys: read("small.keys"),
});
console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  const [name, count] = line.split(" ");
  await cases[name](Number(count));
  console.log("done");
}
