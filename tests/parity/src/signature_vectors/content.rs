//! Content, covered by `Content-Digest` (section 7.2.8 and RFC 9530).

use super::{Draft, accept, policy, reject};

const BODY: &str = "{\"hello\": \"world\"}";
const SHA_256: &str = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
const SHA_512: &str =
    "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";
/// The digest of other content.
const WRONG_256: &str = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
const EMPTY_256: &str = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";

/// A request with this field covered, and this content.
fn covered(draft: Draft, digest: &str, body: &str) -> Draft {
    let draft = draft.method("POST").field("Content-Digest", digest).body(body);
    draft.base(&format!("\"@method\": POST\n\"content-digest\": {digest}\n(\"@method\" \"content-digest\")"))
}

pub(super) fn cases() -> Vec<Draft> {
    let right = "7.2.8, RFC 9530, 2";
    let weak = "RFC 9530, 5: not in adversarial settings";
    let some = "RFC 9530, 2: a recipient may ignore any of them";
    let mut cases = vec![
        covered(accept(right, "content, sha-256"), SHA_256, BODY),
        covered(accept(right, "content, sha-512"), SHA_512, BODY),
        covered(accept(right, "content, sha-256 and sha-512"), &format!("{SHA_256}, {SHA_512}"), BODY),
        covered(accept(right, "content, sha-512 and sha-256, no space between"), &format!("{SHA_512},{SHA_256}"), BODY),
        covered(accept(right, "content is empty"), EMPTY_256, ""),
        covered(reject(right, "content is wrong"), SHA_256, "{\"hello\": \"World\"}"),
        covered(reject(right, "content is wrong, sha-512"), SHA_512, "{\"hello\": \"World\"}"),
        covered(reject(right, "content with a newline behind"), SHA_256, "{\"hello\": \"world\"}\n"),
        covered(reject(right, "content is cut"), SHA_256, "{\"hello\": \"world\""),
        covered(reject(right, "content is empty, digest is not"), SHA_256, ""),
        covered(reject(right, "content is not empty, digest is"), EMPTY_256, BODY),
        covered(reject(right, "digest of other content"), WRONG_256, BODY),
        covered(reject(right, "both digests wrong"), &format!("{WRONG_256}, {}", SHA_512.replace("WZ", "XZ")), BODY),
        covered(policy(some, "sha-256 right, sha-512 wrong"), &format!("{SHA_256}, {}", SHA_512.replace("WZ", "XZ")), BODY),
        covered(policy(some, "sha-512 right, sha-256 wrong"), &format!("{WRONG_256}, {SHA_512}"), BODY),
        covered(policy(some, "sha-256 right, another deprecated"), &format!("md5=:AAAAAAAAAAAAAAAAAAAAAA==:, {SHA_256}"), BODY),
        covered(policy(some, "sha-256 right, another unknown"), &format!("foo=:AAAA:, {SHA_256}"), BODY),
        covered(policy("RFC 9651, 3.2: the last counts", "sha-256 twice, the last right"), &format!("{WRONG_256}, {SHA_256}"), BODY),
        covered(reject("RFC 9651, 3.2: the last counts", "sha-256 twice, the first right"), &format!("{SHA_256}, {WRONG_256}"), BODY),
        covered(reject(weak, "only md5"), "md5=:Sd/dVLAcvNLSq16eXua5uQ==:", BODY),
        covered(reject(weak, "only sha-1"), "sha=:07CavjDP4u3/TungoUHJO/Wzr4c=:", BODY),
        covered(reject(weak, "only unixsum"), "unixsum=:GQU=:", BODY),
        covered(reject(weak, "only adler"), "adler=:OZkGFw==:", BODY),
        covered(reject(right, "only an unknown algorithm"), "foo=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:", BODY),
        covered(reject(right, "no algorithm at all"), "", BODY),
        covered(reject("RFC 9530, 2: a Byte Sequence", "digest is a token"), "sha-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE", BODY),
        covered(reject("RFC 9530, 2: a Byte Sequence", "digest is a string"), &SHA_256.replace(':', "\""), BODY),
        covered(reject("RFC 9530, 2: a Byte Sequence", "digest is a list"), &format!("{})", SHA_256.replacen(':', "(:", 1)), BODY),
        covered(reject("RFC 9651, 3.1.2", "algorithm in upper case"), &SHA_256.replace("sha", "SHA"), BODY),
        covered(reject(right, "digest is cut"), "sha-256=:X48E9qOokqqrvdts8nOJRA==:", BODY),
        covered(reject(right, "digest is empty"), "sha-256=::", BODY),
        covered(reject(right, "digest of sha-256 named sha-512"), &SHA_256.replace("256", "512"), BODY),
        covered(reject("RFC 9530, 2: a Dictionary", "digest of no structure"), "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=", BODY),
        covered(reject("RFC 9530, 2", "digest of the older field's form"), "SHA-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=", BODY),
        accept(right, "content, two lines of Content-Digest")
            .method("POST")
            .field("Content-Digest", SHA_256)
            .field("content-digest", SHA_512)
            .body(BODY)
            .base(&format!("\"content-digest\": {SHA_256}, {SHA_512}\n(\"content-digest\")")),
        accept(right, "content, type and length")
            .method("POST")
            .to("https://example.com/foo?param=Value&Pet=dog")
            .field("Host", "example.com")
            .field("Date", "Tue, 20 Apr 2021 02:07:55 GMT")
            .field("Content-Type", "application/json")
            .field("Content-Digest", SHA_512)
            .field("Content-Length", "18")
            .body(BODY)
            .base(
                r#""@method": POST
"@authority": example.com
"@path": /foo
"content-digest": sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:
"content-length": 18
"content-type": application/json
("@method" "@authority" "@path" "content-digest" "content-length" "content-type")"#,
            ),
        covered(reject("2.1", "content, digest with bs is not what is signed"), SHA_256, BODY).base(&format!(
            "\"content-digest\";bs: {SHA_256}\n(\"content-digest\";bs)"
        )),
        covered(policy("2.1.3", "content, digest covered with bs"), SHA_256, BODY).base(
            r#""content-digest";bs: :c2hhLTI1Nj06WDQ4RTlxT29rcXFydmR0czhuT0pSSk4zT1dEVW95V3hCZjdrYnU5REJQRT06:
("content-digest";bs)"#,
        ),
        covered(policy("2.1.2", "content, digest covered by its key"), SHA_256, BODY).base(
            r#""content-digest";key="sha-256": :X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:
("content-digest";key="sha-256")"#,
        ),
        covered(policy("2.1.2, RFC 9530, 2", "content wrong by a digest that is not covered"), &format!("{SHA_256}, {SHA_512}"), "other").base(
            r#""content-digest";key="md5": :AA==:
("content-digest";key="md5")"#,
        ),
    ];
    let plain = "\"@method\": POST\n(\"@method\")";
    let post = |draft: Draft| draft.method("POST").base(plain);
    let choice = "7.2.8: covering content is up to the application";
    cases.extend([
        post(policy(choice, "content without a digest")).body(BODY),
        post(policy(choice, "content with a right digest that is not covered"))
            .body(BODY)
            .field("Content-Digest", SHA_256),
        post(policy(choice, "content with a wrong digest that is not covered"))
            .body(BODY)
            .field("Content-Digest", WRONG_256),
        post(policy(choice, "content is empty, no digest")).body(""),
        policy("7.2.8: content was not read", "digest covered, content not read")
            .method("POST")
            .field("Content-Digest", SHA_256)
            .base(&format!("\"content-digest\": {SHA_256}\n(\"content-digest\")")),
        policy("RFC 9530, 3: of the representation", "only Repr-Digest covered, right")
            .body(BODY)
            .field("Repr-Digest", SHA_256)
            .base(&format!("\"repr-digest\": {SHA_256}\n(\"repr-digest\")")),
    ]);
    cases
}
