import { check } from "./check.mjs";
import * as claviger from "claviger";
import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";

test("the golden vectors", async () => {
  const report = await check(claviger, JSON.parse(readFileSync("vectors.json", "utf8")), import.meta.resolve("claviger"));
  writeFileSync("report.json", JSON.stringify(report));
  expect(report.failed).toEqual([]);
});
