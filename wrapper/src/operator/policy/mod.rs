//! `reeve policy`: what an operator does with governance files before and after agents run by them.

mod compare;
mod files;
mod recorded;
mod suggest;

use super::cli::PolicyCommand;
use super::{Failure, print};
use crate::configuration::ConfigurationError;
use crate::exit::Exit;
use crate::governance::Source;
use policies::{Level, Track};

/// Runs one of the policy commands.
///
/// # Errors
/// When files cannot be read, or have faults: every one is said, with its place.
pub fn run(command: &PolicyCommand) -> Result<i32, Failure> {
    match command {
        PolicyCommand::Lint(options) => files::lint(options),
        PolicyCommand::Test(options) => files::test(options),
        PolicyCommand::Show(options) => files::show(options),
        PolicyCommand::Diff(options) => compare::diff(options),
        PolicyCommand::Suggest(options) => suggest::suggest(options),
        PolicyCommand::Replay(options) => compare::replay(options),
        PolicyCommand::Schema => {
            print(&format!("{:#}\n", policies::schema()))?;
            Ok(Exit::Ok.code())
        }
    }
}

fn configuration(error: ConfigurationError) -> Failure {
    Failure::new(Exit::Configuration, error.to_string())
}

/// One line of JSON.
fn json_line(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(value)
        .map(|line| format!("{line}\n"))
        .map_err(|error| Failure::new(Exit::CannotCreate, error.to_string()))
}

/// The levels of `source` that are asked for.
fn levels(
    source: &Source,
    level: Option<Level>,
    track: Option<&Track>,
) -> Result<Vec<(Level, Option<Track>)>, Failure> {
    let all = source.levels().map_err(configuration)?;
    let asked: Vec<(Level, Option<Track>)> = all
        .into_iter()
        .filter(|(has, _)| level.is_none_or(|level| level == *has))
        .filter(|(_, has)| track.is_none_or(|track| has.as_ref() == Some(track)))
        .collect();
    if asked.is_empty() {
        return Err(Failure::new(
            Exit::Configuration,
            "no governance file is there for this level and track".to_owned(),
        ));
    }
    Ok(asked)
}

/// `L4 track-c`.
fn name(level: Level, track: Option<&Track>) -> String {
    match track {
        Some(track) => format!("{level} {track}"),
        None => level.to_string(),
    }
}
