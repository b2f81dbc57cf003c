export default { build: { outDir: "out", sourcemap: true } };
