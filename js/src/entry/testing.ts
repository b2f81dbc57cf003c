/** Entry of `claviger/testing` wherever WebAssembly may be compiled: brings it along as text. */
import base64 from "../../wasm/testing_bg.wasm?base64";
import { bytesOfBase64 } from "../base64.js";
import { loadTestingWith } from "../testing-wasm.js";

loadTestingWith(() => new WebAssembly.Module(bytesOfBase64(base64)));

export * from "../testing.js";
