/** Entry for Vercel's edge runtime, which gets compiled WebAssembly by this kind of import alone. */
import module from "../../claviger.wasm?module";
import { provideWasm } from "../slim.js";

provideWasm(module);

export * from "../slim.js";
