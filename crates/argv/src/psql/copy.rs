//! COPY, the server's and psql's own: which table, and from or to what.

use super::lexer::{Fault, Kind, Token};
use super::sql::{Act, Found, From, closing, place_of, query, secrets, suspects};
use crate::{Effect, Hazard};

/// What stands behind COPY, in any of its forms; a client's `\copy` has other ends (see meta.rs).
pub(super) fn copy(tokens: &[Token], from: From, found: &mut Found) -> Result<(), Fault> {
    let copied = copied(tokens, found)?;
    let to = match copied.direction {
        Direction::To => true,
        Direction::From => false,
    };
    let line = tokens.first().map_or(1, |token| token.line);
    match copied.end {
        [end, ..] if to && (end.is("stdout") || end.is("stdin")) => {}
        [end, ..] if !to && (end.is("stdin") || end.is("stdout")) => {
            if from == From::Script {
                return Err(Fault::new(
                    line,
                    "stdin",
                    "has its data between the statements, which is not judged; use `-c` and standard input",
                ));
            }
            found.reads_stdin = true;
        }
        [program, ..] if program.is("program") => {
            found.act(Act::new(Effect::Execute, "copy").on("program", None));
            found.hazard(
                Hazard::RunsRemoteCode,
                "`COPY … PROGRAM` runs a program on the server",
            );
        }
        [file, ..] if file.kind == Kind::Text => {
            found.act(Act::new(Effect::Execute, "copy").on("server-file", None));
            found.hazard(
                Hazard::RunsRemoteCode,
                "`COPY` reads or writes files of the server",
            );
        }
        _ => {
            return Err(Fault::new(
                line,
                "copy",
                "does not say from or to what, in a way that is understood",
            ));
        }
    }
    suspects(copied.end.get(1..).unwrap_or_default(), &[], found);
    secrets(tokens, found);
    Ok(())
}

/// The direction of a COPY, seen from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Rows leave.
    To,
    /// Rows arrive.
    From,
}

/// The first half of a COPY.
pub(super) struct Copied<'t> {
    pub direction: Direction,
    /// What stands behind FROM or TO.
    pub end: &'t [Token],
}

/// Reads `TABLE [(COLUMNS)] FROM|TO` or `(QUERY) TO`, and notes what is done to the tables.
pub(super) fn copied<'t>(tokens: &'t [Token], found: &mut Found) -> Result<Copied<'t>, Fault> {
    let line = tokens.first().map_or(1, |token| token.line);
    let fault = |word: &str| Fault::new(line, word, "is not a COPY that is understood");
    let mut rest = tokens;
    if let [bracket, ..] = rest
        && bracket.is_sign("(")
    {
        let end = closing(rest)?;
        let inside = rest.get(1..end).unwrap_or_default();
        let changes = inside.first().is_some_and(|first| first.kind == Kind::Word);
        if !changes && !inside.first().is_some_and(|first| first.is_sign("(")) {
            return Err(fault("("));
        }
        query(inside, found)?;
        let [to, behind @ ..] = rest.get(end.saturating_add(1)..).unwrap_or_default() else {
            return Err(fault("copy"));
        };
        if !to.is("to") {
            return Err(fault(&to.text));
        }
        return Ok(Copied {
            direction: Direction::To,
            end: behind,
        });
    }
    if rest.first().is_some_and(|word| word.is("binary")) && rest.get(1).and_then(Token::name).is_some() {
        rest = rest.get(1..).unwrap_or_default();
    }
    let mut names = Vec::new();
    while let [name, behind @ ..] = rest {
        names.push(name.name().ok_or_else(|| fault(&name.text))?.to_owned());
        rest = behind;
        match rest {
            [dot, behind @ ..] if dot.is_sign(".") => rest = behind,
            _ => break,
        }
    }
    if rest.first().is_some_and(|bracket| bracket.is_sign("(")) {
        rest = rest.get(closing(rest)?.saturating_add(1)..).unwrap_or_default();
    }
    let [word, end @ ..] = rest else {
        return Err(fault("copy"));
    };
    let direction = match word {
        word if word.is("to") => Direction::To,
        word if word.is("from") => Direction::From,
        _ => return Err(fault(&word.text)),
    };
    let name = names.pop();
    let place = place_of(names.pop(), name.as_deref());
    let effect = if direction == Direction::To {
        Effect::Read
    } else {
        Effect::Write
    };
    found.act(Act::new(effect, "copy").on("table", name).at(place));
    Ok(Copied { direction, end })
}
