const { check } = require("./check.cjs");
const claviger = require("claviger");
const { readFileSync } = require("node:fs");

const vectors = JSON.parse(readFileSync("vectors.json", "utf8"));
check(claviger, vectors, require.resolve("claviger")).then((report) => console.log(JSON.stringify(report)));
