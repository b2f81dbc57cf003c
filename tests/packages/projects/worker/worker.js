import { check } from "./check.mjs";
import { checkUsing } from "./using.mjs";
import * as claviger from "claviger";

/** The package tests itself before the first request comes. */
const AT_IMPORT = ["WebAssembly.Instance"];

export default {
  async fetch(request) {
    if (request.method !== "POST") return new Response("POST the vectors\n", { status: 405 });
    const report = await check(claviger, await request.json(), undefined, AT_IMPORT);
    report.failed.push(...checkUsing(claviger));
    return Response.json(report);
  },
};
