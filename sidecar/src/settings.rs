//! The configuration file: the section `sinks`, and beside it what flags say, under their names with `_` for `-`. Defaults
//! give way to the file, the file to the environment, the environment to flags.
//!
//! ```yaml
//! dir: /var/lib/reeve
//! http: 0.0.0.0:9464
//! keep_days: 400
//! sinks: {…}
//! ```
//!
//! A value of the file is checked by the flag's own rules. Every fault of the file is reported at once, with its line.

use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::sinks::{self, Configured};
use crate::trusted;
use crate::yaml::{self, Fault, Keys, fault};
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};
use std::ffi::OsString;

/// The keys that are flags, too. What belongs to one start only (`--check`, `--accept-loss`) is no key.
const KEYS: [&str; 12] = [
    "dir",
    "socket",
    "socket_mode",
    "identity",
    "http",
    "rate",
    "segment_bytes",
    "segment_hours",
    "keep_bytes",
    "keep_days",
    "spool",
    "log",
];

/// Everything that this start is told.
///
/// # Errors
/// When the file is not safe, not readable, or not right; a sink that is wrong is no error here.
pub fn gather() -> Result<(Config, Configured), Failure> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let matches = Config::command().get_matches_from(&words);
    let config = Config::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let Some(path) = config.config.clone() else {
        return Ok((config, Configured::default()));
    };
    let fail = |why: String| Failure::new(Exit::Configuration, format!("{}: {why}", path.display()));
    let text = trusted::read(&path).map_err(fail)?;
    let top = yaml::read(&text).map_err(|fault| fail(fault.to_string()))?;
    let mut faults = Vec::new();
    let mut keys = Keys::of(&top);
    let flags: Vec<String> = KEYS
        .iter()
        .filter_map(|key| flag(key, &mut keys, &matches, &mut faults))
        .collect();
    let (configured, more) = sinks::read(&mut keys);
    keys.finish(&mut faults);
    faults.extend(more);
    faults.sort_by_key(|fault| fault.line);
    if !faults.is_empty() {
        let lines = faults.iter().map(|fault| format!("{}: {fault}", path.display()));
        let all: Vec<String> = lines.chain(configured.faults()).collect();
        return Err(Failure::new(Exit::Configuration, all.join("\n")));
    }
    // What is on the command line comes last and counts; no key of the file is there, too.
    let program = words.first().cloned().into_iter();
    let rest = words.into_iter().skip(1);
    let all = program.chain(flags.into_iter().map(OsString::from)).chain(rest);
    let config = Config::try_parse_from(all).unwrap_or_else(|error| error.exit());
    Ok((config, configured))
}

/// A key of the file as a flag; `None` when the environment or the command line has it, or the file has not.
fn flag(
    key: &'static str,
    keys: &mut Keys<'_>,
    matches: &ArgMatches,
    faults: &mut Vec<Fault>,
) -> Option<String> {
    let node = keys.take(key)?;
    let Some(text) = node.as_scalar().map(|scalar| scalar.as_str()) else {
        faults.push(fault(node.span(), format!("`{key}` is expected to be one value")));
        return None;
    };
    let flag = format!("--{}={text}", key.replace('_', "-"));
    if let Err(error) = Config::try_parse_from(["reeved", &flag]) {
        faults.push(fault(node.span(), format!("`{key}`: {}", reason(&error, text))));
        return None;
    }
    let is_told = matches!(
        matches.value_source(key),
        Some(ValueSource::CommandLine | ValueSource::EnvVariable)
    );
    (!is_told).then_some(flag)
}

/// What clap thinks of the value, without the words about the command line.
fn reason(error: &clap::Error, text: &str) -> String {
    use std::error::Error;
    let shown: String = text.chars().take(80).collect();
    let why = error.source().map(ToString::to_string);
    let known = error.get(ContextKind::ValidValue).and_then(|value| match value {
        ContextValue::Strings(list) if !list.is_empty() => Some(format!("known are {}", list.join(", "))),
        _ => None,
    });
    match why.or(known) {
        Some(why) => format!("`{shown}` is not right here: {why}"),
        None => format!("`{shown}` is not right here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_a_flag_that_the_environment_has_too() {
        let command = Config::command();
        for key in KEYS {
            let flag = key.replace('_', "-");
            let found = command.get_arguments().find(|argument| argument.get_id() == key);
            let argument = found.unwrap_or_else(|| panic!("{key}"));
            assert_eq!(argument.get_long(), Some(flag.as_str()));
            assert!(argument.get_env().is_some(), "{key}");
        }
    }
}
