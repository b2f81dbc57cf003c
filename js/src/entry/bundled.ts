/** Entry for bundlers of server programs, which would leave a file behind: brings the WebAssembly along as text. */
import base64 from "../../wasm/claviger_bg.wasm?base64";
import { bytesOfBase64 } from "../base64.js";
import { provideWasm } from "../slim.js";

provideWasm(() => bytesOfBase64(base64));

export * from "../slim.js";
