/** The buffer of requests in WebAssembly memory: what is verified is written there, and nothing of it is secret. */
import { request_room } from "../wasm/claviger.js";
import { ClavigerError } from "./errors.js";
import { wasmMemory } from "./wasm.js";

const LEAST_ROOM = 16_384;
/** Room for more than this is given back after use. */
const MOST_KEPT = 262_144;

let room: Uint8Array | undefined;
let words: Uint32Array | undefined;

/**
 * The view of the buffer, with room for so many bytes.
 *
 * @throws {ClavigerError} `no_memory`.
 */
export function roomFor(length: number): Uint8Array {
  // One that is detached has none.
  if (room !== undefined && room.length >= length) return room;
  const memory = wasmMemory();
  const asked = Math.max(length, LEAST_ROOM);
  room = undefined;
  const address = request_room(asked);
  if (address === 0) throw new ClavigerError("no_memory", "WebAssembly has no memory left");
  return (room = new Uint8Array(memory.buffer, address, asked));
}

/** Gives back room that few need. */
export function leaveRoom(): void {
  if (room === undefined || room.length <= MOST_KEPT) return;
  room = undefined;
  request_room(0);
}

/** Numbers in WebAssembly memory. */
export function wordsOfMemory(): Uint32Array {
  return words === undefined || words.length === 0 ? (words = new Uint32Array(wasmMemory().buffer)) : words;
}
