import { check } from "./check.mjs";
import { checkUsing } from "./using.mjs";
import * as claviger from "claviger";

const vectors = JSON.parse(Deno.readTextFileSync("vectors.json"));
const report = await check(claviger, vectors, import.meta.resolve("claviger"));
report.failed.push(...checkUsing(claviger));
console.log(JSON.stringify(report));
