/** Entry for Deno: imports the WebAssembly as a module, for which no permission is needed. */
import source module from "../../claviger.wasm";
import { provideWasm } from "../slim.js";

provideWasm(module);

export * from "../slim.js";
