import { check } from "./check.mjs";
import * as claviger from "claviger";

/** The package tests itself before the first request comes. */
const AT_IMPORT = ["WebAssembly.Instance"];

export default async function route(request) {
  return Response.json(await check(claviger, await request.json(), undefined, AT_IMPORT));
}
