/** Entry for Vercel's edge runtime, which gets compiled WebAssembly by this kind of import alone. */
import module from "../../claviger.wasm?module";
import { provideWasm, selfTest } from "../slim.js";

provideWasm(module);
selfTest();

export * from "../slim.js";
