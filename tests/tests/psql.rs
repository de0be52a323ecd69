//! The real psql and a real PostgreSQL server, behind the gate: what is judged to read changes nothing, and what is not never
//! reaches the server.

use acceptance::postgres::Postgres;
use acceptance::session::{Output, Scratch};
use std::os::unix::fs::symlink;

/// `READ`, `CHANGE` or `REFUSE`, and a value of `-c`.
fn cases() -> Vec<(&'static str, String)> {
    include_str!("../corpora/psql.cases")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .map(|(expected, sql)| (expected, sql.replace("\\n", "\n")))
        .collect()
}

/// A session at L4 of the databases' track, whose operator set the server and the user.
fn scratch(server: &Postgres) -> Scratch {
    let mut scratch = Scratch::new();
    scratch.flags(&["--level", "L4", "--track", "track-a"]);
    scratch
        .env("PGHOST", server.host())
        .env("PGUSER", "postgres")
        .env("PGDATABASE", "postgres");
    symlink(server.program(), scratch.at("tools").join("psql")).expect("a link can be made");
    scratch
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Runs psql behind the gate with each of these values of `-c`; the exit statuses.
fn statuses(scratch: &Scratch, sqls: &[&str]) -> Vec<i32> {
    let script: String = sqls
        .iter()
        .map(|sql| format!("psql -Atc {} </dev/null >>out 2>>err; echo $?\n", quoted(sql)))
        .collect();
    let output = scratch.run(&script);
    let found: Vec<i32> = output
        .out()
        .lines()
        .map(|line| line.parse().expect("a status"))
        .collect();
    assert_eq!(found.len(), sqls.len(), "{}", output.err());
    found
}

#[test]
fn what_is_judged_to_read_runs_and_changes_nothing() {
    let server = Postgres::start();
    let cases = cases();
    let reads: Vec<&str> = cases
        .iter()
        .filter(|(expected, _)| *expected == "READ")
        .map(|(_, sql)| sql.as_str())
        .collect();
    assert!(reads.len() > 130, "{}", reads.len());
    let before = server.dump();
    let found = statuses(&scratch(&server), &reads);
    assert_eq!(before, server.dump());
    for (sql, status) in reads.iter().zip(&found) {
        // 1 and 2 are psql's own: a table that is not there.
        assert!(matches!(status, 0..=2), "{sql} ends with {status}");
        let alone = server.psql(&["-Atc", sql]).status.code();
        assert_eq!(alone, Some(*status), "{sql} ends differently behind the gate");
    }
    let fine = found.iter().filter(|status| **status == 0).count();
    assert!(fine > 80, "only {fine} ran to a result");
}

#[test]
fn no_harmful_trick_reaches_the_server() {
    let server = Postgres::start();
    let cases = cases();
    let tricks: Vec<&str> = cases
        .iter()
        .filter(|(expected, _)| *expected != "READ")
        .map(|(_, sql)| sql.as_str())
        .collect();
    assert!(tricks.len() > 300, "{}", tricks.len());
    let (before, connections) = (server.dump(), server.log().matches("connection received").count());
    let scratch = scratch(&server);
    let found = statuses(&scratch, &tricks);
    for (sql, status) in tricks.iter().zip(found) {
        assert!(matches!(status, 75 | 77), "{sql} ends with {status}");
    }
    assert_eq!(
        server.log().matches("connection received").count(),
        connections,
        "somebody connected"
    );
    assert_eq!(before, server.dump());
}

#[test]
fn the_session_only_reads_even_where_what_writes_is_hidden_in_the_server() {
    let server = Postgres::start();
    let before = server.dump();
    let scratch = scratch(&server);
    let refused = scratch.run("psql -c 'select * from writing'; psql -c 'select * from counting'");
    assert_eq!(refused.code(), 1);
    assert_eq!(
        refused.err().matches("read-only transaction").count(),
        2,
        "{}",
        refused.err()
    );
    assert_eq!(before, server.dump());
    // The very same, without the gate.
    assert!(server.psql(&["-c", "select * from counting"]).status.success());
    assert_ne!(before, server.dump());
}

/// The value of a setting as a script behind the gate sees it.
fn shown(scratch: &Scratch, script: &str) -> String {
    let output = scratch.run(script);
    assert_eq!(output.code(), 0, "{}", output.err());
    output.out().trim().to_owned()
}

#[test]
fn the_agents_environment_and_files_change_nothing() {
    let server = Postgres::start();
    let scratch = scratch(&server);
    let setting = "psql -Atc 'show default_transaction_read_only'";
    assert_eq!(shown(&scratch, setting), "on");
    let off = format!("export PGOPTIONS='-c default_transaction_read_only=off'; {setting}");
    assert_eq!(shown(&scratch, &off), "on");
    for variables in [
        "PGHOST=/nonexistent",
        "PGUSER=nobody",
        "PGPORT=1",
        "PGSERVICE=x",
        "POSIXLY_CORRECT=1",
        "PGCLIENTENCODING=SJIS",
        "PSQLRC=$PWD/rc",
        "PSQL_EDITOR='touch ran'",
    ] {
        let script = format!(
            "echo '\\! touch ran' > rc; cp rc \"$HOME/.psqlrc\"; {variables} psql postgres -Atc 'select 41 + 1'"
        );
        assert_eq!(shown(&scratch, &script), "42", "{variables}");
        assert!(!scratch.at("ran").exists(), "{variables} ran a program");
    }
    // What is empty in a connection string takes the environment's place.
    for database in ["options='' dbname=postgres", "postgresql:///postgres?options="] {
        let output = scratch.run(&format!("psql -d {} -Atc 'select 1'", quoted(database)));
        assert_eq!(output.code(), 77, "{database}: {}", output.err());
    }
    let history = shown(
        &scratch,
        "psql -Atc 'select 1'; ls -A \"$HOME\" | grep -c history; true",
    );
    assert_eq!(history, "1\n0");
}

#[test]
fn the_operators_own_options_stay() {
    let server = Postgres::start();
    let mut scratch = scratch(&server);
    scratch.env(
        "PGOPTIONS",
        "-c work_mem=7MB -c default_transaction_read_only=off \\",
    );
    assert_eq!(
        shown(
            &scratch,
            "psql -Atc 'show work_mem' -c 'show default_transaction_read_only'"
        ),
        "7MB\non"
    );
}

#[test]
fn scripts_and_standard_input_are_judged_by_what_they_say() {
    let server = Postgres::start();
    let scratch = scratch(&server);
    let write =
        |name: &str, text: &str| std::fs::write(scratch.at(name), text).expect("a file can be written");
    write("read.sql", "\\t on\nselect name from users order by id;\n");
    write("write.sql", "select 1;\ndelete from users;\n");
    write("code.sql", "\\! touch ran\n");
    // What psql reads behind a zero byte is not what stands there.
    write("zero.sql", "select '\0'\n, ' \n;\\! touch ran\nselect '--'\n;\n");
    write("secret.txt", "hunter2 is the password\n");
    let before = server.dump();
    let run = |script: &str| -> Output { scratch.run(script) };
    for script in [
        "psql -qAf read.sql",
        "psql -qA --file=read.sql",
        "psql -qA < read.sql",
        "cat read.sql | psql -qAf -",
        "psql -qA -f - < read.sql",
    ] {
        assert_eq!(shown(&scratch, script), "a\nb", "{script}");
    }
    for script in [
        "psql -f write.sql",
        "psql < write.sql",
        "psql -f - < write.sql",
        "psql -f read.sql -f write.sql",
    ] {
        assert_eq!(run(script).code(), 75, "{script}");
    }
    for script in [
        "psql -f code.sql",
        "psql < code.sql",
        "psql -f zero.sql",
        "psql < zero.sql",
        "psql -f secret.txt",
        "psql -f absent.sql",
        "psql -f read.sql -f - -f - < read.sql",
    ] {
        let output = run(script);
        assert_eq!(output.code(), 77, "{script}: {}", output.err());
        assert!(!output.err().contains("hunter2"), "{}", output.err());
    }
    assert!(!scratch.at("ran").exists());
    assert_eq!(before, server.dump());
    let events = scratch.events();
    assert!(
        events[0].to_string().contains("read.sql"),
        "the record names the file: {}",
        events[0]
    );
}

/// A generator that gives the same numbers every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % most
    }
}

#[test]
fn whatever_is_judged_to_read_changes_nothing_even_where_the_server_would_let_it() {
    const PIECES: &[&str] = &[
        "select 1",
        "select * from users",
        "select",
        "1",
        "a",
        "from t",
        "delete from users",
        "insert into users values (99, 'x')",
        "update users set name = 'z'",
        "truncate users",
        "create table made (a int)",
        "select nextval('s')",
        "nextval('s')",
        "('s'::regclass)",
        "(array['s'::regclass])[1]",
        ".nextval",
        ".lower",
        "from unnest(array['s'::regclass]) as x",
        "x",
        "select * from counting_f()",
        "where",
        "true",
        "and",
        "'",
        "''",
        "'x'",
        "E'",
        "E'\\''",
        "\\'",
        "\\",
        "\"",
        "\"\"",
        "N'x'",
        "--",
        "--x\n",
        "\n",
        "\r",
        "/*",
        "*/",
        "/**/",
        "$$",
        "$$x$$",
        "$a$",
        ";",
        ",",
        "(",
        ")",
        "::text",
        "@",
        "-",
        "+",
        "*",
        "explain",
        "analyze",
        "(analyze)",
        "(analyze off)",
        "(costs off, analyze)",
        "with x as (",
        "returning *",
        "select * from x",
        "for update",
        "into made",
        "union",
        "values (1)",
        "table users",
        "copy users to stdout",
        "copy (",
        ") to stdout",
        "case when",
        "then",
        "end",
        "order by",
        "limit",
        "in (",
        "as u",
        "u(a)",
        "U&'x'",
        "x'1F'",
        "1e5",
        "begin;",
        "commit;",
        "set transaction read write;",
        "set work_mem = '1MB';",
        "over (",
        "filter (where",
        "distinct on (a)",
    ];
    let server = Postgres::start();
    let made = server.psql(&[
        "-qc",
        "create function counting_f() returns bigint language sql as 'select nextval(''s'')'",
    ]);
    assert!(made.status.success());
    let seed = std::env::var("REEVE_PSQL_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(1);
    let count: usize = std::env::var("REEVE_PSQL_CASES")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(60_000);
    let mut numbers = Numbers(seed);
    let mut reads = Vec::new();
    for _ in 0..count {
        let pieces: Vec<&str> = (0..=numbers.below(9))
            .map(|_| PIECES[numbers.below(PIECES.len())])
            .collect();
        let sql = pieces.join(if numbers.below(4) == 0 { "" } else { " " });
        let words = ["-c".into(), sql.clone().into()];
        let found = argv::parse(argv::Tool::Psql, &words, &argv::Surroundings::default());
        let is_read = found.is_ok_and(|it| {
            it.hazards.is_empty()
                && it
                    .operations
                    .iter()
                    .all(|operation| operation.effect <= argv::Effect::Read)
        });
        if is_read && !reads.contains(&sql) {
            reads.push(sql);
        }
    }
    assert!(
        reads.len() > count / 200,
        "only {} of {count} are judged to read",
        reads.len()
    );
    let before = server.dump();
    // Without the gate, without a read-only session, as the superuser.
    for some in reads.chunks(200) {
        let words: Vec<&str> = some
            .iter()
            .flat_map(|sql| ["-c", "rollback", "-c", sql.as_str(), "-c", "commit"])
            .collect();
        let ran = server.psql(&words);
        assert!(matches!(ran.status.code(), Some(0 | 1)), "{ran:?}");
    }
    assert_eq!(before, server.dump());
    println!("{count} made, {} judged to read and run", reads.len());
}
