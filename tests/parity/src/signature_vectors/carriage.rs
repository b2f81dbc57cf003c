//! The fields `Signature-Input` and `Signature` (section 4): labels, lines, whitespace, and what is no signature.

use super::{Draft, KEY, accept, policy, reject};
use anyhow::{Context, Result};
use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha512;

const BASE: &str = "\"@method\": GET\n(\"@method\")";

/// The label's value of a signature over [`BASE`].
const INPUT: &str = r#"("@method");created=1618884473;keyid="test-shared-secret""#;

pub(super) fn cases() -> Result<Vec<Draft>> {
    let mut cases = whitespace();
    cases.extend(labels());
    cases.extend(several());
    cases.extend(inputs());
    cases.extend(signatures());
    cases.extend(changed_signatures()?);
    Ok(cases)
}

fn whitespace() -> Vec<Draft> {
    let base = r#""@method": GET
"@path": /
("@method" "@path");created=1618884473;keyid="k""#;
    let mut cases = Vec::new();
    for (what, sent) in [
        ("between the components", r#"s=("@method"    "@path");created=1618884473;keyid="k""#),
        ("inside the parentheses", r#"s=(  "@method" "@path"  );created=1618884473;keyid="k""#),
        ("behind semicolons", r#"s=("@method" "@path");  created=1618884473; keyid="k""#),
        ("around the field", " \ts=(\"@method\" \"@path\");created=1618884473;keyid=\"k\"  "),
    ] {
        let why = "3.2, step 7: serialised again";
        cases.push(accept(why, format!("spaces {what}")).base(base).sent(sent));
        let (_, raw) = sent.split_once('=').unwrap_or_default();
        let raw = raw.trim_end();
        if raw != base.rsplit_once('\n').unwrap_or_default().1 {
            let kept = reject(why, format!("spaces {what}, kept in the base"));
            cases.push(kept.base_without_terms(&format!("\"@method\": GET\n\"@path\": /\n{raw}")).sent(sent));
        }
    }
    let broken = "RFC 9651, 4.2";
    for (what, sent) in [
        ("space before a semicolon", r#"s=("@method" "@path") ;created=1618884473;keyid="k""#),
        ("space behind an equals sign", r#"s= ("@method" "@path");created=1618884473;keyid="k""#),
        ("space before an equals sign", r#"s =("@method" "@path");created=1618884473;keyid="k""#),
        ("tab between the components", "s=(\"@method\"\t\"@path\");created=1618884473;keyid=\"k\""),
        ("tab behind a semicolon", "s=(\"@method\" \"@path\");\tcreated=1618884473;keyid=\"k\""),
        ("no space between the components", r#"s=("@method""@path");created=1618884473;keyid="k""#),
        ("comma between the components", r#"s=("@method", "@path");created=1618884473;keyid="k""#),
        ("comma behind the field", r#"s=("@method" "@path");created=1618884473;keyid="k","#),
        ("comma before the field", r#",s=("@method" "@path");created=1618884473;keyid="k""#),
        ("no end of the list", r#"s=("@method" "@path";created=1618884473;keyid="k""#),
        ("no end of a string", r#"s=("@method" "@path");created=1618884473;keyid="k"#),
        ("plus before a number", r#"s=("@method" "@path");created=+1618884473;keyid="k""#),
        ("newline in the field", "s=(\"@method\" \"@path\");created=1618884473;\nkeyid=\"k\""),
        ("NUL behind the field", "s=(\"@method\" \"@path\");created=1618884473;keyid=\"k\"\0"),
        ("no label", r#"("@method" "@path");created=1618884473;keyid="k""#),
    ] {
        cases.push(reject(broken, format!("malformed: {what}")).base(base).sent(sent));
    }
    cases
}

fn labels() -> Vec<Draft> {
    let labelled = |draft: Draft, label: &str| {
        draft.base(BASE).sent(&format!("{label}={INPUT}")).signature(&format!("{label}=:{{}}:"))
    };
    let mut cases = vec![
        labelled(accept("3.2, step 7: the label is not signed", "another label"), "sig-b25"),
        labelled(accept("RFC 9651, 3.1.2", "label of all kinds of characters"), "*a_b-c.d*0"),
        labelled(accept("RFC 9651, 3.1.2", "label of one asterisk"), "*"),
        labelled(accept("RFC 9651, 3.1.2", "label of 64 characters"), &"a".repeat(64)),
    ];
    for (what, label) in [
        ("in upper case", "S"),
        ("that starts with a digit", "1s"),
        ("in quotes", "\"s\""),
        ("not in ASCII", "\u{e9}"),
        ("that is empty", ""),
    ] {
        cases.push(labelled(reject("RFC 9651, 3.1.2", format!("label {what}")), label));
    }
    cases
}

/// More than one label, or line.
fn several() -> Vec<Draft> {
    let same = "4: each field must contain the same labels";
    let unique = "4: labels must be unique";
    let chosen = "3.2, step 1: which signature counts is up to the verifier";
    let both = format!("s={INPUT}, t={INPUT}");
    let wrong = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let with = |draft: Draft, input: &str, signature: &str| draft.base(BASE).sent(input).signature(signature);
    let lone = format!("s={INPUT}");
    vec![
        with(policy(chosen, "two labels, both right"), &both, "s=:{}:, t=:{}:"),
        with(policy(chosen, "two labels in two orders, both right"), &both, "t=:{}:, s=:{}:"),
        with(policy(chosen, "two labels, the first right"), &both, &format!("s=:{{}}:, t=:{wrong}:")),
        with(policy(chosen, "two labels, the last right"), &both, &format!("s=:{wrong}:, t=:{{}}:")),
        with(reject("3.2", "two labels, both wrong"), &both, &format!("s=:{wrong}:, t=:{wrong}:")),
        with(
            reject(same, "two labels, exchanged"),
            &format!("s={INPUT}, t=(\"@path\");created=1"),
            "t=:{}:, u=:{}:",
        ),
        with(reject(same, "one label more in Signature-Input"), &both, "s=:{}:"),
        with(reject(same, "one label more in Signature"), &lone, "s=:{}:, t=:{}:"),
        with(reject(same, "another label in each field"), &lone, "t=:{}:"),
        with(reject(same, "label in two cases"), &lone, "S=:{}:"),
        with(reject(same, "nothing in Signature-Input"), "", "s=:{}:"),
        with(reject(same, "nothing in Signature"), &lone, ""),
        with(reject("3.2, step 1", "nothing in both"), "", ""),
        with(
            reject(unique, "label twice in Signature-Input, the same"),
            &format!("{lone}, {lone}"),
            "s=:{}:",
        ),
        with(
            reject(unique, "label twice in Signature-Input, the last right"),
            &format!("s=(\"@path\");created=1, {lone}"),
            "s=:{}:",
        ),
        with(
            reject(unique, "label twice in Signature-Input, the first right"),
            &format!("{lone}, s=(\"@path\");created=1"),
            "s=:{}:",
        ),
        with(
            reject(unique, "label twice in Signature, the last right"),
            &lone,
            &format!("s=:{wrong}:, s=:{{}}:"),
        ),
        with(
            reject(unique, "label twice in Signature, the first right"),
            &lone,
            &format!("s=:{{}}:, s=:{wrong}:"),
        ),
        with(reject(unique, "label twice in both"), &format!("{lone}, {lone}"), "s=:{}:, s=:{}:"),
        with(reject(unique, "label in two lines of Signature-Input"), &lone, "s=:{}:")
            .field("Signature-Input", &lone),
        with(reject(unique, "label in two lines of Signature"), &lone, "s=:{}:").field("Signature", "s=:{}:"),
        with(policy(chosen, "two labels in two lines each"), &lone, "s=:{}:")
            .field("Signature-Input", &format!("t={INPUT}"))
            .field("Signature", "t=:{}:"),
        with(
            policy(chosen, "two labels, two lines of Signature-Input, one of Signature"),
            &lone,
            "s=:{}:, t=:{}:",
        )
        .field("signature-input", &format!("t={INPUT}")),
        with(policy(chosen, "two labels, one line of Signature-Input, two of Signature"), &both, "s=:{}:")
            .field("SIGNATURE", "t=:{}:"),
        with(reject(same, "second line of Signature-Input with a label of its own"), &lone, "s=:{}:")
            .field("Signature-Input", &format!("t={INPUT}")),
        with(reject("RFC 9651, 4.2", "second line of Signature-Input is malformed"), &lone, "s=:{}:")
            .field("Signature-Input", "t=("),
        with(reject("RFC 9651, 4.2", "second line of Signature is malformed"), &lone, "s=:{}:")
            .field("Signature", "=="),
        with(
            policy("RFC 9651, 4.2, RFC 9110, 5.6.1.2", "empty line of Signature-Input before it"),
            &lone,
            "s=:{}:",
        )
        .field("Signature-Input", ""),
    ]
}

fn inputs() -> Vec<Draft> {
    let why = "4.1: an Inner List";
    let mut cases = Vec::new();
    for (what, value) in [
        ("a string", r#""@method""#),
        ("a token", "method"),
        ("an integer", "1"),
        ("a byte sequence", ":AAAA:"),
        ("true", "?1"),
        ("a list in a list", r#"(("@method"))"#),
    ] {
        let draft = reject(why, format!("Signature-Input is {what}"));
        let terms = r#";created=1618884473;keyid="k""#;
        cases.push(draft.base_without_terms(&format!("\"@method\": GET\n{value}{terms}")));
    }
    let terms = r#"s;created=1618884473;keyid="k""#;
    cases.push(
        reject(why, "Signature-Input has no value").base_without_terms("\"@method\": GET\n?1").sent(terms),
    );
    cases
}

fn signatures() -> Vec<Draft> {
    let with = |draft: Draft, value: &str| draft.base(BASE).signature(value);
    let why = "4.2: a Byte Sequence";
    let base64 = "RFC 9651, 4.2.7";
    vec![
        with(accept("4.2", "signature with whitespace around"), "\t s=:{}:  "),
        with(reject(why, "signature is a string"), r#"s="{}""#),
        with(reject(why, "signature is a token"), "s=a{}"),
        with(reject(why, "signature is an integer"), "s=1"),
        with(reject(why, "signature is true"), "s"),
        with(reject(why, "signature is an Inner List"), "s=(:{}:)"),
        with(reject(why, "signature without colons"), "s={}"),
        with(reject(why, "signature without its last colon"), "s=:{}"),
        with(reject(why, "signature is a List"), ":{}:"),
        with(policy("4.2, RFC 9651, 3.2", "signature with a parameter"), "s=:{}:;x=1"),
        with(reject(base64, "signature with a space inside"), "s=:{} :"),
        with(reject(base64, "signature with something behind"), "s=:{}:x"),
        with(reject(base64, "signature with a comma behind"), "s=:{}:,"),
        with(reject(base64, "signature with a newline behind"), "s=:{}:\n"),
        with(policy("RFC 4648, 3.3: may be ignored", "signature with padding too much"), "s=:{}=:"),
        with(reject("3.3.3", "signature is empty"), "s=::"),
        with(reject("3.3.3", "signature of zeros"), "s=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"),
        with(reject("3.3.3", "signature twice"), "s=:{}{}:"),
        with(
            reject("3.3.3", "signature of another message"),
            "s=:zbJmTihO1J5aUlRGgSxluiJu06g6kM6Awa4HmnKL8bw=:",
        ),
    ]
}

fn changed_signatures() -> Result<Vec<Draft>> {
    let tag = accept("", "").base(BASE).tag()?;
    let text = BASE64_STANDARD.encode(&tag);
    let whole = text.strip_suffix('=').context("32 bytes end with padding")?;
    let sent = |draft: Draft, bytes: &[u8]| {
        draft.base(BASE).signature(&format!("s=:{}:", BASE64_STANDARD.encode(bytes)))
    };
    let why = "3.3.3: compared bytewise";
    let mut cases = Vec::new();
    for length in [1, 16, 31] {
        cases.push(sent(
            reject(why, format!("signature cut to {length} bytes")),
            tag.get(..length).unwrap_or(&tag),
        ));
    }
    for (what, more) in [("a zero", vec![0]), ("32 zeros", vec![0; 32])] {
        cases.push(sent(reject(why, format!("signature with {what} behind")), &[tag.clone(), more].concat()));
    }
    for (what, place, bit) in [("first", 0, 0x80), ("last", tag.len() - 1, 1)] {
        let mut changed = tag.clone();
        if let Some(byte) = changed.get_mut(place) {
            *byte ^= bit;
        }
        cases.push(sent(reject(why, format!("signature, the {what} bit changed")), &changed));
    }
    let reversed: Vec<u8> = tag.iter().rev().copied().collect();
    cases.push(sent(reject(why, "signature backwards"), &reversed));
    let hexadecimal: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    cases.push(sent(reject(why, "signature in hexadecimal"), hexadecimal.as_bytes()));
    cases.push(sent(reject(why, "signature in base64 twice"), text.as_bytes()));

    let mut other = Hmac::<Sha512>::new_from_slice(&BASE64_STANDARD.decode(KEY)?)?;
    other.update(&signed_text());
    cases.push(sent(reject("3.3.3", "signature by HMAC-SHA-512"), &other.finalize().into_bytes()));
    let mut other = Hmac::<sha2::Sha256>::new_from_slice(KEY.as_bytes())?;
    other.update(&signed_text());
    cases.push(sent(reject("3.3.3", "signature by the key's text"), &other.finalize().into_bytes()));
    let mut other = Hmac::<sha2::Sha256>::new_from_slice(&[])?;
    other.update(&signed_text());
    cases.push(sent(reject("3.3.3", "signature by an empty key"), &other.finalize().into_bytes()));
    let mut other = Hmac::<sha2::Sha256>::new_from_slice(&BASE64_STANDARD.decode(KEY)?)?;
    other.update(&signed_text());
    other.update(b"\n");
    cases.push(sent(
        reject("2.5: no newline ends it", "signature of a base with a newline behind"),
        &other.finalize().into_bytes(),
    ));

    let base64 = "RFC 9651, 4.2.7";
    let written = |draft: Draft, text: &str| draft.base(BASE).signature(&format!("s=:{text}:"));
    cases.push(written(policy(base64, "base64 without padding"), whole));
    // The last of 43 characters carries four bits and two more, which are zero in the one canonical form.
    let (start, last) = whole.split_at(whole.len() - 1);
    let next = last.bytes().next().map(|byte| char::from(byte + 1)).context("no last character")?;
    cases.push(written(policy(base64, "base64 with bits in its padding"), &format!("{start}{next}=")));
    let url = BASE64_URL_SAFE.encode(&tag);
    if url != text {
        cases.push(written(reject(base64, "base64 of the URL alphabet"), &url));
    }
    Ok(cases)
}

/// [`BASE`] in full.
fn signed_text() -> Vec<u8> {
    accept("", "").base(BASE).base.into_bytes()
}
