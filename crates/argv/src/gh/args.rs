//! Finds the command and reads the flags, by the rules of cobra and pflag.

use super::table::{Arity, Command};
use crate::Unreadable;
use crate::unreadable::is_deceptive;

/// A command line of gh, taken apart.
#[derive(Debug)]
pub(super) struct Line<'w> {
    /// The canonical command: `pr list`.
    pub path: &'static str,
    /// What is neither command nor flag.
    pub positionals: Vec<String>,
    /// How many of the positionals stand before `--`.
    pub before_dashes: usize,
    flags: Vec<(&'static str, Option<&'w str>)>,
}

impl<'w> Line<'w> {
    /// Every value given for a flag, in order.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &'w str> {
        self.flags
            .iter()
            .filter(move |(flag, _)| *flag == name)
            .filter_map(|(_, value)| *value)
    }

    /// The value that counts: the last one.
    pub(super) fn value(&self, name: &str) -> Option<&'w str> {
        self.values(name).last()
    }

    /// Whether a boolean flag is on: given, and not last given as false.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.flags
            .iter()
            .rfind(|(flag, _)| *flag == name)
            .is_some_and(|(_, value)| !matches!(value, Some("false")))
    }

    /// Whether a flag is given at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.flags.iter().any(|(flag, _)| *flag == name)
    }

    /// The flags with their values, in order.
    pub(super) fn all(&self) -> &[(&'static str, Option<&'w str>)] {
        &self.flags
    }
}

/// Reads the words after `gh`; `None` when gh would print help or its version and stop.
pub(super) fn read(words: &[String]) -> Result<Option<Line<'_>>, Unreadable> {
    match words.split_first() {
        None => return Ok(None),
        Some((first, topic)) if first == "help" => return help(topic),
        Some(_) => {}
    }
    if words == ["version"] {
        return Ok(None);
    }
    let (command, used) = find(words)?;
    let rest: Vec<(usize, &str)> = words
        .iter()
        .enumerate()
        .filter(|(position, _)| !used.contains(position))
        .map(|(position, word)| (position, word.as_str()))
        .collect();
    flags(command, &rest)
}

/// What `gh help` knows beside the commands.
const TOPICS: &[&str] = &[
    "accessibility",
    "actions",
    "environment",
    "exit-codes",
    "formatting",
    "mintty",
    "reference",
];

/// `gh help EXTENSION` runs the extension with `--help`, so only what is built in may stand behind `help`.
fn help(topic: &[String]) -> Result<Option<Line<'_>>, Unreadable> {
    let mut command = Command::root();
    for (place, word) in topic.iter().enumerate() {
        let is_topic = place == 0 && TOPICS.contains(&word.as_str());
        match command.child(word) {
            Some(child) => command = child,
            None if is_topic && topic.len() == 1 => {}
            None => {
                let fault = "is no topic that is built in (an extension of that name would run)";
                return Err(Unreadable::at(place.saturating_add(1), word, fault));
            }
        }
    }
    Ok(None)
}

/// Cobra's search: at each level the first word that is no flag and no flag's value names the next command.
fn find(words: &[String]) -> Result<(Command, Vec<usize>), Unreadable> {
    let mut command = Command::root();
    let mut used: Vec<usize> = Vec::new();
    loop {
        let Some((position, skipped)) = next_word(words, &used, command) else {
            return Ok((command, used));
        };
        let Some(word) = words.get(position) else {
            return Ok((command, used));
        };
        if command.path.is_empty() && word == "co" {
            // gh's own default alias; a user may have changed it, so only its usual meaning can be assumed.
            return Err(
                Unreadable::at(position, word, "is an alias that a configuration can change")
                    .hint("type `pr checkout`"),
            );
        }
        match command.child(word) {
            Some(child) => {
                // Older versions of cobra take out the first equal word, be it a flag's value.
                if let Some(twin) = skipped.iter().find(|skipped| words.get(**skipped) == Some(word)) {
                    return Err(Unreadable::at(
                        *twin,
                        word,
                        "stands before the command of the same name, which versions of gh read differently",
                    ));
                }
                used.push(position);
                command = child;
            }
            None if command.path.is_empty() || command.has_children() => {
                let what = if command.path.is_empty() {
                    "is not a command of gh"
                } else {
                    "is not a command here"
                };
                let known = command.names();
                let fault = Unreadable::at(
                    position,
                    word,
                    &format!("{what} (user aliases and extensions are not run)"),
                );
                return Err(match near(word, &known) {
                    Some(name) => fault.hint(format!("did you mean `{name}`?")),
                    None => fault,
                });
            }
            None => return Ok((command, used)),
        }
    }
}

/// The position of the next word that is no flag, and the flag values that were passed over.
fn next_word(words: &[String], used: &[usize], command: Command) -> Option<(usize, Vec<usize>)> {
    let mut skipped = Vec::new();
    let mut position = 0;
    while let Some(word) = words.get(position) {
        let here = position;
        position = position.saturating_add(1);
        if used.contains(&here) {
            continue;
        }
        if word == "--" {
            return None;
        }
        let takes_next = if let Some(name) = word.strip_prefix("--") {
            !name.contains('=') && command.long(name).is_none_or(|flag| flag.arity == Arity::Value)
        } else if word.len() > 1 && word.starts_with('-') {
            let mut letters = word.chars().skip(1);
            let letter = letters.next();
            letters.next().is_none()
                && letter
                    .and_then(|letter| command.short(letter))
                    .is_none_or(|flag| flag.arity == Arity::Value)
        } else {
            return Some((here, skipped));
        };
        if takes_next {
            while used.contains(&position) {
                position = position.saturating_add(1);
            }
            skipped.push(position);
            position = position.saturating_add(1);
        }
    }
    None
}

/// pflag's reading of what is left.
fn flags<'w>(command: Command, rest: &[(usize, &'w str)]) -> Result<Option<Line<'w>>, Unreadable> {
    let mut line = Line {
        path: command.path,
        positionals: Vec::new(),
        before_dashes: usize::MAX,
        flags: Vec::new(),
    };
    let mut words = rest.iter().copied();
    while let Some((position, word)) = words.next() {
        if word == "--" {
            line.before_dashes = line.positionals.len();
            line.positionals
                .extend(words.by_ref().map(|(_, word)| word.to_owned()));
        } else if let Some(body) = word.strip_prefix("--") {
            long(command, &mut line, position, body, &mut words)?;
        } else if word.len() > 1 && word.starts_with('-') {
            if shorts(command, &mut line, position, word, &mut words)? {
                return Ok(None);
            }
        } else {
            line.positionals.push(word.to_owned());
        }
    }
    line.before_dashes = line.before_dashes.min(line.positionals.len());
    let stops = line.is_set("help") || (command.path.is_empty() && line.is_set("version"));
    if command.path.is_empty() && !stops && !line.positionals.is_empty() {
        return Err(Unreadable::at(
            0,
            line.positionals.first().map_or("", String::as_str),
            "is not a command of gh",
        ));
    }
    Ok(if stops || command.path.is_empty() {
        None
    } else {
        Some(line)
    })
}

fn long<'w>(
    command: Command,
    line: &mut Line<'w>,
    position: usize,
    body: &'w str,
    words: &mut impl Iterator<Item = (usize, &'w str)>,
) -> Result<(), Unreadable> {
    let (name, given) = body
        .split_once('=')
        .map_or((body, None), |(name, value)| (name, Some(value)));
    let Some(flag) = command.long(name) else {
        let shown = format!("--{name}");
        let names: Vec<&str> = command.flags().map(|flag| flag.long).collect();
        let fault = Unreadable::at(
            position,
            &shown,
            &format!("is not a flag of `gh {}`", command.path),
        );
        return Err(match near(name, &names) {
            Some(near) => fault.hint(format!("did you mean `--{near}`?")),
            None => fault,
        });
    };
    let value = match (flag.arity, given) {
        (Arity::Disputed, _) => {
            return Err(Unreadable::at(
                position,
                &format!("--{name}"),
                "is read differently by versions of gh",
            ));
        }
        (Arity::Value, None) => Some(next_value(position, &format!("--{name}"), words)?),
        (Arity::Boolean, Some(value)) => Some(boolean(position, value)?),
        (_, given) => given,
    };
    line.flags.push((flag.long, value));
    Ok(())
}

/// A cluster of letters; true when it asks for help, which stops everything at once.
fn shorts<'w>(
    command: Command,
    line: &mut Line<'w>,
    position: usize,
    word: &'w str,
    words: &mut impl Iterator<Item = (usize, &'w str)>,
) -> Result<bool, Unreadable> {
    let mut rest = word.strip_prefix('-').unwrap_or(word);
    while let Some(letter) = rest.chars().next() {
        rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        let Some(flag) = command.short(letter) else {
            if letter == 'h' {
                return Ok(true);
            }
            return Err(Unreadable::at(
                position,
                word,
                &format!("`-{letter}` is not a flag of `gh {}`", command.path),
            ));
        };
        // `-X=` with nothing behind it is the value `=`.
        let given = rest.strip_prefix('=').filter(|value| !value.is_empty());
        match flag.arity {
            Arity::Disputed => {
                return Err(Unreadable::at(
                    position,
                    word,
                    "is read differently by versions of gh",
                ));
            }
            Arity::Value if rest.is_empty() => {
                let value = next_value(position, word, words)?;
                line.flags.push((flag.long, Some(value)));
            }
            Arity::Value => {
                line.flags.push((flag.long, Some(given.unwrap_or(rest))));
                return Ok(false);
            }
            Arity::Boolean if given.is_some() => {
                line.flags
                    .push((flag.long, Some(boolean(position, given.unwrap_or_default())?)));
                return Ok(false);
            }
            Arity::Optional if given.is_some() => {
                line.flags.push((flag.long, given));
                return Ok(false);
            }
            Arity::Boolean | Arity::Optional => line.flags.push((flag.long, None)),
        }
    }
    Ok(false)
}

fn next_value<'w>(
    position: usize,
    flag: &str,
    words: &mut impl Iterator<Item = (usize, &'w str)>,
) -> Result<&'w str, Unreadable> {
    words
        .next()
        .map(|(_, word)| word)
        .ok_or_else(|| Unreadable::at(position, flag, "needs a value"))
}

/// As Go's `strconv.ParseBool`; anything else is an error in gh too.
fn boolean(position: usize, value: &str) -> Result<&'static str, Unreadable> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok("true"),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok("false"),
        _ => Err(Unreadable::at(position, value, "is not true or false")),
    }
}

/// A known word that differs by one letter put in, left out or changed.
fn near<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    if word.chars().any(is_deceptive) || word.len() > 40 {
        return None;
    }
    known
        .iter()
        .copied()
        .find(|candidate| differs_by_one(word.as_bytes(), candidate.as_bytes()))
}

fn differs_by_one(a: &[u8], b: &[u8]) -> bool {
    let same_start = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (
        a.get(same_start..).unwrap_or_default(),
        b.get(same_start..).unwrap_or_default(),
    );
    let after = |s: &'_ [u8]| s.get(1..).unwrap_or_default().to_vec();
    after(a) == after(b) || after(a) == b || a == after(b)
}
