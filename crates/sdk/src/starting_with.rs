//! Restricting lists to what starts with a text, without regard to case, in a way that an index serves.

use crate::{Result, sql::Statement, validate};

/// The folded texts that start with `text`: the least of them, and the first behind all of them, by bytes as columns are
/// sorted. None if every text does.
pub(crate) fn bounds(text: &str) -> Result<Option<(String, Option<String>)>> {
    validate::sought("starting_with", text)?;
    if text.is_empty() {
        return Ok(None);
    }
    let start = validate::folded(text);
    let end = successor(&start);
    Ok(Some((start, end)))
}

/// Restricts a folded column to what starts with `text`.
pub(crate) fn push(query: &mut Statement, column: &str, text: &str) -> Result<()> {
    if let Some((start, end)) = bounds(text)? {
        query.push(" AND ").push(column).push(" >= ").bind(start);
        if let Some(end) = end {
            query.push(" AND ").push(column).push(" < ").bind(end);
        }
    }
    Ok(())
}

/// The least text that is greater than every text that starts with `text`: the last character that has a next one is
/// raised, what follows is cut off.
fn successor(text: &str) -> Option<String> {
    let mut characters: Vec<char> = text.chars().collect();
    while let Some(last) = characters.pop() {
        let next = (u32::from(last).saturating_add(1)..=0x10_ffff).find_map(char::from_u32);
        if let Some(next) = next {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_starts_so_lies_before_the_successor(start in ".{0,4}", rest in ".{0,4}", other in ".{0,6}") {
            if let Some(end) = successor(&start) {
                let longer = [start.as_str(), &rest].concat();
                prop_assert!(longer < end);
                prop_assert!(end > start);
                prop_assert_eq!(other >= start && other < end, other.starts_with(&start), "{} {}", start, other);
            }
        }
    }
}
