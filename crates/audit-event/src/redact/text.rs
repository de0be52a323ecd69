//! Secrets in free text: tokens of known shapes, and what stands behind a name that says so.

use super::Redactor;

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

/// Those of them that no ordinary text has inside a word: they are looked for anywhere, as in `%3Dghp_…`.
const UNMISTAKABLE: &[&str] = &[
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "hvs.",
    "AKIA",
    "ASIA",
];

/// Their first bytes: what stands before every other look at a text, for there are many texts and few tokens.
const FIRST_OF_UNMISTAKABLE: &[u8] = b"gxhA";

/// Names that end so hold a credential, in `NAME=value` and `"NAME": "value"`.
const SECRET_NAMES: &[&str] = &[
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "secretkey",
    "accesskey",
    "privatekey",
    "secretstring",
    "secretbinary",
    "clientkeydata",
];

impl Redactor {
    /// Free text with tokens of known shapes, bearer credentials, passwords in URLs and PEM keys replaced.
    pub fn text(&self, input: &str) -> String {
        let pem = input
            .find("-----BEGIN ")
            .filter(|_| input.contains("PRIVATE KEY"));
        if let Some((before, key)) = pem.and_then(|at| input.split_at_checked(at)) {
            return format!("{before}{}", self.mask(key));
        }
        let mut out = String::with_capacity(input.len());
        let mut rest = input;
        while !rest.is_empty() {
            if let Some((kept, used)) = secret_at(rest) {
                out.push_str(kept);
                out.push_str(&self.mask(rest.get(kept.len()..used).unwrap_or_default()));
                rest = rest.get(used..).unwrap_or_default();
                continue;
            }
            let step = unmistakable_within(rest, word_break(rest));
            out.push_str(rest.get(..step).unwrap_or(rest));
            rest = rest.get(step..).unwrap_or_default();
        }
        out
    }
}

/// A secret that begins right here: what to keep of its start, and how many bytes it takes in all.
fn secret_at(rest: &str) -> Option<(&str, usize)> {
    let first = rest.as_bytes().first();
    for (prefix, least) in TOKEN_PREFIXES {
        // One byte is compared in place, the whole prefix by a call.
        if prefix.as_bytes().first() == first
            && let Some(after) = rest.strip_prefix(prefix)
        {
            let length = after.find(|c: char| !is_token_char(c)).unwrap_or(after.len());
            if length >= *least {
                return Some(("", prefix.len().saturating_add(length)));
            }
        }
    }
    for scheme in ["Bearer ", "bearer ", "Basic ", "token "] {
        if scheme.as_bytes().first() == first
            && let Some(after) = rest.strip_prefix(scheme)
        {
            let length = after.find(|c: char| !is_token_char(c)).unwrap_or(after.len());
            if length >= 16 {
                return Some((rest.get(..scheme.len())?, scheme.len().saturating_add(length)));
            }
        }
    }
    if let Some(found) = password_at(rest)
        .or_else(|| authorization_at(rest))
        .or_else(|| assigned_at(rest))
    {
        return Some(found);
    }
    if let Some(after) = rest.strip_prefix("://") {
        let authority = after
            .find(['/', '?', '#', ' '])
            .map_or(after, |end| after.get(..end).unwrap_or(after));
        if let Some(at) = authority.rfind('@') {
            return Some(("://", at.saturating_add(3)));
        }
        // What stands behind a colon and is no port is a password; it may have a `/` in it.
        let is_port = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if authority
            .split_once(':')
            .is_some_and(|(_, behind)| !is_port(behind))
        {
            let whole = after
                .find([' ', '"', '\'', '\n'])
                .map_or(after, |end| after.get(..end).unwrap_or(after));
            if let Some(at) = whole.rfind('@') {
                return Some(("://", at.saturating_add(3)));
            }
        }
    }
    None
}

/// `Authorization: SCHEME CREDENTIAL`: all that stands behind the scheme.
fn authorization_at(rest: &str) -> Option<(&str, usize)> {
    const NAME: &str = "authorization";
    rest.get(..NAME.len())
        .filter(|name| name.eq_ignore_ascii_case(NAME))?;
    let behind = rest.get(NAME.len()..)?.trim_start_matches(['"', '\'', '\\']);
    let value = behind
        .strip_prefix([':', '='])?
        .trim_start_matches([' ', '"', '\'', '\\']);
    let line = value
        .find(['\n', '\r', '"', '\''])
        .map_or(value, |end| value.get(..end).unwrap_or(value));
    let credential = line.split_once(' ').map_or(line, |(_, credential)| credential);
    let from = rest
        .len()
        .saturating_sub(value.len())
        .saturating_add(line.len().saturating_sub(credential.len()));
    (!credential.is_empty()).then_some((rest.get(..from)?, from.saturating_add(credential.len())))
}

/// `NAME=value`, `NAME: value`, `"NAME": "value"`, in JSON within JSON too, where the name is one of a credential's.
fn assigned_at(rest: &str) -> Option<(&str, usize)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let name = rest.get(..rest.find(|c: char| !is_name(c))?)?;
    let quotes = ['"', '\'', '\\'];
    let behind = rest.get(name.len()..)?.trim_start_matches(quotes).trim_start();
    let value = behind.strip_prefix([':', '='])?.trim_start();
    if name.len() > 128 || !is_secret_name(name) {
        return None;
    }
    let body = value.trim_start_matches(quotes);
    let is_quoted = body.len() < value.len();
    let end = body
        .find(|c: char| match c {
            '"' | '\'' | '\n' => true,
            ' ' | ',' | '&' | ';' | '}' => !is_quoted,
            _ => false,
        })
        .unwrap_or(body.len());
    let secret = body.get(..end)?.trim_end_matches('\\');
    let from = rest.len().saturating_sub(body.len());
    (!secret.is_empty()).then_some((rest.get(..from)?, from.saturating_add(secret.len())))
}

/// Where within the next `step` bytes a token begins that is one wherever it stands; else `step`.
fn unmistakable_within(rest: &str, step: usize) -> usize {
    let begins = |at: usize| {
        rest.get(at..).is_some_and(|tail| {
            UNMISTAKABLE.iter().any(|prefix| tail.starts_with(prefix)) && secret_at(tail).is_some()
        })
    };
    let run = rest.as_bytes().get(..step).unwrap_or_default();
    let starts = run
        .iter()
        .enumerate()
        .skip(1)
        .filter(|(_, byte)| FIRST_OF_UNMISTAKABLE.contains(byte));
    starts.map(|(at, _)| at).find(|at| begins(*at)).unwrap_or(step)
}

/// `PASSWORD 'x'` in SQL, in any of its quotes, and `password=x` in a connection string.
fn password_at(rest: &str) -> Option<(&str, usize)> {
    let word = rest
        .get(..8)
        .filter(|word| word.eq_ignore_ascii_case("password"))?;
    let behind = rest.get(word.len()..)?;
    let value = behind.trim_start();
    let (is_assigned, value) = match value.strip_prefix('=') {
        Some(value) => (true, value.trim_start()),
        None => (false, value),
    };
    let quoted = value.strip_prefix(['E', 'e']).unwrap_or(value);
    let end = if let Some(body) = quoted.strip_prefix('\'') {
        // A doubled quote goes on; one too many taken is better than one too few.
        body.rfind('\'').map_or(value.len(), |end| {
            value
                .len()
                .saturating_sub(body.len())
                .saturating_add(end)
                .saturating_add(1)
        })
    } else if value.starts_with('$') {
        value.len()
    } else if is_assigned {
        value.find([' ', '&', '\t', '\n']).unwrap_or(value.len())
    } else {
        return None;
    };
    let at = rest.len().saturating_sub(value.len());
    (end > 0).then_some((rest.get(..at)?, at.saturating_add(end)))
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

/// Whether a name ends like one that holds a credential; `_`, `-` and `.` are passed over.
pub(super) fn is_secret_name(name: &str) -> bool {
    let letters: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    SECRET_NAMES.iter().any(|ending| letters.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unmistakable_token_begins_with_a_byte_that_is_looked_for() {
        let begins = |prefix: &&str| FIRST_OF_UNMISTAKABLE.contains(&prefix.as_bytes()[0]);
        assert!(UNMISTAKABLE.iter().all(begins));
    }
}
