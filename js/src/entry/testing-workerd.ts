/** Entry of `claviger/testing` for Cloudflare Workers. */
import module from "../../testing.wasm";
import { loadTestingWith } from "../testing-wasm.js";

loadTestingWith(() => module);

export * from "../testing.js";
