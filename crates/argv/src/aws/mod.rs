//! Reads aws command lines, versions 1 and 2.
//!
//! The tool parses in layers: global options first, wherever they stand; then one word per level of the
//! command tree; then the command's own options. So does [`parse`]. What the tool knows is in a generated
//! table ([`table`]), how it parses in [`argparse`]; what an API operation does is said by [`operation`], and
//! what the tool's own commands do by [`custom`]. Where versions differ, only what is the same in all that
//! accept it is read.

mod alias;
mod argparse;
mod blocks;
mod config;
mod custom;
mod globals;
mod hint;
mod operation;
mod special;
mod statement;
mod table;
mod values;

use crate::{
    Effect, Hazard, Invocation, Operation, Surroundings, Tool, Unreadable, unreadable::is_deceptive,
};
use alias::Alias;
use argparse::{Parsed, Word};
pub use config::AwsConfig;
use globals::Globals;
use table::{Arity, EVERY_VERSION, Kind, Row, Spec};

/// How many aliases may stand for one another.
const MOST_ALIASES: usize = 4;

/// Reads `words`, the words after `aws`.
///
/// # Errors
/// [`Unreadable`] names the word that is not understood.
pub fn parse(words: &[String], around: &Surroundings) -> Result<Invocation, Unreadable> {
    let mut words = words.to_vec();
    let mut done: Vec<(String, String)> = Vec::new();
    loop {
        let (section, at) = match read(&words, around, &done)? {
            Reading::Done(invocation) => return Ok(invocation),
            Reading::Alias { section, at } => (section, at),
        };
        let name = words.get(at).cloned().unwrap_or_default();
        match alias::find(&around.aliases, &section, &name) {
            Some(Alias::Shell) => {
                let mut invocation =
                    Invocation::simple(Tool::Aws, "alias", Operation::new(Effect::Execute, "alias"));
                invocation.add_hazard(
                    Hazard::RunsLocalCode,
                    format!("the alias `{name}` runs a program"),
                );
                return Ok(invocation);
            }
            Some(Alias::Words(meant)) if done.len() < MOST_ALIASES => {
                words.splice(at..=at, meant);
            }
            _ => return Err(Unreadable::at(at, &name, "is an alias that is not understood")),
        }
        done.push((section, name));
    }
}

/// Whether aws has the command `SERVICE OPERATION`, by its exact words. A look into the table, with no search for what may
/// have been meant.
pub fn is_command(service: &str, operation: &str) -> bool {
    table::find(&format!("{service} {operation}")).is_some()
}

enum Reading {
    Done(Invocation),
    /// The word here is an alias of this section of the file.
    Alias {
        section: String,
        at: usize,
    },
}

/// Reads the words; stops at the first alias that was not yet put in (an alias may stand for the command it is named after).
fn read(words: &[String], around: &Surroundings, done: &[(String, String)]) -> Result<Reading, Unreadable> {
    let is_alias = |section: &str, word: Word<'_>| {
        !around.aliases.is_empty()
            && !done
                .iter()
                .any(|(before, name)| before == section && name == word.text)
            && alias::find(&around.aliases, section, word.text).is_some()
    };
    let words: Vec<Word<'_>> = words
        .iter()
        .enumerate()
        .map(|(at, text)| Word { text, at })
        .collect();
    let end_of_options = words.iter().position(|word| word.text == "--");
    let (before, behind) = split(&words, end_of_options);
    let top = argparse::parse(before, globals::SPECS, &[Arity::One], EVERY_VERSION)?;
    let globals = Globals::read(&top.given, around)?;
    if globals.version {
        return Ok(Reading::Done(Invocation::simple(
            Tool::Aws,
            "version",
            Operation::new(Effect::Local, "version"),
        )));
    }
    let mut rest = top.rest;
    let mut service = top.positionals.into_iter().flatten().next();
    let mut behind = behind.iter();
    if service.is_none() {
        service = behind.next().copied();
    }
    rest.extend(behind);
    let service = service.ok_or_else(|| Unreadable::missing("no service is named").hint("aws help"))?;
    if is_alias("toplevel", service) {
        return Ok(Reading::Alias {
            section: "toplevel".to_owned(),
            at: service.at,
        });
    }
    // The alias of an operation stands where the operation does.
    if let Some(word) = rest.iter().find(|word| argparse::is_value(word.text)) {
        let section = format!("command {}", service.text);
        if is_alias(&section, *word) {
            return Ok(Reading::Alias { section, at: word.at });
        }
    }
    let mut invocation = match descend(service, &mut rest)? {
        Command::Help => Invocation::help(Tool::Aws),
        Command::Leaf { row, last } => {
            let dropped_above = if row.kind == Kind::Custom {
                service.at
            } else {
                last
            };
            let words = Words {
                list: &rest,
                end: end_of_options.filter(|end| *end > dropped_above),
            };
            if row.kind == Kind::Custom {
                custom::read(&row, &words)?
            } else {
                operation::read(&row, &words)?
            }
        }
    };
    globals.apply(&mut invocation);
    Ok(Reading::Done(invocation))
}

enum Command {
    Help,
    /// A command, and the place of its last word.
    Leaf {
        row: Row,
        last: usize,
    },
}

/// The words that belong to the command itself.
struct Words<'w, 'a> {
    list: &'w [Word<'a>],
    /// The place of a `--` that this level of the parser may see.
    end: Option<usize>,
}

impl<'a> Words<'_, 'a> {
    fn parse(&self, row: &Row, specs: &[Spec], slots: &[Arity]) -> Result<Parsed<'a>, Unreadable> {
        match self.end {
            Some(end) => argparse::parse_around(self.list, end, specs, slots, row.versions),
            None => argparse::parse(self.list, specs, slots, row.versions),
        }
    }
}

/// The words before `--` and those behind it.
fn split<'w, 'a>(words: &'w [Word<'a>], at: Option<usize>) -> (&'w [Word<'a>], &'w [Word<'a>]) {
    match at.and_then(|at| words.split_at_checked(at)) {
        Some((before, behind)) => (before, behind.get(1..).unwrap_or_default()),
        None => (words, &[]),
    }
}

/// Follows the command's words down the tree; what is left in `rest` belongs to the command found.
fn descend(service: Word<'_>, rest: &mut Vec<Word<'_>>) -> Result<Command, Unreadable> {
    let mut last = service;
    let mut key = "";
    loop {
        if last.text == "help" {
            return Ok(Command::Help);
        }
        let row = step(key, last)?;
        key = row.key;
        let has_children = row.kind == Kind::Service || row.kind == Kind::Custom && table::has_children(key);
        if !has_children {
            return Ok(Command::Leaf { row, last: last.at });
        }
        match rest.iter().position(|word| argparse::is_value(word.text)) {
            Some(index) => last = rest.remove(index),
            None if row.kind == Kind::Custom => return Ok(Command::Leaf { row, last: last.at }),
            None => {
                return Err(Unreadable::missing(&format!("no operation of `{key}` is named"))
                    .hint(format!("aws {key} help")));
            }
        }
    }
}

/// The command `word` below `key`.
fn step(key: &str, word: Word<'_>) -> Result<Row, Unreadable> {
    if word.text.chars().any(is_deceptive) {
        return Err(word.unreadable("contains characters that hide what it says"));
    }
    let known = if word.text.is_empty() || word.text.contains([' ', '\t', '#']) {
        None
    } else if key.is_empty() {
        table::find(word.text)
    } else {
        table::find(&format!("{key} {}", word.text))
    };
    known.ok_or_else(|| {
        let problem = match key {
            "" => "is not a service that is known".to_owned(),
            _ => format!("is not an operation of `{key}` that is known"),
        };
        let fault = word.unreadable(&problem);
        match hint::nearest(word.text, table::children(key)) {
            Some(near) => fault.hint(format!(
                "did you mean `aws {key}{}{near}`?",
                if key.is_empty() { "" } else { " " }
            )),
            None => fault,
        }
    })
}
