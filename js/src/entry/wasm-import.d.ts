/** What importing a `.wasm` file gives in the runtimes that can. */
declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}

declare module "*.wasm?module" {
  const module: WebAssembly.Module;
  export default module;
}

/** What `build.mjs` puts there: the bytes in base64. */
declare module "*.wasm?base64" {
  const base64: string;
  export default base64;
}
