//! One-line cases. Those for values of `-c` stand in `tests/corpora/psql.cases`, and are run on a real server too.

use super::{Script, parse, scripts};
use crate::{Effect, Hazard, Invocation, Namespace, Surroundings, Unreadable};

fn words(line: &str) -> Vec<String> {
    // Words are split at spaces; `~` stands for a space inside a word.
    line.split(' ').map(|word| word.replace('~', " ")).collect()
}

fn around() -> Surroundings {
    Surroundings {
        environment: [("PGHOST", "db"), ("PGUSER", "agent")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..Surroundings::default()
    }
}

fn read(line: &str) -> Result<Invocation, Unreadable> {
    parse(&words(line), &around())
}

fn is_plain_read(read: &Result<Invocation, Unreadable>) -> bool {
    read.as_ref().is_ok_and(|it| {
        it.hazards.is_empty()
            && it.files.is_empty()
            && it
                .operations
                .iter()
                .all(|operation| operation.effect <= Effect::Read)
    })
}

fn run_script(text: &str) -> Result<Invocation, Unreadable> {
    let mut around = around();
    around.contents.insert("x.sql".to_owned(), text.to_owned());
    parse(&words("-f x.sql"), &around)
}

#[test]
fn every_case_of_the_corpus_is_judged_as_it_says() {
    let mut count = 0;
    let mut wrong = Vec::new();
    for line in include_str!("../../../../tests/corpora/psql.cases").lines() {
        let Some((expected, sql)) = line.split_once(' ').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let sql = sql.replace("\\n", "\n");
        let found = parse(&["-c".to_owned(), sql], &around());
        let verdict = match &found {
            Err(_) => "REFUSE",
            Ok(_) if is_plain_read(&found) => "READ",
            Ok(_) => "CHANGE",
        };
        count += 1;
        if verdict != expected {
            wrong.push(format!(
                "{line}\n   is {verdict}: {:?}",
                found
                    .map(|it| (it.operations, it.hazards))
                    .map_err(|it| it.problem)
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(count > 300, "only {count} cases");
}

#[track_caller]
fn reads(lines: &[&str]) {
    for line in lines {
        assert!(is_plain_read(&read(line)), "{line}: {:?}", read(line));
    }
}

#[track_caller]
fn refused(lines: &[&str]) {
    for line in lines {
        assert!(read(line).is_err(), "{line}: {:?}", read(line));
    }
}

#[track_caller]
fn hazards(line: &str, expected: &[Hazard]) {
    let found = read(line).unwrap_or_else(|fault| panic!("{line}: {fault}"));
    let mut hazards: Vec<Hazard> = found.hazards.iter().map(|fact| fact.hazard).collect();
    hazards.sort();
    hazards.dedup();
    assert_eq!(hazards, expected, "{line}");
}

#[test]
fn options_are_read_as_getopt_long_reads_them() {
    reads(&[
        "-c select~1",
        "-cselect~1",
        "--command=select~1",
        "--command select~1",
        "--comm select~1",
        "--com=select~1",
        "-Atc select~1",
        "-XAtqc select~1",
        "-c select~1 mydb",
        "mydb -c select~1",
        "mydb agent -c select~1",
        "-c select~1 -- mydb",
        "-d mydb -c select~1",
        "-dmydb -c select~1",
        "--dbname=mydb -c select~1",
        "-c select~1 -c select~2",
        "-h db -U agent -p 5432 -c select~1",
        "-hdb -Uagent -p5432 -c select~1",
        "--ho=db --user=agent -c select~1",
        "-l",
        "--list",
        "-lqt",
        "-v ON_ERROR_STOP=1 -c select~1",
        "--set=ON_ERROR_STOP=1 -c select~1",
        "-v x=1 -c select~1",
        "-P format=csv -c select~1",
        "--pset=pager=off -c select~1",
        "-1c select~1",
        "-x -t -A -F , -R ; -c select~1",
        "-0z --csv --html -T x -c select~1",
        "--no-psqlrc --no-password --quiet -c select~1",
        "-eEab -c select~1",
        "-w -c select~1",
        "--help",
        "-?",
        "-V",
        "--version",
        "--help=commands",
        "--help=variables mydb",
        "-c delete~from~x --help",
        "-c delete~from~x -V",
        "a agent too many -c select~1",
    ]);
    refused(&[
        "",
        "mydb",
        "-d mydb",
        "-q -t",
        "-W",
        "-c",
        "--command",
        "-Y -c select~1",
        "--frobnicate -c select~1",
        "--c=select~1",
        "--no-p -c select~1",
        "--v=x",
        "--field-separator-zer=1 -c select~1",
        "--quiet=yes -c select~1",
        "--help=frobnicate",
        "-s -c select~1",
        "-S -f x.sql",
        "--single-step -c select~1",
        "--single-line -c select~1",
        "-C -c select~1",
        "-v SINGLELINE=1 -c select~1",
        "-v PROMPT1=%`id` -c select~1",
        "-v HISTFILE=x -c select~1",
        "--variable=AUTOCOMMIT=off -c select~1",
        "-P frobnicate=x -c select~1",
        "-f",
    ]);
    assert!(
        read("--comand select~1")
            .unwrap_err()
            .hint
            .unwrap()
            .contains("--command")
    );
    assert!(read("mydb").unwrap_err().problem.contains("would ask a person"));
}

#[test]
fn values_that_look_like_options_or_verbs_are_values() {
    reads(&[
        "-c select~1 -d -c",
        "-F -c -c select~1",
        "-c select~1 -v x=delete",
        "-c select~1 -- -c",
    ]);
    assert_eq!(
        read("-d -c -c select~1").unwrap().operations[0]
            .scope
            .database
            .as_deref(),
        Some("-c")
    );
    refused(&["-c -d", "-d -c select~1"]);
}

#[test]
fn outputs_files_and_programs_are_hazards_even_beside_help() {
    use Hazard::{ReadsFiles, RunsLocalCode, WritesFiles};
    for line in [
        "-o x -c select~1",
        "-ox -c select~1",
        "--output=x -c select~1",
        "-L x -c select~1",
        "--log-file x -c select~1",
    ] {
        hazards(line, &[WritesFiles]);
    }
    for line in [
        "-o |id -c select~1",
        "--output=|id -c select~1",
        "-o |id --help",
        "-o |id -V",
        "-Ato|id -l",
    ] {
        hazards(line, &[RunsLocalCode]);
        assert!(!is_plain_read(&read(line)));
    }
    for line in [
        "-f x.sql",
        "-fx.sql",
        "--file=x.sql",
        "--fil x.sql",
        "-c select~1 -f x.sql",
    ] {
        hazards(line, &[ReadsFiles]);
        assert_eq!(read(line).unwrap().files[0].path, "x.sql", "{line}");
    }
}

#[test]
fn another_server_user_or_way_to_connect_is_a_hazard() {
    use Hazard::{RedirectsEndpoint, RevealsCredentials, SkipsChecks};
    for line in [
        "-h evil -c select~1",
        "-hevil -c select~1",
        "--host=evil -c select~1",
        "-p 6543 -c select~1",
        "-U postgres -c select~1",
        "mydb postgres -c select~1",
        "-d host=evil -c select~1",
        "-d host=evil~dbname=x -h db -c select~1",
        "-d host~=~evil -c select~1",
        "-d host='evil' -c select~1",
        "-d hostaddr=10.0.0.1 -c select~1",
        "-d postgresql://evil/x -c select~1",
        "-d postgres://evil:5432/x -c select~1",
        "postgresql://evil -c select~1",
        "postgresql:///x?host=evil -c select~1",
        "postgresql:///x?host=%65vil -c select~1",
        "postgresql://postgres@db/x -c select~1",
        "postgresql://db,evil/x -c select~1",
        "postgresql://[::1]/x -c select~1",
        "-d port=1 -c select~1",
        "-d user=postgres -c select~1",
        "-d host=db~host=evil -c select~1",
        "-d target_session_attrs=primary -c select~1",
        "postgresql:///x?load_balance_hosts=random -c select~1",
    ] {
        hazards(line, &[RedirectsEndpoint]);
    }
    hazards("-d password=x -c select~1", &[RevealsCredentials]);
    hazards("postgresql://agent:x@db/x -c select~1", &[RevealsCredentials]);
    hazards("-d sslmode=disable -c select~1", &[SkipsChecks]);
    hazards("postgresql://db/x?sslmode=prefer -c select~1", &[SkipsChecks]);
    hazards("-d channel_binding=disable -c select~1", &[SkipsChecks]);
    reads(&[
        "postgresql://agent@db:5432/x?application_name=a -c select~1",
        "-d dbname=x~connect_timeout=5~sslmode=verify-full -c select~1",
        "postgresql:///x -c select~1",
        "-d host=db~user='agent' -c select~1",
        "postgresql://db/x?ssl=true&channel_binding=require -c select~1",
        "-h  -U  -d  -c select~1",
        "-d target_session_attrs=any~load_balance_hosts=disable -c select~1",
    ]);
    refused(&[
        "-d service=x -c select~1",
        "-d options=-cdefault_transaction_read_only=off -c select~1",
        "-d options='-c~role=postgres' -c select~1",
        "postgresql://db/x?options=-c%20role%3Dx -c select~1",
        "postgresql://db/x?service=y -c select~1",
        "-d replication=database -c select~1",
        "-d passfile=/tmp/x -c select~1",
        "-d sslkey=/tmp/x -c select~1",
        "-d sslrootcert=/tmp/x -c select~1",
        "-d client_encoding=SJIS -c select~1",
        "-d krbsrvname=x -c select~1",
        "-d frobnicate=x -c select~1",
        "-d host -c",
        "-d =x -c select~1",
        "-d host='x -c select~1",
        "-d options=''~dbname=x -c select~1",
        "-d dbname=x~options= -c select~1",
        "-d host=''~dbname=x -c select~1",
        "-d user=''~dbname=x -c select~1",
        "-d sslrootcert='' -c select~1",
        "-d sslmode='' -c select~1",
        "-d dbname='' -c select~1",
        "postgresql:///x?options= -c select~1",
        "postgresql:///x?host=&user= -c select~1",
        "postgresql:///x?ssl= -c select~1",
        "-d user=agent\u{a0}dbname=x -c select~1",
        "postgresql://db/x?host -c select~1",
        "postgresql://db/%zz -c select~1",
        "postgresql://a@b@c/x -c select~1",
    ]);
    let mut pinned = around();
    for (name, value) in [("PGSSLMODE", "verify-full"), ("PGCHANNELBINDING", "require")] {
        pinned.environment.insert(name.into(), value.into());
    }
    pinned.environment.insert("PGPORT".into(), "6000".into());
    for (line, redirected) in [
        (
            "-d sslmode=verify-full~channel_binding=require -c select~1",
            false,
        ),
        ("-d sslmode=require -c select~1", true),
        ("postgresql:///x?ssl=true -c select~1", true),
        ("-d channel_binding=prefer -c select~1", true),
        ("postgresql://db:6000/x -c select~1", false),
        ("postgresql://db:6000,db/x -c select~1", true),
    ] {
        let found = parse(&words(line), &pinned).unwrap();
        assert_eq!(found.has_hazard(RedirectsEndpoint), redirected, "{line}");
    }
    let mut serviced = around();
    serviced.environment.insert("PGSERVICE".into(), "x".into());
    let found = parse(&words("-c select~1"), &serviced).unwrap();
    assert!(found.has_hazard(RedirectsEndpoint));
}

#[test]
fn operations_say_what_is_done_to_what_and_where() {
    let of = |line: &str| -> Vec<String> {
        let found = read(line).unwrap_or_else(|fault| panic!("{line}: {fault}"));
        found
            .operations
            .iter()
            .map(|it| {
                let schema = match &it.scope.namespace {
                    Namespace::Named(schema) => format!("{schema}."),
                    Namespace::Ambient => "?.".to_owned(),
                    _ => String::new(),
                };
                let kind = it.resource.as_ref().map_or("", |resource| resource.kind.as_str());
                format!(
                    "{} {} {kind} {schema}{}",
                    it.effect,
                    it.verb,
                    it.name.as_deref().unwrap_or("-")
                )
            })
            .collect()
    };
    for (sql, expected) in [
        (
            "select * from users, S.\"Orders\"",
            &["read select table ?.users", "read select table s.Orders"][..],
        ),
        (
            "select * from pg_class",
            &["read select table pg_catalog.pg_class"],
        ),
        ("select * from db.s.t", &["read select table s.t"]),
        (
            "with users as (select * from users) select * from users",
            &["read select table ?.users"],
        ),
        (
            "with a as (select 1) select * from a, (select * from b) as c",
            &["read select table ?.b"],
        ),
        (
            "select * from payroll, (with payroll as (select 1) select * from payroll) as x",
            &["read select table ?.payroll"],
        ),
        (
            "with a as (select * from b), b as (select 1) select * from a, b",
            &["read select table ?.b"],
        ),
        (
            "with recursive a as (select 1 union select * from a) select * from a",
            &["read select - -"],
        ),
        (
            "with a as (select 1) select * from public.a",
            &["read select table public.a"],
        ),
        (
            "insert into s.log select * from users",
            &["read select table ?.users", "write insert table s.log"],
        ),
        (
            "insert into log select * from log",
            &["read select table ?.log", "write insert table ?.log"],
        ),
        (
            "update t set a = (select max(x) from y) where b = 1",
            &["read select table ?.y", "write update table ?.t"],
        ),
        ("delete from t where a = 1", &["delete delete table ?.t"]),
        (
            "merge into t using u on t.a = u.a when matched then delete",
            &["read select table ?.u", "write merge table ?.t"],
        ),
        (
            "select * into n from o",
            &["read select table ?.o", "write select into table ?.n"],
        ),
        (
            "with d as (delete from t where a = 1 returning *) select * from d",
            &["delete delete table ?.t"],
        ),
        ("table s.t", &["read select table s.t"]),
        (
            "select * from t where a in (select a from u)",
            &["read select table ?.t", "read select table ?.u"],
        ),
        ("explain delete from t where a = 1", &["read explain table ?.t"]),
        (
            "explain analyze select * from t",
            &["read explain analyze table ?.t"],
        ),
        (
            "create table s.n as select * from o",
            &["write create table table s.n", "read select table ?.o"],
        ),
        (
            "drop table a, s.b",
            &["delete drop table table ?.a", "delete drop table table s.b"],
        ),
        ("truncate t", &["delete truncate table ?.t"]),
        ("create index on t (a)", &["write create index index ?.t"]),
        ("copy t to stdout", &["read copy table ?.t"]),
        ("copy s.t (a) from stdin", &["write copy table s.t"]),
        (
            "select f(1) from t",
            &["read select table ?.t", "execute call function ?.f"],
        ),
        ("select s.f(1)", &["read select - -", "execute call function s.f"]),
        (
            "set statement_timeout = 1",
            &["read set setting statement_timeout"],
        ),
        ("set role x", &["write set setting role"]),
        ("show work_mem", &["read show setting work_mem"]),
        ("vacuum t", &["write vacuum * ?.-"]),
    ] {
        let found = of(&format!("-c {}", sql.replace(' ', "~")));
        let expected: Vec<String> = expected.iter().map(|line| line.replace(" - -", "  -")).collect();
        assert_eq!(found, expected, "{sql}");
    }
    let found = read("-h db2 -p 6000 -U me shop -c select~1").unwrap();
    let scope = &found.operations[0].scope;
    assert_eq!(
        (
            scope.host.as_deref(),
            scope.user.as_deref(),
            scope.database.as_deref()
        ),
        (Some("db2:6000"), Some("me"), Some("shop"))
    );
    assert_eq!(read("-l").unwrap().command, "list");
    assert_eq!(read("-c select~1").unwrap().command, "sql");
}

#[test]
fn a_script_is_judged_by_its_content() {
    for text in [
        "select 1;\nselect 2;\n",
        "\\timing on\nselect 1;\n\\d users\n",
        "select 1 \\g\nselect 2 \\gx\n",
        "-- only a comment\n",
        "",
        "select 1",
        "\\x\nselect ';' || E'\\';' ;\n",
        "select 1 \\gdesc\n",
        "\\copy users to stdout\n",
        "\\set x 1\nselect 1;\n",
        "select a[1 : 2] from t;\r\n\\x\r\nselect 1;\r\n",
    ] {
        assert!(is_plain_read(&run_script(text)), "{text}: {:?}", run_script(text));
    }
    for text in [
        "select 1; delete from users;",
        "\\! id\n",
        "select 1;\n\\! id\nselect 2;",
        "select 'select 1' \\gexec\n",
        "\\copy users from program 'id'\n",
        "\\o |id\nselect 1;",
        "\\i other.sql\n",
        "explain\ndelete from users where a = 1 \\g\ndelete from users where a = 1;",
    ] {
        let found = run_script(text);
        assert!(found.is_ok() && !is_plain_read(&found), "{text}: {found:?}");
    }
    for text in [
        "select :x;",
        "select :'x';",
        "select 1 \\g |id\n",
        "select 1 \\g /tmp/x\n",
        "select 1 \\gset\n",
        "select '\0'\n, ' \n;\n\\! id\nselect '--'\n;\n",
        "select 1; --\0\nselect 2;",
        "select 1 \\watch\n",
        "select 1 \\! id\n",
        "explain \\r\ndelete from users;",
        "explain \\p\ndelete from users;",
        "select 1 \\; delete from users;",
        "copy users from stdin;\n1\n\\.\n",
        "copy users from stdin;\n'\n\\.\ndelete from users;\n--'\n",
        "\\copy users from stdin\n1\n\\.\n",
        "\\if true\ndelete from users;\n\\endif\n",
        "\\connect other\nselect 1;",
        "PGDMP",
        "\u{feff}select 1;",
        "not sql at all",
        "\\x \\! id\n",
        "\\set SINGLELINE on\nselect 1;",
        "\\encoding SJIS\nselect 1;",
    ] {
        assert!(run_script(text).is_err(), "{text}: {:?}", run_script(text));
    }
    let fault = run_script("select 1;\nhunter2secret;").unwrap_err();
    assert!(
        fault.problem.contains("line 2") && !fault.problem.contains("hunter2"),
        "{}",
        fault.problem
    );
}

#[test]
fn the_scripts_of_a_command_line_are_named_with_their_places() {
    let of = |line: &str| scripts(&words(line)).unwrap();
    let script = |path: &str, place| Script {
        path: path.to_owned(),
        place,
    };
    assert_eq!(of("-f a.sql"), [script("a.sql", Some((1, 0)))]);
    assert_eq!(of("-qfa.sql"), [script("a.sql", Some((0, 3)))]);
    assert_eq!(
        of("--file=a.sql -f -"),
        [script("a.sql", Some((0, 7))), script("-", Some((2, 0)))]
    );
    assert_eq!(of("--fil=a.sql"), [script("a.sql", Some((0, 6)))]);
    assert_eq!(of("mydb"), [script("-", None)]);
    assert_eq!(of("-c select~1"), []);
    assert_eq!(of("-f a.sql --help"), []);
}

#[test]
fn reading_takes_no_more_than_linear_time() {
    let started = std::time::Instant::now();
    let long = |piece: &str| piece.repeat(200_000 / piece.len());
    for text in [
        long("("),
        long("select "),
        long("$a$ "),
        long("/*"),
        long("'a' "),
        long("- "),
        long("case "),
        long("not "),
        long("a."),
        long("$x"),
        long("\""),
        long("select 1;"),
        long("{"),
        long("a(b("),
        long("::"),
        long("union "),
        long("with a as ("),
        format!("select {}1", "(".repeat(16)),
        format!("select {}1{}", "(".repeat(16), ")".repeat(16)),
        format!("select * from {}a{}", "(".repeat(16), ")".repeat(16)),
        format!("select {}1{}", "case when ".repeat(8), " then 1 end".repeat(8)),
        format!("select {}", "a and not ".repeat(2000)),
        format!("select {}1", "1 + ".repeat(490)),
        format!("select {}1", "1 + ".repeat(4000)),
        format!("select 1 {}", "union select 1 ".repeat(490)),
        format!("select a{}", "::int".repeat(490)),
        format!("select a{}", "[1]".repeat(3000)),
        format!("select a{}", ".b".repeat(3000)),
        format!("select {}1", "- ".repeat(490)),
        format!("select a {}", "is null ".repeat(490)),
        format!("select * from a {}", "join b on true ".repeat(1000)),
        format!("select a in ({}1)", "1,".repeat(9000)),
        format!("select {}", "(1)".repeat(5000)),
        format!("select 'a' {}", "between 1 and 2 ".repeat(490)),
        format!("select 'a' {}", "like 'b' ".repeat(3000)),
        format!("select 'a' {}", "like 'b' ".repeat(490)),
        format!("select 'a' {}", "similar to 'b' ".repeat(490)),
        format!("select 'a' {}", "in (1) ".repeat(490)),
        format!("select 'a' {}", "at time zone 'b' ".repeat(490)),
        format!("select 'a' {}", "collate b ".repeat(490)),
        format!("select 'a' {}", "isnull ".repeat(3000)),
        format!("select 'a' {}", "similar to 'b' ".repeat(3000)),
        format!("select interval {}", "interval ".repeat(3000)),
        format!("explain {} select 1", "explain ".repeat(3000)),
        format!("select {}1", "- ".repeat(4000)),
        format!("select a{}", "::int".repeat(4000)),
        format!("select 1 {}", "union select 1 ".repeat(3000)),
        format!("select {}1{}", "f(".repeat(15), ")".repeat(15)),
        format!("select {}1{}", "x in (select ".repeat(14), ")".repeat(14)),
        format!(
            "select * from {}a{}",
            "(select * from ".repeat(15),
            ") as b".repeat(15)
        ),
        format!("{}select 1{}", "with a as (".repeat(14), ") select 1".repeat(14)),
        // What the parser reads first in one way and then in another; found by the fuzzer.
        format!("select {}1 1{}", "cast(".repeat(15), " as int)".repeat(15)),
        format!("select {}1 1{}", "substring(".repeat(15), ")".repeat(15)),
        format!("select {}1 1{}", "position(".repeat(15), ")".repeat(15)),
        format!("select {}1 1{}", "cast(f(".repeat(8), "))".repeat(8)),
        format!("select {}1 1{}", "cast (".repeat(5), " as int)".repeat(5)),
        format!("select {}1 1{}", "f(".repeat(16), ")".repeat(16)),
    ] {
        let before = std::time::Instant::now();
        let verdict = parse(&["-c".to_owned(), text.clone()], &around());
        let took = before.elapsed();
        assert!(
            took.as_millis() < 2_000,
            "{:.60}: {took:?}, {}",
            text,
            verdict.is_ok()
        );
    }
    assert!(started.elapsed().as_secs() < 20);
}
