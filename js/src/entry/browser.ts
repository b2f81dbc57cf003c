/**
 * Entry for browsers: reads the parts of keys, and checks their form and checksum.
 *
 * Claviger's secrets are symmetric. In a page they would be public, and whoever has them could make keys; so verifying and
 * making keys are for servers, and say so here.
 */
import base64 from "../../wasm/parse_bg.wasm?base64";
import { exchange as room, exchanged, exchanged_len, initSync, parse_key } from "../../wasm/parse.js";
import { bytesOfBase64 } from "../base64.js";
import { ClavigerError } from "../errors.js";
import { Exchange } from "../exchange.js";
import { type KeyParts, type NotWellFormed, parsed } from "../parse.js";

export { denialClasses } from "../denial-codes.js";
export { ClavigerError } from "../errors.js";
export { NonceWindow } from "../replay.js";
export { bytesSource } from "../sources/bytes.js";
export { kvSource } from "../sources/kv.js";
export { urlSource } from "../sources/url.js";
export { version } from "../version.js";
export { abiVersion } from "../abi-version.js";

let memory: WebAssembly.Memory | undefined;
const exchange = new Exchange({ exchange: room, exchanged, exchanged_len }, () => {
  return (memory ??= initSync({ module: new WebAssembly.Module(bytesOfBase64(base64)) }).memory);
});

export function parseKey(text: string): KeyParts | NotWellFormed {
  return parsed(text, exchange, parse_key);
}

function forServers(what: string): never {
  throw new ClavigerError(
    "not_in_browser",
    `${what} needs a secret, and a secret that is in a page is public: do it on a server, or in an edge function`,
  );
}

export class Verifier {
  constructor() {
    forServers("verifying keys");
  }
}

export class RequestVerifier {
  constructor() {
    forServers("verifying signatures");
  }
}

export class SignatureVerifier {
  constructor() {
    forServers("verifying signatures");
  }
}

export class ContentDigestReader {
  constructor() {
    forServers("verifying signatures");
  }
}

export class RequestSigner {
  constructor() {
    forServers("signing requests");
  }
}

export function signedFetch(): never {
  forServers("signing requests");
}

export function generateKey(): never {
  forServers("making keys");
}

export function generateSharedSecret(): never {
  forServers("making secrets");
}

export function provideWasm(): never {
  forServers("verifying keys");
}

export function readCredential(): never {
  forServers("reading the keys of requests");
}

export function verifyRequest(): never {
  forServers("verifying keys");
}

export function denialParts(): never {
  forServers("verifying keys");
}

export function denialResponse(): never {
  forServers("verifying keys");
}

export class Webhook {
  constructor() {
    forServers("signing and verifying webhooks");
  }
}

export function selfTest(): never {
  forServers("verifying keys");
}
