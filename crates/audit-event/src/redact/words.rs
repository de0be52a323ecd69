//! Secrets among the words of a command line: the values of flags that carry credentials.

use super::Redactor;
use super::text::is_secret_name;

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
