//! Stands in for GitHub, which cannot be had here: it answers every GraphQL document with what its selections ask for, has an
//! object behind every path, and says which requests change something.

use crate::http::{Request, Response};
use serde_json::{Map, Value, json};

/// The tokens of a GraphQL document: names, numbers, strings (as one token), punctuation. Comments and commas are left out.
fn tokens(document: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = document;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            _ if c.is_whitespace() || c == ',' || c == '\u{feff}' => {
                rest = &rest[c.len_utf8()..];
                continue;
            }
            '#' => {
                rest = rest.find('\n').map_or("", |end| &rest[end..]);
                continue;
            }
            '"' if rest.starts_with("\"\"\"") => rest[3..].find("\"\"\"").map_or(rest.len(), |end| end + 6),
            '"' => string_length(rest),
            '.' if rest.starts_with("...") => 3,
            _ if c.is_alphanumeric() || c == '_' => {
                let ends = |c: char| !(c.is_alphanumeric() || c == '_');
                rest.find(ends).unwrap_or(rest.len())
            }
            _ => c.len_utf8(),
        };
        tokens.push(rest[..length].to_owned());
        rest = &rest[length..];
    }
    tokens
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// An operation or a fragment of a document: keyword, name, where its selections begin.
struct Definition {
    keyword: String,
    name: String,
    selections: usize,
}

fn definitions(tokens: &[String]) -> Vec<Definition> {
    let mut found = Vec::new();
    let (mut depth, mut keyword, mut name) = (0_usize, None, String::new());
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" | "(" | "[" => {
                if depth == 0 && token == "{" {
                    found.push(Definition {
                        keyword: keyword.take().unwrap_or_else(|| "query".to_owned()),
                        name: std::mem::take(&mut name),
                        selections: at + 1,
                    });
                }
                depth += 1;
            }
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            word if depth == 0 && keyword.is_none() => keyword = Some(word.to_owned()),
            word if depth == 0 && name.is_empty() => word.clone_into(&mut name),
            _ => {}
        }
    }
    found
}

/// Whether the operation that would run is not a query; all count where none is picked.
pub(super) fn mutates(document: &str, wanted: Option<&str>) -> bool {
    let wanted = wanted.filter(|name| !name.is_empty());
    definitions(&tokens(document))
        .iter()
        .filter(|definition| wanted.is_none_or(|wanted| definition.name == wanted))
        .any(|definition| !matches!(definition.keyword.as_str(), "query" | "fragment"))
}

/// Answers a request.
pub(super) fn answer(request: &Request) -> Response {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let path = request.path();
    if path.ends_with("/graphql") {
        let tokens = tokens(body["query"].as_str().unwrap_or_default());
        let all = definitions(&tokens);
        let wanted = body["operationName"].as_str().filter(|name| !name.is_empty());
        let mut operations = all
            .iter()
            .filter(|definition| ["query", "mutation", "subscription"].contains(&definition.keyword.as_str()))
            .filter(|definition| wanted.is_none_or(|wanted| definition.name == wanted));
        // GitHub refuses a document that leaves open what is to be done.
        return match (operations.next(), operations.next()) {
            (Some(operation), None) => {
                let (data, _) = Selections {
                    tokens: &tokens,
                    all: &all,
                }
                .read(operation.selections, 0);
                Response::json(&json!({"data": data}))
            }
            // By status too: gh looks into the answer only where the path is exactly `graphql`.
            _ => Response::error(
                422,
                &json!({"data": null, "errors": [{"message": "which operation?"}]}),
            ),
        };
    }
    if path
        .trim_matches('/')
        .split('/')
        .any(|segment| matches!(segment, "" | "." | ".."))
    {
        return Response::error(404, &json!({"message": "Not Found"}));
    }
    let is_list = [
        "releases",
        "keys",
        "gists",
        "hooks",
        "labels",
        "issues",
        "pulls",
        "comments",
        "repos",
        "orgs",
        "events",
        "notifications",
    ]
    .iter()
    .any(|list| path.ends_with(&format!("/{list}")));
    let thing = thing(request);
    Response::json(&match request.method.as_str() {
        "GET" if is_list => json!([thing]),
        _ => {
            let mut whole = thing.clone();
            for list in [
                "workflow_runs",
                "workflows",
                "jobs",
                "artifacts",
                "secrets",
                "variables",
                "actions_caches",
                "codespaces",
                "items",
                "assets",
                "environments",
                "machines",
                "repositories",
                "check_suites",
            ] {
                whole[list] = json!([thing]);
            }
            whole
        }
    })
}

/// Something that lies at this path, with every key that gh may look for.
fn thing(request: &Request) -> Value {
    let host = request.header("host");
    let path = request.path();
    let mut thing = json!({"id": 1, "node_id": "N", "name": "app", "full_name": "octo/app", "login": "octo", "number": 1, "total_count": 1,
        "tag_name": "v1", "state": "active", "status": "completed", "conclusion": "failure", "path": ".github/workflows/app.yml", "key": "A",
        "key_id": "1", "title": "x", "html_url": "https://github.com/octo/app", "url": format!("https://{host}{path}"),
        "default_branch": "main", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "run_started_at": "2026-01-01T00:00:00Z",
        "workflow_id": 1, "head_branch": "feature", "head_sha": "0000000000000000000000000000000000000000", "event": "push",
        "jobs_url": format!("https://{host}{path}/jobs"), "upload_url": format!("https://{host}{path}/1/assets{{?name,label}}"),
        "head_repository": {"name": "app", "owner": {"login": "octo"}}, "owner": {"login": "octo"}, "permissions": {"admin": true},
        "size": 1, "visibility": "private", "files": {"note.txt": {"filename": "note.txt", "content": "x"}}, "allow_forking": true});
    // The key of a repository's secrets: a point of the curve, in base64.
    thing["key"] = json!("CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=");
    thing
}

struct Selections<'a> {
    tokens: &'a [String],
    all: &'a [Definition],
}

impl Selections<'_> {
    fn at(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("}", String::as_str)
    }

    /// An object with what is selected from `at` to the closing brace, and the place behind that.
    fn read(&self, mut at: usize, depth: usize) -> (Value, usize) {
        let mut object = Map::new();
        while at < self.tokens.len() && self.at(at) != "}" {
            at = if self.at(at) == "..." {
                self.spread(at + 1, depth, &mut object)
            } else {
                self.field(at, depth, &mut object)
            };
        }
        (Value::Object(object), at + 1)
    }

    fn spread(&self, mut at: usize, depth: usize, object: &mut Map<String, Value>) -> usize {
        let fragment = self
            .all
            .iter()
            .find(|definition| definition.keyword == "fragment" && definition.name == self.at(at));
        if let Some(fragment) = fragment {
            if depth < 20 {
                let (inner, _) = self.read(fragment.selections, depth + 1);
                object.extend(inner.as_object().cloned().unwrap_or_default());
            }
            return at + 1;
        }
        while at < self.tokens.len() && self.at(at) != "{" {
            at += 1;
        }
        let (inner, behind) = self.read(at + 1, depth + 1);
        object.extend(inner.as_object().cloned().unwrap_or_default());
        behind
    }

    fn field(&self, mut at: usize, depth: usize, object: &mut Map<String, Value>) -> usize {
        let key = self.at(at).to_owned();
        let mut name = key.clone();
        at += 1;
        if self.at(at) == ":" {
            self.at(at + 1).clone_into(&mut name);
            at += 2;
        }
        loop {
            match self.at(at) {
                "(" => at = self.behind(at),
                "@" => at += 2,
                _ => break,
            }
        }
        let mut value = leaf(&name);
        if self.at(at) == "{" {
            let (inner, behind) = self.read(at + 1, depth + 1);
            at = behind;
            value = match name.as_str() {
                "nodes"
                | "edges"
                | "fields"
                | "enumValues"
                | "inputFields"
                | "issueTemplates"
                | "pullRequestTemplates" => json!([inner]),
                _ => inner,
            };
        }
        object.insert(key, value);
        at
    }

    /// The place behind the parentheses that open here.
    fn behind(&self, mut at: usize) -> usize {
        let mut depth = 0_usize;
        while at < self.tokens.len() {
            match self.at(at) {
                "(" | "{" | "[" => depth += 1,
                ")" | "}" | "]" => depth -= 1,
                _ => {}
            }
            at += 1;
            if depth == 0 {
                break;
            }
        }
        at
    }
}

fn leaf(name: &str) -> Value {
    let is_number = [
        "number",
        "databaseId",
        "additions",
        "deletions",
        "changedFiles",
        "diskUsage",
    ]
    .contains(&name)
        || name.ends_with("Count");
    let is_false = [
        "isDraft",
        "isFork",
        "hasNextPage",
        "isArchived",
        "isCrossRepository",
        "locked",
        "closed",
        "isEmpty",
        "hasPreviousPage",
    ]
    .contains(&name);
    let is_true = ["is", "has", "viewerCan", "can", "delete"]
        .iter()
        .any(|beginning| name.starts_with(beginning))
        || name.ends_with("Allowed")
        || name.ends_with("Enabled");
    match name {
        _ if is_number => json!(1),
        _ if is_false => json!(false),
        "mergeCommitAllowed" | "maintainerCanModify" | "public" => json!(true),
        _ if is_true => json!(true),
        _ if name.ends_with("At") => json!("2026-01-01T00:00:00Z"),
        "__typename" => json!("Issue"),
        "state" => json!("OPEN"),
        "mergeable" => json!("MERGEABLE"),
        "mergeStateStatus" => json!("CLEAN"),
        "viewerPermission" => json!("ADMIN"),
        "login" => json!("octo"),
        "name" => json!("app"),
        "nameWithOwner" => json!("octo/app"),
        "headRefName" => json!("feature"),
        "baseRefName" => json!("main"),
        "endCursor" => json!(""),
        "url" => json!("https://github.com/octo/app/pull/1"),
        _ => json!("x"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutation_is_told_from_a_query_by_its_keyword_alone() {
        for (document, wanted, expected) in [
            ("{ a }", None, false),
            ("# mutation\n query mutation { mutation }", None, false),
            ("query { a(x: \"} mutation {\") }", None, false),
            (",, mutation { a }", None, true),
            ("query a { x } mutation b { y }", Some("a"), false),
            ("query a { x } mutation b { y }", Some("b"), true),
            ("query a { x } mutation b { y }", None, true),
            ("fragment f on T { x } subscription { y }", None, true),
        ] {
            assert_eq!(mutates(document, wanted), expected, "{document}");
        }
    }
}
