/** Entry for Cloudflare Workers, where WebAssembly cannot be compiled from bytes: it is imported as a module. */
import module from "../claviger.wasm";
import { provideModule } from "../wasm.js";

provideModule(() => module);

export * from "../index.js";
