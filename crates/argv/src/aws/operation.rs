//! What an API operation does, from its access level and what is known about it besides.

use super::argparse::{Given, Parsed};
use super::table::{self, Arity, Kind, Row, Spec};
use super::{Words, hint, special, values};
use crate::{Effect, Invocation, Operation, Resource, Tool, Unreadable};

/// Reads the words left for an operation or a waiter.
pub(super) fn read(row: &Row, words: &Words<'_, '_>) -> Result<Invocation, Unreadable> {
    let specs = row.specs();
    let positionals = row.positionals();
    let mut slots: Vec<Arity> = positionals.iter().map(|(_, arity)| *arity).collect();
    slots.push(Arity::Maybe); // `help`, behind all others
    let mut parsed = words.parse(row, &specs, &slots)?;
    let help = parsed.positionals.pop().and_then(|help| help.first().copied());
    if help.is_some_and(|word| word.text == "help") && parsed.rest.is_empty() {
        return Ok(Invocation::help(Tool::Aws));
    }
    parsed.rest.extend(help);
    all_understood(row, &specs, &parsed)?;

    let request = Request { given: &parsed.given };
    let mut invocation = Invocation::simple(Tool::Aws, row.key, describe(row));
    if request.sends_nothing() {
        invocation.operations = vec![Operation::new(Effect::Local, "generate-cli-skeleton")];
    } else if row.kind == Kind::Operation {
        special::apply(row, &request, &mut invocation)?;
        local_files(&request, &parsed, &mut invocation);
    }
    if !request.sends_nothing() {
        invocation.name_each(request.names(row.key.rsplit(' ').next().unwrap_or_default()));
    }
    values::inspect(&parsed.given, &mut invocation);
    Ok(invocation)
}

/// The files that an operation names without an address scheme.
fn local_files(request: &Request<'_, '_>, parsed: &Parsed<'_>, invocation: &mut Invocation) {
    for path in parsed.positionals.iter().flatten() {
        values::writes(invocation, path.text, "the answer is written to a local file");
    }
    for given in parsed
        .given
        .iter()
        .filter(|given| given.spec.name.ends_with("outfile"))
    {
        let path = given.values.first().map_or("", |value| value.text);
        values::writes(invocation, path, "part of the answer is written to a local file");
    }
    if let Some(path) = request.value("priv-launch-key") {
        values::reads(invocation, path, "`--priv-launch-key` reads a private key");
    }
}

/// Refuses the first word that the command did not take.
pub(super) fn all_understood(row: &Row, specs: &[Spec], parsed: &Parsed<'_>) -> Result<(), Unreadable> {
    let Some(word) = parsed.rest.first() else {
        return Ok(());
    };
    if !word.text.starts_with('-') {
        return Err(word.unreadable(&format!("is one word too many for `aws {}`", row.key)));
    }
    let name = word
        .text
        .trim_start_matches('-')
        .split('=')
        .next()
        .unwrap_or_default();
    let known = specs.iter().chain(super::globals::SPECS).map(|spec| spec.name);
    let fault = word.unreadable(&format!("is not an option of `aws {}` that is known", row.key));
    Err(match hint::nearest(name, known) {
        _ if matches!(name, "help" | "h") => fault.hint(format!("aws {} help", row.key)),
        Some(near) => fault.hint(format!("did you mean `--{near}`?")),
        None => fault,
    })
}

/// What was given to an operation.
pub(super) struct Request<'p, 'a> {
    given: &'p [Given<'a>],
}

impl<'p, 'a> Request<'p, 'a> {
    /// The options of a command of the tool's own.
    pub(super) fn new(given: &'p [Given<'a>]) -> Self {
        Request { given }
    }

    /// The last `--name`, or its `--no-` twin.
    pub(super) fn last(&self, name: &str) -> Option<&'p Given<'a>> {
        self.given.iter().rev().find(|given| given.spec.name == name)
    }

    /// The last value of `--name`.
    pub(super) fn value(&self, name: &str) -> Option<&'a str> {
        self.last(name)
            .and_then(|given| given.values.first())
            .map(|value| value.text)
    }

    /// Whether the flag `--name` is on: `None` when neither it nor its twin was given.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.last(name).map(|given| !given.spec.negated)
    }

    /// Whether parameters come from a document that is not read here.
    pub(super) fn has_document(&self) -> bool {
        self.last("cli-input-json").is_some() || self.last("cli-input-yaml").is_some()
    }

    /// `--generate-cli-skeleton` prints what could be given, whatever else is there.
    fn sends_nothing(&self) -> bool {
        self.last("generate-cli-skeleton").is_some()
    }

    /// What the request is about: bucket and key, or the values of the option that is named after the operation's noun, or
    /// of the first that names anything. None where they stand in a file.
    fn names(&self, operation: &str) -> Vec<String> {
        if let Some(bucket) = self.value("bucket") {
            return vec![match self.value("key") {
                Some(key) => format!("{bucket}/{key}"),
                None => bucket.to_owned(),
            }];
        }
        let noun = operation.split_once('-').map_or("", |(_, noun)| noun);
        let noun = noun.strip_suffix('s').unwrap_or(noun);
        let names = |given: &&Given<'_>| {
            let name = given.spec.name;
            name == "name"
                || [
                    "-name",
                    "-names",
                    "-id",
                    "-ids",
                    "-arn",
                    "-arns",
                    "-identifier",
                    "-identifiers",
                    "-url",
                ]
                .iter()
                .any(|ending| name.ends_with(ending))
        };
        let about_noun = |given: &&Given<'_>| !noun.is_empty() && given.spec.name.starts_with(noun);
        let naming = || self.given.iter().filter(names);
        // Given twice, the last one counts.
        let chosen = naming().find(about_noun).or_else(|| naming().next());
        let Some(chosen) = chosen.and_then(|given| self.last(given.spec.name)) else {
            return Vec::new();
        };
        let texts: Vec<&str> = chosen.values.iter().map(|value| value.text).collect();
        let is_elsewhere = texts.iter().any(|text| values::file(text).is_some());
        match texts.as_slice() {
            _ if is_elsewhere || texts.iter().all(|text| text.is_empty()) => Vec::new(),
            [one] => values::list(one).unwrap_or_else(|| vec![(*one).to_owned()]),
            several => several.iter().map(|text| (*text).to_owned()).collect(),
        }
    }
}

/// The operation as AWS itself classifies it; a waiter is the operation it polls.
fn describe(row: &Row) -> Operation {
    let service = row.service();
    let prefix = table::find(service).map_or(service, |row| row.detail);
    let (api, effect) = match row.kind {
        Kind::Waiter => (row.detail.to_owned(), Effect::Read),
        _ => {
            let api = row.api();
            let effect = effect(row.detail, &api);
            (api, effect)
        }
    };
    let mut operation = Operation::new(effect, format!("{prefix}:{api}"));
    operation.resource = Some(Resource::kind(service));
    operation
}

/// By the access level. Where AWS says nothing (`?`), the name alone is no ground to call it a read.
fn effect(level: &str, api: &str) -> Effect {
    if matches!(level, "R" | "L" | "M") {
        return Effect::Read;
    }
    let removes = [
        "Delete",
        "BatchDelete",
        "AdminDelete",
        "Terminate",
        "Remove",
        "BatchRemove",
        "Purge",
        "Destroy",
    ];
    if removes.iter().any(|verb| api.starts_with(verb)) {
        Effect::Delete
    } else {
        Effect::Write
    }
}
