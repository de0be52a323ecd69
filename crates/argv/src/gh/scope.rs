//! Which host and repository a command is for: `-R`, `GH_REPO`, an address among the words.

use super::args::Line;
use crate::unreadable::is_deceptive;
use crate::{Scope, Surroundings, Unreadable};

/// gh's host when nobody names one.
pub(super) const DEFAULT_HOST: &str = "github.com";

/// Commands whose first word is a repository.
const TAKES_REPO: &[&str] = &[
    "repo archive",
    "repo clone",
    "repo create",
    "repo delete",
    "repo edit",
    "repo fork",
    "repo set-default",
    "repo sync",
    "repo unarchive",
    "repo view",
    "label clone",
];

/// Fills the scope; returns why the request, or the token, would go to a host that was not configured.
pub(super) fn of(
    line: &Line<'_>,
    around: &Surroundings,
    scope: &mut Scope,
) -> Result<Option<String>, Unreadable> {
    let default = around.variable("GH_HOST").unwrap_or(DEFAULT_HOST).to_owned();
    let first = line.positionals.first().map(String::as_str);
    let from_address = first.and_then(address);
    let named = match (line.value("repo"), &from_address) {
        (Some(repo), _) if !repo.is_empty() => Some(repository(repo)?),
        (_, Some(found)) => Some(found.clone()),
        _ if TAKES_REPO.contains(&line.path) => first.map(repository).transpose()?,
        _ => None,
    };
    let named = match named {
        Some(named) => Some(named),
        None => around.variable("GH_REPO").map(repository).transpose()?,
    };
    if let Some((host, repo)) = named {
        scope.host = host;
        scope.repo = Some(repo);
    }
    if let Some(host) = line.value("hostname") {
        scope.host = Some(host.to_owned());
    }
    let host = scope.host.get_or_insert(default.clone()).clone();
    Ok(leaks_to(&host, &default, around))
}

/// A token for any host goes to whichever host is named.
pub(super) fn leaks_to(host: &str, default: &str, around: &Surroundings) -> Option<String> {
    let is_usual = host.eq_ignore_ascii_case(default) || host.eq_ignore_ascii_case(DEFAULT_HOST);
    let for_any = ["GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"]
        .iter()
        .any(|name| around.variable(name).is_some());
    (!is_usual && (for_any || host.to_ascii_lowercase().ends_with(".ghe.com")))
        .then(|| "the token in the environment would go to another host".to_owned())
}

/// `owner/repo`, `host/owner/repo`, an address, or `git@host:owner/repo`. `owner` alone stands for one's own.
fn repository(text: &str) -> Result<(Option<String>, String), Unreadable> {
    if let Some(found) = address(text) {
        return Ok(found);
    }
    let odd = text.chars().any(|c| is_deceptive(c) || c.is_whitespace())
        || text.contains(['?', '#', '%', '\\', '@', ':']);
    let parts: Vec<&str> = text.split('/').collect();
    match parts.as_slice() {
        _ if odd || parts.iter().any(|part| part.is_empty() || *part == "..") => Err(Unreadable::at(
            0,
            text,
            "is not a repository; owner/repo or host/owner/repo is",
        )),
        [repo] => Ok((None, (*repo).to_owned())),
        [owner, repo] => Ok((None, format!("{owner}/{repo}"))),
        [host, owner, repo] => Ok((Some((*host).to_owned()), format!("{owner}/{repo}"))),
        _ => Err(Unreadable::at(
            0,
            text,
            "is not a repository; owner/repo or host/owner/repo is",
        )),
    }
}

/// Host and repository of an address.
fn address(text: &str) -> Option<(Option<String>, String)> {
    let rest = ["https://", "http://", "ssh://", "git://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let (authority, path) = match rest {
        Some(rest) => rest.split_once('/')?,
        None => text.strip_prefix("git@")?.split_once(':')?,
    };
    let host = authority.rsplit('@').next()?.split(':').next()?;
    let mut parts = path.split('/');
    let (owner, repo) = (parts.next()?, parts.next()?);
    let repo = repo.strip_suffix(".git").unwrap_or(repo);
    let host = host.strip_prefix("www.").unwrap_or(host);
    Some((Some(host.to_owned()), format!("{owner}/{repo}")))
}
