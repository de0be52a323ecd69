//! aws's aliases: words that stand for other words, from `~/.aws/cli/alias`.
//!
//! As aws reads the file: sections in brackets, `name = value`, lines that are indented go on with the value before. A value that
//! begins with `!` is a program for the shell.

/// What an alias stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Alias {
    /// A program of the shell.
    Shell,
    /// Words.
    Words(Vec<String>),
    /// Something that is not certainly read as aws reads it.
    Unclear,
}

/// The alias `name` among those of `section`: `toplevel`, or `command ec2`.
pub(super) fn find(file: &str, section: &str, name: &str) -> Option<Alias> {
    let mut here = String::new();
    let mut found: Vec<String> = Vec::new();
    let mut in_value = false;
    for line in file.lines() {
        let is_indented = line.starts_with([' ', '\t']);
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with(['#', ';']) {
            continue;
        }
        if is_indented {
            if let Some(value) = found.last_mut().filter(|_| in_value) {
                value.push('\n');
                value.push_str(bare);
            }
            continue;
        }
        in_value = false;
        if let Some(inner) = bare.strip_prefix('[') {
            here = inner
                .strip_suffix(']')?
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ");
            continue;
        }
        let Some((key, value)) = bare.split_once(['=', ':']) else {
            return Some(Alias::Unclear);
        };
        if here == section && key.trim().eq_ignore_ascii_case(name) {
            found.push(value.trim().to_owned());
            in_value = true;
        }
    }
    match found.as_slice() {
        [] => None,
        [value] if value.trim_start().starts_with('!') => Some(Alias::Shell),
        [value] => Some(crate::words::split_as_shell(value).map_or(Alias::Unclear, Alias::Words)),
        _ => Some(Alias::Unclear),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# mine\n[toplevel]\nwhoami = sts get-caller-identity\nrun =\n  !f() {\n  aws s3 ls; }; f\nq = ec2 describe-instances --query 'a b'\ntwice = a\ntwice = b\n[command  ec2]\nls = describe-instances\n";

    #[test]
    fn values_are_found_in_their_section() {
        let words = |text: &str| Some(Alias::Words(text.split(' ').map(str::to_owned).collect()));
        assert_eq!(find(FILE, "toplevel", "whoami"), words("sts get-caller-identity"));
        assert_eq!(find(FILE, "command ec2", "ls"), words("describe-instances"));
        assert_eq!(find(FILE, "toplevel", "ls"), None);
        assert_eq!(find(FILE, "toplevel", "twice"), Some(Alias::Unclear));
        let Some(Alias::Words(found)) = find(FILE, "toplevel", "q") else {
            panic!("`q` is there");
        };
        assert_eq!(found.last().map(String::as_str), Some("a b"));
    }

    #[test]
    fn a_value_on_the_next_line_still_runs_the_shell() {
        assert_eq!(find(FILE, "toplevel", "run"), Some(Alias::Shell));
    }
}
