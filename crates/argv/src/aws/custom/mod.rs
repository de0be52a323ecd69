//! The commands of the tool's own making, as the operations and effects they come to.
//!
//! Most are rows in `data/aws_own.tsv`; one row per operation or fact. Columns: the command; effect, or `=` for a
//! fact without an operation; the operation as in IAM, or `-` for the command itself; hazards, comma between, or
//! `-`; options that name files, `<` read, `>` written; the condition (see [`super::special`]); the reason.
//! What depends on more than single options is in the modules below. A command in neither is refused.

mod configure;
mod s3;

use super::argparse::{Parsed, Word};
use super::operation::{self, Request};
use super::table::{self, Arity, Row};
use super::{Words, special, values};
use crate::{Effect, FileUse, Invocation, Operation, Resource, Scope, Tool, Unreadable};

static OWN: &str = include_str!("../../../data/aws_own.tsv");

/// Reads the words left for a command of the tool's own.
pub(super) fn read(row: &Row, words: &Words<'_, '_>) -> Result<Invocation, Unreadable> {
    if let [Word { text: "help", .. }] = words.list {
        return Ok(Invocation::help(Tool::Aws));
    }
    let specs = row.specs();
    let positionals = row.positionals();
    let slots: Vec<Arity> = positionals.iter().map(|(_, arity)| *arity).collect();
    let parsed = words.parse(row, &specs, &slots)?;
    operation::all_understood(row, &specs, &parsed)?;
    for ((name, arity), filled) in positionals.iter().zip(&parsed.positionals) {
        if filled.is_empty() && *arity != Arity::Maybe {
            return Err(Unreadable::missing(&format!("`aws {}` wants `{name}`", row.key)));
        }
    }
    let request = Request::new(&parsed.given);
    let mut invocation = Invocation {
        tool: Tool::Aws,
        command: row.key.to_owned(),
        operations: Vec::new(),
        hazards: Vec::new(),
        files: Vec::new(),
    };
    if row.service() == "s3" {
        s3::read(row, &request, &parsed, &mut invocation)?;
    } else {
        from_table(row, &request, &mut invocation)?;
        configure::refine(row, &parsed, &mut invocation);
    }
    values::inspect(&parsed.given, &mut invocation);
    inspect_positionals(&positionals, &parsed, &mut invocation);
    Ok(invocation)
}

fn inspect_positionals(names: &[(&str, Arity)], parsed: &Parsed<'_>, invocation: &mut Invocation) {
    for ((name, _), words) in names.iter().zip(&parsed.positionals) {
        for word in words {
            values::inspect_one(name, word, true, invocation);
        }
    }
}

fn from_table(row: &Row, request: &Request<'_, '_>, invocation: &mut Invocation) -> Result<(), Unreadable> {
    for line in special::lines(OWN, row.key) {
        let columns: Vec<_> = line.split('\t').collect();
        let [_, effect, verb, hazards, files, condition, because] = columns.as_slice() else {
            continue;
        };
        if !special::holds(condition, request) {
            continue;
        }
        if let Some(effect) = special::effect(effect) {
            let verb = if *verb == "-" { row.key } else { verb };
            invocation.operations.push(operation(row, effect, verb));
        }
        for hazard in special::hazards(hazards) {
            invocation.add_hazard(hazard, *because);
        }
        for file in files.split(' ').filter(|file| !file.is_empty()) {
            let option = file.trim_start_matches(['<', '>']);
            if let Some(path) = request.value(option).filter(|path| values::file(path).is_none()) {
                invocation.files.push(FileUse {
                    path: path.to_owned(),
                    writes: file.starts_with('>'),
                });
            }
        }
    }
    if invocation.operations.is_empty() {
        let fault = Unreadable::missing(&format!("what `aws {}` does is not known", row.key));
        return Err(if table::has_children(row.key) {
            fault.hint(format!("aws {} help", row.key))
        } else {
            fault
        });
    }
    Ok(())
}

/// An operation of the service that `verb` names, or of the command's own.
fn operation(row: &Row, effect: Effect, verb: &str) -> Operation {
    let service = row.service();
    let kind = match verb.split_once(':') {
        Some((prefix, _)) if table::find(service).is_none_or(|row| row.detail != prefix) => prefix,
        _ => service,
    };
    Operation {
        resource: Some(Resource::kind(kind)),
        scope: Scope::default(),
        ..Operation::new(effect, verb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_order_and_about_a_command_that_exists() {
        let keys: Vec<_> = OWN.lines().map(|line| line.split('\t').next().unwrap()).collect();
        assert!(keys.is_sorted());
        for line in OWN.lines() {
            let columns: Vec<_> = line.split('\t').collect();
            let [key, effect, verb, hazards, files, condition, because] = columns.as_slice() else {
                panic!("{line}");
            };
            let row = table::find(key).unwrap_or_else(|| panic!("no such command: {key}"));
            assert_eq!(row.kind, table::Kind::Custom, "{line}");
            assert!(*effect == "=" || special::effect(effect).is_some(), "{line}");
            assert!(*verb == "-" || verb.contains(':'), "{line}");
            let count = if *hazards == "-" {
                0
            } else {
                hazards.split(',').count()
            };
            assert_eq!(special::hazards(hazards).len(), count, "{line}");
            assert!(count == 0 || !because.is_empty(), "{line}");
            let options = files.split(' ').map(|file| file.trim_start_matches(['<', '>']));
            for option in options
                .chain([condition.trim_start_matches('!')])
                .filter(|option| !option.is_empty())
            {
                assert!(row.specs().iter().any(|spec| spec.is(option)), "{line}");
            }
        }
    }
}
