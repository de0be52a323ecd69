//! The words of a command line as text: the first thing that can fail.

use crate::{MAX_BYTES, Unreadable};
use std::ffi::OsString;

/// Every word as UTF-8.
///
/// # Errors
/// Names the first word that is not UTF-8, or says that the line is longer than [`MAX_BYTES`].
pub fn utf8(args: &[OsString]) -> Result<Vec<String>, Unreadable> {
    let bytes: usize = args.iter().map(|word| word.len().saturating_add(1)).sum();
    if bytes > MAX_BYTES {
        return Err(Unreadable::missing(&format!(
            "the command line has {bytes} bytes; at most {MAX_BYTES} are read"
        ))
        .hint("pass long values in a file"));
    }
    args.iter()
        .enumerate()
        .map(|(position, word)| {
            word.to_str()
                .map(str::to_owned)
                .ok_or_else(|| Unreadable::at(position, &word.to_string_lossy(), "is not valid UTF-8"))
        })
        .collect()
}

/// The words of an alias' value, split at spaces outside of quotes. `None` where shells and their imitations differ: backslashes,
/// comments, quotes that do not end.
pub(crate) fn split_as_shell(text: &str) -> Option<Vec<String>> {
    if text.contains('\\') {
        return None;
    }
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                word.get_or_insert_default();
                quote = Some(c);
            }
            (None, '#') if word.is_none() => return None,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_split_where_every_shell_splits_it() {
        assert_eq!(
            split_as_shell("pr list  --search 'a b'\"c\" ''").unwrap(),
            ["pr", "list", "--search", "a bc", ""]
        );
        for odd in ["a\\ b", "a 'b", "a #b"] {
            assert_eq!(split_as_shell(odd), None, "{odd}");
        }
    }
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn a_word_that_is_not_utf8_is_named_by_position() {
        let fault = utf8(&[OsString::from("get"), OsString::from_vec(vec![b'p', 0xff])]).unwrap_err();
        assert_eq!(fault.position, Some(1));
        assert!(fault.problem.contains("is not valid UTF-8"));
    }

    #[test]
    fn two_megabytes_are_refused_without_being_read() {
        let fault = utf8(&[OsString::from("x".repeat(2 << 20))]).unwrap_err();
        assert!(fault.problem.contains("at most 262144"));
    }
}
