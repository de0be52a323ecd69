//! What random lines have in common, whatever the tool: options in every spelling, at every place, and words that mislead.

use fastrand::Rng;

/// An option of a tool that follows pflag's rules, from argv's tables.
#[derive(Debug, Clone)]
pub struct Flag {
    /// Without its dashes.
    pub name: String,
    /// One letter.
    pub short: Option<char>,
    /// Whether it takes a value.
    pub takes: Takes,
}

/// Whether an option takes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// No; `=true` and `=false` are fine.
    Nothing,
    /// Only behind `=`.
    Attached,
    /// Yes.
    Value,
}

/// Words that look like verbs, or end the options, or ask for help.
pub const MISLEADING: &[&str] = &[
    "delete",
    "get",
    "list",
    "--help",
    "-h",
    "--help=false",
    "--",
    "secrets",
    "merge",
    "view",
    "",
    "-",
    "help",
    "--all",
    "api",
    "--dry-run=client",
    "--dry-run=none",
    "describe",
];

/// One of them.
pub fn pick<'a, T: ?Sized>(random: &mut Rng, of: &[&'a T]) -> &'a T {
    of[random.usize(..of.len())]
}

/// True so many times in a hundred.
pub fn chance(random: &mut Rng, percent: u8) -> bool {
    random.u8(..100) < percent
}

/// One option in one of its spellings.
pub fn spell(random: &mut Rng, flag: &Flag, value: &str, underscores: bool) -> Vec<String> {
    let mut name = flag.name.clone();
    if underscores && chance(random, 10) {
        name = name.replace('-', "_");
    }
    let short = flag.short.filter(|_| random.bool());
    match (flag.takes, short) {
        (Takes::Nothing, Some(letter)) => vec![format!("-{letter}")],
        (Takes::Nothing, None) => vec![match random.u8(..12) {
            0 => format!("--{name}=true"),
            1 => format!("--{name}={}", pick(random, &["false", "0", "F", "FALSE", "f"])),
            2 => format!("--{name}={}", pick(random, &["1", "T", "TRUE", "t"])),
            _ => format!("--{name}"),
        }],
        (Takes::Attached, None) if random.bool() => vec![format!("--{name}")],
        (Takes::Attached, None) => vec![format!("--{name}={value}")],
        (Takes::Attached, Some(letter)) => vec![format!("-{letter}")],
        (Takes::Value, None) if random.bool() => vec![format!("--{name}"), value.to_owned()],
        (Takes::Value, None) => vec![format!("--{name}={value}")],
        (Takes::Value, Some(letter)) => match random.u8(..4) {
            0 => vec![format!("-{letter}{value}")],
            1 => vec![format!("-{letter}={value}")],
            _ => vec![format!("-{letter}"), value.to_owned()],
        },
    }
}

/// Puts the options among the words: mostly behind the first `verb` words, sometimes between or before them; sometimes short
/// options become a cluster, and sometimes something misleads.
pub fn weave(
    random: &mut Rng,
    words: Vec<String>,
    verb: usize,
    mut options: Vec<Vec<String>>,
) -> Vec<String> {
    cluster(random, &mut options);
    let mut units: Vec<Vec<String>> = words.into_iter().map(|word| vec![word]).collect();
    for option in options {
        let first = if chance(random, 20) {
            0
        } else {
            verb.min(units.len())
        };
        let at = random.usize(first..=units.len());
        units.insert(at, option);
    }
    if chance(random, 4) {
        let at = random.usize(..=units.len());
        units.insert(at, vec!["--".to_owned()]);
    }
    let mut words: Vec<String> = units.concat();
    if chance(random, 8) {
        let at = random.usize(..=words.len());
        words.insert(at, pick(random, MISLEADING).to_owned());
    }
    if chance(random, 4) && !words.is_empty() {
        words.remove(random.usize(..words.len()));
    }
    words
}

/// Joins two short options, the first of which takes nothing: `-A`, `-n x` become `-An x`.
fn cluster(random: &mut Rng, options: &mut Vec<Vec<String>>) {
    let is_short = |option: &Vec<String>| option[0].starts_with('-') && !option[0].starts_with("--");
    let Some(first) = options
        .iter()
        .position(|option| is_short(option) && option.len() == 1 && option[0].len() == 2)
    else {
        return;
    };
    let Some(second) = (0..options.len()).find(|at| *at != first && is_short(&options[*at])) else {
        return;
    };
    if random.bool() {
        let letters = options[first][0].clone();
        options[second][0] = format!("{letters}{}", &options[second][0][1..]);
        options.remove(first);
    }
}
