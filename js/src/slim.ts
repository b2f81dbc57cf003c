/**
 * API keys, generated and verified by the same WebAssembly core in every runtime.
 *
 * This is the whole package but for its WebAssembly, which the entry for each runtime provides; `claviger/slim` leaves that
 * to whoever imports it.
 *
 * @module
 */
export { abiVersion } from "./abi-version.js";
export { type DenialClass, type DenialCode, denialClasses } from "./denial-codes.js";
export { ClavigerError, type ClavigerErrorCode } from "./errors.js";
export {
  type GeneratedKey,
  type OpaqueKeyOptions,
  type SharedSecretOptions,
  type SignedKeyOptions,
  generateKey,
  generateSharedSecret,
  parseKey,
} from "./keys.js";
export { type KeyParts, type NotWellFormed, type TextKind } from "./parse.js";
export { ContentDigestReader } from "./content-digest.js";
export { type RequestContext } from "./context.js";
export { type VerifierEvent } from "./events.js";
export { type Body, type HeadersLike, type RequestLike, type SignedRequestLike } from "./headers.js";
export {
  type Credential,
  type Credentials,
  type DenialParts,
  type KeyVerifier,
  type ResponseLike,
  type VerifyRequestOptions,
  denialParts,
  denialResponse,
  readCredential,
  verifyRequest,
} from "./http.js";
export { type Limit } from "./policy.js";
export { NonceWindow, type NonceWindowOptions, type ReplayAnswer, type ReplayEntry, type ReplayStore } from "./replay.js";
export { RequestVerifier, type VerifySignedOptions } from "./request-verifier.js";
export { type SignatureOptions, type SignaturePolicy } from "./signature-policy.js";
export {
  type SignatureVerdict,
  SignatureVerifier,
  type SignatureVerifierOptions,
  type VerifiedSignature,
  type VerifySignatureOptions,
} from "./signature-verifier.js";
export {
  type FetchRequest,
  type RequestParts,
  RequestSigner,
  type RequestSignerOptions,
  type SignOptions,
  type SignedFields,
  signedFetch,
} from "./request-signer.js";
export { selfTest } from "./self-test.js";
export { type AbortSignalLike, type KeyringSource, type SourceKeyring, type SourceOptions } from "./source.js";
export { bytesSource } from "./sources/bytes.js";
export { type KvNamespace, type KvSourceOptions, kvSource } from "./sources/kv.js";
export { type Fetch, type FetchedResponse, type UrlSourceOptions, urlSource } from "./sources/url.js";
export { type UpkeepOptions } from "./upkeep.js";
export { type KeyUsage, type UsageBatch } from "./usage.js";
export { type Denied, type Freshness, type KeyKind, type NeededPart, type Verdict, type Verified } from "./verdict.js";
export {
  type IssuingSecret,
  type KeyringInfo,
  type KeyringOptions,
  type StatelessOptions,
  Verifier,
  type VerifierOptions,
} from "./verifier.js";
export { version } from "./version.js";
export {
  type DeniedWebhook,
  type VerifiedWebhook,
  Webhook,
  type WebhookHeaders,
  type WebhookOptions,
  type WebhookVerdict,
} from "./webhook.js";
export { provideWasm } from "./wasm.js";
