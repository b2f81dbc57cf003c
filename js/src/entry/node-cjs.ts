/** Entry for Node and Bun as CommonJS: reads the WebAssembly beside it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { provideWasm } from "../slim.js";

provideWasm(() => readFileSync(join(__dirname, "../../claviger.wasm")));

export * from "../slim.js";
