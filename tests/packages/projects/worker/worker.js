import { check } from "./check.mjs";
import { checkUsing } from "./using.mjs";
import * as claviger from "claviger";

export default {
  async fetch(request) {
    if (request.method !== "POST") return new Response("POST the vectors\n", { status: 405 });
    const report = check(claviger, await request.json());
    report.failed.push(...checkUsing(claviger));
    return Response.json(report);
  },
};
