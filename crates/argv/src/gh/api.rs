//! `gh api`, down to one method and path.

use super::args::Line;
use super::scope::{DEFAULT_HOST, default_host, leaks_to};
use super::{common, graphql, reads};
use crate::kubectl::Tree;
use crate::unreadable::is_deceptive;
use crate::{Effect, Hazard, Invocation, Operation, Resource, Surroundings, Tool, Unreadable};

/// Reads a line of `gh api`.
pub(super) fn invocation(line: &Line<'_>, around: &Surroundings) -> Result<Invocation, Unreadable> {
    let [target] = line.positionals.as_slice() else {
        return Err(Unreadable::missing("`gh api` takes exactly one path"));
    };
    let (host, path) = endpoint(target)?;
    let fields = fields(line)?;
    let has_body = !fields.is_empty() || line.has("input");
    // An empty method is given all the same, and is GET.
    let given = line.value("method").map(|method| match method {
        "" => "GET".to_owned(),
        method => method.to_ascii_uppercase(),
    });
    let method = given.unwrap_or_else(|| if has_body { "POST" } else { "GET" }.to_owned());
    let is_graphql = matches!(path.to_ascii_lowercase().rsplit('/').next(), Some("graphql"));
    let effect = if is_graphql {
        graphql_effect(line, &path, &method, &fields, around)?
    } else {
        rest_effect(&method, &path)?
    };
    let mut operation = Operation::new(effect, format!("api {}", method.to_ascii_lowercase()));
    operation.resource = Some(Resource::kind(path.clone()));
    let default = default_host(around);
    let wanted = host.clone().or_else(|| line.value("hostname").map(str::to_owned));
    operation.scope.host = Some(wanted.clone().unwrap_or_else(|| default.to_owned()));
    operation.scope.repo = repo_of(&path);
    let mut invocation = Invocation::simple(Tool::Gh, "api", operation);
    hazards(line, &path, &fields, &mut invocation);
    if let Some(host) = &wanted
        && !is_usual(host, default)
    {
        invocation.add_hazard(
            Hazard::RedirectsEndpoint,
            "the request goes to a host that was named on the command line",
        );
    }
    if let Some(because) = wanted.as_deref().and_then(|host| leaks_to(host, default, around)) {
        invocation.add_hazard(Hazard::RedirectsEndpoint, because);
    }
    headers(line, &mut invocation)?;
    common(line, &mut invocation);
    Ok(invocation)
}

fn is_usual(host: &str, default: &str) -> bool {
    [default, DEFAULT_HOST, "api.github.com"]
        .iter()
        .any(|usual| host.eq_ignore_ascii_case(usual))
}

/// Host, if the path is a whole address, and the path without query and slashes around it.
fn endpoint(target: &str) -> Result<(Option<String>, String), Unreadable> {
    let odd = |why: &str| Err(Unreadable::at(1, target, why));
    let (host, path) = match target.split_once("://") {
        Some(("https" | "http", rest)) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            if authority.contains(['@', ':', '\\']) || authority.is_empty() {
                return odd("has more in it than a host");
            }
            (Some(authority.to_owned()), path)
        }
        Some(_) => return odd("has a scheme that is not https"),
        None => (None, target),
    };
    let path = path
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .trim_matches('/');
    let strange =
        |segment: &str| matches!(segment, "" | "." | "..") || segment.to_ascii_lowercase().contains("%2");
    if path.is_empty()
        || path
            .chars()
            .any(|c| is_deceptive(c) || c.is_whitespace() || c == '\\')
        || path.split('/').any(strange)
    {
        return odd("is not a plain path");
    }
    Ok((host, path.to_owned()))
}

/// A field: key, value, and whether the value is typed (`-F`: `@file` is read).
type Field<'w> = (&'w str, &'w str, bool);

/// The fields in the order in which gh takes them: every `-f` before every `-F`, wherever they stand on the line. Where a key comes
/// twice, the later one counts.
fn fields<'w>(line: &Line<'w>) -> Result<Vec<Field<'w>>, Unreadable> {
    let mut fields = Vec::new();
    for wanted in ["raw-field", "field"] {
        fields.extend(of_flag(line, wanted)?);
    }
    Ok(fields)
}

fn of_flag<'w>(line: &Line<'w>, wanted: &str) -> Result<Vec<Field<'w>>, Unreadable> {
    line.all()
        .iter()
        .filter(|(flag, _)| *flag == wanted)
        .map(|(flag, value)| {
            let text = value.unwrap_or_default();
            let (key, value) = text
                .split_once('=')
                .ok_or_else(|| Unreadable::at(1, text, "is not key=value"))?;
            Ok((key, value, *flag == "field"))
        })
        .collect()
}

fn graphql_effect(
    line: &Line<'_>,
    path: &str,
    method: &str,
    fields: &[Field<'_>],
    around: &Surroundings,
) -> Result<Effect, Unreadable> {
    if !matches!(path, "graphql" | "api/graphql") || !matches!(method, "GET" | "POST") {
        return Ok(Effect::Write); // the address is not the usual one
    }
    // The body is this file; fields become part of the address then.
    if let Some(input) = line.value("input") {
        return match around.contents.get(input) {
            Some(body) => body_effect(body),
            None => Ok(Effect::Write), // the document is not in sight
        };
    }
    let last = |name: &str| fields.iter().rfind(|(key, ..)| *key == name);
    match last("query") {
        None if fields.is_empty() && method == "GET" => Ok(Effect::Read),
        Some((_, document, typed)) => {
            let document = match document.strip_prefix('@').filter(|_| *typed) {
                Some(file) => match around.contents.get(file) {
                    Some(content) => content.as_str(),
                    None => return Ok(Effect::Write), // the document is not in sight
                },
                None => document,
            };
            let name = last("operationName").map(|(_, name, _)| *name);
            let effect = graphql::effect(document, name)?;
            // By GET a mutation is refused by GitHub today; that is not for us to rely on.
            Ok(effect)
        }
        None => Ok(Effect::Write),
    }
}

/// The effect of a request's whole body.
fn body_effect(body: &str) -> Result<Effect, Unreadable> {
    let body: Tree = serde_json::from_str(body)
        .map_err(|error| Unreadable::missing(&format!("the request's body is not JSON: {error}")))?;
    let operation = body.text("operationName")?;
    match body.text("query")? {
        Some(document) => graphql::effect(&document, operation.as_deref()),
        None => Err(Unreadable::missing("the request's body has no `query`")),
    }
}

fn rest_effect(method: &str, path: &str) -> Result<Effect, Unreadable> {
    let harmless_post =
        matches!(path, "markdown" | "markdown/raw") || path.ends_with("/releases/generate-notes");
    match method {
        "GET" | "HEAD" => Ok(Effect::Read),
        "POST" if harmless_post => Ok(Effect::Read),
        "POST" | "PUT" | "PATCH" => Ok(Effect::Write),
        "DELETE" => Ok(Effect::Delete),
        other => Err(Unreadable::at(1, other, "is not a method of GitHub's API")),
    }
}

fn hazards(line: &Line<'_>, path: &str, fields: &[Field<'_>], invocation: &mut Invocation) {
    if let Some(input) = line.value("input") {
        reads(invocation, input, "`--input` sends the content of a file");
    }
    for (_, value, typed) in fields {
        if let Some(file) = value.strip_prefix('@').filter(|_| *typed) {
            reads(invocation, file, "`-F key=@file` sends the content of a file");
        }
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    if matches!(
        last,
        "access_tokens" | "registration-token" | "remove-token" | "generate-jitconfig"
    ) {
        invocation.add_hazard(Hazard::RevealsCredentials, "this path hands out a token");
    }
}

/// A header can make another method of a request.
fn headers(line: &Line<'_>, invocation: &mut Invocation) -> Result<(), Unreadable> {
    for header in line.values("header") {
        let Some((name, value)) = header.split_once(':') else {
            return Err(Unreadable::at(1, "--header", "is not key:value"));
        };
        let name = name.trim().to_ascii_lowercase();
        if name.contains("method") || value.contains(['\r', '\n']) {
            return Err(Unreadable::at(
                1,
                &name,
                "this header can change what the request does",
            ));
        }
        if name == "authorization"
            && invocation
                .operations
                .iter()
                .any(|operation| operation.effect > Effect::Read)
        {
            invocation.add_hazard(Hazard::RedirectsEndpoint, "`Authorization` acts as somebody else");
        }
    }
    Ok(())
}

fn repo_of(path: &str) -> Option<String> {
    let mut parts = path.split('/');
    match (parts.next()?, parts.next(), parts.next()) {
        ("repos", Some(owner), Some(repo)) if !owner.contains(['{', ':']) => Some(format!("{owner}/{repo}")),
        _ => None,
    }
}
