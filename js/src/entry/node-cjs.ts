/** Entry for Node as CommonJS: reads the WebAssembly beside it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { provideModule } from "../wasm.js";

provideModule(() => new WebAssembly.Module(readFileSync(join(__dirname, "../claviger.wasm"))));

export * from "../index.js";
