/** Entry for Node as an ES module: reads the WebAssembly beside it. */
import { readFileSync } from "node:fs";
import { provideModule } from "../wasm.js";

provideModule(() => new WebAssembly.Module(readFileSync(new URL("../claviger.wasm", import.meta.url))));

export * from "../index.js";
