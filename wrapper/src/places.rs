//! Where on a command line a file's path stands so that another path can stand there: where only the content counts.
//!
//! A word may be a path and a name at once (`create configmap a --from-file=a`), and a path may be more than a place: `s3 cp` names
//! what it uploads after the file, `release upload` the asset, `--from-file` the key. What is not known here is left alone.

use argv::Tool;
use std::ffi::OsString;

/// The places of a path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// Words, counted from 0 without the tool's name, and what stands before the other path there.
    pub places: Vec<(usize, String)>,
    /// Whether the path stands nowhere else.
    pub all: bool,
}

/// Options whose value is a file, of which only the content counts.
const KUBECTL: [&str; 3] = ["--patch-file", "--from-env-file", "--template"];
const AWS: [&str; 1] = ["--body"];
const GH: [&str; 6] = [
    "--input",
    "--body-file",
    "--notes-file",
    "--env-file",
    "-F",
    "--recover",
];
/// Formats that read a template.
const FORMATS: [&str; 4] = [
    "jsonpath-file=",
    "go-template-file=",
    "templatefile=",
    "custom-columns-file=",
];

/// Finds `path` among `args`, the words after the tool's name.
pub fn of(tool: Tool, path: &str, args: &[OsString]) -> Places {
    let mut found = Places {
        places: Vec::new(),
        all: true,
    };
    let mut last = "";
    for (index, word) in args.iter().enumerate() {
        let Some(word) = word.to_str() else {
            found.all = false;
            continue;
        };
        if let Some(before) = word.strip_suffix(path) {
            match instead(tool, path, last, before) {
                Some(before) => found.places.push((index, before)),
                None => found.all = false,
            }
        }
        last = word;
    }
    found
}

/// What stands before the other path, in place of `before`; `None` where this is no place for one. `last` is the word before.
fn instead(tool: Tool, path: &str, last: &str, before: &str) -> Option<String> {
    let is_value_of = |options: &[&str]| {
        let joined = before.strip_suffix('=');
        before.is_empty() && options.contains(&last) || joined.is_some_and(|option| options.contains(&option))
    };
    let fits = match tool {
        Tool::Kubectl => {
            if is_value_of(&["--from-file"]) {
                // The key is the file's name, if none is given.
                let key = path.rsplit('/').next().filter(|key| !key.contains('='))?;
                return Some(format!("{before}{key}="));
            }
            let has_key = |text: &str| text.matches('=').count() == 1 && text.ends_with('=');
            let keyed = match before.strip_prefix("--from-file=") {
                Some(key) => has_key(key),
                None => last == "--from-file" && has_key(before),
            };
            keyed || is_value_of(&KUBECTL) || FORMATS.iter().any(|format| before.ends_with(format))
        }
        Tool::Aws => is_value_of(&AWS) || before.ends_with("file://") || before.ends_with("fileb://"),
        Tool::Gh => is_value_of(&GH) || before.ends_with("=@"),
        // Some tools read a file by its ending.
        Tool::Described(_) => {
            let joined = before.starts_with('-') && before.ends_with('=');
            (joined || before.is_empty() && last.starts_with('-')) && !path.ends_with(".json")
        }
        Tool::Psql => false,
    };
    fits.then(|| before.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(tool: Tool, path: &str, line: &str) -> String {
        let mut words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let found = of(tool, path, &words);
        for (index, before) in found.places {
            words[index] = format!("{before}X").into();
        }
        let words: Vec<String> = words
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        format!("{}{}", words.join(" "), if found.all { "" } else { " ?" })
    }

    #[test]
    fn only_a_files_own_places_are_found() {
        for (tool, path, line, becomes) in [
            (
                Tool::Kubectl,
                "a",
                "create cm a --from-file=a",
                "create cm a --from-file=a=X ?",
            ),
            (
                Tool::Kubectl,
                "d/a",
                "create cm x --from-file d/a",
                "create cm x --from-file a=X",
            ),
            (
                Tool::Kubectl,
                "a",
                "create cm x --from-file=k=a",
                "create cm x --from-file=k=X",
            ),
            (
                Tool::Kubectl,
                "a",
                "create cm x --from-file k=a",
                "create cm x --from-file k=X",
            ),
            (
                Tool::Kubectl,
                "a",
                "patch deploy a --patch-file a",
                "patch deploy a --patch-file X ?",
            ),
            (
                Tool::Kubectl,
                "a",
                "get po -o jsonpath-file=a",
                "get po -o jsonpath-file=X",
            ),
            (Tool::Aws, "a", "s3 cp a s3://b/", "s3 cp a s3://b/ ?"),
            (
                Tool::Aws,
                "a",
                "s3api put-object --key a --body a",
                "s3api put-object --key a --body X ?",
            ),
            (
                Tool::Aws,
                "a",
                "x --y file://a --z Key=b,c=fileb://a",
                "x --y file://X --z Key=b,c=fileb://X",
            ),
            (Tool::Gh, "a", "release upload v1 a", "release upload v1 a ?"),
            (
                Tool::Gh,
                "a",
                "api x -F b=@a --input=a",
                "api x -F b=@X --input=X",
            ),
            (
                Tool::Gh,
                "a",
                "issue create -t a -F a",
                "issue create -t a -F X ?",
            ),
        ] {
            assert_eq!(shown(tool, path, line), becomes, "{line}");
        }
        let terraform = Tool::of_name("terraform").unwrap();
        assert_eq!(
            shown(terraform, "a.tfvars", "plan -var-file=a.tfvars"),
            "plan -var-file=X"
        );
        assert_eq!(
            shown(terraform, "a.json", "plan -var-file=a.json"),
            "plan -var-file=a.json ?"
        );
    }
}
