//! Which host and repository a command is for: `-R`, `GH_REPO`, an address among the words.
//!
//! What nobody names stays unknown: without `-R`, `GH_REPO` and `GH_HOST` the checkout's remotes and gh's own
//! configuration decide, and they are not seen here.

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
];

/// Nouns that live in a repository: the one of the checkout, unless `-R` or `GH_REPO` say otherwise.
const IN_A_REPO: &[&str] = &[
    "browse", "cache", "issue", "label", "pr", "release", "repo", "ruleset", "run", "secret", "variable",
    "workflow",
];

/// Host, when it is named, and `owner/repo`.
type Named = (Option<String>, String);

/// The host of requests that name none.
pub(super) fn default_host(around: &Surroundings) -> &str {
    around
        .variable("GH_HOST")
        .or(around.default_host.as_deref())
        .unwrap_or(DEFAULT_HOST)
}

/// Fills the scope; returns why the request, or the token, would go to a host that was not configured.
pub(super) fn of(
    line: &Line<'_>,
    around: &Surroundings,
    scope: &mut Scope,
) -> Result<Option<String>, Unreadable> {
    if let Some((host, repo)) = named(line, around)? {
        scope.host = host;
        scope.repo = Some(repo);
    }
    if let Some(host) = line.value("hostname") {
        scope.host = Some(visible(host)?.to_owned());
    }
    if scope.host.is_none() {
        scope.host = around.variable("GH_HOST").map(str::to_owned);
    }
    let default = default_host(around);
    Ok(scope
        .host
        .as_deref()
        .and_then(|host| leaks_to(host, default, around)))
}

/// The repository that is named, if any: an address among the words counts before `-R`, and that before `GH_REPO`.
fn named(line: &Line<'_>, around: &Surroundings) -> Result<Option<Named>, Unreadable> {
    let noun = line.path.split(' ').next().unwrap_or_default();
    // For an organisation or oneself, not for a repository; and `search -R` only filters.
    // `repo fork --org` says where the fork goes; what is forked is named all the same.
    let of_organisation = line.has("org") && noun != "repo";
    let elsewhere =
        noun == "search" || of_organisation || (matches!(noun, "secret" | "variable") && line.is_set("user"));
    if elsewhere {
        return Ok(None);
    }
    let option = match line.value("repo").filter(|repo| !repo.is_empty()) {
        // `codespace` puts what is typed into the request's path as it is.
        Some(repo) if noun == "codespace" && (repo.contains(':') || repo.matches('/').count() != 1) => {
            return Err(Unreadable::at(0, repo, "is not a repository; owner/repo is"));
        }
        Some(repo) => Some(repository(repo)?),
        None => None,
    };
    if matches!(noun, "pr" | "issue")
        && let Some(found) = of_addresses(line, option.as_ref())?
    {
        return Ok(Some(found));
    }
    if option.is_some() {
        return Ok(option);
    }
    if TAKES_REPO.contains(&line.path)
        && let Some(first) = line.positionals.first()
    {
        return repository(first).map(Some);
    }
    match around.variable("GH_REPO") {
        Some(repo) if IN_A_REPO.contains(&noun) && !matches!(line.path, "repo create" | "repo list") => {
            repository(repo).map(Some)
        }
        _ => Ok(None),
    }
}

/// The repository of the pull request or issue that is named by its address. gh takes it before `-R`; a line that names
/// two is refused, whichever would win.
fn of_addresses(line: &Line<'_>, option: Option<&Named>) -> Result<Option<Named>, Unreadable> {
    // The second word of a transfer is where the issue goes.
    let most = if line.path == "issue transfer" {
        1
    } else {
        usize::MAX
    };
    let subjects = line.positionals.iter().take(most);
    let mut found: Option<Named> = None;
    let mut plain = false;
    for word in subjects {
        if !word.contains("://") {
            plain = true;
            continue;
        }
        let Some(here) = subject(word, line.path.starts_with("pr ")) else {
            return Err(Unreadable::at(
                0,
                word,
                "is not the address of a pull request or an issue",
            ));
        };
        let other = found.as_ref().or(option);
        if other.is_some_and(|other| !same(other, &here)) {
            return Err(Unreadable::at(
                0,
                word,
                "names another repository than the rest of the line",
            ));
        }
        found = Some(here);
    }
    if let Some(here) = found.as_ref().filter(|_| plain && option.is_none()) {
        return Err(Unreadable::at(
            0,
            &here.1,
            "is named by address beside a number, which may be in another repository",
        )
        .hint("name the repository with `-R`"));
    }
    Ok(found)
}

fn same(one: &Named, other: &Named) -> bool {
    let host = |named: &Named| named.0.clone().unwrap_or_else(|| DEFAULT_HOST.to_owned());
    host(one) == host(other) && one.1.eq_ignore_ascii_case(&other.1)
}

/// Host and repository of `https://host/owner/repo/pull/1` and, unless only a pull request will do, `.../issues/1`: for `gh pr` that
/// is the name of a branch of the checkout's own repository.
fn subject(text: &str, only_pull: bool) -> Option<Named> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))?;
    let kind = rest.split('/').nth(3)?;
    let number = rest.split('/').nth(4)?;
    let is_numbered = number.starts_with(|c: char| c.is_ascii_digit());
    (matches!((kind, only_pull), ("pull", _) | ("issues", false)) && is_numbered)
        .then(|| address(text))
        .flatten()
}

/// A token for any host goes to whichever host is named.
pub(super) fn leaks_to(host: &str, default: &str, around: &Surroundings) -> Option<String> {
    let is_usual = host.eq_ignore_ascii_case(default) || host.eq_ignore_ascii_case(DEFAULT_HOST);
    let is_set = |names: &[&str]| names.iter().any(|name| around.variable(name).is_some());
    let for_any = is_set(&["GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"]);
    let host = host.to_ascii_lowercase();
    // gh counts `github.localhost` as github.com, and sends it the same token, in clear.
    let for_github =
        host.ends_with(".ghe.com") || (host.ends_with("localhost") && is_set(&["GH_TOKEN", "GITHUB_TOKEN"]));
    (!is_usual && (for_any || for_github))
        .then(|| "the token in the environment would go to another host".to_owned())
}

/// `owner/repo`, `host/owner/repo`, an address, or `git@host:owner/repo`. `owner` alone stands for one's own.
pub(super) fn repository(text: &str) -> Result<Named, Unreadable> {
    let fault = "is not a repository; owner/repo or host/owner/repo is";
    visible(text)?;
    if let Some(found) = address(text) {
        return Ok(found);
    }
    let odd = text.contains(['?', '#', '%', '\\', '@', ':']) || text.contains(char::is_whitespace);
    let parts: Vec<&str> = text.split('/').collect();
    match parts.as_slice() {
        _ if odd || parts.iter().any(|part| matches!(*part, "" | "." | "..")) => {
            Err(Unreadable::at(0, text, fault))
        }
        [repo] => Ok((None, (*repo).to_owned())),
        [owner, repo] => Ok((None, format!("{owner}/{repo}"))),
        [host, owner, repo] => Ok((Some(normal(host)), format!("{owner}/{repo}"))),
        _ => Err(Unreadable::at(0, text, fault)),
    }
}

/// Host and repository of an address.
fn address(text: &str) -> Option<Named> {
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
    let is_odd = |part: &str| matches!(part, "" | "." | "..") || part.contains(['?', '#', '%', '\\']);
    if [host, owner, repo].into_iter().any(is_odd) {
        return None;
    }
    Some((Some(normal(host)), format!("{owner}/{repo}")))
}

/// A host as gh compares it.
fn normal(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    host.strip_prefix("www.").map(str::to_owned).unwrap_or(host)
}

fn visible(text: &str) -> Result<&str, Unreadable> {
    if text.chars().any(is_deceptive) {
        return Err(Unreadable::at(0, text, "has characters that hide what it says"));
    }
    Ok(text)
}
