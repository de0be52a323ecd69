//! psql's own commands, the ones that begin with a backslash.
//!
//! Facts: psql's documentation and `psqlscanslash.l`. One command stands on a line, alone, with plain words behind it: what
//! psql would expand in them (backticks, variables, escapes) is refused. What is not in these tables is refused too.

use super::copy::{self, Direction};
use super::lexer::{self, Fault, Kind, Mode, Token};
use super::sql::{self, Act, Found, From};
use crate::{Effect, FileUse, Hazard};

/// Describes objects from the catalogs; behind `\d`, without `S`, `+` and `x`.
const DESCRIBES: &[&str] = &[
    "", "A", "Ac", "Af", "Ao", "Ap", "C", "D", "F", "Fd", "Fp", "Ft", "L", "O", "P", "Pi", "Pt", "Pin",
    "Ptn", "T", "X", "a", "b", "c", "config", "d", "ddp", "e", "es", "et", "ew", "eu", "f", "fa", "fn", "fp",
    "ft", "fw", "g", "l", "n", "o", "p", "rds", "rg", "Rp", "Rs", "u", "x", "y",
];
/// Asks the server about itself.
const ASKS: &[&str] = &["l", "list", "lo_list", "sf", "sv", "z", "zS"];
/// Changes how results look, or prints something.
const LOCAL: &[&str] = &[
    "?",
    "C",
    "H",
    "T",
    "a",
    "conninfo",
    "copyright",
    "echo",
    "errverbose",
    "f",
    "h",
    "help",
    "html",
    "p",
    "print",
    "q",
    "qecho",
    "quit",
    "t",
    "timing",
    "warn",
    "x",
];
/// Options of `\pset` and `-P`.
const PSET: &[&str] = &[
    "border",
    "columns",
    "csv_fieldsep",
    "display_false",
    "display_true",
    "expanded",
    "fieldsep",
    "fieldsep_zero",
    "footer",
    "format",
    "linestyle",
    "null",
    "numericlocale",
    "pager",
    "pager_min_lines",
    "recordsep",
    "recordsep_zero",
    "tableattr",
    "title",
    "tuples_only",
    "unicode_border_linestyle",
    "unicode_column_linestyle",
    "unicode_header_linestyle",
    "vertical",
    "x",
    "xheader_width",
];
/// Variables of psql's that change nothing but what is shown, and whether it goes on after an error.
const VARIABLES: &[&str] = &[
    "COMP_KEYWORD_CASE",
    "ECHO",
    "ECHO_HIDDEN",
    "FETCH_COUNT",
    "HIDE_TABLEAM",
    "HIDE_TOAST_COMPRESSION",
    "ON_ERROR_STOP",
    "QUIET",
    "SHOW_ALL_RESULTS",
    "SHOW_CONTEXT",
    "VERBOSITY",
];
/// Commands that end a statement as a semicolon does.
pub(super) const ENDS: &[&str] = &["g", "gx", "gdesc", "crosstabview"];

/// A command and what stands behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Command<'t> {
    pub name: &'t str,
    pub rest: &'t str,
}

/// Takes the text behind a backslash apart.
pub(super) fn split(text: &str) -> Command<'_> {
    let end = text
        .find(|c: char| c.is_whitespace() || c == '\\')
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    Command { name, rest }
}

/// What the command in `text`, the text behind a backslash, does.
pub(super) fn command(text: &str, line: usize, from: From, found: &mut Found) -> Result<(), Fault> {
    let Command { name, rest } = split(text);
    let shown = format!("\\{}", name.chars().take(40).collect::<String>());
    let fault = |problem: &str| Fault::new(line, shown.clone(), problem);
    let verb = format!("meta {name}");
    let rest = rest.trim_end_matches('\r');
    if name == "!" {
        found.hazard(Hazard::RunsLocalCode, "`\\!` runs a command of the shell");
        found.act(Act::new(Effect::Execute, "meta shell"));
        return Ok(());
    }
    if rest.contains('`') {
        found.hazard(Hazard::RunsLocalCode, "backticks run a command of the shell");
        found.act(Act::new(Effect::Execute, "meta shell"));
        return Ok(());
    }
    if rest.contains('\\') {
        return Err(fault(
            "has a backslash behind it; one command stands alone on its line, with plain words",
        ));
    }
    if rest.chars().any(|c| c.is_control() && c != '\t') || rest.chars().any(crate::unreadable::is_deceptive)
    {
        return Err(fault("has characters behind it that hide what it says"));
    }
    let colon = |at: usize| {
        let behind = rest
            .get(at.saturating_add(1)..)
            .and_then(|rest| rest.chars().next());
        behind.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '\'' | '"' | '{' | '$'))
    };
    if name != "copy" && rest.match_indices(':').any(|(at, _)| colon(at)) {
        return Err(fault("has a variable of psql's behind it; write its value"));
    }
    // `''|id` is a pipe: psql takes quotes away before it looks where the result goes.
    let names_file = matches!(
        name,
        "o" | "out" | "w" | "write" | "s" | "lo_import" | "lo_export"
    );
    if names_file && rest.contains(['\'', '"']) {
        return Err(fault("has quotes behind it; write the path without them"));
    }
    let words: Vec<&str> = rest.split_whitespace().collect();
    let local = |found: &mut Found| found.act(Act::new(Effect::Local, verb.as_str()));
    match name {
        "e" | "edit" | "ef" | "ev" => {
            found.hazard(Hazard::RunsLocalCode, format!("`{shown}` starts an editor"));
            found.act(Act::new(Effect::Execute, verb.as_str()));
        }
        "i" | "include" | "ir" | "include_relative" => {
            found.hazard(
                Hazard::ReadsFiles,
                format!("`{shown}` runs another file, which was not read"),
            );
            found.act(Act::unknown(Effect::Execute, &verb));
        }
        "o" | "out" | "w" | "write" | "s" if words.is_empty() => local(found),
        "o" | "out" | "w" | "write" | "s" => {
            output(rest.trim(), &shown, found);
            local(found);
        }
        "copy" => client_copy(rest, line, from, found)?,
        "gexec" => {
            found.hazard(Hazard::RunsRemoteCode, "`\\gexec` runs what a query returns");
            found.act(Act::unknown(Effect::Execute, &verb));
        }
        "lo_import" => {
            let path = words.first().ok_or_else(|| fault("does not say which file"))?;
            reads(path, &shown, found);
            found.act(Act::new(Effect::Write, verb.as_str()).on("large-object", None));
        }
        "lo_export" => {
            let path = words.get(1).ok_or_else(|| fault("does not say to which file"))?;
            output(path, &shown, found);
            found.act(Act::new(Effect::Read, verb.as_str()).on("large-object", None));
        }
        "lo_unlink" => found.act(Act::new(Effect::Delete, verb.as_str()).on("large-object", None)),
        "pset" => {
            if let Some(option) = words.first() {
                pset(option).map_err(|problem| Fault::new(line, *option, problem))?;
            }
            local(found);
        }
        "set" | "unset" => {
            if let Some(variable) = words.first() {
                self::variable(variable).map_err(|problem| Fault::new(line, *variable, problem))?;
            }
            local(found);
        }
        "encoding" if words.is_empty() => local(found),
        "c" | "connect" => {
            return Err(fault(
                "goes to another database or server; call psql again for that",
            ));
        }
        "watch" => return Err(fault("repeats without an end; run the query again instead")),
        "password" | "prompt" => return Err(fault("asks a person something, and nobody is there")),
        "r" | "reset" => return Err(fault("throws away what stands before it, so that was not judged")),
        name if ENDS.contains(&name) => {
            if !words.is_empty() {
                return Err(fault("has words behind it, which change where the result goes"));
            }
        }
        name if LOCAL.contains(&name) => local(found),
        name if asks(name) => {
            if name.starts_with("deu") || name.starts_with("dRs") && name.contains('+') {
                found.hazard(
                    Hazard::RevealsCredentials,
                    format!("`{shown}` may show passwords of other servers"),
                );
            }
            if name.starts_with("dconfig") {
                // Anything but a plain name is a pattern, a dot too; without one, all that are not at their defaults are shown.
                let is_plain = |word: &str| word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
                let is_public = |word: &str| is_plain(word) && super::settings::is_public(word);
                if words.is_empty() || !words.iter().all(|word| is_public(word)) {
                    found.hazard(
                        Hazard::RevealsCredentials,
                        "a setting may hold a password; name the settings",
                    );
                }
            }
            found.act(Act::new(Effect::Read, verb.as_str()));
        }
        _ => return Err(fault("is not known here")),
    }
    Ok(())
}

/// Whether a command only asks the server about its objects.
fn asks(name: &str) -> bool {
    let bare = name.trim_end_matches(['+', 'x', 'S']);
    let bare = if ["d", "l", "z", "sf", "sv", "lo_list", "list"].contains(&bare) || bare.len() > 1 {
        bare
    } else {
        name
    };
    if ASKS.contains(&bare) {
        return true;
    }
    let full = name.trim_end_matches(['+', 'S']);
    [bare, full].iter().any(|name| {
        name.strip_prefix('d').is_some_and(|kinds| {
            DESCRIBES.contains(&kinds)
                || (!kinds.is_empty() && kinds.chars().all(|kind| "Eimstv".contains(kind)))
        })
    })
}

/// A file or a program that gets what would be printed.
pub(super) fn output(path: &str, shown: &str, found: &mut Found) {
    if path.starts_with('|') {
        found.hazard(
            Hazard::RunsLocalCode,
            format!("`{shown}` hands the result to a program"),
        );
        found.act(Act::new(Effect::Execute, "meta shell"));
        return;
    }
    found.hazard(Hazard::WritesFiles, format!("`{shown}` writes a local file"));
    found.files.push(FileUse {
        path: path.to_owned(),
        writes: true,
    });
}

fn reads(path: &str, shown: &str, found: &mut Found) {
    found.hazard(Hazard::ReadsFiles, format!("`{shown}` reads a local file"));
    found.files.push(FileUse {
        path: path.to_owned(),
        writes: false,
    });
}

/// `\copy` is taken apart by psql with rules of its own, so only texts that everybody takes apart alike are read.
fn client_copy(rest: &str, line: usize, from: From, found: &mut Found) -> Result<(), Fault> {
    let fault = |problem: &str| Fault::new(line, "\\copy", problem);
    if ["$", "\"", "--", "/*"].iter().any(|odd| rest.contains(odd)) {
        return Err(fault(
            "has quotes or comments that psql and the server read differently; use `COPY … TO STDOUT`",
        ));
    }
    let tokens = lexer::tokens(rest, Mode::Server)?;
    if tokens.iter().any(|token| token.kind == Kind::Semicolon) {
        return Err(fault("has a semicolon in it"));
    }
    let copied = copy::copied(&tokens, found)?;
    let is_from = copied.direction == Direction::From;
    let [end, behind @ ..] = copied.end else {
        return Err(fault("does not say from or to what"));
    };
    let is_stream = ["stdin", "pstdin", "stdout", "pstdout"]
        .iter()
        .any(|name| end.is(name));
    // Any other word is a file's name anyway, with whatever stands behind it.
    if !end.spaced && (is_stream || end.is("program")) {
        return Err(fault(
            "has something right behind its end, which psql takes for a part of a file's name",
        ));
    }
    if end.is("program") {
        found.hazard(
            Hazard::RunsLocalCode,
            "`\\copy … program` runs a command of the shell",
        );
        found.act(Act::new(Effect::Execute, "meta copy").on("program", None));
    } else if is_stream && is_from {
        if from == From::Script {
            return Err(fault("has its data between the statements, which is not judged"));
        }
        found.reads_stdin = true;
    } else if !is_stream {
        let path: String = if end.kind == Kind::Text {
            end.text.clone()
        } else {
            std::iter::once(end)
                .chain(behind)
                .map(|token: &Token| token.text.as_str())
                .collect()
        };
        if is_from {
            reads(&path, "\\copy", found);
        } else {
            output(&path, "\\copy", found);
        }
    }
    sql::suspects(copied.end, &[], found);
    Ok(())
}

/// What is wrong with an option of `\pset` or `-P`; a value may follow `=`.
pub(super) fn pset(option: &str) -> Result<(), &'static str> {
    let name = option.split('=').next().unwrap_or_default();
    if PSET.contains(&name) {
        Ok(())
    } else {
        Err("is not an option of `\\pset` that is known here")
    }
}

/// What is wrong with setting a variable of psql's; those in lower case are the user's own, and nothing here expands them.
pub(super) fn variable(assignment: &str) -> Result<(), &'static str> {
    let name = assignment.split('=').next().unwrap_or_default();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_own = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && !name.chars().any(|c| c.is_ascii_uppercase());
    if is_name && (is_own || VARIABLES.contains(&name)) {
        Ok(())
    } else {
        Err("is a variable that changes how psql reads, where it writes, or what it runs")
    }
}
