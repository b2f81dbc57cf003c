/** The WebAssembly instance that makes keyrings for tests: made at first use, beside the one that verifies. */
import { exchange as room, exchanged, exchanged_len, initSync } from "../wasm/testing.js";
import { Exchange } from "./exchange.js";

let load: (() => WebAssembly.Module) | undefined;
let memory: WebAssembly.Memory | undefined;

/** Called by an entry file: how this runtime gets at the compiled module. */
export function loadTestingWith(loader: () => WebAssembly.Module): void {
  load = loader;
}

/** The buffer by which text and bytes come in and out. */
export const exchange: Exchange = new Exchange({ exchange: room, exchanged, exchanged_len }, () => {
  return (memory ??= initSync({ module: (load as () => WebAssembly.Module)() }).memory);
});
