export default {
  build: { ssr: "main.mjs", outDir: "out", sourcemap: true },
  // As for a program that is deployed without node_modules.
  ssr: { noExternal: true },
};
