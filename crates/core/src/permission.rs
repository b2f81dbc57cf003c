//! Permissions: names of what may be done, and the patterns that grant them.
//!
//! A permission is segments of `[A-Za-z0-9_.-]` joined by `:`, such as `flights:view`. A pattern may have `*` in the
//! place of a segment; the last `*` stands for one or more segments, any other for exactly one. So `*` grants
//! everything, `flights:*` everything about flights, and `*:view` seeing whatever has two segments.
//!
//! The read-only part of a right is what ends in the segment `view`.

use core::fmt;

/// The longest permission or pattern, in bytes.
pub const MAX_PERMISSION_LEN: usize = 128;

/// Whether a text is a permission, such as `flights:view`.
///
/// # Errors
/// A [`PermissionError`] that names the rule that is broken; `*` breaks the grammar.
pub fn check_permission(text: &str) -> Result<(), PermissionError> {
    check(text.as_bytes(), false)
}

/// Whether a text is a pattern that grants permissions, such as `flights:*`. Every permission is a pattern too.
///
/// # Errors
/// A [`PermissionError`] that names the rule that is broken.
pub fn check_permission_pattern(text: &str) -> Result<(), PermissionError> {
    check(text.as_bytes(), true)
}

/// Whether `pattern` grants everything that `asked`, a permission or itself a pattern, names. Both are well-formed.
///
/// ```
/// use claviger_core::permission_covers;
///
/// assert!(permission_covers("flights:*", "flights:view"));
/// assert!(permission_covers("*", "flights:*"));
/// assert!(!permission_covers("flights:view", "flights:*"));
/// ```
#[must_use]
pub fn permission_covers(pattern: &str, asked: &str) -> bool {
    covers(pattern.as_bytes(), asked.as_bytes())
}

/// Checks the grammar of a pattern, or with `wildcards` false of a permission.
pub(crate) fn check(text: &[u8], wildcards: bool) -> Result<(), PermissionError> {
    if text.len() > MAX_PERMISSION_LEN {
        return Err(PermissionError::TooLong);
    }
    let segment = |segment: &[u8]| {
        let named = |&byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        (wildcards && segment == b"*") || (!segment.is_empty() && segment.iter().all(named))
    };
    if text.split(|&byte| byte == b':').all(segment) { Ok(()) } else { Err(PermissionError::Grammar) }
}

/// Whether a granted pattern covers a permission that is asked for. Both are well-formed.
#[inline]
pub(crate) fn covers(pattern: &[u8], permission: &[u8]) -> bool {
    let mut granted = pattern.split(|&byte| byte == b':').peekable();
    let mut asked = permission.split(|&byte| byte == b':');
    loop {
        match (granted.next(), asked.next()) {
            (None, None) => return true,
            (Some(b"*"), Some(_)) if granted.peek().is_none() => return true,
            (Some(segment), Some(other)) if segment == b"*" || segment == other => {}
            _ => return false,
        }
    }
}

/// Whether a permission is in the read-only part of a right.
#[inline]
pub(crate) fn only_reads(permission: &[u8]) -> bool {
    permission.rsplit(|&byte| byte == b':').next() == Some(b"view")
}

/// Why a text is no permission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PermissionError {
    /// Longer than [`MAX_PERMISSION_LEN`].
    TooLong,
    /// A segment is empty or has a character that it may not have.
    Grammar,
}

impl fmt::Display for PermissionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::TooLong => "a permission has at most 128 characters",
            Self::Grammar => "a permission must be segments of letters, digits, _, . and - joined by colons, like flights:view or flights:*",
        })
    }
}

impl core::error::Error for PermissionError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (pattern, permission, covered) in [
            ("flights:view", "flights:view", true),
            ("flights:view", "flights:modify", false),
            ("flights:view", "flights:view:all", false),
            ("flights:view:all", "flights:view", false),
            ("flights:*", "flights:view", true),
            ("flights:*", "flights:seats:view", true),
            ("flights:*", "flights", false),
            ("flights:*", "hotels:view", false),
            ("*", "flights", true),
            ("*", "flights:seats:view", true),
            ("*:view", "flights:view", true),
            ("*:view", "flights:seats:view", false),
            ("*:view", "view", false),
            ("flights:*:view", "flights:seats:view", true),
            ("flights:*:view", "flights:view", false),
        ] {
            assert_eq!(covers(pattern.as_bytes(), permission.as_bytes()), covered, "{pattern} {permission}");
        }
    }

    /// A pattern that covers another covers whatever that one covers.
    #[test]
    fn patterns_cover_patterns() {
        let segments = ["a", "view", "*"];
        let mut patterns = std::vec![];
        for first in segments {
            patterns.push(std::string::String::from(first));
            for second in segments {
                patterns.push(std::format!("{first}:{second}"));
                patterns.extend(segments.map(|third| std::format!("{first}:{second}:{third}")));
            }
        }
        let mut covering = 0;
        for pattern in &patterns {
            for asked in patterns.iter().filter(|asked| permission_covers(pattern, asked)) {
                covering += 1;
                let named = patterns.iter().map(|text| text.replace('*', "b"));
                for permission in named.filter(|permission| permission_covers(asked, permission)) {
                    assert!(permission_covers(pattern, &permission), "{pattern} {asked} {permission}");
                }
            }
        }
        assert!(covering > 200, "{covering}");
    }

    #[test]
    fn grammar() {
        for (text, pattern, permission) in [
            ("flights:view", true, true),
            ("a.b-c_D9:x", true, true),
            ("flights:*", true, false),
            ("*", true, false),
            ("flights:**", false, false),
            ("flights:v*", false, false),
            ("", false, false),
            (":", false, false),
            ("a:", false, false),
            ("a b", false, false),
            ("é", false, false),
        ] {
            assert_eq!(check(text.as_bytes(), true).is_ok(), pattern, "{text} as a pattern");
            assert_eq!(check(text.as_bytes(), false).is_ok(), permission, "{text} as a permission");
        }
        assert_eq!(check(&[b'a'; 129], true), Err(PermissionError::TooLong));
        assert!(check(&[b'a'; 128], true).is_ok());
    }

    #[test]
    fn what_only_reads() {
        for (permission, reads) in [
            ("flights:view", true),
            ("flights:seats:view", true),
            ("view", true),
            ("flights:viewer", false),
            ("view:all", false),
        ] {
            assert_eq!(only_reads(permission.as_bytes()), reads, "{permission}");
        }
    }
}
