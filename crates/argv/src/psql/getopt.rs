//! psql's command line, as `getopt_long` reads it: options anywhere, clusters, attached values, long options by any
//! beginning that is only theirs, `--`.
//!
//! Facts: `psql --help` of versions 10 to 17 and glibc's `getopt_long`. With `POSIXLY_CORRECT` it would stop at the first
//! word that is no option; the gate takes that variable away.

use crate::Unreadable;

/// Whether an option takes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arity {
    None,
    Value,
    /// Only joined with `=`.
    Optional,
}

/// Long name, letter (`\0` where there is none of its own), arity.
const OPTIONS: &[(&str, char, Arity)] = &[
    ("echo-all", 'a', Arity::None),
    ("no-align", 'A', Arity::None),
    ("command", 'c', Arity::Value),
    ("dbname", 'd', Arity::Value),
    ("echo-queries", 'e', Arity::None),
    ("echo-errors", 'b', Arity::None),
    ("echo-hidden", 'E', Arity::None),
    ("file", 'f', Arity::Value),
    ("field-separator", 'F', Arity::Value),
    ("field-separator-zero", 'z', Arity::None),
    ("host", 'h', Arity::Value),
    ("html", 'H', Arity::None),
    ("list", 'l', Arity::None),
    ("log-file", 'L', Arity::Value),
    ("no-readline", 'n', Arity::None),
    ("single-transaction", '1', Arity::None),
    ("output", 'o', Arity::Value),
    ("port", 'p', Arity::Value),
    ("pset", 'P', Arity::Value),
    ("quiet", 'q', Arity::None),
    ("record-separator", 'R', Arity::Value),
    ("record-separator-zero", '0', Arity::None),
    ("set", 'v', Arity::Value),
    ("variable", 'v', Arity::Value),
    ("single-step", 's', Arity::None),
    ("single-line", 'S', Arity::None),
    ("tuples-only", 't', Arity::None),
    ("table-attr", 'T', Arity::Value),
    ("username", 'U', Arity::Value),
    ("version", 'V', Arity::None),
    ("no-password", 'w', Arity::None),
    ("password", 'W', Arity::None),
    ("expanded", 'x', Arity::None),
    ("no-psqlrc", 'X', Arity::None),
    ("help", '?', Arity::Optional),
    ("csv", 'C', Arity::None),
];

/// An option as it was given; long ones by their letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Given<'w> {
    pub letter: char,
    pub value: Option<&'w str>,
    /// The word that has the value, or the option where there is none.
    pub word: usize,
    /// Where in the word the value begins.
    pub start: usize,
}

/// A command line, taken apart.
#[derive(Debug, Default)]
pub(super) struct Line<'w> {
    pub options: Vec<Given<'w>>,
    /// Position and word.
    pub positionals: Vec<(usize, &'w str)>,
}

impl<'w> Line<'w> {
    /// Whether an option is given at all.
    pub(super) fn has(&self, letter: char) -> bool {
        self.options.iter().any(|given| given.letter == letter)
    }
}

/// Reads the words after `psql`.
pub(super) fn read(words: &[String]) -> Result<Line<'_>, Unreadable> {
    let mut line = Line::default();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if word == "--" {
            let rest = words.iter().enumerate().skip(at.saturating_add(1));
            line.positionals
                .extend(rest.map(|(position, word)| (position, word.as_str())));
            break;
        }
        let takes_next = if let Some(body) = word.strip_prefix("--") {
            long(&mut line, at, body)?
        } else if word.len() > 1 && word.starts_with('-') {
            cluster(&mut line, at, word)?
        } else {
            line.positionals.push((at, word));
            None
        };
        at = at.saturating_add(1);
        if let Some(letter) = takes_next {
            let Some(value) = words.get(at) else {
                let option = at
                    .checked_sub(1)
                    .and_then(|at| words.get(at))
                    .map_or("", String::as_str);
                return Err(Unreadable::missing(&format!(
                    "`{option}` needs a value behind it"
                )));
            };
            line.options.push(Given {
                letter,
                value: Some(value),
                word: at,
                start: 0,
            });
            at = at.saturating_add(1);
        }
    }
    Ok(line)
}

/// Returns the letter of an option whose value is the next word.
fn long<'w>(line: &mut Line<'w>, at: usize, body: &'w str) -> Result<Option<char>, Unreadable> {
    let (name, given) = match body.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (body, None),
    };
    let shown = format!("--{name}");
    let (letter, arity) = find(name).map_err(|problem| {
        let known: Vec<&str> = OPTIONS.iter().map(|(long, _, _)| *long).collect();
        let fault = Unreadable::at(at, &shown, &problem);
        match nearest(name, &known) {
            Some(near) => fault.hint(format!("did you mean `--{near}`?")),
            None => fault,
        }
    })?;
    match (arity, given) {
        (Arity::Value, None) => return Ok(Some(letter)),
        (Arity::None, Some(_)) => return Err(Unreadable::at(at, &shown, "takes no value")),
        (_, value) => line.options.push(Given {
            letter,
            value,
            word: at,
            start: name.len().saturating_add(3),
        }),
    }
    Ok(None)
}

fn find(name: &str) -> Result<(char, Arity), String> {
    let exact = OPTIONS.iter().find(|(long, _, _)| *long == name);
    let mut candidates = OPTIONS
        .iter()
        .filter(|(long, _, _)| !name.is_empty() && long.starts_with(name));
    let found = match exact {
        Some(found) => found,
        None => match (candidates.next(), candidates.next()) {
            (Some(found), None) => found,
            (Some((one, _, _)), Some((other, _, _))) => {
                return Err(format!("may be `--{one}` or `--{other}`"));
            }
            (None, _) => return Err("is not an option of psql".to_owned()),
        },
    };
    Ok((found.1, found.2))
}

fn cluster<'w>(line: &mut Line<'w>, at: usize, word: &'w str) -> Result<Option<char>, Unreadable> {
    for (start, letter) in word.char_indices().skip(1) {
        let known = OPTIONS
            .iter()
            .find(|(long, own, _)| *own == letter && *long != "csv");
        let Some((_, letter, arity)) = known else {
            return Err(Unreadable::at(
                at,
                word,
                &format!("`-{letter}` is not an option of psql"),
            ));
        };
        let behind = start.saturating_add(letter.len_utf8());
        let rest = word.get(behind..).unwrap_or_default();
        if *arity == Arity::Value {
            if rest.is_empty() {
                return Ok(Some(*letter));
            }
            line.options.push(Given {
                letter: *letter,
                value: Some(rest),
                word: at,
                start: behind,
            });
            return Ok(None);
        }
        line.options.push(Given {
            letter: *letter,
            value: None,
            word: at,
            start: behind,
        });
    }
    Ok(None)
}

/// The known name that differs by one letter put in, left out or replaced.
pub(crate) fn nearest<'n>(word: &str, known: &[&'n str]) -> Option<&'n str> {
    let is_near = |name: &str| {
        let (a, b) = (word.as_bytes(), name.as_bytes());
        let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
        let (rest_a, rest_b) = (
            a.get(same..).unwrap_or_default(),
            b.get(same..).unwrap_or_default(),
        );
        let without = |bytes: &[u8]| bytes.get(1..).map(<[u8]>::to_vec);
        without(rest_a).as_deref() == Some(rest_b)
            || without(rest_b).as_deref() == Some(rest_a)
            || without(rest_a).is_some() && without(rest_a) == without(rest_b)
    };
    known.iter().copied().find(|name| is_near(name))
}
