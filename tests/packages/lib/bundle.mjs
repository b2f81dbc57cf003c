// What a bundler wrote: how often the WebAssembly is in it, which entry it took, and how large it is.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

const MAGIC = Buffer.from("\0asm");
/** The magic and the version, as every text of a module in base64 begins. */
const BASE64 = "AGFzbQEAAAA";

/** `{ entry, size }`; throws if there is not exactly one copy of WebAssembly. */
export function bundleIn(...folders) {
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((file) => file.isFile())
      .map((file) => join(file.parentPath, file.name)),
  );
  const maps = files.filter((file) => file.endsWith(".map"));
  let copies = 0;
  let size = 0;
  for (const file of files.filter((file) => !maps.includes(file))) {
    const bytes = readFileSync(file);
    size += bytes.length;
    copies += bytes.subarray(0, 4).equals(MAGIC) ? 1 : bytes.toString("latin1").split(BASE64).length - 1;
  }
  if (copies !== 1) throw new Error(`${copies} copies of the WebAssembly in the bundle`);
  return { entry: entryIn(maps.flatMap((file) => JSON.parse(readFileSync(file, "utf8")).sources)), size };
}

/** Which entry of the package is among these files. */
export function entryIn(paths) {
  const entries = paths.map(entryOf).filter((path) => path !== undefined);
  const named = [...new Set(entries.filter((path) => path.includes("/entry/")))];
  if (named.length > 1) throw new Error(`several entries in one bundle: ${named.join(", ")}`);
  return named[0] ?? entries[0];
}

/** A path or URL within dist/; `undefined` if it is none of the package. */
export function entryOf(path) {
  return /(?:^|\/)claviger\/dist\/(.*?)(\?.*)?$/.exec(String(path))?.[1];
}
