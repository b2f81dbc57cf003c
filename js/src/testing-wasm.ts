/** The WebAssembly instance that makes keyrings for tests: made at first use, beside the one that verifies. */
import { initSync } from "../wasm/testing.js";

let load: (() => WebAssembly.Module) | undefined;
let made = false;

/** Called by an entry file: how this runtime gets at the compiled module. */
export function loadTestingWith(loader: () => WebAssembly.Module): void {
  load = loader;
}

/** Makes sure that there is an instance for the glue. */
export function ready(): void {
  if (!made && load !== undefined) initSync({ module: load() });
  made = true;
}
