//! Statements as trees: which tables are read and changed, common table expressions that write, rows that are locked.
//!
//! The trees are `sqlparser`'s, in PostgreSQL's dialect, of the tokens that lexer.rs made. What it cannot read is refused. It
//! reads more than PostgreSQL does; the server refuses that itself.

use super::lexer::{Fault, Kind, Token, render};
use super::sql::{Act, Found, Place, place_of};
use crate::{Effect, Hazard};
use sqlparser::ast::{
    FromTable, ObjectName, Query, SetExpr, Statement, TableFactor, TableObject, TableWithJoins, Visit,
    Visitor,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use std::ops::ControlFlow;

/// How deep brackets may nest. The parser tries several readings of each, so its time doubles with every level.
const MOST_NESTED: usize = 12;
/// Words that the parser reads as a syntax of their own first and, where that fails, as a function: its time triples with each.
const TWICE_READ: &[&str] = &[
    "cast",
    "ceil",
    "ceiling",
    "convert",
    "extract",
    "floor",
    "overlay",
    "position",
    "safe_cast",
    "substr",
    "substring",
    "trim",
    "try_cast",
    "try_convert",
];
/// How deep these may nest.
const MOST_TWICE_READ: usize = 5;
/// The most tokens of a statement.
const MOST_TOKENS: usize = 20_000;
/// How deep the parser may go.
const MOST_DEEP: usize = 48;
/// The most operators of a statement: each may make the tree deeper by one, and walking it takes stack.
const MOST_OPERATORS: usize = 500;
/// Operators that are words.
const CHAINS: &[&str] = &[
    "and",
    "at",
    "between",
    "collate",
    "except",
    "ilike",
    "in",
    "intersect",
    "interval",
    "is",
    "isnull",
    "like",
    "not",
    "notnull",
    "operator",
    "or",
    "over",
    "overlaps",
    "similar",
    "union",
];

/// What is known of a statement beside what it was found to do.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// Whether it changes and locks nothing.
    pub only_reads: bool,
    /// Names of common table expressions that have lists of columns.
    pub columned: Vec<String>,
}

/// SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES, TABLE, with or without WITH.
pub(super) fn query(tokens: &[Token], found: &mut Found) -> Result<Read, Fault> {
    let statement = match tokens {
        [table, rest @ ..] if table.is("table") => {
            // Short for a whole query, which the parser only knows inside of another.
            let sign = |kind, text: &str| Token {
                kind,
                text: text.to_owned(),
                line: table.line,
                spaced: true,
            };
            let mut long = vec![
                sign(Kind::Word, "select"),
                sign(Kind::Sign, "*"),
                sign(Kind::Word, "from"),
            ];
            long.extend_from_slice(rest);
            parse(&long)?
        }
        [select] if select.is("select") => {
            found.act(Act::new(Effect::Read, "select"));
            return Ok(Read {
                only_reads: true,
                columned: Vec::new(),
            });
        }
        _ => parse(tokens)?,
    };
    let mut walk = Walk::default();
    match &statement {
        Statement::Query(_)
        | Statement::Insert(_)
        | Statement::Update { .. }
        | Statement::Delete(_)
        | Statement::Merge { .. } => {}
        _ => return Err(not_understood(tokens)),
    }
    if statement.visit(&mut walk).is_break() {
        return Err(not_understood(tokens));
    }
    let changes: Vec<Act> = walk.changes.clone();
    let only_reads = changes.is_empty() && !walk.locks;
    let verb = if walk.locks { "select for update" } else { "select" };
    let effect = if walk.locks { Effect::Write } else { Effect::Read };
    let reads = walk.tables_read();
    if reads.is_empty() && changes.is_empty() {
        found.act(Act::new(effect, verb));
    }
    for (place, name) in reads {
        found.act(Act::new(effect, verb).on("table", Some(name)).at(place));
    }
    for change in changes {
        found.act(change);
    }
    for because in walk.unbounded {
        found.hazard(Hazard::Unbounded, because);
    }
    Ok(Read {
        only_reads,
        columned: walk.columned,
    })
}

/// CREATE, ALTER, DROP, TRUNCATE. Returns the names of the targets, which may have columns behind them.
pub(super) fn definition(tokens: &[Token], found: &mut Found) -> Result<Vec<String>, Fault> {
    const MODIFIERS: &[&str] = &[
        "or",
        "replace",
        "temp",
        "temporary",
        "unlogged",
        "global",
        "local",
        "unique",
        "recursive",
        "materialized",
    ];
    /// Objects that are code, or decide what code runs.
    const CODE: &[&str] = &[
        "function",
        "procedure",
        "routine",
        "trigger",
        "event",
        "rule",
        "extension",
        "language",
        "cast",
        "operator",
        "aggregate",
        "system",
        "server",
        "foreign",
        "transform",
        "access",
        "subscription",
    ];
    let words = || tokens.iter().filter_map(Token::name);
    let first = words().next().unwrap_or_default();
    let object = words()
        .skip(1)
        .find(|word| !MODIFIERS.contains(word))
        .unwrap_or_default();
    let verb = if first == "truncate" {
        first.to_owned()
    } else {
        format!("{first} {object}")
    };
    let effect = match first {
        "drop" | "truncate" => Effect::Delete,
        _ => Effect::Write,
    };
    if first != "drop" && CODE.contains(&object) {
        found.hazard(
            Hazard::RunsRemoteCode,
            format!("`{verb}` makes the server run other code"),
        );
    }
    let statement = parse(tokens)?;
    let mut walk = Walk::default();
    if statement.visit(&mut walk).is_break() {
        return Err(not_understood(tokens));
    }
    let (kind, targets): (&'static str, Vec<&ObjectName>) = match &statement {
        Statement::CreateTable(create) => ("table", vec![&create.name]),
        Statement::CreateView { name, .. } => ("view", vec![name]),
        Statement::AlterTable { name, .. } => ("table", vec![name]),
        Statement::CreateIndex(create) => ("index", vec![&create.table_name]),
        Statement::Truncate { table_names, .. } => {
            found.hazard(Hazard::Unbounded, "`truncate` removes every row");
            ("table", table_names.iter().map(|target| &target.name).collect())
        }
        Statement::Drop {
            names, object_type, ..
        } => (kind_of(&object_type.to_string()), names.iter().collect()),
        _ => ("*", Vec::new()),
    };
    if targets.is_empty() {
        found.act(Act::unknown(effect, &verb));
    }
    let targets: Vec<(Place, String)> = targets.into_iter().filter_map(named).collect();
    for (place, name) in &targets {
        found.act(
            Act::new(effect, verb.as_str())
                .on(kind, Some(name.clone()))
                .at(place.clone()),
        );
    }
    for (place, name) in walk
        .tables_read()
        .into_iter()
        .filter(|read| !targets.contains(read))
    {
        found.act(Act::new(Effect::Read, "select").on("table", Some(name)).at(place));
    }
    for change in walk.changes {
        found.act(change);
    }
    Ok(targets.into_iter().map(|(_, name)| name).collect())
}

fn kind_of(object: &str) -> &'static str {
    const KINDS: [&str; 8] = [
        "table", "view", "index", "schema", "database", "sequence", "role", "type",
    ];
    let object = object.to_ascii_lowercase();
    KINDS
        .into_iter()
        .find(|kind| object.ends_with(kind))
        .unwrap_or("*")
}

fn not_understood(tokens: &[Token]) -> Fault {
    let first = tokens.first();
    Fault::new(
        first.map_or(1, |token| token.line),
        first.map_or("", |token| token.text.as_str()),
        "begins a statement that is not understood",
    )
}

fn parse(tokens: &[Token]) -> Result<Statement, Fault> {
    let line = tokens.first().map_or(1, |token| token.line);
    let first = tokens.first().map_or("", |token| token.text.as_str());
    if tokens.len() > MOST_TOKENS {
        let problem =
            format!("begins a statement of more than {MOST_TOKENS} words and signs, which is not read");
        return Err(Fault::new(line, first, problem));
    }
    let links = |token: &&Token| match token.kind {
        Kind::Sign => !matches!(token.text.as_str(), "," | "(" | ")" | "." | "[" | "]"),
        Kind::Word => CHAINS.contains(&token.text.as_str()),
        _ => false,
    };
    if tokens.iter().filter(links).count() > MOST_OPERATORS {
        let problem =
            format!("begins a statement of more than {MOST_OPERATORS} operators, which is not read");
        return Err(Fault::new(line, first, problem));
    }
    let mut depth = 0_usize;
    let mut open: Vec<bool> = Vec::new();
    let mut before: Option<&Token> = None;
    for token in tokens {
        if token.is_sign("(") {
            let is_twice_read = before.is_some_and(|word| TWICE_READ.iter().any(|name| word.is(name)));
            open.push(is_twice_read);
            if open.iter().filter(|is_twice_read| **is_twice_read).count() > MOST_TWICE_READ {
                let word = before.map_or("(", |word| word.text.as_str());
                let problem = format!(
                    "is the {}th of its kind within another, which is not read",
                    MOST_TWICE_READ.saturating_add(1)
                );
                return Err(Fault::new(token.line, word, problem));
            }
        } else if token.is_sign(")") {
            open.pop();
        }
        before = Some(token);
        if token.is_sign("(") || token.is_sign("[") || token.is("case") {
            depth = depth.saturating_add(1);
        } else if token.is_sign(")") || token.is_sign("]") || token.is("end") {
            depth = depth.saturating_sub(1);
        }
        if depth > MOST_NESTED {
            let problem = format!("nests deeper than {MOST_NESTED} levels, which is not read");
            return Err(Fault::new(token.line, &token.text, problem));
        }
    }
    let dialect = PostgreSqlDialect {};
    let mut parsed = Parser::new(&dialect)
        .with_recursion_limit(MOST_DEEP)
        .try_with_sql(&render(tokens))
        .and_then(|mut parser| parser.parse_statements());
    match parsed
        .as_mut()
        .map(|statements| (statements.pop(), statements.is_empty()))
    {
        Ok((Some(statement), true)) => Ok(statement),
        Ok(_) => Err(not_understood(tokens)),
        Err(error) => {
            // The parser's own sentence would name places in a text that nobody has seen.
            let text = error.to_string();
            let expected = text.split(" at Line").next().unwrap_or_default();
            let expected = expected.strip_prefix("sql parser error: ").unwrap_or(expected);
            Err(Fault::new(
                line,
                first,
                format!("begins a statement that is not understood: {expected}"),
            ))
        }
    }
}

/// Schema and name; `None` for what is no name at all.
fn named(name: &ObjectName) -> Option<(Place, String)> {
    let mut parts = name
        .0
        .iter()
        .rev()
        .map(|part| part.as_ident().map(|ident| ident.value.clone()));
    let last = parts.next()??;
    let schema = parts.next().flatten();
    Some((place_of(schema, Some(&last)), last))
}

/// What was met in a tree.
#[derive(Debug, Default)]
struct Walk {
    relations: Vec<(Place, String)>,
    functions: Vec<(Place, String)>,
    changes: Vec<Act>,
    unbounded: Vec<String>,
    columned: Vec<String>,
    locks: bool,
    scopes: Vec<Scope>,
}

/// The common table expressions of a query, and how many of them can be seen where the walk is.
#[derive(Debug)]
struct Scope {
    names: Vec<String>,
    queries: Vec<*const Query>,
    recursive: bool,
    visible: usize,
}

impl Walk {
    /// The tables that are read, without those that are only changed, and without functions in FROM.
    fn tables_read(&self) -> Vec<(Place, String)> {
        let mut left = self.relations.clone();
        let targets = self
            .changes
            .iter()
            .filter_map(|act| Some((act.place.clone(), act.name.clone()?)));
        for known in targets.chain(self.functions.iter().cloned()) {
            if let Some(at) = left.iter().position(|relation| *relation == known) {
                left.remove(at);
            }
        }
        left
    }

    fn change(&mut self, effect: Effect, verb: &str, target: Option<(Place, String)>) {
        self.changes.push(match target {
            Some((place, name)) => Act::new(effect, verb).on("table", Some(name)).at(place),
            None => Act::unknown(effect, verb),
        });
    }

    fn is_expression(&self, name: &str) -> bool {
        self.scopes.iter().any(|scope| {
            let seen = if scope.recursive {
                scope.names.len()
            } else {
                scope.visible
            };
            scope.names.iter().take(seen).any(|known| known == name)
        })
    }
}

fn of_factor(factor: &TableFactor) -> Option<(Place, String)> {
    match factor {
        TableFactor::Table { name, .. } => named(name),
        _ => None,
    }
}

fn of_joined(table: &TableWithJoins) -> Option<(Place, String)> {
    of_factor(&table.relation)
}

impl Visitor for Walk {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        match statement {
            Statement::Insert(insert) => {
                let target = match &insert.table {
                    TableObject::TableName(name) => named(name),
                    TableObject::TableFunction(_) => None,
                };
                let verb = if insert.on.is_some() {
                    "insert on conflict"
                } else {
                    "insert"
                };
                self.change(Effect::Write, verb, target);
            }
            Statement::Update { table, selection, .. } => {
                self.change(Effect::Write, "update", of_joined(table));
                if selection.is_none() {
                    self.unbounded
                        .push("`update` without WHERE changes every row".to_owned());
                }
            }
            Statement::Delete(delete) => {
                let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
                for table in tables {
                    self.change(Effect::Delete, "delete", of_joined(table));
                }
                if delete.selection.is_none() {
                    self.unbounded
                        .push("`delete` without WHERE removes every row".to_owned());
                }
            }
            Statement::Merge { table, .. } => self.change(Effect::Write, "merge", of_factor(table)),
            Statement::Query(_)
            | Statement::CreateTable(_)
            | Statement::CreateView { .. }
            | Statement::CreateIndex(_)
            | Statement::AlterTable { .. }
            | Statement::Truncate { .. }
            | Statement::Drop { .. } => {}
            // Any other definition is known by its words alone; inside of a query there can be none.
            _ if self.scopes.is_empty() => {}
            _ => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(scope) = self.scopes.last_mut()
            && let Some(at) = scope.queries.iter().position(|known| std::ptr::eq(*known, query))
        {
            scope.visible = at;
        }
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        let mut scope = Scope {
            names: Vec::new(),
            queries: Vec::new(),
            recursive: query.with.as_ref().is_some_and(|with| with.recursive),
            visible: 0,
        };
        for table in tables {
            scope.names.push(table.alias.name.value.clone());
            scope.queries.push(&raw const *table.query);
            if !table.alias.columns.is_empty() {
                self.columned.push(table.alias.name.value.clone());
            }
        }
        self.scopes.push(scope);
        self.locks |= !query.locks.is_empty();
        self.body(&query.body);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.scopes.pop();
        if let Some(scope) = self.scopes.last_mut()
            && let Some(at) = scope.queries.iter().position(|known| std::ptr::eq(*known, query))
        {
            scope.visible = at.saturating_add(1);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table {
                name, args: Some(_), ..
            } => self.functions.extend(named(name)),
            TableFactor::Table { .. }
            | TableFactor::Derived { .. }
            | TableFactor::Function { .. }
            | TableFactor::UNNEST { .. }
            | TableFactor::NestedJoin { .. }
            | TableFactor::JsonTable { .. }
            | TableFactor::XmlTable { .. } => {}
            _ => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        match named(relation) {
            Some((Place::SearchPath, name)) if relation.0.len() == 1 && self.is_expression(&name) => {}
            Some(named) => self.relations.push(named),
            None => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }
}

impl Walk {
    /// What the trees of queries have and the walk does not say: INTO, `TABLE x`.
    fn body(&mut self, body: &SetExpr) {
        match body {
            SetExpr::Select(select) => {
                if let Some(into) = &select.into {
                    self.change(Effect::Write, "select into", named(&into.name));
                }
            }
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left);
                self.body(right);
            }
            SetExpr::Table(table) => {
                if let Some(name) = &table.table_name {
                    // Here the parser drops the quotes; that they were there changes nothing but the case.
                    let place = place_of(table.schema_name.clone(), Some(name));
                    if place != Place::SearchPath || !self.is_expression(name) {
                        self.relations.push((place, name.clone()));
                    }
                }
            }
            SetExpr::Query(_)
            | SetExpr::Values(_)
            | SetExpr::Insert(_)
            | SetExpr::Update(_)
            | SetExpr::Delete(_)
            | SetExpr::Merge(_) => {}
        }
    }
}
