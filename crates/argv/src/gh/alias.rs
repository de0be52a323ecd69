//! gh's aliases: words that stand for other words, from `config.yml`.
//!
//! Only the plain form that `gh alias set` writes is read: one line each below `aliases:`. gh's own commands come first, so an alias
//! never changes what they mean.

use crate::words::split_as_shell;

/// What `words` stand for when the first is an alias; `None` when it is none, or not certainly read as gh reads it.
pub(super) fn expand(config: &str, words: &[String]) -> Option<Vec<String>> {
    let (name, args) = words.split_first()?;
    let mut value = find(config, name)?;
    if value.starts_with('!') {
        return None; // a program for the shell
    }
    let mut extra = Vec::new();
    for (index, arg) in args.iter().enumerate() {
        let place = format!("${}", index.saturating_add(1));
        if value.contains(&place) {
            value = value.replace(&place, arg);
        } else {
            extra.push(arg.clone());
        }
    }
    // What is put in for `$1` may itself hold quotes or another place; gh splits it again, so such a line is not read.
    let odd = args.iter().any(|arg| arg.contains(['$', '\'', '"', '\\'])) && extra.len() < args.len();
    let left = value
        .split('$')
        .skip(1)
        .any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if odd || left {
        return None;
    }
    let mut expanded = split_as_shell(&value)?;
    expanded.extend(extra);
    Some(expanded)
}

fn find(config: &str, name: &str) -> Option<String> {
    let mut found = None;
    let inside = config
        .lines()
        .skip_while(|line| line.trim_end() != "aliases:")
        .skip(1)
        .take_while(|line| line.starts_with(' ') || line.trim().is_empty());
    for line in inside {
        let Some((key, value)) = line.trim().split_once(": ") else {
            continue;
        };
        if key != name {
            continue;
        }
        if found.is_some() {
            return None; // given twice
        }
        found = Some(plain(value.trim())?);
    }
    found
}

/// The text of a plain or simply quoted scalar.
fn plain(value: &str) -> Option<String> {
    if let Some(inner) = value.strip_prefix('\'') {
        let inner = inner.strip_suffix('\'')?;
        return Some(inner.replace("''", "'"));
    }
    let special = |c: char| "!&*|>@`\"%{}[],?#-".contains(c);
    (!value.starts_with(special) && !value.contains(" #") && !value.contains(": ")).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "version: \"1\"\naliases:\n    prs: pr list --limit 5\n    args: 'api repos/octo/$1 -X DELETE'\n    pwn: '!touch x'\n    block: |\n        pr merge 1\n    it: 'pr view --json ''title'''\npager: less\n";

    fn of(line: &str) -> Option<String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        expand(CONFIG, &words).map(|words| words.join(" "))
    }

    #[test]
    fn words_are_put_in_and_the_rest_added() {
        assert_eq!(of("prs -R o/r").as_deref(), Some("pr list --limit 5 -R o/r"));
        assert_eq!(
            of("args app x").as_deref(),
            Some("api repos/octo/app -X DELETE x")
        );
        assert_eq!(of("it").as_deref(), Some("pr view --json title"));
    }

    #[test]
    fn what_is_not_plain_is_not_read() {
        for line in ["pwn", "block", "absent", "args", "args a$2", "args 'a", "pager"] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
