import { check } from "./check.mjs";
import * as claviger from "claviger";
import { readFileSync } from "node:fs";

const vectors = JSON.parse(readFileSync("vectors.json", "utf8"));
console.log(JSON.stringify(check(claviger, vectors)));
