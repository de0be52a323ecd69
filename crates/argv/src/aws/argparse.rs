//! Words into options and positionals by the rules of Python's argparse, which the tool parses with.
//!
//! A parser takes what it knows and leaves the rest, in order, to the parser below it: first the one for the
//! options before any command, then one per command word, last the one of the operation. What counts as a
//! value is decided by each parser anew.
//!
//! - A word is an option if it begins with `-`, and is neither `-` alone, nor a negative number, nor (when no
//!   option of this parser begins like it) contains a space.
//! - A long option may be cut short while only one option begins so. `--option=value` is one word.
//! - A value is never a word that looks like an option. A list takes all words up to the next option.
//!
//! Where versions of the tool or of argparse read a word differently, it is refused.

use super::table::{Arity, Spec};
use crate::{Unreadable, unreadable::is_deceptive};

/// A word and its place on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'a> {
    /// The word, or the part of it behind `=`.
    pub(super) text: &'a str,
    /// Its place among the words after the tool's name.
    pub(super) at: usize,
}

impl Word<'_> {
    /// This word is not understood, because …; what stands behind an option's `=` is not repeated.
    pub(super) fn unreadable(&self, problem: &str) -> Unreadable {
        let option = self
            .text
            .starts_with('-')
            .then(|| self.text.split('=').next())
            .flatten();
        Unreadable::at(self.at, option.unwrap_or(self.text), problem)
    }
}

/// An option that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given<'a> {
    /// Which.
    pub(super) spec: Spec,
    /// The words it took.
    pub(super) values: Vec<Word<'a>>,
}

/// What one parser made of the words.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed<'a> {
    /// The options, in order.
    pub(super) given: Vec<Given<'a>>,
    /// The words of each positional, in order of the positionals; empty where none came.
    pub(super) positionals: Vec<Vec<Word<'a>>>,
    /// What this parser does not know, in order.
    pub(super) rest: Vec<Word<'a>>,
}

enum Role<'a> {
    Value,
    Known { spec: Spec, attached: Option<&'a str> },
    Unknown,
}

/// Reads `words` with the options `specs` and the positionals `slots`. `versions` are those that have the command.
pub(super) fn parse<'a>(
    words: &[Word<'a>],
    specs: &[Spec],
    slots: &[Arity],
    versions: u8,
) -> Result<Parsed<'a>, Unreadable> {
    let roles = words
        .iter()
        .map(|word| role(word, specs, versions))
        .collect::<Result<Vec<_>, _>>()?;
    assign(words, &roles, slots, words.len())
}

/// The same when a `--` stood before the words from place `end` on. Depending on its version and on what stands
/// around, the tool drops the `--` at this level or has dropped it before; what would run both ways must be the same.
pub(super) fn parse_around<'a>(
    words: &[Word<'a>],
    end: usize,
    specs: &[Spec],
    slots: &[Arity],
    versions: u8,
) -> Result<Parsed<'a>, Unreadable> {
    let mut roles = words
        .iter()
        .map(|word| role(word, specs, versions))
        .collect::<Result<Vec<_>, _>>()?;
    let barrier = words.partition_point(|word| word.at < end);
    let dropped = assign(words, &roles, slots, words.len());
    for role in roles.iter_mut().skip(barrier) {
        *role = Role::Value;
    }
    let kept = assign(words, &roles, slots, barrier);
    // A reading that leaves words over ends in an error of the tool's: nothing happens.
    let runs = |reading: &Result<Parsed<'_>, _>| reading.as_ref().is_ok_and(|parsed| parsed.rest.is_empty());
    match (runs(&dropped), runs(&kept)) {
        (false, true) => kept,
        (true, true) if dropped != kept => {
            let fault = Unreadable::at(end, "--", "is read differently by different versions of the tool");
            Err(fault.hint("leave it out"))
        }
        _ => dropped,
    }
}

/// Gives every word to an option, a positional or the rest. Values of an option end before `barrier`.
fn assign<'a>(
    words: &[Word<'a>],
    roles: &[Role<'a>],
    slots: &[Arity],
    barrier: usize,
) -> Result<Parsed<'a>, Unreadable> {
    let mut parsed = Parsed {
        positionals: vec![Vec::new(); slots.len()],
        ..Parsed::default()
    };
    let mut next_slot = 0;
    let mut at = 0;
    while let (Some(word), Some(role)) = (words.get(at), roles.get(at)) {
        let values = |from: usize, to: usize| {
            let run = roles.iter().take(to).skip(from);
            run.take_while(|role| matches!(role, Role::Value)).count()
        };
        match role {
            Role::Unknown => {
                parsed.rest.push(*word);
                at += 1;
            }
            Role::Value => {
                let run = words.get(at..at + values(at, words.len())).unwrap_or_default();
                let taken = fill(&mut parsed.positionals, slots, &mut next_slot, run);
                parsed.rest.extend(run.iter().skip(taken));
                at += run.len();
            }
            Role::Known {
                spec,
                attached: Some(value),
            } => {
                if matches!(spec.arity, Arity::None | Arity::Two) {
                    return Err(word.unreadable("takes no value behind `=`"));
                }
                let value = Word {
                    text: value,
                    at: word.at,
                };
                parsed.given.push(Given {
                    spec: *spec,
                    values: vec![value],
                });
                at += 1;
            }
            Role::Known { spec, attached: None } => {
                let to = if at < barrier { barrier } else { words.len() };
                let taken = take(spec.arity, values(at + 1, to)).ok_or_else(|| missing_value(word, spec))?;
                let values = words.get(at + 1..at + 1 + taken).unwrap_or_default().to_vec();
                parsed.given.push(Given { spec: *spec, values });
                at += 1 + taken;
            }
        }
    }
    Ok(parsed)
}

/// How many of `available` words an option or a positional takes; `None` when there are too few.
fn take(arity: Arity, available: usize) -> Option<usize> {
    let (least, most) = match arity {
        Arity::None => (0, 0),
        Arity::One => (1, 1),
        Arity::Two => (2, 2),
        Arity::Maybe => (0, 1),
        Arity::Many => (0, usize::MAX),
        Arity::Some => (1, usize::MAX),
    };
    (available >= least).then_some(available.min(most))
}

/// Gives the words of `run` to the positionals that are still open. One that could do with none is closed even
/// so, as argparse closes it; newer ones keep it open, and then what comes later is refused here and only here.
fn fill<'a>(filled: &mut [Vec<Word<'a>>], slots: &[Arity], next: &mut usize, run: &[Word<'a>]) -> usize {
    let mut used = 0;
    while let Some((slot, arity)) = filled.get_mut(*next).zip(slots.get(*next)) {
        let Some(taken) = take(*arity, run.len() - used) else {
            break;
        };
        slot.extend(run.iter().skip(used).take(taken));
        used += taken;
        *next += 1;
    }
    used
}

fn missing_value(word: &Word<'_>, spec: &Spec) -> Unreadable {
    let problem = if spec.arity == Arity::Two {
        "expects two values"
    } else {
        "expects a value"
    };
    word.unreadable(problem).hint(format!(
        "a value that begins with `-` is written `{}=-…`",
        spec.spelled()
    ))
}

/// Whether a parser without options would read `word` as a value.
pub(super) fn is_value(word: &str) -> bool {
    !word.starts_with('-') || word == "-" || word.contains(' ') || is_negative_number(word) == Some(true)
}

fn role<'a>(word: &Word<'a>, specs: &[Spec], versions: u8) -> Result<Role<'a>, Unreadable> {
    if !word.text.starts_with('-') || word.text == "-" {
        return Ok(Role::Value);
    }
    if let Some(long) = word.text.strip_prefix("--") {
        let (name, attached) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        if let Some(spec) = resolve(word, name, specs, versions)? {
            return Ok(Role::Known { spec, attached });
        }
    }
    match is_negative_number(word.text) {
        Some(true) => Ok(Role::Value),
        None => Err(word.unreadable("is a number in some versions of the tool and an option in others")),
        Some(false) if word.text.contains(' ') => Ok(Role::Value),
        Some(false) if word.text.chars().any(is_deceptive) => {
            Err(word.unreadable("contains characters that hide what it says"))
        }
        Some(false) => Ok(Role::Unknown),
    }
}

/// The option that `name` stands for, in full or cut short.
fn resolve(word: &Word<'_>, name: &str, specs: &[Spec], versions: u8) -> Result<Option<Spec>, Unreadable> {
    let mut exact = specs.iter().filter(|spec| spec.is(name));
    if let Some(spec) = exact.next() {
        // A version without this option may have a longer one that begins so.
        let lacking = versions & !spec.versions;
        let longer = specs
            .iter()
            .any(|other| other.versions & lacking != 0 && other.begins_with(name));
        if longer || exact.next().is_some() {
            return Err(word.unreadable("means different things in different versions of the tool"));
        }
        return Ok(Some(*spec));
    }
    let mut longer = specs.iter().filter(|spec| spec.begins_with(name));
    let Some(spec) = longer.next() else {
        return Ok(None);
    };
    let others: Vec<_> = longer.map(|other| format!("`{}`", other.spelled())).collect();
    if others.is_empty() {
        return Ok(Some(*spec));
    }
    let shown = others.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    Err(word
        .unreadable("is the beginning of more than one option")
        .hint(format!("`{}`, {shown}", spec.spelled())))
}

/// Whether argparse takes the word for a negative number; `None` where its versions disagree.
fn is_negative_number(word: &str) -> Option<bool> {
    let Some(number) = word
        .strip_prefix('-')
        .filter(|rest| rest.starts_with(|c: char| c.is_numeric() || c == '.'))
    else {
        return Some(false);
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if digits(whole) && digits(fraction) && !fraction.is_empty() {
        return Some(true);
    }
    // `-1_000` and digits of other scripts are numbers to some versions; `-1abc` is one to none.
    let maybe = number.chars().all(|c| c.is_numeric() || matches!(c, '_' | '.'));
    if maybe { None } else { Some(false) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::table::EVERY_VERSION;

    const SPECS: &[Spec] = &[
        Spec::new("dry-run", Arity::None, EVERY_VERSION),
        Spec {
            negated: true,
            ..Spec::new("dry-run", Arity::None, EVERY_VERSION)
        },
        Spec::new("filters", Arity::Many, EVERY_VERSION),
        Spec::new("filter-names-only", Arity::None, 4),
        Spec::new("name", Arity::One, EVERY_VERSION),
    ];

    fn read(line: &[&'static str]) -> Result<Parsed<'static>, Unreadable> {
        let words: Vec<_> = line
            .iter()
            .enumerate()
            .map(|(at, text)| Word { text, at })
            .collect();
        parse(&words, SPECS, &[Arity::Maybe], EVERY_VERSION)
    }

    fn names(parsed: &Parsed<'_>) -> Vec<String> {
        parsed.given.iter().map(|given| given.spec.spelled()).collect()
    }

    #[test]
    fn a_list_takes_everything_up_to_the_next_option() {
        let parsed = read(&["--filters", "a", "help", "-5", "--na", "x", "help"]).unwrap();
        assert_eq!(parsed.given[0].values.len(), 3);
        assert_eq!(parsed.positionals[0][0].text, "help");
        let parsed = read(&["--filters=a", "help"]).unwrap();
        assert_eq!(
            (parsed.given[0].values.len(), parsed.positionals[0].len()),
            (1, 1)
        );
    }

    #[test]
    fn options_may_be_cut_short_while_only_one_begins_so() {
        assert!(
            read(&["--n=x"])
                .unwrap_err()
                .hint
                .unwrap()
                .contains("--no-dry-run")
        );
        assert_eq!(
            names(&read(&["--dry", "--no-d", "--na=x"]).unwrap()),
            ["--dry-run", "--no-dry-run", "--name"]
        );
        assert!(
            read(&["--filter"])
                .unwrap_err()
                .problem
                .contains("more than one option")
        );
    }

    #[test]
    fn what_looks_like_an_option_is_no_value() {
        assert!(read(&["--name", "--x"]).is_err());
        assert!(read(&["--name"]).is_err());
        assert!(read(&["--dry-run=false"]).is_err());
        for value in ["-", "-1", "-.5", "", "-x y", "--unknown with space"] {
            assert_eq!(read(&["--name", value]).unwrap().given[0].values[0].text, value);
        }
        assert!(read(&["--name", "-1_000"]).is_err());
    }

    #[test]
    fn what_is_not_known_is_left_in_order() {
        let parsed = read(&["--zone", "a", "b", "-x"]).unwrap();
        let rest: Vec<_> = parsed.rest.iter().map(|word| word.text).collect();
        assert_eq!(
            (rest.as_slice(), parsed.positionals[0][0].text),
            (["--zone", "b", "-x"].as_slice(), "a")
        );
    }

    #[test]
    fn a_full_name_that_some_version_reads_as_the_beginning_of_another_is_refused() {
        let specs = [
            Spec::new("all", Arity::None, 4),
            Spec::new("allow", Arity::One, 3),
        ];
        let word = Word { text: "--all", at: 0 };
        assert!(parse(&[word], &specs, &[], EVERY_VERSION).is_err());
        assert!(parse(&[word], &specs[..1], &[], EVERY_VERSION).is_ok());
    }
}
