//! Which functions only read: PostgreSQL's own that change nothing and run nothing (`data/psql_functions.tsv`, made by
//! `scripts/psql_functions.py` from a real server). Any other function may do anything.
//!
//! Calls are found in the tokens: a name right before an opening bracket, wherever it stands, so that no reader of trees can
//! overlook one. What looks like a call and is none (`in (`, `varchar(10)`) is known by the server's own list of keywords.
//!
//! `x.name` calls `name(x)` too, where `x` has no such column. Behind a bracket nobody can tell, so there every name is a call;
//! behind a name it is one where PostgreSQL or its extensions have such a function and it is not known to only read
//! (`data/psql_calls.tsv`, by the same script).

use super::lexer::{Kind, Token};
use std::collections::BTreeSet;
use std::sync::LazyLock;

const TABLE: &str = include_str!("../../data/psql_functions.tsv");

const CALLS: &str = include_str!("../../data/psql_calls.tsv");

const KEYWORDS: &str = include_str!("../../data/psql_keywords.tsv");

/// Words that could be a function's name, and are none behind these: each with what may stand before it.
const IN_CONTEXT: &[(&str, &[&str])] = &[
    ("by", &["group", "order", "partition"]),
    ("bernoulli", &["tablesample"]),
    ("filter", &[")"]),
    ("include", &[")"]),
    ("key", &["foreign", "primary"]),
    ("over", &[")"]),
    ("rollup", &["by"]),
    ("sets", &["grouping"]),
    ("system", &["tablesample"]),
    ("varying", &["bit", "char", "character", "nchar"]),
];
/// Words of the grammar between two operands; behind a verb or an operator they would be functions.
const BETWEEN: &[&str] = &["ilike", "join", "like"];
/// Before a name with a bracket behind it, these make it no call: an alias or a target with its columns.
const NAMES_COLUMNS: &[&str] = &["as", "into", "references"];

/// A call: the schema where one is written, and the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub schema: Option<String>,
    pub name: String,
    pub line: usize,
    /// The words between its brackets begin here; nothing where it has none, as in `x.name`.
    pub arguments: Option<usize>,
}

/// Every call in these tokens.
pub(super) fn calls(tokens: &[Token]) -> Vec<Call> {
    let mut found = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        let [name, bracket] = pair else { continue };
        if let Some(call) = without_brackets(tokens, at.saturating_add(1)) {
            found.push(call);
        }
        let Some(text) = name.name().filter(|_| bracket.is_sign("(")) else {
            continue;
        };
        let qualified = at >= 1 && tokens.get(at.wrapping_sub(1)).is_some_and(|dot| dot.is_sign("."));
        let schema = tokens
            .get(at.wrapping_sub(2))
            .and_then(Token::name)
            .filter(|_| qualified);
        let mut first = at;
        while first >= 2
            && tokens
                .get(first.wrapping_sub(1))
                .is_some_and(|dot| dot.is_sign("."))
        {
            first = first.saturating_sub(2);
        }
        let before = first.checked_sub(1).and_then(|before| tokens.get(before));
        let is_target =
            before.is_some_and(|word| word.kind == Kind::Word && NAMES_COLUMNS.contains(&word.text.as_str()));
        let is_syntax = !qualified && name.kind == Kind::Word && is_grammar(text, before);
        if !is_target && !is_syntax {
            found.push(Call {
                schema: schema.map(str::to_owned),
                name: text.to_owned(),
                line: name.line,
                arguments: Some(at.saturating_add(2)),
            });
        }
    }
    found
}

/// The call that the name at `at` is without any bracket behind it, as in `(a || b).name`, `a[1].name`, `a.name`.
fn without_brackets(tokens: &[Token], at: usize) -> Option<Call> {
    let is_sign = |at: usize, sign: &str| tokens.get(at).is_some_and(|token| token.is_sign(sign));
    let name = tokens.get(at)?;
    let text = name.name()?;
    if is_sign(at.saturating_add(1), "(") {
        return None;
    }
    let mut dot = at.checked_sub(1).filter(|dot| is_sign(*dot, "."))?;
    let is_known_call = is_more_than_reading(text);
    // What the names before it hang on.
    let hangs_on_bracket = loop {
        let before = dot.checked_sub(1)?;
        if is_sign(before, ")") || is_sign(before, "]") {
            break true;
        }
        match before.checked_sub(1) {
            Some(next) if is_sign(next, ".") => dot = next,
            _ => break false,
        }
    };
    (hangs_on_bracket || is_known_call).then(|| Call {
        schema: None,
        name: text.to_owned(),
        line: name.line,
        arguments: None,
    })
}

/// Whether a call only reads.
pub(super) fn only_reads(call: &Call, tokens: &[Token]) -> bool {
    let is_builtin = call.schema.as_deref().is_none_or(|schema| schema == "pg_catalog");
    if !is_builtin {
        return false;
    }
    if call.name == "current_setting" {
        // A setting that is named can be judged; one that is computed cannot.
        let behind = call.arguments.and_then(|arguments| tokens.get(arguments..));
        let Some([argument, end, ..]) = behind else {
            return false;
        };
        return argument.kind == Kind::Text
            && (end.is_sign(")") || end.is_sign(","))
            && !argument.text.contains('\\')
            && super::settings::is_public(&argument.text);
    }
    is_known(&call.name)
}

/// Whether a word before a bracket is the grammar's own.
fn is_grammar(word: &str, before: Option<&Token>) -> bool {
    if is_keyword(word) {
        return true;
    }
    let Some(before) = before.filter(|before| before.kind != Kind::Quoted) else {
        return BETWEEN.contains(&word) && before.is_some();
    };
    let is_behind = |behind: &[&str]| behind.contains(&before.text.as_str());
    if IN_CONTEXT
        .iter()
        .any(|(known, behind)| *known == word && is_behind(behind))
    {
        return true;
    }
    // An operand ends with a name, a bracket, a string or a number.
    let ends_operand = match before.kind {
        Kind::Word => !is_keyword(&before.text) || before.is("end") || before.is("null"),
        Kind::Sign => matches!(before.text.as_str(), ")" | "]"),
        _ => true,
    };
    BETWEEN.contains(&word) && ends_operand
}

fn is_keyword(word: &str) -> bool {
    static WORDS: LazyLock<BTreeSet<&str>> = LazyLock::new(|| lines(KEYWORDS));
    WORDS.contains(word)
}

/// Whether PostgreSQL or an extension has a function of this name that is called by `x.name`, and may do more than read.
fn is_more_than_reading(name: &str) -> bool {
    static NAMES: LazyLock<BTreeSet<&str>> = LazyLock::new(|| lines(CALLS));
    NAMES.contains(name)
}

fn is_known(name: &str) -> bool {
    static NAMES: LazyLock<BTreeSet<&str>> = LazyLock::new(|| lines(TABLE));
    NAMES.contains(name)
}

fn lines(table: &str) -> BTreeSet<&str> {
    table.lines().filter(|line| !line.starts_with('#')).collect()
}

#[cfg(test)]
mod tests {
    use super::super::lexer::{Mode, tokens};
    use super::*;

    fn unknown(sql: &str) -> Vec<String> {
        let tokens = tokens(sql, Mode::Server).unwrap();
        calls(&tokens)
            .into_iter()
            .filter(|call| !only_reads(call, &tokens))
            .map(|call| call.name)
            .collect()
    }

    #[test]
    fn reads_are_known_and_everything_else_is_not() {
        for sql in [
            "select count(*), lower(a), pg_catalog.now() from t where b in (1) and exists (select 1)",
            "select cast(a as varchar(10)), a::numeric(3,1), extract(year from b) from t",
            "select current_setting('work_mem')",
            "select * from generate_series(1, 3) as g(n)",
        ] {
            assert_eq!(unknown(sql), Vec::<String>::new(), "{sql}");
        }
        for (sql, name) in [
            ("select pg_sleep(1)", "pg_sleep"),
            ("select \"pg_sleep\"(1)", "pg_sleep"),
            ("select \"PG_SLEEP\"(1)", "PG_SLEEP"),
            ("select pg_catalog . pg_sleep /* */ (1)", "pg_sleep"),
            ("select public.lower('x')", "lower"),
            ("select current_setting('work_mem', true)", "NOTHING"),
            (
                "select current_setting('primary_' || 'conninfo')",
                "current_setting",
            ),
            (
                "select current_setting(E'primary\\x5fconninfo')",
                "current_setting",
            ),
            ("select current_setting('all')", "current_setting"),
            ("select \"in\"(1)", "in"),
            ("select x.in(1)", "in"),
            ("select join('x')", "join"),
            ("select 1, first(a), query('x'), filter(1)", "first query filter"),
            ("select 1 + by(1)", "by"),
            ("select ('/x'::text).pg_read_file", "pg_read_file"),
            ("select ('/x'::text) . /* */ \"pg_read_file\"", "pg_read_file"),
            ("select (array['/x'])[1].pg_read_file", "pg_read_file"),
            ("select ('/x'::text).mine", "mine"),
            ("select (x).a.mine", "a mine"),
            (
                "select x.pg_read_file, x.y, a.b.nextval from x",
                "pg_read_file nextval",
            ),
            ("select (x).lower, x.lower, (x).*", "NOTHING"),
            ("select ('work_mem'::text).current_setting", "current_setting"),
        ] {
            let found = unknown(sql);
            if name == "NOTHING" {
                assert_eq!(found, Vec::<String>::new(), "{sql}");
            } else {
                assert_eq!(found.join(" "), name, "{sql}");
            }
        }
    }
}
