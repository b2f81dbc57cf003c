/**
 * The WebAssembly instance behind the package: made once, from what the entry file of the runtime provides. Nothing is read
 * or drawn at random when the package is imported; and nothing is compiled, but where programs start before requests come.
 */
import { abi_version, exchange as room, exchanged, exchanged_len, initSync } from "../wasm/claviger.js";
import { abiVersion } from "./abi-version.js";
import { ClavigerError, wrongType } from "./errors.js";
import { Exchange } from "./exchange.js";

let provided: object | (() => object) | undefined;
let memory: WebAssembly.Memory | undefined;

/**
 * Says where the WebAssembly is, for runtimes and bundlers that have to be told: before anything else of the package is
 * used, with `claviger/slim`, which knows of none. The other entries have done so.
 *
 * @param wasm The file `claviger/claviger.wasm` of the same version of the package, as a `WebAssembly.Module`, or as bytes
 * where the runtime may compile them; or a function that gives it at first use.
 * @returns Whether it will be used; `false` if the package has been used before, which keeps what it has.
 * @throws {TypeError} if it is none of these.
 */
export function provideWasm(wasm: object | (() => object)): boolean {
  if ((typeof wasm !== "object" || wasm === null) && typeof wasm !== "function") {
    throw wrongType("wasm", "a WebAssembly.Module, bytes or a function", wasm);
  }
  if (memory !== undefined) return false;
  provided = wasm;
  return true;
}

/** The buffer by which text and bytes come in and out. @internal */
export const exchange: Exchange = /* @__PURE__ */ new Exchange({ exchange: room, exchanged, exchanged_len }, wasmMemory);

function instantiate(): WebAssembly.Memory {
  if (provided === undefined) {
    throw new ClavigerError("no_wasm", "give claviger/claviger.wasm to provideWasm() first");
  }
  const given = typeof provided === "function" ? (provided as () => object)() : provided;
  try {
    const bytes = ArrayBuffer.isView(given) || Object.prototype.toString.call(given) === "[object ArrayBuffer]";
    const made = initSync({ module: bytes ? new WebAssembly.Module(given as BufferSource) : (given as WebAssembly.Module) });
    // The glue keeps what it was given once, and it may be something else.
    const abi = abi_version();
    if (abi !== abiVersion) throw new Error(`ABI version ${abi}`);
    return made.memory;
  } catch (cause) {
    throw new ClavigerError("wrong_wasm", "provideWasm() was not given this version's claviger.wasm", { cause });
  }
}

/** The memory of the instance, whose buffer changes when it grows. @internal */
export function wasmMemory(): WebAssembly.Memory {
  return (memory ??= instantiate());
}
