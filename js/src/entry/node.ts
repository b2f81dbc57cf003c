/** Entry for Node and Bun as an ES module: reads the WebAssembly beside it. */
import { readFileSync } from "node:fs";
import { provideWasm } from "../slim.js";

provideWasm(() => readFileSync(new URL("../../claviger.wasm", import.meta.url)));

export * from "../slim.js";
