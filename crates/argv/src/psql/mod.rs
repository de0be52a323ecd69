//! psql: its command line by `getopt_long`'s rules, the SQL in it by PostgreSQL's lexer and `sqlparser`'s trees, its own
//! commands from a table.
//!
//! - getopt.rs: options and words. connect.rs: where the connection goes.
//! - lexer.rs, script.rs, meta.rs: what `-c` and `-f` say, statement by statement.
//! - sql.rs, copy.rs, session.rs, tree.rs, functions.rs, settings.rs: what a statement does.
//!
//! Every statement, and every table in it, is an operation. Resource: `table`, `function`, `setting`, …; the schema is the
//! operation's namespace (left open where the search path decides); the database, host and user are its scope. What a view,
//! a rule or an operator of the site's own does inside of the server is not seen here: the gate has the server run whatever
//! only reads in a session that can only read.

mod connect;
mod copy;
mod functions;
mod getopt;
mod lexer;
mod meta;
mod script;
mod session;
mod settings;
mod sql;
mod tree;

use crate::{
    Effect, FileUse, Hazard, Invocation, Namespace, Operation, Resource, Scope, Surroundings, Tool,
    Unreadable,
};
pub(crate) use getopt::nearest;
use getopt::{Given, Line};
use lexer::Fault;
pub use lexer::odd_control;
use sql::{Act, Found, Place};

/// The path that stands for standard input.
pub const STDIN: &str = "-";

/// A script that psql would run, for a caller that means to read it: put its content into [`Surroundings::contents`] under
/// `path`, and hand psql those very bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The path as typed; [`STDIN`] is standard input.
    pub path: String,
    /// The word that names it and the byte where the path begins; nothing where psql reads standard input by itself.
    pub place: Option<(usize, usize)>,
}

/// The scripts that `words`, the words after `psql`, name.
///
/// # Errors
/// [`Unreadable`] when a word is not understood.
pub fn scripts(words: &[String]) -> Result<Vec<Script>, Unreadable> {
    let line = getopt::read(words)?;
    if stops(&line) {
        return Ok(Vec::new());
    }
    let named = line.options.iter().filter(|given| given.letter == 'f');
    let mut scripts: Vec<Script> = named
        .map(|given| Script {
            path: given.value.unwrap_or_default().to_owned(),
            place: Some((given.word, given.start)),
        })
        .collect();
    if reads_stdin(&line) {
        scripts.push(Script {
            path: STDIN.to_owned(),
            place: None,
        });
    }
    Ok(scripts)
}

/// Whether a command of [`Invocation::command`] is psql's.
pub fn is_command(words: &str) -> bool {
    matches!(words, "sql" | "list" | "help" | "version")
}

/// Reads `words`, the words after `psql`.
///
/// # Errors
/// [`Unreadable`] when a word, a statement or a script is not understood.
pub fn parse(words: &[String], around: &Surroundings) -> Result<Invocation, Unreadable> {
    let line = getopt::read(words)?;
    let mut found = Found::default();
    for given in &line.options {
        option(given, &mut found)?;
    }
    if stops(&line) {
        let mut invocation = Invocation::help(Tool::Psql);
        // An output is opened, and its program started, before help is printed.
        add(found, &Scope::default(), &mut invocation);
        return Ok(invocation);
    }
    let target = connect::target(&options(&line), around)?;
    for (hazard, because) in target.hazards {
        found.hazard(hazard, because);
    }
    if line.has('l') {
        found.act(Act::new(Effect::Read, "list"));
    }
    for given in &line.options {
        match (given.letter, given.value) {
            ('c', Some(text)) => {
                on_own_stack(|| script::argument(text, &mut found))
                    .map_err(|fault| in_argument(given.word, text, fault))?;
            }
            ('f', Some(path)) => file(path, given.word, around, &mut found)?,
            _ => {}
        }
    }
    if reads_stdin(&line) {
        if !around.contents.contains_key(STDIN) {
            return Err(Unreadable::missing(
                "without `-c` or `-f`, psql would ask a person what to do, and nobody is there",
            )
            .hint("give the SQL with `-c`, or a file of it with `-f`"));
        }
        file(STDIN, 0, around, &mut found)?;
    }
    if found.reads_stdin {
        found.hazard(Hazard::ReadsFiles, "rows are read from standard input");
        found.files.push(FileUse {
            path: STDIN.to_owned(),
            writes: false,
        });
    }
    if found.acts.is_empty() {
        // An empty statement still connects.
        found.act(Act::new(Effect::Read, "select"));
    }
    let scope = Scope {
        host: target.host,
        user: target.user,
        database: target.database,
        ..Scope::default()
    };
    let command = if found.acts.iter().all(|act| act.verb == "list") {
        "list"
    } else {
        "sql"
    };
    let mut invocation = Invocation {
        tool: Tool::Psql,
        command: command.to_owned(),
        operations: Vec::new(),
        hazards: Vec::new(),
        files: Vec::new(),
    };
    add(found, &scope, &mut invocation);
    Ok(invocation)
}

/// Whether psql prints something and ends before it connects.
fn stops(line: &Line<'_>) -> bool {
    line.has('?') || line.has('V')
}

/// Whether psql reads standard input because it is told nothing else.
fn reads_stdin(line: &Line<'_>) -> bool {
    !line.has('c') && !line.has('f') && !line.has('l')
}

/// What an option does by itself.
fn option(given: &Given<'_>, found: &mut Found) -> Result<(), Unreadable> {
    let value = given.value.unwrap_or_default();
    let fault = |problem: &str| Err(Unreadable::at(given.word, value, problem));
    match given.letter {
        'L' => meta::output(value.trim_start_matches('|'), "-L", found),
        'o' => meta::output(value, "-o", found),
        'P' => {
            if let Err(problem) = meta::pset(value) {
                return fault(problem);
            }
        }
        'v' => {
            if let Err(problem) = meta::variable(value) {
                return fault(problem);
            }
        }
        's' => {
            return Err(Unreadable::at(
                given.word,
                "-s",
                "asks a person before each statement, and nobody is there",
            ));
        }
        'S' => {
            return Err(Unreadable::at(
                given.word,
                "-S",
                "ends a statement with its line, which would be read differently here",
            ));
        }
        '?' if !matches!(value, "" | "options" | "commands" | "variables") => {
            return fault("is no topic of psql's help");
        }
        _ => {}
    }
    Ok(())
}

fn options<'w>(line: &Line<'w>) -> connect::Options<'w> {
    let last = |letter: char| {
        let given = line.options.iter().rfind(|given| given.letter == letter)?;
        Some((given.word, given.value?))
    };
    let mut words = line.positionals.iter().copied();
    let database = last('d').or_else(|| words.next());
    let user = last('U').or_else(|| words.next());
    connect::Options {
        host: last('h'),
        port: last('p'),
        user,
        database,
    }
}

fn file(path: &str, word: usize, around: &Surroundings, found: &mut Found) -> Result<(), Unreadable> {
    let Some(text) = around.contents.get(path) else {
        found.hazard(Hazard::ReadsFiles, "`-f` runs a file that was not read here");
        found.files.push(FileUse {
            path: path.to_owned(),
            writes: false,
        });
        found.act(Act::unknown(Effect::Execute, "script"));
        return Ok(());
    };
    // The words of a file are not repeated: it may be anything at all.
    let shown = if path == STDIN { "standard input" } else { path };
    on_own_stack(|| script::script(text, found)).map_err(|fault| {
        let problem = fault.problem.split(':').next().unwrap_or_default();
        Unreadable::at(
            word,
            shown,
            &format!("line {}: a word there {problem}", fault.line),
        )
    })
}

/// Trees are walked by recursion, as deep as the limits of tree.rs allow; no caller's stack may be too small for that.
fn on_own_stack(read: impl FnOnce() -> Result<(), Fault> + Send) -> Result<(), Fault> {
    const BYTES: usize = 64 << 20;
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new()
            .stack_size(BYTES)
            .spawn_scoped(scope, read);
        let ended = reader.map(std::thread::ScopedJoinHandle::join);
        ended
            .ok()
            .and_then(Result::ok)
            .unwrap_or_else(|| Err(Fault::new(1, "", "cannot be read for want of memory; try again")))
    })
}

fn in_argument(word: usize, text: &str, fault: Fault) -> Unreadable {
    let shown = if fault.word.is_empty() { text } else { &fault.word };
    Unreadable::at(word, shown, &fault.problem)
}

/// Turns what was found into operations, hazards and files.
fn add(found: Found, scope: &Scope, invocation: &mut Invocation) {
    for act in found.acts {
        let mut operation = Operation::new(act.effect, act.verb);
        operation.scope = scope.clone();
        operation.scope.namespace = match act.place {
            Place::Nowhere => Namespace::Cluster,
            Place::SearchPath => Namespace::Ambient,
            Place::Schema(schema) => Namespace::Named(schema),
        };
        operation.resource = act.kind.map(Resource::kind);
        operation.name = act.name;
        invocation.operations.push(operation);
    }
    for (hazard, because) in found.hazards {
        invocation.add_hazard(hazard, because);
    }
    for file in found.files {
        if !invocation.files.contains(&file) {
            invocation.files.push(file);
        }
    }
}

#[cfg(test)]
mod tests;
