/** What importing a `.wasm` file gives in the runtimes that can. */
declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}
