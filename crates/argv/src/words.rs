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

#[cfg(test)]
mod tests {
    use super::*;
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
