// The tools: those of package-lock.json in the installation beside it, and the browser of the machine.
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "./processes.mjs";

export const here = fileURLToPath(new URL("..", import.meta.url));
export const installed = join(here, "node_modules");
const require = createRequire(import.meta.url);

function found(path, what) {
  if (!existsSync(path)) {
    throw new Error(`${what} is missing (${path}); install it with: cargo xtask packages, or in tests/packages with: npm install --no-save --ignore-scripts`);
  }
  return path;
}

/** A file of a package that is installed. */
export function tool(path) {
  return found(join(installed, path), path.split("/node_modules/").at(-1));
}

/** The version of a package that is installed. */
export function packageVersion(name) {
  return JSON.parse(readFileSync(tool(`${name}/package.json`), "utf8")).version;
}

/** What a program says of its version: the first number with dots, or all of it. */
export async function versionOf(command, parameters = ["--version"]) {
  const { stdout } = await run(command, parameters, { seconds: 30 });
  return /\d+(\.\d+)+/.exec(stdout)?.[0] ?? stdout.trim().replace(/^[a-z]+ /, "");
}

export const node = process.execPath;
/** Their programs lie in a package for each platform. Nothing runs at installation that would put them elsewhere. */
export const node22 = () => found(join(installed, `node-${process.platform}-${process.arch}`, "bin/node"), "Node 22");
export const deno = () => inOneOf(["@deno"], "deno", "Deno");
export const bun = () => inOneOf(["@oven"], "bin/bun", "Bun");
export const workerd = () => found(require("workerd").default, "workerd");

/** Where a workerd listens: it tells on its control descriptor, which is its standard output, when it does. */
export function workerdAddress({ stdout }) {
  const line = stdout.split("\n").find((line) => line.includes('"listen"'));
  return line && `http://127.0.0.1:${JSON.parse(line).port}/`;
}

function inOneOf([scope], program, what) {
  const platform = `${process.platform}-${process.arch}`;
  const names = scope === "@deno" ? [`${platform}-glibc`, platform] : [`bun-${platform}`, `bun-${platform}-baseline`];
  const paths = names.map((name) => join(installed, scope, name, program));
  return found(paths.find((path) => existsSync(path)) ?? paths[0], what);
}

/** The browser. */
export function chromium() {
  const named = process.env.CLAVIGER_CHROMIUM;
  if (named) return found(named, "Chromium, as CLAVIGER_CHROMIUM names it,");
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {
        // Elsewhere, perhaps.
      }
    }
  }
  throw new Error("Chromium is missing; install it, on Debian with: sudo apt-get install chromium (or name one in CLAVIGER_CHROMIUM)");
}
