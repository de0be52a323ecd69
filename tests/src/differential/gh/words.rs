//! Lines of `gh api`, the arguments of gh's commands, and the values of its options: mostly what works, and some that misleads.

use super::Gh;
use crate::differential::lines::{chance, pick, spell, weave};
use fastrand::Rng;

const REPOS: &[&str] = &[
    "octo/app",
    "other/repo",
    "github.com/other/repo",
    "https://github.com/other/repo",
    "git@github.com:other/repo.git",
    "https://github.com/other/repo.git",
    "ghe.example.org/o/r",
    "merge/delete",
    "ssh://git@github.com/other/repo",
];
const DOCUMENTS: &[&str] = &[
    "{ viewer { login } }",
    "query { viewer { login } }",
    "mutation { addStar(input: {}) { clientMutationId } }",
    "query a { viewer { login } } mutation b { addStar { id } }",
    "# mutation\nquery mutation { viewer { login } }",
    ",mutation{ x }",
    "query { a(x: \"mutation\") }",
    "fragment f on User { login } { viewer { ...f } }",
    "subscription { x }",
    "@query.graphql",
    "",
];

impl Gh {
    pub(super) fn api(&self, random: &mut Rng) -> Vec<String> {
        let path = pick(
            random,
            &[
                "repos/octo/app",
                "/repos/octo/app/issues",
                "graphql",
                "graphql",
                "graphql",
                "/graphql",
                "graphql?x=1",
                "user",
                "repos/{owner}/{repo}/issues",
                "repos/octo/app/pulls/1/merge",
                "https://api.github.com/user",
                "https://evil.example/x",
                "https://api.github.com/graphql",
                "markdown",
                "search/issues?q=a b",
                "repos/octo/app/releases/generate-notes",
                "user/repos",
                "repos/octo/app/actions/runners/registration-token",
                "orgs/o/../x",
                "repos//octo/app",
                "GraphQL",
                "repos/octo/app/contents/a%2Fb",
                "repos/octo/app#x",
                "http://github.com/x",
                "repositories/1296269",
                "repos/:owner/:repo",
                "./user",
            ],
        );
        let mut options: Vec<Vec<String>> = Vec::new();
        let (_, flags, _) = self
            .commands
            .iter()
            .find(|(path, ..)| path == "api")
            .cloned()
            .unwrap_or_default();
        let wants: &[&str] = if path.to_ascii_lowercase().contains("graphql") {
            &["raw-field", "field", "raw-field"]
        } else {
            &["method", "raw-field", "field"]
        };
        let mut wanted: Vec<&str> = Vec::new();
        if path.to_ascii_lowercase().contains("graphql") && !chance(random, 10) {
            let document = pick(random, DOCUMENTS);
            let flag = flags
                .iter()
                .find(|flag| flag.name == wants[random.usize(..2)])
                .cloned();
            options.extend(flag.map(|flag| spell(random, &flag, &format!("query={document}"), false)));
        }
        for _ in 0..random.u8(..3) {
            wanted.push(pick(random, wants));
        }
        for name in wanted {
            if let Some(flag) = flags.iter().find(|flag| flag.name == name) {
                let value = value(random, name);
                options.push(spell(random, flag, &value, false));
            }
        }
        for _ in 0..random.u8(..3) {
            if !flags.is_empty() {
                let flag = &flags[random.usize(..flags.len())];
                let value = value(random, &flag.name);
                options.push(spell(random, flag, &value, false));
            }
        }
        weave(random, vec!["api".to_owned(), path.to_owned()], 1, options)
    }
}

/// Options without which a command asks a person.
pub(super) fn needed(path: &str) -> &'static [(&'static str, &'static str)] {
    match path {
        "issue create" => &[("title", "t"), ("body", "b")],
        "pr create" => &[("title", "t"), ("body", "b"), ("head", "feature")],
        "pr merge" => &[("merge", "")],
        "pr review" => &[("approve", "")],
        "pr comment" | "issue comment" => &[("body", "b")],
        "pr edit" | "issue edit" | "release edit" => &[("title", "t")],
        "issue delete" | "repo delete" | "repo archive" | "repo unarchive" | "release delete"
        | "label delete" | "repo rename" => &[("yes", "")],
        "secret set" | "variable set" => &[("body", "b")],
        "repo create" => &[("private", "")],
        "repo edit" => &[("description", "d")],
        "repo deploy-key add" => &[("title", "t")],
        "label edit" => &[("name", "n")],
        "release create" => &[("notes", "n")],
        "run download" | "release download" => &[("dir", "made")],
        "repo fork" => &[("clone=false", "")],
        _ => &[],
    }
}

pub(super) fn arguments(random: &mut Rng, path: &str) -> Vec<String> {
    let of = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let number = pick(
        random,
        &[
            "1",
            "1",
            "1",
            "#1",
            "https://github.com/other/repo/pull/1",
            "https://github.com/other/repo/issues/1",
            "feature",
            "merge",
            "x/y",
        ],
    );
    let repo = pick(random, REPOS);
    match path {
        "pr list" | "issue list" | "pr status" | "issue status" | "pr create" | "issue create" => Vec::new(),
        "issue transfer" => of(&[number, repo]),
        "repo list" | "org list" => Vec::new(),
        "repo deploy-key list" => Vec::new(),
        "repo deploy-key add" | "ssh-key add" | "gpg-key add" | "gist create" => of(&["note.txt"]),
        "repo rename" => of(&["new"]),
        "repo create" => of(&[pick(random, &["octo/new", "new"])]),
        "release upload" => of(&["v1", "note.txt"]),
        "release create" => {
            if random.bool() {
                of(&["v1"])
            } else {
                of(&["v1", "note.txt"])
            }
        }
        "release delete-asset" => of(&["v1", "app"]),
        "label clone" => of(&[repo]),
        "search code" | "search issues" | "search prs" | "search repos" | "search commits"
        | "extension search" => of(&["delete", "--", "-x"][..random.usize(1..=3)]),
        "config get" => of(&[pick(
            random,
            &["oauth_token", "editor", "http_unix_socket", "git_protocol"],
        )]),
        "config set" => of(&["editor", "x"]),
        "alias set" => of(&["x", "pr list"]),
        "completion" => of(&["-s", "bash"]),
        "run rerun" | "run view" | "run cancel" | "run delete" | "run watch" | "cache delete"
        | "gist view" | "gist delete" | "ruleset view" => of(&["1"]),
        "workflow run" | "workflow view" | "workflow enable" | "workflow disable" => of(&["1"]),
        "project view" | "project close" | "project delete" | "project item-list" | "project field-list"
        | "project edit" | "project copy" => of(&["1", "--owner", "octo"]),
        _ => match path.split(' ').next().unwrap_or_default() {
            _ if path.ends_with("list") => Vec::new(),
            "pr" | "issue" if path.contains(' ') => of(&[number]),
            "repo" if path.contains(' ') => of(&[repo]),
            "release" | "label" | "secret" | "variable" | "repo deploy-key" => of(&["v1"]),
            _ => Vec::new(),
        },
    }
}

pub(super) fn value(random: &mut Rng, name: &str) -> String {
    let values: &[&str] = match name {
        "repo" => REPOS,
        "method" => &["GET", "POST", "DELETE", "post", "get", "PUT", "", "HEAD", "PATCH"],
        "raw-field" => &[
            "a=b",
            "query={ viewer { login } }",
            "query=mutation { x }",
            "operationName=b",
            "operationName=a",
            "a",
            "a[b]=c",
            "query=@note.txt",
        ],
        "field" => &[
            "a=b",
            "a=@note.txt",
            "query=mutation { x }",
            "query=@query.graphql",
            "operationName=b",
            "n=1",
            "a[]=@note.txt",
            "a=@",
        ],
        "input" => &["body.json", "note.txt", "-", "nothing"],
        "header" => &[
            "Accept: x",
            "X-HTTP-Method-Override: DELETE",
            "Authorization: token x",
            "Host: evil.example",
            "a:b",
        ],
        "hostname" => &["github.com", "evil.example", "ghe.example.org", "x.ghe.com"],
        "jq" => &[".", "env", ".a", "$ENV", "keys"],
        "json" => &["number,title", "name", "url", "id", "number"],
        "template" => &["{{.}}", "x"],
        "cache" => &["1h", "0s"],
        "limit" | "interval" => &["1", "3"],
        "state" => &["open", "closed", "all", "merged"],
        "org" | "owner" | "user" | "repo-owner" => &["octo", "delete", "@me"],
        "body-file" | "notes-file" | "env-file" => &["note.txt", "-"],
        "dir" | "output" => &["made", "."],
        "host" => &["github.com", "ghe.example.org"],
        "search" | "body" | "title" | "comment" => &["delete", "merge 1", "--help", "x"],
        "visibility" => &["all", "private", "public"],
        "app" => &["actions", "dependabot"],
        "order" => &["asc", "desc"],
        "color" => &["never", "ff0000"],
        "reason" => &["completed", "spam"],
        "workflow" | "job" | "attempt" => &["1", "x"],
        _ => &["x", "1", "delete", "list", "main", ""],
    };
    pick(random, values).to_owned()
}
