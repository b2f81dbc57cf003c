import nodeResolve from "@rollup/plugin-node-resolve";

export default {
  input: "main.mjs",
  output: { file: "out/main.mjs", format: "es", sourcemap: true },
  external: /^node:/,
  plugins: [nodeResolve()],
};
