//! Secrets are replaced before anything is stored or shown.
//!
//! Two passes over the words: the values of flags that carry credentials, and tokens of known shapes anywhere.
//! What is replaced becomes `[redacted:<tag>]`: the tag is the first 8 bytes, in hex, of the HMAC-SHA-256 of the secret under
//! the ledger's redaction key. Equal secrets have equal tags, so a known one can be found; none can be read, nor guessed
//! without the key. Without a key it becomes [`MASK`]. A word that is not a secret stays as it was, byte for byte.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// What stands in a secret's place when there is no key.
pub const MASK: &str = "[redacted]";

/// Replaces secrets, with the ledger's key when there is one.
#[derive(Clone, Default)]
pub struct Redactor {
    key: Option<[u8; 32]>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(…)")
    }
}

impl Redactor {
    /// With a key.
    pub fn new(key: [u8; 32]) -> Redactor {
        Redactor { key: Some(key) }
    }

    /// With a key as 64 hex digits.
    pub fn from_hex(text: &str) -> Option<Redactor> {
        crate::chain::Hash::from_hex(text.trim()).map(|key| Redactor::new(key.0))
    }

    /// What stands in the place of `secret`.
    pub fn mask(&self, secret: &str) -> String {
        let mac = self
            .key
            .as_ref()
            .and_then(|key| Hmac::<Sha256>::new_from_slice(key).ok());
        let Some(mut mac) = mac else {
            return MASK.to_owned();
        };
        mac.update(secret.as_bytes());
        let code = mac.finalize().into_bytes();
        let tag = base16ct::lower::encode_string(code.get(..8).unwrap_or_default());
        format!("[redacted:{tag}]")
    }
}

/// Long flags (of any governed tool, `_` and `-` alike) whose value is a credential or likely holds one.
const SECRET_FLAGS: &[&str] = &[
    "token",
    "password",
    "patch",
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

/// The words with every secret replaced by [`MASK`].
pub fn words<S: AsRef<str>>(args: &[S]) -> Vec<String> {
    Redactor::default().words(args)
}

/// Free text with every secret replaced by [`MASK`].
pub fn text(input: &str) -> String {
    Redactor::default().text(input)
}

impl Redactor {
    /// The words with every secret replaced.
    pub fn words<S: AsRef<str>>(&self, args: &[S]) -> Vec<String> {
        let mut out = Vec::with_capacity(args.len());
        let mut next_is_secret = false;
        let has = |word: &str| args.iter().any(|other| other.as_ref() == word);
        // `logs -p` asks for the previous container and takes no value.
        let has_patch_flag = !has("logs");
        // `gh secret set NAME --body VALUE`; elsewhere a body is text for everybody.
        let sets_secret = has("secret") && has("set");
        for word in args {
            let word = word.as_ref();
            if next_is_secret && !word.starts_with("--") {
                out.push(self.masked_value(word));
                next_is_secret = false;
                continue;
            }
            next_is_secret = false;
            let found = secret_flag(word)
                .or_else(|| short_flag(word, "-p").filter(|_| has_patch_flag))
                .or_else(|| body_flag(word).filter(|_| sets_secret));
            match found {
                Some(Some(split)) => {
                    let (flag, value) = word.split_at_checked(split).unwrap_or((word, ""));
                    out.push(format!("{flag}{}", self.masked_value(value)));
                }
                Some(None) => {
                    next_is_secret = true;
                    out.push(word.to_owned());
                }
                None => {
                    // `kubectl config set users.NAME.token VALUE`
                    next_is_secret = word.starts_with("users.") && is_secret_name(word);
                    out.push(self.text(word));
                }
            }
        }
        out
    }

    /// A `key=value` literal keeps its key; anything else goes whole.
    fn masked_value(&self, word: &str) -> String {
        let is_key = |key: &str| {
            key.len() <= 64
                && key
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        match word.split_once('=') {
            // Padding at the end of base64 is not a key's end.
            Some((key, value)) if is_key(key) && !value.bytes().all(|b| b == b'=') => {
                format!("{key}={}", self.mask(value))
            }
            _ => self.mask(word),
        }
    }
}

/// `--body VALUE` and `-b VALUE`, in their spellings.
fn body_flag(word: &str) -> Option<Option<usize>> {
    match word.strip_prefix("--body") {
        Some("") => Some(None),
        Some(rest) => rest.starts_with('=').then_some(Some(7)),
        None => short_flag(word, "-b"),
    }
}

/// Whether a name ends like one that holds a credential; `_`, `-` and `.` are passed over.
fn is_secret_name(name: &str) -> bool {
    let letters: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    SECRET_NAMES.iter().any(|ending| letters.ends_with(ending))
}

/// `-p VALUE`, `-p=VALUE`, `-pVALUE`: a password, or a patch, which may hold one.
fn short_flag(word: &str, flag: &str) -> Option<Option<usize>> {
    let rest = word.strip_prefix(flag)?;
    match rest.as_bytes().first() {
        None => Some(None),
        Some(b'=') => Some(Some(3)),
        Some(_) => Some(Some(2)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unmistakable_token_begins_with_a_byte_that_is_looked_for() {
        let begins = |prefix: &&str| FIRST_OF_UNMISTAKABLE.contains(&prefix.as_bytes()[0]);
        assert!(UNMISTAKABLE.iter().all(begins));
    }

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
            ["--from_literal=user=[redacted]"]
        );
    }

    #[test]
    fn short_flags_go_but_not_where_they_take_no_value() {
        assert_eq!(words(&["patch", "secret", "x", "-p", "{\"a\":1}"])[4], MASK);
        assert_eq!(
            words(&["login", "-phunter2", "-p=hunter2"])[1..],
            ["-p[redacted]", "-p=[redacted]"]
        );
        assert_eq!(words(&["logs", "-p", "web-1"]), ["logs", "-p", "web-1"]);
    }

    #[test]
    fn equal_secrets_have_equal_tags_under_one_key_and_no_other() {
        let (ours, other) = (Redactor::new([1; 32]), Redactor::new([2; 32]));
        let tag = ours.mask("hunter2");
        assert_eq!(tag, "[redacted:f26b540759235a9d]");
        assert_eq!(ours.words(&["--password", "hunter2"])[1], tag);
        assert_eq!(
            ours.words(&["--from-literal=pw=hunter2"])[0],
            format!("--from-literal=pw={tag}")
        );
        assert_eq!(
            ours.words(&["--token=aGVsbG8="])[0],
            format!("--token={}", ours.mask("aGVsbG8="))
        );
        assert_ne!(other.mask("hunter2"), tag);
        assert_ne!(ours.mask("hunter3"), tag);
        assert_eq!(format!("{ours:?}"), "Redactor(…)");
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
    fn passwords_in_sql_and_connection_strings_go() {
        for (given, kept) in [
            (
                "alter user a password 'x' valid until",
                "alter user a password [redacted] valid until",
            ),
            (
                "ALTER ROLE a PASSWORD E'it\\'s'",
                "ALTER ROLE a PASSWORD [redacted]",
            ),
            (
                "create user a password $$x y$$",
                "create user a password [redacted]",
            ),
            (
                "create user a password 'x''y'",
                "create user a password [redacted]",
            ),
            // What is compared with a password may be one.
            ("rolpassword = 'x'", "rolpassword = '[redacted]'"),
            ("host=a password=x user=b", "host=a password=[redacted] user=b"),
            (
                "host=a password = 'x y' user=b",
                "host=a password = [redacted] user=b",
            ),
        ] {
            assert_eq!(text(given), kept);
        }
        for word in ["select password from users", "reset password"] {
            assert_eq!(text(word), word);
        }
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

    #[test]
    fn credentials_are_found_in_the_shapes_that_tools_give_them() {
        for line in [
            "gh secret set NAME --body hunter2hunter2",
            "gh secret set NAME -bhunter2hunter2",
            "gh secret set NAME --body=hunter2hunter2",
            "kubectl config set users.u.token hunter2hunter2",
            "kubectl set env deploy/a API_KEY=hunter2hunter2",
            "kubectl run p --env=DB_PASSWORD=hunter2hunter2",
            "x PGPASSWORD=hunter2hunter2",
            r#"aws rds create-db-instance --cli-input-json {"MasterUserPassword":"hunter2hunter2"}"#,
            r#"x {"a":{"password":"hunter2hunter2"}}"#,
            r#"x {\"clientSecret\":\"hunter2hunter2\"}"#,
            "x secret_access_key=hunter2hunter2&b=1",
            "gh api -H Authorization:hunter2hunter2",
            "gh api -H Authorization:token~hunter2hunter2",
            "gh api -H Authorization:~token~hunter2hunter2",
            "x https://user:pa/hunter2hunter2@host/path",
            "x postgres://u:hunter2hunter2@h/db",
        ] {
            let args: Vec<String> = line.split(' ').map(|word| word.replace('~', " ")).collect();
            let shown = words(&args).join(" ");
            assert!(!shown.contains("hunter2"), "{line}: {shown}");
        }
        let token = format!("ghp_{}", "A1b2C3d4E5".repeat(3));
        for text in [
            format!("x%3D{token}"),
            format!("{{\"a\":\"b\\n{token}\"}}"),
            format!("abc{token}"),
        ] {
            let shown = super::text(&text);
            assert!(!shown.contains("A1b2C3"), "{text}: {shown}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for line in [
            "kubectl get secrets -n prod",
            "kubectl get secret web-token -o json",
            "gh pr create --title t --body text-for-everybody",
            "aws ec2 describe-instances --filters Name=tag:token,Values=abc",
            "x http://localhost:8080/path@v1",
            "kubectl get pods -l app=secret",
            "kubectl logs -p web",
            "task-aaaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            let args: Vec<&str> = line.split(' ').collect();
            assert_eq!(words(&args).join(" "), line);
        }
    }
}
