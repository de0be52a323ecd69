//! Reading options the way pflag does: clusters, attached values, `=`, `--`, the last one wins.

use super::table::{Arity, Flag, FlagSet};
use super::tree::{MOST_OPTIONS, Word, nearest};
use crate::Unreadable;

/// One option as given.
#[derive(Debug, Clone, Copy)]
struct Given<'a> {
    name: &'static str,
    /// What was given with it; `None` where it stands alone.
    value: Option<&'a str>,
    word: Word<'a>,
}

/// A command's options and arguments.
#[derive(Debug, Default)]
pub(super) struct Line<'a> {
    given: Vec<Given<'a>>,
    /// The words that are no options, in order.
    pub(super) arguments: Vec<Word<'a>>,
    /// How many arguments came before `--`, when there was one.
    pub(super) dash: Option<usize>,
}

/// Parses the words that [`super::tree::find`] left.
///
/// # Errors
/// [`Unreadable`] for an unknown option, a missing value, or a value that a boolean does not take.
pub(super) fn parse<'a>(words: &[Word<'a>], flags: &FlagSet) -> Result<Line<'a>, Unreadable> {
    let mut line = Line::default();
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        if word.text == "--" {
            line.dash = Some(line.arguments.len());
            line.arguments.extend(words.by_ref());
        } else if let Some(long) = word.text.strip_prefix("--") {
            let (name, joined) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            let flag = flags.long(name).ok_or_else(|| unknown_long(word, name, flags))?;
            line.take(word, flag, joined, &mut words)?;
        } else if word.text.len() > 1 && word.text.starts_with('-') {
            line.cluster(word, flags, &mut words)?;
        } else {
            line.arguments.push(word);
        }
    }
    Ok(line)
}

impl<'a> Line<'a> {
    /// `-Awn prod`: letters, until one takes the rest of the word or the next word as its value.
    fn cluster(
        &mut self,
        word: Word<'a>,
        flags: &FlagSet,
        words: &mut impl Iterator<Item = Word<'a>>,
    ) -> Result<(), Unreadable> {
        let mut rest = word.text.get(1..).unwrap_or("");
        while let Some(letter) = rest.chars().next() {
            let Some(flag) = flags.short(letter) else {
                return Err(word.unreadable(&format!("`-{letter}` is not an option of this command")));
            };
            rest = rest.get(letter.len_utf8()..).unwrap_or("");
            let joined = rest.strip_prefix('=').filter(|value| !value.is_empty());
            if joined.is_some() {
                return self.take(word, flag, joined, words);
            }
            match flag.arity {
                Arity::Boolean | Arity::Optional => self.take(word, flag, None, words)?,
                Arity::Single | Arity::List | Arity::Disputed => {
                    let attached = (!rest.is_empty()).then_some(rest);
                    return self.take(word, flag, attached, words);
                }
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        word: Word<'a>,
        flag: Flag,
        joined: Option<&'a str>,
        words: &mut impl Iterator<Item = Word<'a>>,
    ) -> Result<(), Unreadable> {
        let value = match (joined, flag.arity) {
            (Some(value), Arity::Boolean) if truth(value).is_none() => {
                return Err(word.unreadable("takes `true` or `false`"));
            }
            (Some(_), _) => joined,
            (None, Arity::Boolean | Arity::Optional) => None,
            (None, Arity::Single | Arity::List) => match words.next() {
                Some(next) => Some(next.text),
                None => return Err(word.unreadable("needs a value")),
            },
            (None, Arity::Disputed) => {
                return Err(word
                    .unreadable("takes a value in some versions of kubectl and not in others")
                    .hint("join the value with `=`"));
            }
        };
        if self.given.len() > MOST_OPTIONS {
            return Err(word.unreadable("is one option too many"));
        }
        self.given.push(Given {
            name: flag.name,
            value,
            word,
        });
        Ok(())
    }

    /// Whether the option was given at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.last(name).is_some()
    }

    /// The names of all options that were given, in order, as often as they were.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.given.iter().map(|given| given.name)
    }

    /// Whether a boolean is on; `false` when it was not given.
    pub(super) fn on(&self, name: &str) -> bool {
        self.last(name)
            .is_some_and(|given| given.value.is_none_or(|value| truth(value) == Some(true)))
    }

    /// The last value, unless it is empty: kubectl reads an empty value as "not given".
    pub(super) fn value(&self, name: &str) -> Option<&'a str> {
        self.last(name)
            .and_then(|given| given.value)
            .filter(|value| !value.is_empty())
    }

    /// Every value of an option that may be repeated; nothing for those that are empty.
    pub(super) fn values<'l>(&'l self, name: &'l str) -> impl Iterator<Item = Word<'a>> + 'l {
        self.given
            .iter()
            .filter(move |given| given.name == name)
            .filter_map(|given| {
                given.value.map(|text| Word {
                    position: given.word.position,
                    text,
                })
            })
            .filter(|word| !word.text.is_empty())
    }

    /// The word that gave the option last, to complain about.
    pub(super) fn word(&self, name: &str) -> Option<Word<'a>> {
        self.last(name).map(|given| given.word)
    }

    /// The last value as it was given: `Some(None)` where the option stands alone.
    pub(super) fn optional(&self, name: &str) -> Option<Option<&'a str>> {
        self.last(name).map(|given| given.value)
    }

    fn last(&self, name: &str) -> Option<&Given<'a>> {
        self.given.iter().rev().find(|given| given.name == name)
    }
}

/// What Go's `strconv.ParseBool` reads.
pub(super) fn truth(word: &str) -> Option<bool> {
    match word {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

fn unknown_long(word: Word<'_>, name: &str, flags: &FlagSet) -> Unreadable {
    let fault = word.unreadable("is not an option of this command");
    match nearest(name, flags.rows().map(|flag| flag.name)) {
        Some(known) => fault.hint(format!("did you mean `--{known}`?")),
        None => fault,
    }
}
