//! `reeve policy diff` and `replay`: which decisions change.

use super::super::cli::{PolicyDiff, PolicyReplay};
use super::super::{Failure, print};
use super::recorded::{self, Recorded};
use super::{configuration, json_line, levels, name};
use crate::exit::Exit;
use crate::governance::Source;
use policies::{CommandLine, Governance, Level, Manifests, Track};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A decision that is another one.
#[derive(Debug, Serialize)]
struct Change<'a> {
    level: Level,
    track: Option<&'a Track>,
    old: &'a str,
    new: &'a str,
    command: &'a str,
    /// The rules that decide now.
    rules: Vec<String>,
    /// Why it is not allowed now.
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

impl Change<'_> {
    fn line(&self, json: bool) -> Result<String, Failure> {
        if json {
            return json_line(self);
        }
        let place = self.seq.map(|seq| format!(" #{seq}")).unwrap_or_default();
        let why = match (self.rules.as_slice(), self.message.as_str()) {
            ([], "") => String::new(),
            ([], message) => format!("  ({message})"),
            (rules, _) => format!("  ({})", rules.join(", ")),
        };
        Ok(format!(
            "{}{place}: {} -> {}: {}{why}\n",
            name(self.level, self.track),
            self.old,
            self.new,
            self.command
        ))
    }
}

/// Command lines, with what is in the files they name.
struct Lines {
    lines: Vec<(String, CommandLine)>,
    manifests: Manifests,
}

/// `reeve policy diff`.
///
/// # Errors
/// When files cannot be read, or have faults.
pub fn diff(options: &PolicyDiff) -> Result<i32, Failure> {
    let old = Source::from_name(&options.old);
    let new = Source::from_name(&options.new);
    let in_old: BTreeSet<_> = levels(&old, options.level, options.track.as_ref())?
        .into_iter()
        .collect();
    let in_new: BTreeSet<_> = levels(&new, options.level, options.track.as_ref())?
        .into_iter()
        .collect();
    let mut text = String::new();
    let mut changes = 0_usize;
    let mut compared = 0_usize;
    for (level, track) in &in_old | &in_new {
        if !in_new.contains(&(level, track.clone())) || !in_old.contains(&(level, track.clone())) {
            let which = if in_new.contains(&(level, track.clone())) {
                "only in the new"
            } else {
                "only in the old"
            };
            if !options.json {
                text.push_str(&format!("{}: {which} directory\n", name(level, track.as_ref())));
            }
            changes = changes.saturating_add(1);
            continue;
        }
        let before = old.load(level, track.as_ref()).map_err(configuration)?;
        let after = new.load(level, track.as_ref()).map_err(configuration)?;
        let corpus = corpus(&options.lines, &[&old, &new], level, track.as_ref())?;
        for (line, command) in &corpus.lines {
            compared = compared.saturating_add(1);
            let (was, _, _) = before.decide(command, &corpus.manifests).0.said();
            let (is, rules, message) = after.decide(command, &corpus.manifests).0.said();
            if was == is {
                continue;
            }
            changes = changes.saturating_add(1);
            let change = Change {
                level,
                track: track.as_ref(),
                old: was,
                new: is,
                command: line,
                rules,
                message,
                seq: None,
            };
            text.push_str(&change.line(options.json)?);
        }
    }
    if !options.json {
        text.push_str(&format!("{compared} decisions compared, {changes} differences\n"));
    }
    print(&text)?;
    Ok(if changes == 0 { Exit::Ok } else { Exit::Found }.code())
}

/// The lines of the files that are named, else the cases of both directories.
fn corpus(
    files: &[std::path::PathBuf],
    sources: &[&Source],
    level: Level,
    track: Option<&Track>,
) -> Result<Lines, Failure> {
    let mut corpus = Lines {
        lines: Vec::new(),
        manifests: Manifests::new(),
    };
    for file in files {
        read_lines(file, &mut corpus)?;
    }
    if files.is_empty() {
        let mut seen = BTreeSet::new();
        for source in sources {
            let Some(cases) = source.cases(level, track).map_err(configuration)? else {
                continue;
            };
            corpus.manifests.extend(cases.manifests);
            for case in cases.cases {
                if seen.insert(case.text.clone()) {
                    corpus.lines.push((case.text, case.command));
                }
            }
        }
    }
    Ok(corpus)
}

fn read_lines(file: &Path, corpus: &mut Lines) -> Result<(), Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::new(Exit::Configuration, format!("{}: {error}", file.display())))?;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let command = CommandLine::read(line).map_err(|error| {
            Failure::new(
                Exit::Configuration,
                format!("{}:{}: {error}", file.display(), index.saturating_add(1)),
            )
        })?;
        corpus.lines.push((line.to_owned(), command));
    }
    Ok(())
}

/// `reeve policy replay`.
///
/// # Errors
/// When the record or the files cannot be read, or have faults.
pub fn replay(options: &PolicyReplay) -> Result<i32, Failure> {
    let source = Source::from_option(options.governance.as_deref());
    let mut loaded: BTreeMap<(Level, Option<Track>), Governance> = BTreeMap::new();
    let mut text = String::new();
    let (mut judged, mut unknown, mut changes) = (0_usize, 0_usize, 0_usize);
    for recorded in recorded::read(options.record.as_deref())? {
        let Recorded {
            seq,
            command,
            decision,
            level,
            track,
            invocation,
        } = recorded;
        let level = options.level.unwrap_or(level);
        let track = options.track.clone().or(track);
        let Some(invocation) = invocation else {
            // What was not understood is refused by every policy; of what was cut, nothing can be said.
            unknown = unknown.saturating_add(1);
            continue;
        };
        let key = (level, track.clone());
        if !loaded.contains_key(&key) {
            let governance = source.load(level, track.as_ref()).map_err(configuration)?;
            loaded.insert(key.clone(), governance);
        }
        let Some(governance) = loaded.get(&key) else {
            continue;
        };
        judged = judged.saturating_add(1);
        let (is, rules, message) = governance.evaluate(&invocation).said();
        if is == decision {
            continue;
        }
        changes = changes.saturating_add(1);
        let change = Change {
            level,
            track: track.as_ref(),
            old: decision,
            new: is,
            command: &command,
            rules,
            message,
            seq: Some(seq),
        };
        text.push_str(&change.line(options.json)?);
    }
    if !options.json {
        text.push_str(&format!(
            "{judged} decisions judged again, {changes} differ; {unknown} were not understood or not wholly recorded\n"
        ));
    }
    print(&text)?;
    Ok(if changes == 0 { Exit::Ok } else { Exit::Found }.code())
}
