import { check } from "./check.mjs";
import * as claviger from "claviger";
import { readFileSync } from "node:fs";

const vectors = JSON.parse(readFileSync("vectors.json", "utf8"));
check(claviger, vectors, import.meta.resolve("claviger")).then((report) => console.log(JSON.stringify(report)));
