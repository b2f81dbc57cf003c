/**
 * A source in files, for Node, Deno and Bun: `claviger/file-source`. It is a file of its own in the package, for the
 * runtimes that have files; so its errors are plain ones, beside those of the file system.
 */
import { randomUUID } from "node:crypto";
import { type FileHandle, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { KeyringSource } from "../source.js";

/** Options of {@link fileSource}. */
export interface FileSourceOptions {
  /** Where the highest epoch is remembered: by default `<path>.epoch`, or for a folder `root.epoch` in it. */
  epochFile?: string;
}

/** More is no keyring, and more is no part. */
const MOST_KEYRING_BYTES = 256 * 1024 * 1024;
const MOST_PART_BYTES = 16 * 1024 * 1024;

/**
 * A source that reads a bundle (or root) from a file, or the file `root` of a folder; parts from `parts/<hash>` beside it.
 * The file is read again when its time, size or inode changed: publish by writing another one and renaming it. At most
 * 256 MiB are read of a keyring, and 16 MiB of a part.
 *
 * It remembers the highest epoch in a file, so that after a restart none below it is taken.
 *
 * @throws {TypeError} if a parameter has a wrong type.
 */
export function fileSource(path: string, options: FileSourceOptions = {}): KeyringSource {
  if (typeof path !== "string") throw new TypeError("path must be a string");
  const { epochFile } = options;
  if (epochFile !== undefined && typeof epochFile !== "string") throw new TypeError("options.epochFile must be a string");
  /** The file of the keyring. */
  const find = async (): Promise<string> => ((await stat(path)).isDirectory() ? join(path, "root") : path);
  const findEpochFile = async (): Promise<string> => epochFile ?? `${await find()}.epoch`;
  let remembering: Promise<void> = Promise.resolve();

  return {
    async keyring(known, { signal }) {
      return reading(await find(), async (file, name) => {
        const { mtimeNs, size, ino } = await file.stat({ bigint: true });
        const tag = `${mtimeNs}-${size}-${ino}`;
        if (tag === known) return null;
        checkSize(name, size, MOST_KEYRING_BYTES);
        return { bytes: await file.readFile({ signal }), tag };
      });
    },
    async part(hash, { signal }) {
      if (!/^[0-9a-f]{64}$/.test(hash)) throw new TypeError("a part has a hash of 64 hex characters as its name");
      try {
        return await reading(join(dirname(await find()), "parts", hash), async (file, name) => {
          checkSize(name, (await file.stat({ bigint: true })).size, MOST_PART_BYTES);
          return file.readFile({ signal });
        });
      } catch (error) {
        if (isMissing(error)) return null;
        throw error;
      }
    },
    rememberedEpoch: async () => readEpoch(await findEpochFile()),
    rememberEpoch(epoch) {
      // One after the other, so that no lower one comes last.
      const remembered = remembering.then(async () => {
        const name = await findEpochFile();
        if (epoch > (await readEpoch(name))) await writeEpoch(name, epoch);
      });
      remembering = remembered.catch(() => {});
      return remembered;
    },
  };
}

/** Opens a file for reading, so that all that is read of it is of the same file. */
async function reading<T>(name: string, read: (file: FileHandle, name: string) => Promise<T>): Promise<T> {
  const file = await open(name, "r");
  try {
    return await read(file, name);
  } finally {
    await file.close();
  }
}

function checkSize(name: string, size: bigint, most: number): void {
  if (size > most) throw new Error(`${name} has more than ${most} bytes`);
}

/** The epoch in a file; 0 if there is no such file. What is in doubt is an error: by it old keyrings are refused. */
async function readEpoch(name: string): Promise<number> {
  let text: string;
  try {
    text = await readFile(name, "utf8");
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
  const epoch = /^\d{1,16}\n?$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(epoch)) throw new Error(`${name} does not hold an epoch`);
  return epoch;
}

/** Writes an epoch, so that the file has either the old one or the new one, whatever happens. */
async function writeEpoch(name: string, epoch: number): Promise<void> {
  const written = `${name}.${randomUUID()}.tmp`;
  try {
    const file = await open(written, "wx");
    try {
      await file.writeFile(`${epoch}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(written, name);
  } catch (error) {
    await rm(written, { force: true });
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
