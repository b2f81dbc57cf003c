/** Entry of `claviger/testing` for Vercel's edge runtime. */
import module from "../../testing.wasm?module";
import { loadTestingWith } from "../testing-wasm.js";

loadTestingWith(() => module);

export * from "../testing.js";
