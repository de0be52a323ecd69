//! What each command of gh does, reviewed command by command. A command that is in the generated table and not here
//! changes something: that is the safe reading.

use super::args::Line;
use super::reads;
use crate::{Effect, FileUse, Hazard, Invocation};

/// Commands that only read from GitHub.
const READS: &[&str] = &[
    "auth status",
    "cache list",
    "codespace list",
    "codespace view",
    "extension search",
    "gist list",
    "gist view",
    "gpg-key list",
    "issue list",
    "issue status",
    "issue view",
    "label list",
    "org list",
    "pr checks",
    "pr diff",
    "pr list",
    "pr status",
    "pr view",
    "project field-list",
    "project item-list",
    "project list",
    "project view",
    "release list",
    "release view",
    "repo deploy-key list",
    "repo list",
    "repo view",
    "ruleset check",
    "ruleset list",
    "ruleset view",
    "run list",
    "run view",
    "run watch",
    "search code",
    "search commits",
    "search issues",
    "search prs",
    "search repos",
    "secret list",
    "ssh-key list",
    "variable list",
    "workflow list",
    "workflow view",
    // These read from GitHub and write here; the hazards say so.
    "gist clone",
    "pr checkout",
    "release download",
    "repo clone",
    "run download",
];

/// Commands that say something about this machine and nothing else.
const LOCAL: &[&str] = &[
    "alias list",
    "completion",
    "config clear-cache",
    "config get",
    "config list",
    "extension list",
    "version",
    // These change or show local configuration; the hazards say so.
    "alias delete",
    "alias import",
    "alias set",
    "auth setup-git",
    "auth switch",
    "auth token",
    "config set",
    "extension create",
    "extension remove",
    "repo set-default",
    "browse",
];

/// Commands that run something elsewhere.
const EXECUTES: &[&str] = &[
    "codespace code",
    "codespace cp",
    "codespace jupyter",
    "codespace logs",
    "codespace rebuild",
    "codespace ssh",
    "extension exec",
    "run rerun",
    "workflow run",
];

/// Commands that open a tunnel.
const CONNECTS: &[&str] = &[
    "codespace ports",
    "codespace ports forward",
    "codespace ports visibility",
];

/// What the command does.
pub(super) fn effect(line: &Line<'_>) -> Effect {
    let path = line.path;
    match path {
        "issue develop" if line.is_set("list") => Effect::Read,
        "browse" if line.is_set("no-browser") => Effect::Read,
        _ if READS.contains(&path) => Effect::Read,
        _ if LOCAL.contains(&path) => Effect::Local,
        _ if EXECUTES.contains(&path) => Effect::Execute,
        _ if CONNECTS.contains(&path) => Effect::Connect,
        _ if matches!(
            path.rsplit(' ').next(),
            Some("delete" | "delete-asset" | "item-delete" | "field-delete" | "remove")
        ) =>
        {
            Effect::Delete
        }
        _ => Effect::Write,
    }
}

/// What comes with the command itself, beside what its flags bring.
pub(super) fn hazards(line: &Line<'_>, invocation: &mut Invocation) {
    let path = line.path;
    let first = line.positionals.first().map_or("", String::as_str);
    match path {
        "auth token" => invocation.add_hazard(Hazard::RevealsCredentials, "`auth token` prints the token"),
        "auth status" if line.is_set("show-token") => {
            invocation.add_hazard(Hazard::RevealsCredentials, "`--show-token` prints the token");
        }
        "config get" if first.contains("token") => {
            invocation.add_hazard(Hazard::RevealsCredentials, "this setting is a credential");
        }
        "browse" if !line.is_set("no-browser") => {
            invocation.add_hazard(
                Hazard::RunsLocalCode,
                "`browse` starts a browser; `-n` prints the address",
            );
        }
        "pr checkout" | "repo clone" | "gist clone" => {
            invocation.add_hazard(Hazard::RunsLocalCode, "runs git, with its hooks and filters");
            writes(invocation, ".", "writes a checkout");
        }
        "release download" | "run download" => {
            let directory = line.value("dir").or(line.value("output")).unwrap_or(".");
            writes(invocation, directory, "writes what it downloads");
        }
        "pr create" if !line.has("head") => {
            // Without --head it asks where to push, or pushes the current branch.
            invocation.add_hazard(
                Hazard::RunsLocalCode,
                "without `--head` the current branch may be pushed by git",
            );
        }
        "pr merge" | "pr close" if line.is_set("delete-branch") => {
            invocation.add_hazard(Hazard::RunsLocalCode, "`--delete-branch` runs git here");
        }
        "extension browse" => invocation.add_hazard(Hazard::RunsLocalCode, "starts an interactive program"),
        "codespace logs" | "codespace ssh" | "codespace cp" | "codespace code" | "codespace jupyter" => {
            invocation.add_hazard(Hazard::RunsRemoteCode, "works inside a codespace");
            invocation.add_hazard(Hazard::RunsLocalCode, "runs ssh or an editor here");
        }
        "codespace ports" | "codespace ports forward" | "codespace ports visibility" => {
            invocation.add_hazard(Hazard::OpensTunnel, "connects to a codespace");
        }
        "workflow run" | "run rerun" => invocation.add_hazard(Hazard::RunsRemoteCode, "runs a workflow"),
        "extension exec" => invocation.add_hazard(Hazard::RunsLocalCode, "runs an extension"),
        "gist create"
        | "release create"
        | "release upload"
        | "ssh-key add"
        | "gpg-key add"
        | "repo deploy-key add" => {
            uploads(line, invocation);
        }
        "gist edit" => invocation.add_hazard(Hazard::RunsLocalCode, "starts an editor"),
        _ => {}
    }
    if changes_tool(line) {
        invocation.add_hazard(
            Hazard::ChangesTool,
            format!("`{path}` changes gh's or git's configuration"),
        );
    }
    if matches!(path, "secret set" | "variable set") && !line.has("body") && !line.has("env-file") {
        reads(invocation, "-", "the value is read from standard input");
    }
    if path.ends_with("delete") && line.is_set("all") {
        invocation.add_hazard(Hazard::Unbounded, "`--all` deletes everything");
    }
}

fn changes_tool(line: &Line<'_>) -> bool {
    match line.path {
        "alias set" | "alias delete" | "alias import" | "config set" | "extension install"
        | "extension remove" | "extension upgrade" | "extension create" | "auth login" | "auth logout"
        | "auth refresh" | "auth switch" | "auth setup-git" => true,
        "repo set-default" => !line.is_set("view"),
        "repo rename" | "repo fork" | "repo create" => true,
        _ => false,
    }
}

/// Positional files whose content is sent. The first word of `release create` and `upload` is the tag.
fn uploads(line: &Line<'_>, invocation: &mut Invocation) {
    let skip = usize::from(line.path.starts_with("release"));
    let mut files: Vec<String> = line.positionals.iter().skip(skip).cloned().collect();
    if files.is_empty() && !line.path.starts_with("release") {
        files.push("-".to_owned());
    }
    for path in files {
        reads(invocation, &path, "sends the content of a local file");
    }
}

fn writes(invocation: &mut Invocation, path: &str, because: &str) {
    invocation.add_hazard(Hazard::WritesFiles, because);
    invocation.files.push(FileUse {
        path: path.to_owned(),
        writes: true,
    });
}

#[cfg(test)]
mod tests {
    use super::super::table;
    use super::*;

    #[test]
    fn every_reviewed_command_is_one_that_gh_has() {
        let known = table::paths();
        for path in READS.iter().chain(LOCAL).chain(EXECUTES).chain(CONNECTS) {
            // `version` is not in gh's help, and `codespace ports` has commands below it.
            assert!(
                known.contains(path) || ["version", "codespace ports"].contains(path),
                "{path}"
            );
        }
    }
}
