//! A text of SQL with psql's commands between the statements: a file of `-f`, or standard input.

use super::lexer::{self, Fault, Kind, Mode, Token};
use super::meta;
use super::sql::{self, Found, From};

/// What a SQL text given with `-c` does: it goes to the server as it is.
pub(super) fn argument(text: &str, found: &mut Found) -> Result<(), Fault> {
    if let Some(command) = text.strip_prefix('\\') {
        if meta::ENDS.contains(&meta::split(command).name) {
            return Err(Fault::new(1, text, "stands behind no statement"));
        }
        return meta::command(command, 1, From::Argument, found);
    }
    let tokens = lexer::tokens(text, Mode::Server)?;
    for statement in tokens.split(|token| token.kind == Kind::Semicolon) {
        sql::statement(statement, From::Argument, found)?;
    }
    Ok(())
}

/// What a script does. psql's commands stand between statements, or end one.
pub(super) fn script(text: &str, found: &mut Found) -> Result<(), Fault> {
    if text.starts_with("PGDMP") {
        return Err(Fault::new(
            1,
            "PGDMP",
            "begins an archive for pg_restore, no script",
        ));
    }
    let tokens = lexer::tokens(text, Mode::Script)?;
    let mut statement: Vec<Token> = Vec::new();
    for token in tokens {
        match token.kind {
            Kind::Semicolon => {
                sql::statement(&statement, From::Script, found)?;
                statement.clear();
            }
            Kind::Backslash => {
                let command = meta::split(&token.text);
                let ends = meta::ENDS.contains(&command.name) || command.name == "gexec";
                if !ends && !statement.is_empty() {
                    let shown = format!("\\{}", command.name);
                    return Err(Fault::new(
                        token.line,
                        shown,
                        "stands inside of a statement; end that with a semicolon",
                    ));
                }
                meta::command(&token.text, token.line, From::Script, found)?;
                sql::statement(&statement, From::Script, found)?;
                statement.clear();
            }
            _ => statement.push(token),
        }
    }
    sql::statement(&statement, From::Script, found)
}
