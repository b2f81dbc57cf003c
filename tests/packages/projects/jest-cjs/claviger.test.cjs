const { check } = require("./check.cjs");
const claviger = require("claviger");
const { readFileSync, writeFileSync } = require("node:fs");

test("the golden vectors", async () => {
  const report = await check(claviger, JSON.parse(readFileSync("vectors.json", "utf8")), require.resolve("claviger"));
  writeFileSync("report.json", JSON.stringify(report));
  expect(report.failed).toEqual([]);
});
