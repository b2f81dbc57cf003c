/**
 * The WebAssembly instance behind the package: made at first use, once, from whatever module the entry file of the
 * runtime provides. Nothing is compiled, read or drawn at random when the package is imported.
 */
import * as glue from "../wasm/claviger_wasm_js.js";

let load: (() => WebAssembly.Module) | undefined;
let memory: WebAssembly.Memory | undefined;

/** Called by an entry file: how this runtime gets at the compiled module. */
export function provideModule(loader: () => WebAssembly.Module): void {
  load = loader;
}

/** The glue over the instance. */
export function wasm(): typeof glue {
  if (memory === undefined) {
    if (load === undefined) {
      throw new Error("claviger: no WebAssembly module; import the package by its name, not one of its files");
    }
    memory = glue.initSync({ module: load() }).memory;
  }
  return glue;
}

/** The memory of the instance, whose buffer changes when it grows. */
export function wasmMemory(): WebAssembly.Memory {
  wasm();
  return memory as WebAssembly.Memory;
}
