//! Rules for texts that several records have in common; each error names field, rule and what is wrong.

use crate::{Error, Result};

/// A name for people: 1 to 100 characters, no control characters, no space at either end.
pub(crate) fn name(field: &'static str, text: &str) -> Result<()> {
    within(field, text, 1, 100)
}

/// A text of up to 1000 characters, which may be empty.
pub(crate) fn description(text: &str) -> Result<()> {
    let characters = text.chars().count();
    if characters > 1000 {
        return Err(Error::invalid(
            "description",
            format!("has {characters} characters, at most 1000 are allowed"),
        ));
    }
    multiline("description", text)
}

/// A text without control characters but line ends and tabs. PostgreSQL stores no NUL.
pub(crate) fn multiline(field: &'static str, text: &str) -> Result<()> {
    if text.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\r' | '\t')) {
        return Err(Error::invalid(field, "has a control character"));
    }
    Ok(())
}

/// A text of `least` to `most` characters without control characters and without space at either end.
pub(crate) fn within(field: &'static str, text: &str, least: usize, most: usize) -> Result<()> {
    let characters = text.chars().count();
    if !(least..=most).contains(&characters) {
        return Err(Error::invalid(
            field,
            format!("has {characters} characters, {least} to {most} are allowed"),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(field, "has a control character"));
    }
    if text.trim() != text {
        return Err(Error::invalid(field, "starts or ends with a space"));
    }
    Ok(())
}

/// A text that is only looked for: anything but NUL, which PostgreSQL has in no text.
pub(crate) fn sought(field: &'static str, text: &str) -> Result<()> {
    if text.contains('\0') {
        Err(Error::invalid(field, "has a NUL character, which no text has"))
    } else {
        Ok(())
    }
}

/// The name of a service account: `[A-Za-z0-9_]{1,64}`.
pub(crate) fn service_account_name(text: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(())
    } else {
        Err(Error::invalid("name", "expected 1 to 64 characters of A-Z, a-z, 0-9 and _, such as flight_sync"))
    }
}

/// The name of a role: 1 to 64 bytes, as it stands in verdicts.
pub(crate) fn role_name(text: &str) -> Result<()> {
    within("name", text, 1, 64)?;
    if text.len() > 64 { Err(Error::invalid("name", "has more than 64 bytes in UTF-8")) } else { Ok(()) }
}

/// An e-mail address, as far as can be told without sending to it: `local@domain`, at most 254 bytes (RFC 5321,
/// section 4.5.3.1.3).
pub(crate) fn email(text: &str) -> Result<()> {
    let forbidden = |character: char| character.is_whitespace() || character.is_control() || character == '@';
    let good = text.len() <= 254
        && text.rsplit_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !domain.is_empty()
                && ![local, domain].iter().any(|part| part.contains(forbidden))
        });
    if good { Ok(()) } else { Err(Error::invalid("email", "expected an address like ada@example.com")) }
}

/// What the embedding application calls something: 1 to 128 bytes.
pub(crate) fn external_id(text: Option<&str>) -> Result<()> {
    text.map_or(Ok(()), |text| {
        within("external_id", text, 1, 128)?;
        if text.len() > 128 { Err(Error::invalid("external_id", "has more than 128 bytes")) } else { Ok(()) }
    })
}

/// The text without regard to case, for sorting and searching.
///
/// Character by character, so that what starts a text also starts it folded: `str::to_lowercase` makes another sigma at
/// the end of a word than within it. Through upper case, so that all forms of a letter become one.
pub(crate) fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// Whether `text` has `part` somewhere, without regard to case.
pub(crate) fn has(text: &str, part: &str) -> bool {
    folded(text).contains(&folded(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        for (good, bad) in [("flight_sync", "flight-sync"), ("A9_", "é"), ("x", "")] {
            assert!(service_account_name(good).is_ok(), "{good}");
            assert!(service_account_name(bad).is_err(), "{bad}");
        }
        assert!(service_account_name(&"a".repeat(64)).is_ok());
        assert!(service_account_name(&"a".repeat(65)).is_err());
        for (address, good) in [
            ("ada@example.com", true),
            ("a+b@x", true),
            ("ada", false),
            ("@x", false),
            ("ada@", false),
            ("a@b@c", false),
            ("a b@c", false),
            ("a@b\n", false),
        ] {
            assert_eq!(email(address).is_ok(), good, "{address}");
        }
        for (text, good) in [("Ada", true), ("", false), (" Ada", false), ("A\u{7}", false)] {
            assert_eq!(name("name", text).is_ok(), good, "{text:?}");
        }
        assert!(name("name", &"é".repeat(100)).is_ok());
        assert!(name("name", &"é".repeat(101)).is_err());
        assert!(role_name(&"é".repeat(33)).is_err(), "66 bytes");
        assert!(description("two\nlines").is_ok());
        assert!(description("\u{0}").is_err());
    }

    #[test]
    fn forms_of_a_letter_are_folded_to_one_wherever_they_stand() {
        assert_eq!(folded("ΟΔΟΣ"), folded("οδος"));
        assert_eq!(folded("Straße"), folded("STRASSE"));
        assert!(folded("ΟΔΟΣΑ").starts_with(&folded("οδος")));
    }
}
