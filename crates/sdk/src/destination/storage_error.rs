//! What failed in object storage, in words that show neither credentials nor whatever a server chose to answer.

use object_store::{Error, ObjectStore, path::Path};
use std::{error, sync::Arc};

#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {path} in {store}: {cause}")]
pub(super) struct StorageError {
    doing: &'static str,
    path: String,
    store: String,
    cause: String,
}

/// The failure of doing something to an object. It does not keep `error`, whose `Debug` and sources show more.
pub(super) fn failed(
    doing: &'static str,
    store: &Arc<dyn ObjectStore>,
    path: &Path,
    error: &Error,
) -> StorageError {
    StorageError { doing, path: path.to_string(), store: store.to_string(), cause: cause(error) }
}

/// What an error and the last of its causes say.
pub(super) fn cause(error: &Error) -> String {
    let first = clean(&error.to_string());
    let mut last: &dyn error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    let last = clean(&last.to_string());
    if first.contains(&last) { first } else { format!("{first}: {last}") }
}

/// Of an answer only its status, code and first line of message: some servers answer with the token that they were sent.
/// Of URLs nothing that may be a password or a signature.
fn clean(text: &str) -> String {
    let (said, answer) = text.find(['<', '{']).and_then(|at| text.split_at_checked(at)).unwrap_or((text, ""));
    let said = said.trim_end_matches([' ', ':', '\n']);
    let words: Vec<_> = said.split(' ').map(without_secrets).collect();
    let element = |name: &str| {
        let (_, rest) = answer.split_once(&format!("<{name}>"))?;
        rest.split(['<', '\n']).next()
    };
    [Some(words.join(" ").as_str()), element("Code"), element("Message")]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(": ")
}

/// A word without the user and the query of a URL, if it is one.
fn without_secrets(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    let rest = rest.split_once(['?', '#']).map_or(rest, |(rest, _)| rest);
    let (host, path) = rest.find('/').and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> String {
        cause(&Error::Generic { store: "S3", source: text.to_owned().into() })
    }

    #[test]
    fn answers_and_urls_are_cut_to_what_is_no_secret() {
        let answer = "PUT https://me:pass@host/b/root?sig=abc in 1s - status code: 400 Bad Request: <?xml version=\"1.0\"?>\n\
                      <Error><Code>ExpiredToken</Code><Message>It has expired.\nmore</Message><Token-0>abc</Token-0></Error>";
        assert_eq!(
            generic(answer),
            "Generic S3 error: PUT https://host/b/root in 1s - status code: 400 Bad Request: ExpiredToken: It has expired."
        );
        assert_eq!(generic("status code: 500: {\"token\":\"abc\"}"), "Generic S3 error: status code: 500");
        assert_eq!(generic("cannot connect"), "Generic S3 error: cannot connect");
    }
}
