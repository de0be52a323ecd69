//! Finding the command among the words, the way cobra does it.
//!
//! Cobra looks for the command before it parses options, so it has to guess which words are option
//! values: behind an option that it does not know at that point, and that has no `=`, it skips one
//! word. So `kubectl -o name delete pod x` deletes, and `kubectl --force delete pod x` looks for a
//! command named `pod`. What is parsed afterwards is another matter (flags.rs).

use super::table::{self, Arity, FlagSet};
use crate::Unreadable;
use crate::unreadable::is_deceptive;

/// More options than anybody types; each costs a search.
pub(super) const MOST_OPTIONS: usize = 2000;

/// A word and its place on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'a> {
    pub(super) position: usize,
    pub(super) text: &'a str,
}

impl Word<'_> {
    /// `problem` with this word.
    pub(super) fn unreadable(self, problem: &str) -> Unreadable {
        Unreadable::at(self.position, self.text, problem)
    }
}

/// The command that was found, and the words that are left for its own parser.
#[derive(Debug)]
pub(super) struct Found<'a> {
    /// The canonical path, `create deployment`; empty for kubectl alone.
    pub(super) path: &'static str,
    pub(super) words: Vec<Word<'a>>,
}

/// Finds the command.
///
/// # Errors
/// [`Unreadable`] when kubectl has no such command, or when its versions would find different ones.
pub(super) fn find<'a>(words: &'a [String]) -> Result<Found<'a>, Unreadable> {
    let mut left: Vec<Word<'a>> = words
        .iter()
        .enumerate()
        .map(|(position, text)| Word { position, text })
        .collect();
    let mut path = "";
    while let Some(place) = first_bare(&left, &FlagSet::searching(path))? {
        let Some(word) = left.get(place).copied() else {
            break;
        };
        let Some(deeper) = table::subcommand(path, word.text) else {
            if path.is_empty() {
                return Err(unknown_command(word, place));
            }
            break;
        };
        // cobra before 1.7 (kubectl before 1.28) removes the first word of that spelling, even
        // where it is an option's value; the lists differ unless the two are neighbours.
        let older = left
            .iter()
            .position(|other| other.text == word.text)
            .unwrap_or(place);
        let removed = left.remove(place);
        if older != place {
            let mut as_before = left.clone();
            as_before.insert(place, removed);
            as_before.remove(older);
            if as_before
                .iter()
                .zip(&left)
                .any(|(one, other)| one.text != other.text)
            {
                return Err(word
                    .unreadable(
                        "is also an option's value before it; versions of kubectl read this differently",
                    )
                    .hint("put the options after the command"));
            }
        }
        path = deeper;
        // Completion hands its words on unparsed (completion.rs).
        if path == "__complete" {
            break;
        }
    }
    Ok(Found { path, words: left })
}

/// The index of the first word that is neither an option nor, as far as is known, an option's value.
fn first_bare(words: &[Word<'_>], flags: &FlagSet) -> Result<Option<usize>, Unreadable> {
    let mut index = 0;
    while let Some(word) = words.get(index) {
        if index > MOST_OPTIONS {
            return Err(word.unreadable("has too many options before it"));
        }
        if word.text == "--" {
            return Ok(None);
        }
        if swallows_the_next(*word, flags)? {
            if words.len() - index <= 2 {
                return Ok(None);
            }
            index += 2;
            continue;
        }
        if !word.text.is_empty() && !word.text.starts_with('-') {
            return Ok(Some(index));
        }
        index += 1;
    }
    Ok(None)
}

fn swallows_the_next(word: Word<'_>, flags: &FlagSet) -> Result<bool, Unreadable> {
    if word.text.contains('=') {
        return Ok(false);
    }
    let flag = if let Some(name) = word.text.strip_prefix("--") {
        flags.long(name)
    } else if word.text.starts_with('-') && word.text.len() == 2 {
        word.text.chars().nth(1).and_then(|letter| flags.short(letter))
    } else {
        return Ok(false);
    };
    match flag.map(|flag| flag.arity) {
        None | Some(Arity::Single | Arity::List) => Ok(true),
        Some(Arity::Boolean | Arity::Optional) => Ok(false),
        Some(Arity::Disputed) => Err(word
            .unreadable("takes a value in some versions of kubectl and not in others")
            .hint("join the value with `=`")),
    }
}

fn unknown_command(word: Word<'_>, place: usize) -> Unreadable {
    if word.text.chars().any(is_deceptive) {
        return word.unreadable("contains characters that cannot be seen");
    }
    if place > 0 {
        return word
            .unreadable("is not a kubectl command; the option before it may have swallowed the command")
            .hint("put options that take no value after the command");
    }
    let fault = word.unreadable("is not a kubectl command; plugins and aliases are not run");
    match nearest(word.text, table::subcommand_names("")) {
        Some(known) => fault.hint(format!("did you mean `{known}`?")),
        None => fault,
    }
}

/// The known word that is at most two edits away, the nearest one.
pub(super) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    if word.len() > 40 {
        return None;
    }
    let word = word.to_lowercase();
    known
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= 2)
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(edits, candidate)| *edits <= 2 && *edits < candidate.len())
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, one row at a time.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (line, left) in one.chars().enumerate() {
        let mut diagonal = line;
        let mut before = line + 1;
        if let Some(first) = row.first_mut() {
            *first = before;
        }
        for (cell, right) in row.iter_mut().skip(1).zip(other.chars()) {
            let best = (diagonal + usize::from(left != right))
                .min(before + 1)
                .min(*cell + 1);
            diagonal = *cell;
            *cell = best;
            before = best;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Result<String, String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        find(&words)
            .map(|found| {
                let rest: Vec<&str> = found.words.iter().map(|word| word.text).collect();
                format!("{} | {}", found.path, rest.join(" "))
            })
            .map_err(|fault| fault.word)
    }

    #[test]
    fn options_before_the_command() {
        assert_eq!(found("-n delete get pods").unwrap(), "get | -n delete pods");
        assert_eq!(found("-o name delete pod x").unwrap(), "delete | -o name pod x");
        assert_eq!(found("-it exec web -- id").unwrap(), "exec | -it web -- id");
        assert_eq!(
            found("--dry-run=client delete pod x").unwrap(),
            "delete | --dry-run=client pod x"
        );
        assert_eq!(
            found("rollout -n restart history deploy/web").unwrap(),
            "rollout history | -n restart deploy/web"
        );
        assert_eq!(
            found("create -n get deploy d").unwrap(),
            "create deployment | -n get d"
        );
        assert_eq!(
            found("--disable_compression get delete pod x").unwrap(),
            "get | delete pod x".replace("get |", "get | --disable_compression")
        );
    }

    #[test]
    fn a_boolean_unknown_to_kubectl_itself_swallows_the_command() {
        assert_eq!(found("--force delete pod x"), Err("pod".to_owned()));
        assert_eq!(found("-A get pods"), Err("pods".to_owned()));
        assert_eq!(found("-h delete pod x"), Err("pod".to_owned()));
    }

    #[test]
    fn nothing_is_found_behind_a_double_dash_or_at_the_end() {
        assert_eq!(found("-- delete pod x").unwrap(), " | -- delete pod x");
        assert_eq!(found("--help delete").unwrap(), " | --help delete");
        assert_eq!(found("delete -- pod x").unwrap(), "delete | -- pod x");
    }

    #[test]
    fn versions_that_remove_another_word_are_refused() {
        assert_eq!(found("-n get get pods").unwrap(), "get | -n get pods");
        assert_eq!(found("-n get --context=c get pods"), Err("get".to_owned()));
    }

    #[test]
    fn a_near_miss_is_named() {
        assert_eq!(nearest("Delete", table::subcommand_names("")), Some("delete"));
        assert_eq!(nearest("zzzzzz", table::subcommand_names("")), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
