//! Secrets are replaced before anything is stored or shown.
//!
//! Two passes over the words: the values of flags that carry credentials, and tokens of known shapes anywhere.
//! What is replaced becomes [`MASK`]. A word that is not a secret stays as it was, byte for byte.

/// What stands in a secret's place.
pub const MASK: &str = "[redacted]";

/// Long flags (of any governed tool, `_` and `-` alike) whose value is a credential or likely holds one.
const SECRET_FLAGS: &[&str] = &[
    "token",
    "password",
    "client-key-data",
    "docker-password",
    "from-literal",
    "secret",
    "secret-string",
    "secret-binary",
    "master-user-password",
    "admin-password",
    "auth-token",
    "access-token",
    "session-token",
    "secret-access-key",
    "web-identity-token",
    "id-token",
    "refresh-token",
    "private-key",
    "certificate-private-key",
    "plaintext",
    "passphrase",
    "oauth-token",
    "api-key",
    "client-secret",
    "new-password",
    "old-password",
    "proposed-password",
    "previous-password",
    "temporary-password",
    "secret-key",
    "body-secret",
];

/// Prefixes of well-known token formats, and how many more token characters make it one.
const TOKEN_PREFIXES: &[(&str, usize)] = &[
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("github_pat_", 20),
    ("AKIA", 16),
    ("ASIA", 16),
    ("eyJ", 30),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("glpat-", 16),
    ("sk-", 20),
    ("hvs.", 20),
];

/// The words with every secret replaced.
pub fn words<S: AsRef<str>>(args: &[S]) -> Vec<String> {
    let mut out = Vec::with_capacity(args.len());
    let mut next_is_secret = false;
    for word in args {
        let word = word.as_ref();
        if next_is_secret && !word.starts_with("--") {
            out.push(masked_value(word));
            next_is_secret = false;
            continue;
        }
        next_is_secret = false;
        match secret_flag(word) {
            Some(Some(split)) => out.push(format!("{}{}", word.get(..split).unwrap_or_default(), MASK)),
            Some(None) => {
                next_is_secret = true;
                out.push(word.to_owned());
            }
            None => out.push(text(word)),
        }
    }
    out
}

/// A `key=value` literal keeps its key; anything else goes whole.
fn masked_value(word: &str) -> String {
    match word.split_once('=') {
        Some((key, _))
            if key.len() <= 64
                && key
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) =>
        {
            format!("{key}={MASK}")
        }
        _ => MASK.to_owned(),
    }
}

/// `Some(Some(i))`: `--flag=` with the value from byte `i`. `Some(None)`: the value is the next word.
fn secret_flag(word: &str) -> Option<Option<usize>> {
    let body = word.strip_prefix("--")?;
    let (name, value_at) = match body.find('=') {
        Some(at) => (body.get(..at)?, Some(at.saturating_add(3))),
        None => (body, None),
    };
    let name = name.replace('_', "-").to_ascii_lowercase();
    SECRET_FLAGS.contains(&name.as_str()).then_some(value_at)
}

/// Free text with tokens of known shapes, bearer credentials, passwords in URLs and PEM keys replaced.
pub fn text(input: &str) -> String {
    if let Some(at) = input
        .find("-----BEGIN ")
        .filter(|_| input.contains("PRIVATE KEY"))
    {
        return format!("{}{MASK}", input.get(..at).unwrap_or_default());
    }
    let mut out = String::with_capacity(input.len());
    let mut rest = input;
    while !rest.is_empty() {
        if let Some((kept, used)) = secret_at(rest) {
            out.push_str(kept);
            out.push_str(MASK);
            rest = rest.get(used..).unwrap_or_default();
            continue;
        }
        let step = word_break(rest);
        out.push_str(rest.get(..step).unwrap_or(rest));
        rest = rest.get(step..).unwrap_or_default();
    }
    out
}

/// A secret that begins right here: what to keep of its start, and how many bytes it takes in all.
fn secret_at(rest: &str) -> Option<(&str, usize)> {
    for (prefix, least) in TOKEN_PREFIXES {
        if let Some(after) = rest.strip_prefix(prefix) {
            let length = after.find(|c: char| !is_token_char(c)).unwrap_or(after.len());
            if length >= *least {
                return Some(("", prefix.len().saturating_add(length)));
            }
        }
    }
    for scheme in ["Bearer ", "bearer ", "Basic ", "token "] {
        if let Some(after) = rest.strip_prefix(scheme) {
            let length = after.find(|c: char| !is_token_char(c)).unwrap_or(after.len());
            if length >= 16 {
                return Some((rest.get(..scheme.len())?, scheme.len().saturating_add(length)));
            }
        }
    }
    if let Some(after) = rest.strip_prefix("://") {
        let authority = after
            .find(['/', '?', '#', ' '])
            .map_or(after, |end| after.get(..end).unwrap_or(after));
        if let Some(at) = authority.rfind('@') {
            return Some(("://", at.saturating_add(3)));
        }
    }
    None
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '=' | '+' | '/' | '~')
}

/// The end of the alphanumeric run or single character that begins here, so that each token is tried once.
fn word_break(rest: &str) -> usize {
    let first = rest.chars().next().map_or(1, char::len_utf8);
    if !rest.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return first;
    }
    rest.find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_credential_flags_go() {
        let masked = words(&["get", "pods", "--token", "abc", "--password=x y", "-n", "prod"]);
        assert_eq!(
            masked,
            [
                "get",
                "pods",
                "--token",
                MASK,
                "--password=[redacted]",
                "-n",
                "prod"
            ]
        );
    }

    #[test]
    fn literals_keep_their_key() {
        assert_eq!(
            words(&["--from-literal", "user=hunter2"]),
            ["--from-literal", "user=[redacted]"]
        );
        assert_eq!(
            words(&["--from_literal=user=hunter2"]),
            ["--from_literal=[redacted]"]
        );
    }

    #[test]
    fn known_token_shapes_go_wherever_they_stand() {
        assert_eq!(text("x=ghp_abcdefghijklmnopqrstuvwxyz0123 y"), "x=[redacted] y");
        assert_eq!(text("AKIAIOSFODNN7EXAMPLE"), MASK);
        assert_eq!(
            text("Authorization: Bearer abcdefghijklmnop1234"),
            "Authorization: Bearer [redacted]"
        );
        assert_eq!(text("https://user:pw@host/x"), "https://[redacted]@host/x");
    }

    #[test]
    fn ordinary_words_stay_as_they_are() {
        for word in [
            "pods",
            "-o",
            "jsonpath={.items[*].metadata.name}",
            "https://host/a@b",
            "käse",
            "sk-short",
        ] {
            assert_eq!(text(word), word);
        }
    }
}
