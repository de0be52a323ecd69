//! gh: lines from argv's tables, run against [`github`] on a Unix socket, compared by method and path or by what GraphQL does,
//! by host, and by repository.

mod words;

use self::words::{arguments, needed, value};
use super::lines::{Flag, Takes, chance, spell, weave};
use super::sandbox::{FILE_CONTENT, SECRET, Sandbox};
use super::{BTreeMap, Observed, Sent, Subject, github};
use crate::http::{Request, Server};
use crate::tools;
use argv::{Effect, Invocation, Operation, Surroundings, Tool};
use fastrand::Rng;
use serde_json::Value;
use std::path::PathBuf;
use tempfile::TempDir;

const COMMANDS: &str = include_str!("../../../crates/argv/data/gh_commands.tsv");

/// The tool and its GitHub.
pub(super) struct Gh {
    program: PathBuf,
    sandbox: Sandbox,
    server: Server,
    /// Where the server's socket is: in no place that a line could write to.
    _sockets: TempDir,
    commands: Vec<(String, Vec<Flag>, Vec<String>)>,
}

impl Gh {
    pub(super) fn start() -> Gh {
        let sockets = tempfile::tempdir().expect("a scratch directory can be made");
        let socket = sockets.path().join("github");
        let server = Server::unix(&socket, github::answer);
        let mut sandbox = Sandbox::new(files(&socket.display().to_string()));
        let marker = sandbox.marker();
        for (name, value) in [
            ("GH_TOKEN", format!("gho_{SECRET}")),
            ("GH_NO_UPDATE_NOTIFIER", "1".to_owned()),
            ("GH_PROMPT_DISABLED", "1".to_owned()),
            ("BROWSER", marker.clone()),
            ("GH_EDITOR", marker),
            // git may look at the checkout, and nowhere else.
            ("GIT_ALLOW_PROTOCOL", "none".to_owned()),
            ("GIT_TERMINAL_PROMPT", "0".to_owned()),
        ] {
            sandbox.environment.insert(name.to_owned(), value);
        }
        let commands = COMMANDS
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(command)
            .collect();
        Gh {
            program: tools::real("gh"),
            sandbox,
            server,
            _sockets: sockets,
            commands,
        }
    }
}

/// A row: path, aliases, `letter:name:b|v|o` of each flag.
fn command(line: &str) -> (String, Vec<Flag>, Vec<String>) {
    let mut columns = line.split('\t');
    let path = columns.next().unwrap_or_default().to_owned();
    let aliases = columns
        .next()
        .unwrap_or_default()
        .split(',')
        .filter(|it| !it.is_empty())
        .map(str::to_owned)
        .collect();
    let flags = columns
        .next()
        .unwrap_or_default()
        .split(' ')
        .filter_map(|flag| {
            let mut parts = flag.split(':');
            let (short, name, takes) = (parts.next()?, parts.next()?, parts.next()?);
            Some(Flag {
                name: name.to_owned(),
                short: short.chars().next(),
                takes: match takes {
                    "b" => Takes::Nothing,
                    "o" => Takes::Attached,
                    _ => Takes::Value,
                },
            })
        })
        .collect();
    (path, flags, aliases)
}

fn files(socket: &str) -> Vec<(&'static str, String)> {
    vec![
        ("home/.config/gh/config.yml", format!("version: \"1\"\nhttp_unix_socket: {socket}\n")),
        ("cwd/.git/HEAD", "ref: refs/heads/feature\n".to_owned()),
        ("cwd/.git/config", "[core]\n\trepositoryformatversion = 0\n\tbare = false\n[remote \"origin\"]\n\turl = https://github.com/octo/app.git\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n".to_owned()),
        ("cwd/.git/objects/info/nothing", String::new()),
        ("cwd/.git/refs/heads/nothing/.nothing", String::new()),
        ("cwd/note.txt", FILE_CONTENT.to_owned()),
        ("cwd/query.graphql", format!("mutation {{ {} }}", FILE_CONTENT.replace('-', "_"))),
        ("cwd/body.json", format!("{{\"query\":\"mutation {{ a }}\",\"x\":\"{FILE_CONTENT}\"}}")),
    ]
}

/// What a request asks for.
fn sent(request: &Request) -> Sent {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let host = match request.header("host") {
        "api.github.com" | "uploads.github.com" | "github.com" => "github.com",
        other => other,
    };
    let path = request.path().trim_matches('/');
    let path = path
        .strip_prefix("api/v3/")
        .or_else(|| path.strip_prefix("api/").filter(|rest| *rest == "graphql"))
        .unwrap_or(path);
    let is_graphql = path == "graphql";
    // gh 2.23 sends a method as it is typed.
    let changes = match request.method.to_ascii_uppercase().as_str() {
        "GET" | "HEAD" => false,
        _ if is_graphql => {
            let document = body["query"].as_str().unwrap_or_default();
            body.is_null() || github::mutates(document, body["operationName"].as_str())
        }
        _ => !path.ends_with("releases/generate-notes") && !path.starts_with("markdown"),
    };
    let variables = &body["variables"];
    let repo = if is_graphql {
        let name = variables["repo"].as_str().or(variables["name"].as_str());
        let owner = variables["owner"].as_str();
        owner.zip(name).map(|(owner, name)| format!("{owner}/{name}"))
    } else {
        let mut parts = path.split('/').skip_while(|part| *part != "repos").skip(1);
        parts
            .next()
            .zip(parts.next())
            .map(|(owner, name)| format!("{owner}/{name}"))
    };
    let shown = if is_graphql {
        let document: String = body["query"]
            .as_str()
            .unwrap_or_default()
            .chars()
            .take(60)
            .collect();
        let variables = body["variables"].to_string();
        format!(
            "{} {host} {path} {} {variables}",
            request.method,
            document.split_whitespace().collect::<Vec<_>>().join(" ")
        )
    } else {
        format!("{} {host} {}", request.method, request.target)
    };
    let facts = [
        ("method", request.method.to_ascii_lowercase()),
        ("path", path.to_owned()),
        ("host", host.to_owned()),
        ("repo", repo.unwrap_or_default()),
    ];
    Sent {
        shown,
        changes,
        facts: BTreeMap::from(facts),
    }
}

impl Subject for Gh {
    fn tool(&self) -> Tool {
        Tool::Gh
    }

    fn line(&mut self, random: &mut Rng) -> Vec<String> {
        if chance(random, 35) {
            return self.api(random);
        }
        let (path, flags, aliases) = self.commands[random.usize(..self.commands.len())].clone();
        let mut words: Vec<String> = path
            .split(' ')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        let verb = words.len();
        if chance(random, 15)
            && let Some(alias) = aliases.first()
            && verb > 0
        {
            alias.clone_into(&mut words[verb - 1]);
        }
        words.extend(arguments(random, &path));
        let mut options = Vec::new();
        for (name, value) in needed(&path) {
            if !chance(random, 8) {
                options.push(
                    vec![format!("--{name}"), (*value).to_owned()]
                        .into_iter()
                        .filter(|word| !word.is_empty())
                        .collect(),
                );
            }
        }
        for _ in 0..random.u8(..3) {
            if !flags.is_empty() {
                let flag = &flags[random.usize(..flags.len())];
                if flag.name == "help" && chance(random, 80) {
                    continue;
                }
                let value = value(random, &flag.name);
                options.push(spell(random, flag, &value, false));
                if chance(random, 8) {
                    options.push(spell(random, flag, &value, false));
                }
            }
        }
        if let Some(repo) = flags
            .iter()
            .find(|flag| flag.name == "repo" && flag.takes == Takes::Value)
            && chance(random, 35)
        {
            let value = value(random, "repo");
            options.push(spell(random, repo, &value, false));
        }
        weave(random, words, verb, options)
    }

    fn observe(&mut self, words: &[String]) -> Observed {
        self.server.forget();
        let ran = self.sandbox.run(&self.program, words);
        let requests = self.server.requests();
        let leaves = |request: &&Request| {
            let host = request.header("host");
            !(host == "github.com" || host.ends_with(".github.com"))
                && request.header("authorization").contains(SECRET)
        };
        Observed {
            ran,
            elsewhere: requests
                .iter()
                .filter(leaves)
                .map(|it| format!("the token to {}", it.header("host")))
                .collect(),
            sent: requests.iter().map(sent).collect(),
            wire: requests
                .iter()
                .map(|it| format!("{} {}\n", it.target, String::from_utf8_lossy(&it.body)))
                .collect(),
        }
    }

    fn surroundings(&self) -> Surroundings {
        self.sandbox.surroundings()
    }

    fn other_address(&self) -> String {
        "https://evil.example".to_owned()
    }

    fn is_named(&self, sent: &Sent, read: &Invocation) -> Result<(), String> {
        let mut missing = Ok(());
        for operation in &read.operations {
            missing = names(operation, sent);
            if missing.is_ok() {
                break;
            }
        }
        missing
    }
}

/// Whether the operation is the request.
fn names(operation: &Operation, sent: &Sent) -> Result<(), String> {
    let host = operation.scope.host.as_deref().unwrap_or("github.com");
    let host = if host == "api.github.com" {
        "github.com"
    } else {
        host
    };
    if !host.eq_ignore_ascii_case(sent.fact("host")) {
        return Err(format!("names the host {host}"));
    }
    if sent.changes && operation.effect <= Effect::Read {
        return Err("is more than a read".to_owned());
    }
    if let Some(method) = operation.verb.strip_prefix("api ") {
        let path = operation
            .resource
            .as_ref()
            .map_or("", |resource| resource.kind.as_str());
        // The checkout is of this repository, on this branch.
        let mut path = path.to_owned();
        for (word, value) in [("owner", "octo"), ("repo", "app"), ("branch", "feature")] {
            path = path
                .replace(&format!("{{{word}}}"), value)
                .replace(&format!(":{word}"), value);
        }
        let path = if path == "api/graphql" {
            "graphql"
        } else {
            path.strip_prefix("api/v3/").unwrap_or(&path)
        };
        if method != sent.fact("method") || !path.eq_ignore_ascii_case(sent.fact("path")) {
            return Err(format!("names {method} {path}"));
        }
    }
    let there = sent.fact("repo");
    // A name without an owner is one's own.
    let repo = match operation.scope.repo.as_deref() {
        Some(repo) if !repo.contains('/') => format!("octo/{repo}"),
        repo => repo.unwrap_or("octo/app").to_owned(),
    };
    let is_checked = operation.scope.repo.is_some() || sent.changes;
    if is_checked && !there.is_empty() && !repo.eq_ignore_ascii_case(there) {
        return Err(format!("names the repository {repo}"));
    }
    Ok(())
}
