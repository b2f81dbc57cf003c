// The parity suite's Worker: batches by POST; and for the demo, one key by GET as an edge function gets it.
import { answer, sourcedFor, verifierFor } from "./harness.mjs";

export default {
  async fetch(request, env, ctx) {
    if (request.method === "POST") return Response.json(await answer(await request.json(), env));
    const [scheme, key] = request.headers.get("authorization")?.split(" ") ?? [];
    const { source, ...options } = JSON.parse(env.OPTIONS)[new URL(request.url).pathname.slice(1)];
    const presented = scheme === "Bearer" ? key : null;
    let verdict;
    if (source === undefined) {
      verdict = verifierFor(options).verifyKey(presented);
    } else {
      const verifier = sourcedFor(options, source, env);
      verdict = await verifier.verify(presented);
      ctx.waitUntil(verifier.refreshIfDue());
    }
    return Response.json(verdict, { status: verdict.verified ? 200 : 401 });
  },
};
