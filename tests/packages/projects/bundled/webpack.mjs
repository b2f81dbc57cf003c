import webpack from "webpack";

const compiler = webpack({
  mode: "production",
  target: "node20",
  entry: "./main.mjs",
  devtool: "source-map",
  output: { path: `${import.meta.dirname}/out`, filename: "main.cjs" },
});
compiler.run((error, stats) => {
  if (error) throw error;
  const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true });
  for (const { message } of [...errors, ...warnings]) console.error(message);
  process.exitCode = errors.length + warnings.length === 0 ? 0 : 1;
});
