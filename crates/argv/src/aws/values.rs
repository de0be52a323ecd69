//! What the values of options bring in from outside: files that are read, addresses that are fetched.

use super::argparse::{Given, Word};
use super::table::VERSION_1;
use crate::{FileUse, Hazard, Invocation};
use serde_json::Value;

const FILE: [&str; 2] = ["file://", "fileb://"];

/// Adds the hazards and files of every option given.
pub(super) fn inspect(given: &[Given<'_>], invocation: &mut Invocation) {
    for option in given {
        let fetched = option.spec.fetched && option.spec.versions & VERSION_1 != 0;
        for value in &option.values {
            if option.spec.path {
                reads(
                    invocation,
                    value.text,
                    format!("`{}` uploads a file", option.spec.spelled()),
                );
                continue;
            }
            inspect_one(&option.spec.spelled(), value, fetched, invocation);
        }
    }
}

/// The same for one value of the option or positional called `name`.
pub(super) fn inspect_one(name: &str, value: &Word<'_>, fetched: bool, invocation: &mut Invocation) {
    if let Some(path) = file(value.text) {
        reads(invocation, path, format!("`{name}` takes its value from a file"));
    } else if fetched
        && ["http://", "https://"]
            .iter()
            .any(|scheme| value.text.starts_with(scheme))
    {
        invocation.add_hazard(
            Hazard::RemoteInput,
            format!("version 1 of the tool fetches the value of `{name}` from its address"),
        );
    } else if let Some(path) = nested_file(value.text) {
        reads(
            invocation,
            path,
            format!("`{name}` takes part of its value from a file"),
        );
    }
}

/// Adds what it means that the tool reads from `path`.
pub(super) fn reads(invocation: &mut Invocation, path: &str, because: impl Into<String>) {
    invocation.add_hazard(Hazard::ReadsFiles, because);
    invocation.files.push(FileUse {
        path: path.to_owned(),
        writes: false,
    });
}

/// Adds what it means that the tool writes to `path`. The standard streams are not files.
pub(super) fn writes(invocation: &mut Invocation, path: &str, because: &str) {
    if !matches!(path, "/dev/stdout" | "/dev/stderr" | "/dev/null") {
        invocation.add_hazard(Hazard::WritesFiles, because);
        invocation.files.push(FileUse {
            path: path.to_owned(),
            writes: true,
        });
    }
}

/// The path, when the whole value is to be read from a file.
pub(super) fn file(value: &str) -> Option<&str> {
    FILE.iter().find_map(|scheme| value.strip_prefix(scheme))
}

/// What is in `["a","b"]`, which the tool takes for a list where it is the only value. `None` where it is no list of plain values.
pub(super) fn list(value: &str) -> Option<Vec<String>> {
    let values: Vec<Value> = serde_json::from_str(value.trim()).ok()?;
    let plain = |value: Value| match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    values.into_iter().map(plain).collect()
}

/// The path in `Key@=file://path`. The shorthand grammar allows spaces, lists and quotes between, so any `@`
/// before a file address counts.
fn nested_file(value: &str) -> Option<&str> {
    let (_, behind) = value.split_once('@')?;
    let path = FILE
        .iter()
        .find_map(|scheme| behind.split_once(scheme))
        .map(|(_, path)| path)?;
    path.split([',', ']', '}', '\'', '"']).next()
}
