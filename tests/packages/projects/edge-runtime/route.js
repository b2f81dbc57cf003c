import { check } from "./check.mjs";
import * as claviger from "claviger";

export default async function route(request) {
  return Response.json(check(claviger, await request.json()));
}
