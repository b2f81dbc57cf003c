// Projects as their users have them: a copy in target/, with the tarball installed.
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { buildSync } from "esbuild";
import { run } from "./processes.mjs";
import { here, packageVersion, tool } from "./tools.mjs";

export const root = join(here, "../..");
const target = resolve(root, process.env.CARGO_TARGET_DIR ?? "target");
export const tarball = join(target, "npm/claviger.tgz");
const npm = process.platform === "win32" ? "npm.cmd" : "npm";

/** What all projects get: what they run, and the golden files as one. */
export function common() {
  if (!existsSync(tarball)) throw new Error(`${tarball} is missing; make it with: cargo xtask build`);
  const folder = join(target, "packages/common");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const file of ["check.mjs", "using.mjs", "watch.mjs"]) cpSync(join(here, file), join(folder, file));
  // For projects that know nothing but CommonJS.
  buildSync({ entryPoints: [join(here, "check.mjs")], bundle: true, format: "cjs", outfile: join(folder, "check.cjs") });
  const golden = join(root, "tests/vectors");
  const json = (file) => JSON.parse(readFileSync(join(golden, file), "utf8"));
  const keyrings = readdirSync(join(golden, "keyring")).filter((file) => !file.endsWith(".json"));
  const files = keyrings.map((file) => [file, readFileSync(join(golden, "keyring", file), "base64")]);
  const vectors = { keys: json("keys.json"), keyring: json("keyring/cases.json"), files: Object.fromEntries(files) };
  vectors.webhooks = json("webhooks.json");
  vectors.signatures = json("signatures.json");
  writeFileSync(join(folder, "vectors.json"), JSON.stringify(vectors));
  const { cases } = vectors.keys;
  const signed = vectors.signatures.cases.filter(({ expect }) => expect !== "policy").length + vectors.webhooks.cases.length;
  const all = cases.length + vectors.keyring.cases.length + vectors.keyring.replacements.length + signed;
  return { folder, vectors, all, inPage: cases.filter(({ parts }) => parts !== undefined).length };
}

/** Makes a project: the folder of that name in projects/, the tarball, and links to the tools that it imports. */
export async function prepare({ name, from = name, type = "module", tools = [] }, shared) {
  const folder = join(target, "packages", name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  cpSync(shared.folder, folder, { recursive: true });
  cpSync(join(here, "projects", from), folder, { recursive: true });
  const path = (file) => join(folder, file);
  await install(folder, { name, private: true, type }, tools);
  return { folder, path, vectors: shared.vectors };
}

/** Makes a project of an example: what its package.json declares is installed in the very version that it names. */
export async function prepareExample({ name, example }) {
  const folder = join(target, "packages", name);
  rmSync(folder, { recursive: true, force: true });
  cpSync(join(root, "examples", example), folder, { recursive: true });
  const path = (file) => join(folder, file);
  const manifest = JSON.parse(readFileSync(path("package.json"), "utf8"));
  const { claviger, ...declared } = { ...manifest.dependencies, ...manifest.devDependencies };
  for (const [dependency, version] of Object.entries(declared)) {
    const here = packageVersion(dependency);
    if (version !== here) throw new Error(`package.json declares ${dependency} ${version}; it is tested with ${here}`);
  }
  await install(folder, { name, private: true, type: manifest.type }, Object.keys(declared));
  const { version } = JSON.parse(readFileSync(path("node_modules/claviger/package.json"), "utf8"));
  if (claviger !== version) throw new Error(`package.json declares claviger ${claviger}, which is ${version}`);
  writeFileSync(path("package.json"), JSON.stringify(manifest));
  return { folder, path };
}

/** Installs the tarball, and links what else the project imports. */
async function install(folder, manifest, linked) {
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  const quiet = ["--offline", "--ignore-scripts", "--no-fund", "--no-audit", "--loglevel=error"];
  await run(npm, ["install", ...quiet, tarball], { cwd: folder });
  for (const name of linked) {
    const link = join(folder, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(tool(name), link, "dir");
  }
}

/** The report in what a program printed, which must be nothing else. */
export function reportIn({ stdout, stderr }) {
  if (stderr !== "") throw new Error(`it prints to stderr: ${stderr.trim().slice(0, 500)}`);
  const [line, ...more] = stdout.trimEnd().split("\n");
  if (more.length > 0) throw new Error(`it prints more than its report: ${stdout.trim().slice(0, 500)}`);
  return JSON.parse(line);
}
