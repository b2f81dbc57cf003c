/** Entry for Cloudflare Workers, where WebAssembly cannot be compiled from bytes: it is imported as a module. */
import module from "../../claviger.wasm";
import { provideWasm, selfTest } from "../slim.js";

provideWasm(module);
selfTest();

export * from "../slim.js";
