// The Worker of the benchmarks of sources: a request by POST, its answer as the response.
import { answer } from "./answers.mjs";

let memory;
const { Instance } = WebAssembly;
// The package keeps its memory to itself, and the inspector does not count it.
WebAssembly.Instance = function (module, imports) {
  const instance = new Instance(module, imports);
  memory = instance.exports.memory;
  return instance;
};

export default {
  async fetch(request) {
    const given = await request.json();
    // There if workerd was told so. Buffers are given back behind the collection that finds them.
    for (let time = 0; given.collect && time < 3; time += 1) {
      globalThis.gc?.();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return Response.json({ ...(await answer(given)), webAssembly: memory?.buffer.byteLength ?? 0 });
  },
};
