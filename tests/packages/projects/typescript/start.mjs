import { check } from "./check.mjs";
import { checkUsing, claviger } from "./out/main.js";
import { readFileSync } from "node:fs";

const vectors = JSON.parse(readFileSync("vectors.json", "utf8"));
const report = await check(claviger, vectors, import.meta.resolve("claviger"));
report.failed.push(...checkUsing());
console.log(JSON.stringify(report));
