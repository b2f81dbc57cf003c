const { check } = require("./check.cjs");
const { checkUsing, claviger } = require("./out/main.js");
const { readFileSync } = require("node:fs");

const vectors = JSON.parse(readFileSync("vectors.json", "utf8"));
check(claviger, vectors, require.resolve("claviger")).then((report) => {
  report.failed.push(...checkUsing());
  console.log(JSON.stringify(report));
});
