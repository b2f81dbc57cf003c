// The parity suite's Worker: batches by POST; and for the demo, one key by GET as an edge function gets it.
import { answer, verifierFor } from "./harness.mjs";

export default {
  async fetch(request, env) {
    if (request.method === "POST") return Response.json(answer(await request.json()));
    const [scheme, key] = request.headers.get("authorization")?.split(" ") ?? [];
    const verdict = verifierFor(JSON.parse(env.OPTIONS)).verifyKey(scheme === "Bearer" ? key : null);
    return Response.json(verdict, { status: verdict.verified ? 200 : 401 });
  },
};
