// The Worker of the benchmarks of sources: a request by POST, its answer as the response.
import { answer } from "./answers.mjs";

export default {
  async fetch(request) {
    return Response.json(await answer(await request.json()));
  },
};
