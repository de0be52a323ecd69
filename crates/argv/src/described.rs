//! Tools described by data: a tree of commands with effects, and flags with what they take and what comes with them.
//!
//! The rules of reading are those of the tools' own libraries, in two grammars. What a description does not say is refused, and
//! so is what the libraries' versions read differently: clusters of letters before the command, a command's name as a
//! flag's value before it. Reading descriptions from YAML is the `policies` crate's.

use crate::unreadable::is_deceptive;
use crate::{Effect, FileUse, Hazard, Invocation, Namespace, Operation, Resource, Tool, Unreadable};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The name it is called by.
    pub name: String,
    /// How it reads its words.
    pub grammar: Grammar,
    /// Flags that every command takes, before and behind its name.
    pub flags: Vec<Flag>,
    /// Its commands.
    pub commands: Vec<Command>,
    /// Variables that change what it does: exact, or `PREFIX*`. The tool gets the operator's or none.
    pub environment: Vec<String>,
}

/// How words are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grammar {
    /// Cobra and pflag: `--long`, `--long=value`, clusters of letters, flags anywhere, `--`.
    Pflag,
    /// Go's `flag`: `-long` and `--long` are one, no letters, and the first argument ends the flags.
    Go,
}

/// A flag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Flag {
    /// Without dashes.
    pub name: String,
    /// Its letter.
    pub short: Option<char>,
    /// What it takes.
    pub takes: Takes,
    /// What comes with it.
    pub hazards: Vec<Hazard>,
    /// What its value says about where the command acts.
    pub means: Option<Means>,
}

/// What a flag takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Takes {
    /// Nothing; `=true` and `=false` may stand behind it.
    #[default]
    Nothing,
    /// A value, in the same word or the next.
    Value,
    /// A value in the same word, or none.
    Optional,
}

/// What a flag's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Means {
    /// The namespace; an empty one is what the context says.
    Namespace,
    /// Every namespace, whatever another flag says.
    #[serde(rename = "all-namespaces")]
    AllNamespaces,
    /// The context.
    Context,
    /// A file that is read.
    Reads,
    /// A file that is written.
    Writes,
}

/// Which arguments are names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Names {
    /// Each: what nobody described may take several, and a rule about one must not let the others pass.
    #[default]
    All,
    /// The first; the others say something about it.
    First,
}

/// A command, or a group of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Its word.
    pub name: String,
    /// Other words for it.
    pub aliases: Vec<String>,
    /// What it does; a group alone prints its help.
    pub effect: Option<Effect>,
    /// Which of its arguments are names of what it is done to.
    #[serde(default)]
    pub names: Names,
    /// What comes with it.
    pub hazards: Vec<Hazard>,
    /// Flags of its own.
    pub flags: Vec<Flag>,
    /// Flags of its own and of the commands below.
    pub shared: Vec<Flag>,
    /// The commands below it.
    pub commands: Vec<Command>,
}

impl Invocation {
    /// Makes its operation one per name, so that a rule about one of them says nothing about the others. Without names it stays as it is.
    pub(crate) fn name_each(&mut self, names: impl IntoIterator<Item = String>) {
        let Some(operation) = self.operations.first().cloned() else {
            return;
        };
        let mut known = BTreeSet::new();
        let each: Vec<Operation> = names
            .into_iter()
            .filter(|name| known.insert(name.clone()))
            .map(|name| Operation {
                name: Some(name),
                ..operation.clone()
            })
            .collect();
        if !each.is_empty() {
            self.operations = each;
        }
    }
}

impl Description {
    /// The command of these words, and how many of them name it; the first word that is none where they lead nowhere.
    ///
    /// # Errors
    /// The index of the word that is no command.
    pub fn find(&self, words: &[&str]) -> Result<(String, Option<&Command>), usize> {
        let mut commands = &self.commands;
        let mut path = Vec::new();
        let mut found = None;
        for (at, word) in words.iter().enumerate() {
            let Some(command) = child(commands, word) else {
                return if commands.is_empty() {
                    Ok((path.join(" "), found))
                } else {
                    Err(at)
                };
            };
            path.push(command.name.as_str());
            commands = &command.commands;
            found = Some(command);
        }
        Ok((path.join(" "), found))
    }

    /// Whether `variable` is one that changes what the tool does.
    pub fn is_withheld(&self, variable: &str) -> bool {
        self.environment
            .iter()
            .any(|known| match known.strip_suffix('*') {
                Some(prefix) => variable.starts_with(prefix),
                None => variable == known,
            })
    }

    /// Reads `words`, the words after the tool's name.
    ///
    /// # Errors
    /// [`Unreadable`] when a word is not understood.
    pub fn read(&self, tool: Tool, words: &[String]) -> Result<Invocation, Unreadable> {
        for (at, word) in words.iter().enumerate() {
            if word.chars().any(is_deceptive) {
                return Err(Unreadable::at(at, word, "has characters that hide what it says"));
            }
        }
        let mut line = Line {
            description: self,
            words,
            at: 0,
            path: Vec::new(),
            found: Vec::new(),
            positionals: Vec::new(),
        };
        line.read()?;
        Ok(line.invocation(tool))
    }
}

fn child<'c>(commands: &'c [Command], word: &str) -> Option<&'c Command> {
    commands
        .iter()
        .find(|command| command.name == word || command.aliases.iter().any(|alias| alias == word))
}

struct Line<'d> {
    description: &'d Description,
    words: &'d [String],
    at: usize,
    path: Vec<&'d Command>,
    found: Vec<(&'d Flag, Option<&'d str>)>,
    positionals: Vec<&'d str>,
}

impl<'d> Line<'d> {
    fn read(&mut self) -> Result<(), Unreadable> {
        let mut skipped: Vec<&str> = Vec::new();
        let mut only_arguments = false;
        while let Some(word) = self.words.get(self.at) {
            let below = self
                .path
                .last()
                .map_or(&self.description.commands, |command| &command.commands);
            let is_flag = word.len() > 1 && word.starts_with('-') && !only_arguments;
            if word == "--" && !only_arguments {
                if !below.is_empty() {
                    return Err(Unreadable::at(
                        self.at,
                        word,
                        "stands before the command, where versions read it differently",
                    ));
                }
                only_arguments = true;
                self.at = self.at.saturating_add(1);
            } else if is_flag {
                if self.description.grammar == Grammar::Go && !self.positionals.is_empty() {
                    return Err(Unreadable::at(
                        self.at,
                        word,
                        "stands behind an argument, where it is no option; put it before",
                    ));
                }
                skipped.extend(self.flag(word, !below.is_empty())?);
            } else {
                self.argument(word, below, &skipped)?;
            }
        }
        Ok(())
    }

    fn argument(&mut self, word: &'d str, below: &'d [Command], skipped: &[&str]) -> Result<(), Unreadable> {
        match child(below, word) {
            Some(_) if skipped.contains(&word) => {
                return Err(Unreadable::at(
                    self.at,
                    word,
                    "is the value of an option before it too, which versions read differently; put the options behind",
                ));
            }
            Some(command) => self.path.push(command),
            // `helm help install`, `terraform help plan`: words of the tool's own.
            None if self.path.is_empty() && word == "help" && !self.knows("help") => {
                self.at = self.words.len();
                return Ok(());
            }
            None if !below.is_empty() && self.path.last().is_none_or(|command| command.effect.is_none()) => {
                let known: Vec<&str> = below.iter().map(|command| command.name.as_str()).collect();
                let whole = self.shown_path();
                let problem =
                    format!("is not a command of `{whole}` that is described here (plugins are not run)");
                let fault = Unreadable::at(self.at, word, &problem);
                return Err(match crate::psql::nearest(word, &known) {
                    Some(near) => fault.hint(format!("did you mean `{near}`?")),
                    None => fault,
                });
            }
            None => self.positionals.push(word),
        }
        self.at = self.at.saturating_add(1);
        Ok(())
    }

    fn knows(&self, command: &str) -> bool {
        child(&self.description.commands, command).is_some()
    }

    fn shown_path(&self) -> String {
        let words = std::iter::once(self.description.name.as_str())
            .chain(self.path.iter().map(|command| command.name.as_str()));
        words.collect::<Vec<_>>().join(" ")
    }

    fn known(&self) -> impl Iterator<Item = &'d Flag> + use<'_, 'd> {
        let own = self.path.last().into_iter().flat_map(|command| &command.flags);
        let shared = self.path.iter().flat_map(|command| &command.shared);
        own.chain(shared).chain(&self.description.flags)
    }

    /// Reads a word that is a flag, and its value. Before the command is complete the value is returned: no command may be
    /// called the same.
    fn flag(&mut self, word: &'d str, is_early: bool) -> Result<Option<&'d str>, Unreadable> {
        let here = self.at;
        let body = word.trim_start_matches('-');
        let dashes = word.len().saturating_sub(body.len());
        let is_long = dashes == 2 || (self.description.grammar == Grammar::Go && dashes == 1);
        if dashes > 2 {
            return Err(Unreadable::at(here, word, "begins with too many dashes"));
        }
        if is_long {
            let (name, given) = body
                .split_once('=')
                .map_or((body, None), |(name, value)| (name, Some(value)));
            let Some(flag) = self.known().find(|flag| flag.name == name) else {
                return Err(self.unknown(here, name, dashes));
            };
            self.at = here.saturating_add(1);
            return self.value(here, word, flag, given, is_early);
        }
        for (start, letter) in body.char_indices() {
            let Some(flag) = self.known().find(|flag| flag.short == Some(letter)) else {
                let problem = format!(
                    "`-{letter}` is not an option of `{}` that is described here",
                    self.shown_path()
                );
                return Err(Unreadable::at(here, word, &problem));
            };
            if is_early && body.chars().count() > 1 {
                return Err(Unreadable::at(
                    here,
                    word,
                    "stands before the command, where letters are read differently; put it behind",
                ));
            }
            let rest = body
                .get(start.saturating_add(letter.len_utf8())..)
                .unwrap_or_default();
            let given = rest.strip_prefix('=').or((!rest.is_empty()).then_some(rest));
            match flag.takes {
                Takes::Nothing | Takes::Optional if !rest.starts_with('=') => self.found.push((flag, None)),
                _ => {
                    self.at = here.saturating_add(1);
                    return self.value(here, word, flag, given, is_early);
                }
            }
        }
        self.at = here.saturating_add(1);
        Ok(None)
    }

    fn value(
        &mut self,
        here: usize,
        word: &str,
        flag: &'d Flag,
        given: Option<&'d str>,
        is_early: bool,
    ) -> Result<Option<&'d str>, Unreadable> {
        let (value, skipped) = match (flag.takes, given) {
            (Takes::Value, None) => {
                let Some(next) = self.words.get(self.at) else {
                    return Err(Unreadable::missing(&format!("`{word}` needs a value behind it")));
                };
                self.at = self.at.saturating_add(1);
                (Some(next.as_str()), is_early.then_some(next.as_str()))
            }
            (Takes::Nothing, Some(value)) if truth(value).is_none() => {
                return Err(Unreadable::at(
                    here,
                    word,
                    "takes no value but `true` and `false`",
                ));
            }
            (_, value) => (value, None),
        };
        self.found.push((flag, value));
        Ok(skipped)
    }

    fn unknown(&self, at: usize, name: &str, dashes: usize) -> Unreadable {
        let names: Vec<&str> = self.known().map(|flag| flag.name.as_str()).collect();
        let dashes = if dashes == 2 { "--" } else { "-" };
        let problem = format!(
            "is not an option of `{}` that is described here",
            self.shown_path()
        );
        let fault = Unreadable::at(at, &format!("{dashes}{name}"), &problem);
        match crate::psql::nearest(name, &names) {
            Some(near) => fault.hint(format!("did you mean `{dashes}{near}`?")),
            None => fault,
        }
    }

    /// Whether a switch is on: the last one given counts.
    fn is_on(&self, is_it: impl Fn(&Flag) -> bool) -> bool {
        self.found
            .iter()
            .rfind(|(flag, _)| is_it(flag))
            .is_some_and(|(_, value)| value.is_none_or(|value| truth(value) == Some(true)))
    }

    fn invocation(&self, tool: Tool) -> Invocation {
        let Some(command) = self.path.last() else {
            return Invocation::help(tool);
        };
        let asks_for_help = self.is_on(|flag| flag.name == "help")
            || (self.description.grammar == Grammar::Go && self.is_on(|flag| flag.name == "h"));
        let Some(effect) = command.effect.filter(|_| !asks_for_help) else {
            return Invocation::help(tool);
        };
        let path: Vec<&str> = self.path.iter().map(|command| command.name.as_str()).collect();
        let path = path.join(" ");
        let mut operation = Operation::new(effect, path.as_str());
        operation.resource = self.path.first().map(|first| Resource::kind(first.name.as_str()));
        for (flag, value) in &self.found {
            // Given empty it is as if it were not given: what the context says.
            let value = value.filter(|value| !value.is_empty()).map(str::to_owned);
            match flag.means {
                Some(Means::Namespace) => {
                    operation.scope.namespace = value.map_or(Namespace::Ambient, Namespace::Named);
                }
                Some(Means::Context) => operation.scope.context = value,
                _ => {}
            }
        }
        if self.is_on(|flag| flag.means == Some(Means::AllNamespaces)) {
            operation.scope.namespace = Namespace::All;
        }
        let most = match command.names {
            Names::All => self.positionals.len(),
            Names::First => 1,
        };
        let names = self.positionals.iter().take(most);
        let mut invocation = Invocation::simple(tool, path.as_str(), operation);
        invocation.name_each(names.map(|name| (*name).to_owned()));
        for hazard in &command.hazards {
            invocation.add_hazard(*hazard, format!("`{} {path}` brings it", self.description.name));
        }
        for (flag, value) in &self.found {
            // Any time it was given counts, and being given as false does not bring it.
            let is_off =
                flag.takes == Takes::Nothing && value.is_some_and(|value| truth(value) == Some(false));
            for hazard in flag.hazards.iter().filter(|_| !is_off) {
                invocation.add_hazard(*hazard, format!("`--{}` brings it", flag.name));
            }
            let file = |writes| FileUse {
                path: value.unwrap_or_default().to_owned(),
                writes,
            };
            match flag.means {
                Some(Means::Reads) => {
                    invocation.add_hazard(
                        Hazard::ReadsFiles,
                        format!("`--{}` reads a local file", flag.name),
                    );
                    invocation.files.push(file(false));
                }
                Some(Means::Writes) => {
                    invocation.add_hazard(
                        Hazard::WritesFiles,
                        format!("`--{}` writes a local file", flag.name),
                    );
                    invocation.files.push(file(true));
                }
                _ => {}
            }
        }
        invocation
    }
}

/// What Go's `strconv.ParseBool` makes of a word.
fn truth(word: &str) -> Option<bool> {
    match word {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}
