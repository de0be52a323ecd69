//! What a statement does: by its first words where they say everything, by its tree (see tree.rs) where tables count.

use super::copy;
use super::functions;
use super::lexer::{Fault, Kind, Token};
use super::session;
use super::tree;
use crate::{Effect, FileUse, Hazard};

/// One thing a statement does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Act {
    pub effect: Effect,
    /// `select`, `insert`, `create table`.
    pub verb: String,
    /// `table`, `function`, `setting`, `*` where it is not known.
    pub kind: Option<&'static str>,
    pub place: Place,
    pub name: Option<String>,
}

/// Which schema an object is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The object has none.
    Nowhere,
    /// The search path decides.
    SearchPath,
    /// This one.
    Schema(String),
}

/// Everything that was found so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub acts: Vec<Act>,
    pub hazards: Vec<(Hazard, String)>,
    /// Local files that are read or written.
    pub files: Vec<FileUse>,
    /// Whether data is read from standard input.
    pub reads_stdin: bool,
}

/// Where a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// `-c`: standard input is free.
    Argument,
    /// A file or standard input: data of COPY would stand between the statements.
    Script,
}

impl Act {
    pub(super) fn new(effect: Effect, verb: impl Into<String>) -> Act {
        Act {
            effect,
            verb: verb.into(),
            kind: None,
            place: Place::Nowhere,
            name: None,
        }
    }

    pub(super) fn on(mut self, kind: &'static str, name: Option<String>) -> Act {
        self.kind = Some(kind);
        self.name = name;
        self
    }

    pub(super) fn at(mut self, place: Place) -> Act {
        self.place = place;
        self
    }

    /// On anything at all.
    pub(super) fn unknown(effect: Effect, verb: &str) -> Act {
        Act::new(effect, verb).on("*", None).at(Place::SearchPath)
    }
}

impl Found {
    pub(super) fn act(&mut self, act: Act) {
        if !self.acts.contains(&act) {
            self.acts.push(act);
        }
    }

    pub(super) fn hazard(&mut self, hazard: Hazard, because: impl Into<String>) {
        let fact = (hazard, because.into());
        if !self.hazards.contains(&fact) {
            self.hazards.push(fact);
        }
    }
}

/// Statements whose first words say what they are; their targets are not looked for.
const BY_WORDS: &[(&str, Effect)] = &[
    ("analyse", Effect::Write),
    ("analyze", Effect::Write),
    ("call", Effect::Execute),
    ("checkpoint", Effect::Write),
    ("close", Effect::Execute),
    ("cluster", Effect::Write),
    ("comment", Effect::Write),
    ("deallocate", Effect::Execute),
    ("declare", Effect::Execute),
    ("do", Effect::Execute),
    ("execute", Effect::Execute),
    ("fetch", Effect::Execute),
    ("grant", Effect::Write),
    ("import", Effect::Write),
    ("listen", Effect::Write),
    ("load", Effect::Execute),
    ("lock", Effect::Write),
    ("move", Effect::Execute),
    ("notify", Effect::Write),
    ("prepare", Effect::Execute),
    ("reassign", Effect::Write),
    ("refresh", Effect::Write),
    ("reindex", Effect::Write),
    ("revoke", Effect::Write),
    ("security", Effect::Write),
    ("unlisten", Effect::Write),
    ("vacuum", Effect::Write),
];

/// What one statement, without its semicolon, does.
pub(super) fn statement(tokens: &[Token], from: From, found: &mut Found) -> Result<(), Fault> {
    let Some(first) = tokens.first() else {
        return Ok(());
    };
    if first.kind == Kind::Sign && first.text == "(" {
        return query(tokens, found);
    }
    if first.kind != Kind::Word {
        return Err(unknown(first));
    }
    let rest = tokens.get(1..).unwrap_or_default();
    match first.text.as_str() {
        "select" | "with" | "values" | "table" | "insert" | "update" | "delete" | "merge" => {
            query(tokens, found)
        }
        "explain" => explain(rest, found),
        "show" => session::show(rest, found),
        "set" => session::set(rest, found),
        "reset" | "discard" => {
            session::change_setting(
                &first.text,
                rest.first().and_then(Token::name).unwrap_or("all"),
                found,
            );
            Ok(())
        }
        "begin" | "start" => {
            found.act(Act::new(Effect::Read, "begin"));
            session::modes(rest, found)
        }
        "commit" | "end" | "abort" | "rollback" | "savepoint" | "release" => {
            let is_prepared = rest.first().is_some_and(|word| word.is("prepared"));
            let effect = if is_prepared { Effect::Write } else { Effect::Read };
            found.act(Act::new(effect, first.text.as_str()));
            Ok(())
        }
        "copy" => copy::copy(rest, from, found),
        "create" | "alter" | "drop" | "truncate" => {
            let targets = tree::definition(tokens, found)?;
            suspects(tokens, &targets, found);
            Ok(())
        }
        word => match BY_WORDS.iter().find(|(known, _)| *known == word) {
            Some((_, effect)) => {
                if *effect == Effect::Execute {
                    found.hazard(
                        Hazard::RunsRemoteCode,
                        format!("`{word}` runs what was not read here"),
                    );
                }
                secrets(tokens, found);
                found.act(Act::unknown(*effect, word));
                Ok(())
            }
            None => Err(unknown(first)),
        },
    }
}

fn unknown(token: &Token) -> Fault {
    Fault::new(
        token.line,
        &token.text,
        "does not begin a statement that is known here",
    )
}

/// SELECT and its kin, and what changes rows.
pub(super) fn query(tokens: &[Token], found: &mut Found) -> Result<(), Fault> {
    let read = tree::query(tokens, found)?;
    suspects(tokens, &read.columned, found);
    if read.only_reads {
        // The tree says that nothing is changed; then no word may stand there that changes something.
        let changes = ["insert", "update", "delete", "merge", "into"];
        if let Some(word) = tokens
            .iter()
            .find(|token| changes.iter().any(|word| token.is(word)))
        {
            return Err(Fault::new(
                word.line,
                &word.text,
                "stands where it was not expected; write it in double quotes if it is a name",
            ));
        }
        let locks = |pair: &[Token]| matches!(pair, [a, b] if a.is("for") && ["share", "key", "no"].iter().any(|w| b.is(w)));
        if let Some([word, _]) = tokens.windows(2).find(|pair| locks(pair)) {
            return Err(Fault::new(
                word.line,
                &word.text,
                "locks rows in a way that is not understood",
            ));
        }
    }
    Ok(())
}

/// Functions that are not known to only read, and tables that hold credentials. `columned` are names of common table
/// expressions that have a list of columns, which looks like a call.
pub(super) fn suspects(tokens: &[Token], columned: &[String], found: &mut Found) {
    let mut columned = columned.to_vec();
    for call in functions::calls(tokens) {
        if functions::only_reads(&call, tokens) {
            continue;
        }
        if call.schema.is_none()
            && call.arguments.is_some()
            && let Some(at) = columned.iter().position(|name| *name == call.name)
        {
            columned.swap_remove(at);
            continue;
        }
        let place = call.schema.map_or(Place::SearchPath, Place::Schema);
        found.act(
            Act::new(Effect::Execute, "call")
                .on("function", Some(call.name))
                .at(place),
        );
    }
    let custom = tokens
        .windows(2)
        .find(|pair| matches!(pair, [a, b] if a.is("operator") && b.is_sign("(")));
    if custom.is_some() {
        found.act(Act::new(Effect::Execute, "call").on("function", Some("operator".to_owned())));
    }
    secrets(tokens, found);
}

/// Where passwords, or what stands for them, are kept: the statistics hold values of every column, those of `pg_authid` too.
const CREDENTIALS: &[&str] = &[
    "pg_authid",
    "pg_file_settings",
    "pg_hba_file_rules",
    "pg_settings",
    "pg_shadow",
    "pg_show_all_file_settings",
    "pg_show_all_settings",
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_stats",
    "pg_stats_ext",
    "pg_stats_ext_exprs",
    "pg_subscription",
    "pg_user_mapping",
    "pg_user_mappings",
    "user_mapping_options",
    "_pg_user_mappings",
    "rolpassword",
    "subconninfo",
    "umoptions",
];

pub(super) fn secrets(tokens: &[Token], found: &mut Found) {
    for token in tokens {
        let named = token.name().filter(|name| CREDENTIALS.contains(name));
        // As in `'pg_authid'::regclass`, which names a table too.
        let quoted = (token.kind == Kind::Text).then(|| {
            CREDENTIALS
                .iter()
                .find(|name| token.text.to_ascii_lowercase().contains(*name))
                .copied()
        });
        if let Some(name) = named.or(quoted.flatten()) {
            found.hazard(Hazard::RevealsCredentials, format!("`{name}` holds credentials"));
        }
        if token.is("password") {
            found.hazard(
                Hazard::RevealsCredentials,
                "a password in a command can be seen by others",
            );
        }
    }
}

fn explain(tokens: &[Token], found: &mut Found) -> Result<(), Fault> {
    let mut rest = tokens;
    let mut runs = false;
    if let [bracket, options @ ..] = rest
        && bracket.is_sign("(")
        && !options
            .first()
            .is_some_and(|word| ["select", "with", "values", "table"].iter().any(|w| word.is(w)))
        && !options.first().is_some_and(|word| word.is_sign("("))
    {
        let end = closing(rest)?;
        let inside = rest.get(1..end).unwrap_or_default();
        for (at, option) in inside.iter().enumerate() {
            let value = inside
                .get(at.saturating_add(1))
                .map_or("", |value| value.text.as_str());
            let is_off = ["off", "false", "0", "no"].contains(&value.to_ascii_lowercase().as_str());
            runs |= option
                .name()
                .is_some_and(|name| matches!(name, "analyze" | "analyse"))
                && !is_off;
        }
        rest = rest.get(end.saturating_add(1)..).unwrap_or_default();
    } else {
        while let [word, behind @ ..] = rest
            && ["analyze", "analyse", "verbose"]
                .iter()
                .any(|known| word.is(known))
        {
            runs |= !word.is("verbose");
            rest = behind;
        }
    }
    let explainable = [
        "select", "with", "values", "table", "insert", "update", "delete", "merge",
    ];
    let Some(first) = rest.first() else {
        return Err(Fault::new(1, "explain", "says nothing that could be explained"));
    };
    if first.is("explain") {
        return Err(Fault::new(first.line, "explain", "explains itself"));
    }
    let mut inner = Found::default();
    statement(rest, From::Argument, &mut inner)?;
    let is_plain = first.is_sign("(") || explainable.iter().any(|word| first.is(word));
    for mut act in inner.acts {
        if !runs && is_plain && act.verb != "call" {
            act.effect = Effect::Read;
            act.verb = "explain".to_owned();
        } else if act.effect == Effect::Read {
            act.verb = if runs { "explain analyze" } else { "explain" }.to_owned();
        }
        found.act(act);
    }
    for (hazard, because) in inner.hazards {
        if runs || hazard != Hazard::Unbounded {
            found.hazard(hazard, because);
        }
    }
    Ok(())
}

/// Where the bracket that `tokens` begins with is closed.
pub(super) fn closing(tokens: &[Token]) -> Result<usize, Fault> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        if token.is_sign("(") {
            depth = depth.saturating_add(1);
        } else if token.is_sign(")") {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return Ok(at);
            }
        }
    }
    let line = tokens.first().map_or(1, |token| token.line);
    Err(Fault::new(line, "(", "is not closed"))
}

/// The system's own tables are found first, whatever the search path.
pub(super) fn place_of(schema: Option<String>, name: Option<&str>) -> Place {
    match schema {
        Some(schema) => Place::Schema(schema),
        None if name.is_some_and(|name| name.starts_with("pg_")) => Place::Schema("pg_catalog".to_owned()),
        None => Place::SearchPath,
    }
}
