//! aws: lines from argv's tables with values that fit botocore's models, run by the real aws in one interpreter that records
//! each signed request (`aws_driver.py`), compared by operation and region.

use super::lines::{chance, pick};
use super::sandbox::{FILE_CONTENT, SECRET, Sandbox};
use super::{Observed, Ran, Sent, Subject};
use crate::tools;
use argv::{Effect, Invocation, Surroundings, Tool};
use fastrand::Rng;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const COMMANDS: &str = include_str!("../../../crates/argv/data/aws_commands.tsv");
const DRIVER: &str = include_str!("aws_driver.py");

/// Services whose models are loaded once; most lines are for these.
const WARM: &[&str] = &[
    "ec2",
    "iam",
    "s3",
    "sts",
    "ssm",
    "sqs",
    "lambda",
    "dynamodb",
    "kms",
    "logs",
    "ecs",
    "secretsmanager",
];
/// Lines of commands that do more than call one operation.
const OWN: &[&[&str]] = &[
    &["s3", "ls"],
    &["s3", "ls", "s3://b"],
    &["s3", "cp", "note.txt", "s3://b/k"],
    &["s3", "cp", "s3://b/k", "made"],
    &["s3", "cp", "s3://b/k", "s3://c/k"],
    &["s3", "cp", "s3://b/k", "-"],
    &["s3", "mv", "note.txt", "s3://b/k"],
    &["s3", "mv", "s3://b/k", "made"],
    &["s3", "rm", "s3://b/k"],
    &["s3", "rm", "s3://b/", "--recursive"],
    &["s3", "sync", ".", "s3://b"],
    &["s3", "sync", "s3://b", ".", "--delete"],
    &["s3", "presign", "s3://b/k"],
    &["s3", "mb", "s3://b"],
    &["s3", "rb", "s3://b", "--force"],
    &["s3", "website", "s3://b", "--index-document", "x"],
    &["configure", "get", "aws_secret_access_key"],
    &["configure", "get", "region"],
    &["configure", "set", "region", "x"],
    &["configure", "list"],
    &["configure", "list-profiles"],
    &["eks", "get-token", "--cluster-name", "c"],
    &["eks", "update-kubeconfig", "--name", "c"],
    &["ecr", "get-login-password"],
    &["logs", "tail", "g"],
    &["ssm", "start-session", "--target", "i-1"],
    &[
        "cloudformation",
        "deploy",
        "--template-file",
        "note.txt",
        "--stack-name",
        "s",
    ],
    &[
        "rds",
        "generate-db-auth-token",
        "--hostname",
        "h",
        "--port",
        "1",
        "--username",
        "u",
    ],
    &["ec2", "wait", "instance-running"],
    &["s3api", "get-object", "--bucket", "b", "--key", "k", "made"],
    &["lambda", "invoke", "--function-name", "f", "made"],
];
/// Operations that change something whatever else they do begin with one of these. Not from our tables: it is to check them.
const CHANGES: &[&str] = &[
    "Add",
    "Associate",
    "Attach",
    "Authorize",
    "Cancel",
    "Copy",
    "Create",
    "Delete",
    "Deregister",
    "Detach",
    "Disable",
    "Disassociate",
    "Enable",
    "Import",
    "Modify",
    "Publish",
    "Purge",
    "Put",
    "Reboot",
    "Register",
    "Release",
    "Remove",
    "Replace",
    "Reset",
    "Restore",
    "Revoke",
    "Run",
    "Send",
    "Set",
    "Start",
    "Stop",
    "Tag",
    "Terminate",
    "Untag",
    "Update",
];

/// Those that change nothing all the same, by what AWS says of them.
const READS: &[&str] = &["StartQuery"];

/// The interpreter with the tool, and its place.
pub(super) struct Aws {
    sandbox: Sandbox,
    driver: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
    commands: Vec<Vec<&'static str>>,
}

impl Aws {
    pub(super) fn start() -> Aws {
        let mut sandbox = Sandbox::new(files());
        for (name, value) in [("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_MAX_ATTEMPTS", "1")] {
            sandbox.environment.insert(name.to_owned(), value.to_owned());
        }
        let mut driver = Command::new(interpreter(&tools::real("aws")))
            .arg("-c")
            .arg(DRIVER)
            .arg(sandbox.at("output"))
            .args(WARM)
            .env_clear()
            .envs(&sandbox.environment)
            .current_dir(sandbox.at("cwd"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter starts");
        let asks = driver.stdin.take().expect("it is piped");
        let answers = BufReader::new(driver.stdout.take().expect("it is piped"));
        let commands = COMMANDS
            .lines()
            .map(|line| line.split('\t').collect::<Vec<_>>())
            .filter(|row| row.len() > 2 && row[1].starts_with(['O', 'C', 'N', 'o', 'n']))
            .map(|row| row[0].split(' ').collect())
            .collect();
        Aws {
            sandbox,
            driver,
            asks,
            answers,
            commands,
        }
    }

    fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.asks, "{question}").expect("the interpreter listens");
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .expect("the interpreter answers");
        assert!(
            !line.is_empty(),
            "the interpreter that runs aws has ended; its message is above"
        );
        serde_json::from_str(&line).expect("its answers are JSON")
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        // It may have ended by itself.
        if self.driver.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.driver.kill().expect("our own child can be killed");
            self.driver.wait().expect("a child can be waited for");
        }
    }
}

/// The interpreter that the tool's first line names.
fn interpreter(tool: &Path) -> String {
    let text = std::fs::read(tool).expect("aws can be read");
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = String::from_utf8_lossy(first).into_owned();
    let program = first.strip_prefix("#!").unwrap_or_else(|| {
        panic!(
            "{} is not a Python script, so it cannot be loaded; Debian's package `awscli` is one",
            tool.display()
        )
    });
    program.trim().trim_start_matches("/usr/bin/env ").to_owned()
}

fn files() -> Vec<(&'static str, String)> {
    let keys = format!(
        "aws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = {SECRET}\naws_session_token = token{SECRET}\n"
    );
    vec![
        ("home/.aws/credentials", format!("[default]\n{keys}[prod]\n{keys}[delete]\n{keys}")),
        ("home/.aws/config", "[default]\nregion = us-east-1\n[profile prod]\nregion = eu-west-1\n[profile delete]\nregion = us-east-1\n".to_owned()),
        ("cwd/note.txt", FILE_CONTENT.to_owned()),
    ]
}

/// The region that the configuration gives a profile.
fn region_of(profile: Option<&str>) -> &'static str {
    if profile == Some("prod") {
        "eu-west-1"
    } else {
        "us-east-1"
    }
}

impl Subject for Aws {
    fn tool(&self) -> Tool {
        Tool::Aws
    }

    fn line(&mut self, random: &mut Rng) -> Vec<String> {
        let command: Vec<String> = if chance(random, 20) {
            OWN[random.usize(..OWN.len())]
                .iter()
                .map(|word| (*word).to_owned())
                .collect()
        } else {
            self.operation(random)
        };
        let mut units: Vec<Vec<String>> = command.iter().map(|word| vec![word.clone()]).collect();
        let is_operation = command.len() == 2 && !OWN.iter().any(|own| own[..] == command[..]);
        if is_operation {
            let about = self.ask(&json!({"sample": command}));
            for (name, option) in about["options"].as_object().into_iter().flatten() {
                let needed = option["required"] == true && !chance(random, 2);
                if needed || chance(random, 8) {
                    let values = option["words"].as_array().into_iter().flatten();
                    let values: Vec<String> =
                        values.filter_map(|it| it.as_str().map(str::to_owned)).collect();
                    let place = random.usize(2..=units.len());
                    let unit = self.option(random, name, values);
                    units.insert(place, unit);
                }
            }
            for _ in 0..about["positionals"].as_u64().unwrap_or(0) {
                units.push(vec!["made".to_owned()]);
            }
        }
        for _ in 0..random.u8(..3) {
            let place = if chance(random, 35) {
                random.usize(..=units.len().min(2))
            } else {
                random.usize(2.min(units.len())..=units.len())
            };
            units.insert(place, global(random));
        }
        let mut words = units.concat();
        if chance(random, 4) {
            let place = random.usize(..=words.len());
            words.insert(
                place,
                pick(
                    random,
                    &[
                        "help",
                        "--",
                        "--version",
                        "delete",
                        "--dry-run",
                        "--no-dry-run",
                        "x",
                    ],
                )
                .to_owned(),
            );
        }
        words
    }

    fn observe(&mut self, words: &[String]) -> Observed {
        let done = self.ask(&json!({"run": words}));
        let printed = std::fs::read(self.sandbox.at("output")).unwrap_or_default();
        let code = done["code"].as_i64().and_then(|code| i32::try_from(code).ok());
        let list = |key: &str| -> Vec<String> {
            let all = done[key].as_array().into_iter().flatten();
            all.map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned))
                .collect()
        };
        let mut ran: Ran = self
            .sandbox
            .after(code, String::from_utf8_lossy(&printed).into_owned());
        ran.marked |= !list("started").is_empty();
        let requests = done["sent"].as_array().cloned().unwrap_or_default();
        let text = |it: &Value, key: &str| it[key].as_str().unwrap_or_default().to_owned();
        let mut elsewhere = list("elsewhere");
        elsewhere.extend(
            requests
                .iter()
                .map(|it| text(it, "url"))
                .filter(|url| !is_amazons(url)),
        );
        Observed {
            ran,
            elsewhere,
            wire: requests
                .iter()
                .map(|it| format!("{} {}\n", text(it, "url"), text(it, "body")))
                .collect(),
            sent: requests
                .iter()
                .map(|it| {
                    let operation = text(it, "operation");
                    Sent {
                        shown: format!("{operation} {}", text(it, "url")),
                        changes: CHANGES.iter().any(|beginning| operation.starts_with(beginning)),
                        facts: BTreeMap::from([
                            ("operation", operation),
                            ("region", text(it, "region")),
                            ("url", text(it, "url")),
                        ]),
                    }
                })
                .collect(),
        }
    }

    fn surroundings(&self) -> Surroundings {
        self.sandbox.surroundings()
    }

    fn other_address(&self) -> String {
        "http://127.0.0.1:1".to_owned()
    }

    fn is_named(&self, sent: &Sent, read: &Invocation) -> Result<(), String> {
        let wanted = sent.fact("operation");
        let same = |verb: &str| {
            verb.split_once(':')
                .is_some_and(|(_, operation)| operation == wanted)
        };
        let Some(operation) = read.operations.iter().find(|operation| same(&operation.verb)) else {
            return Err("names another operation".to_owned());
        };
        let profile = operation.scope.profile.as_deref();
        let region = operation.scope.region.as_deref().unwrap_or(region_of(profile));
        // Services that are everywhere the same have one region of their own.
        let there = match sent.fact("url").contains("//networkmanager.") {
            true => "",
            false => sent.fact("region"),
        };
        if !there.is_empty() && there != region && there != "us-east-1" {
            return Err(format!("names the region {region}"));
        }
        let starts_a_read = READS.contains(&wanted);
        if sent.changes && !starts_a_read && operation.effect <= Effect::Read {
            return Err(format!("is more than a read by {wanted}"));
        }
        Ok(())
    }
}

fn is_amazons(url: &str) -> bool {
    let host = url.split('/').nth(2).unwrap_or_default();
    [".amazonaws.com", ".api.aws", ".amazonaws.com.cn", ".aws"]
        .iter()
        .any(|own| host.ends_with(own))
}

/// A global option in one of its spellings.
fn global(random: &mut Rng) -> Vec<String> {
    let options: &[&[&str]] = &[
        &["--region", "eu-west-1"],
        &["--region=us-west-2"],
        &["--reg", "eu-west-1"],
        &["--profile", "prod"],
        &["--profile", "delete"],
        &["--prof=prod"],
        &["--output", "json"],
        &["--outp=text"],
        &["--query", "x"],
        &["--query", "list"],
        &["--debug"],
        &["--no-cli-pager"],
        &["--no-paginate"],
        &["--no-sign-request"],
        &["--no-verify-ssl"],
        &["--endpoint-url", "http://127.0.0.1:1"],
        &["--endpoint", "http://127.0.0.1:1"],
        &["--cli-read-timeout", "1"],
        &["--cli-input-json", "{}"],
        &["--cli-inp", "{}"],
        &["--generate-cli-skeleton"],
        &["--generate-cli-skeleton", "output"],
        &["--generate-cli-skeleton=input"],
        &["--dry-run"],
        &["--dryrun"],
        &["--color", "off"],
        &["--ca-bundle", "note.txt"],
        &["--cli-auto-prompt"],
        &["--no-cli-auto-prompt"],
        &["--max-items", "1"],
        &["--cli-binary-format", "raw-in-base64-out"],
    ];
    options[random.usize(..options.len())]
        .iter()
        .map(|word| (*word).to_owned())
        .collect()
}

impl Aws {
    fn operation(&self, random: &mut Rng) -> Vec<String> {
        loop {
            let command = &self.commands[random.usize(..self.commands.len())];
            if command.len() == 2 && (chance(random, 2) || WARM.contains(&command[0])) {
                return command.iter().map(|word| (*word).to_owned()).collect();
            }
        }
    }

    fn option(&self, random: &mut Rng, name: &str, mut values: Vec<String>) -> Vec<String> {
        let mut typed = name.to_owned();
        if chance(random, 15) && name.len() > 4 {
            typed.truncate(random.usize(3..name.len()));
        }
        if values.len() == 1 && chance(random, 6) {
            values[0] = pick(
                random,
                &[
                    "file://note.txt",
                    "fileb://note.txt",
                    "describe",
                    "-x",
                    "http://127.0.0.1:1/x",
                    "",
                    "--help",
                ],
            )
            .to_owned();
        }
        match values.as_slice() {
            [one] if random.bool() => vec![format!("--{typed}={one}")],
            [] => vec![format!("--{typed}")],
            _ => [vec![format!("--{typed}")], values].concat(),
        }
    }
}
