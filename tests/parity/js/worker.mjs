// The parity suite's Worker: batches by POST; and for the demo, one key by GET as an edge function gets it.
import { answer, verifierFor } from "./harness.mjs";

export default {
  async fetch(request, env) {
    if (request.method === "POST") return Response.json(await answer(await request.json(), env));
    const [scheme, key] = request.headers.get("authorization")?.split(" ") ?? [];
    const options = JSON.parse(env.OPTIONS)[new URL(request.url).pathname.slice(1)];
    const verdict = verifierFor(options).verifyKey(scheme === "Bearer" ? key : null);
    return Response.json(verdict, { status: verdict.verified ? 200 : 401 });
  },
};
