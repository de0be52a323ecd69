//! Words as a POSIX shell would need them, for people to read and paste.

/// `words` joined by spaces, each quoted where a shell would need it; control characters are made visible.
pub fn join<S: AsRef<str>>(words: &[S]) -> String {
    words
        .iter()
        .map(|word| quote(word.as_ref()))
        .collect::<Vec<_>>()
        .join(" ")
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let visible: String = word
        .chars()
        .map(|c| {
            if c != '\n' && argv::unreadable::is_deceptive(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect();
    format!("'{}'", visible.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_from_a_shell() {
        assert_eq!(
            join(&["get", "pods", "-l", "a in (b)", "it's", ""]),
            r"get pods -l 'a in (b)' 'it'\''s' ''"
        );
    }

    #[test]
    fn hidden_characters_are_made_visible() {
        assert_eq!(join(&["a\u{202e}b"]), "'a\u{fffd}b'");
    }
}
