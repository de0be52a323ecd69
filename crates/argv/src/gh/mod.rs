//! gh: cobra's and pflag's rules over tables generated from gh's own help, then what each command does.
//!
//! - [`table`]: the commands, their aliases and flags (`data/gh_commands.tsv`, made by `scripts/gh_tables.py`).
//! - [`args`]: finds the command and reads the flags as cobra would.
//! - [`effects`]: what each command does, reviewed by hand.
//! - [`api`], [`graphql`], [`jq`]: `gh api` down to method and path, documents down to their operations, filters down to
//!   whether they can see the environment.
//!
//! User aliases and extensions are not known here, so a command that is not built in is unreadable.

mod alias;
mod api;
mod args;
mod effects;
mod graphql;
mod jq;
mod scope;
mod table;

use crate::unreadable::is_deceptive;
use crate::{Effect, FileUse, Hazard, Invocation, Operation, Resource, Surroundings, Tool, Unreadable};
use args::Line;
use table::Command;

/// Commands whose arguments are each something that they are done to.
const SEVERAL: &[&str] = &["issue edit"];

/// The host of requests that name none, by the text of `hosts.yml`: the one that is in it, where it is alone.
pub fn only_host(hosts: &str) -> Option<String> {
    let tree = crate::kubectl::Tree::of_one_document(hosts).ok()??;
    let mut keys = tree.keys();
    let host = keys.next().filter(|_| keys.next().is_none());
    host.map(str::to_owned)
}

/// Reads `words`, the words after `gh`.
///
/// # Errors
/// [`Unreadable`] when a word is not understood.
pub fn parse(words: &[String], around: &Surroundings) -> Result<Invocation, Unreadable> {
    if let Some(first) = words.first()
        && Command::root().child(first).is_none()
        && let Some(expanded) = alias::expand(&around.aliases, words)
    {
        // What an alias stands for may not be another alias: one step is what a person can follow.
        let nothing_more = Surroundings {
            aliases: String::new(),
            ..around.clone()
        };
        return parse(&expanded, &nothing_more);
    }
    let Some(line) = args::read(words)? else {
        return Ok(Invocation::help(Tool::Gh));
    };
    if line.path == "api" {
        return api::invocation(&line, around);
    }
    let (noun, verb) = line.path.split_once(' ').unwrap_or((line.path, ""));
    if line.path == "status" {
        return finish(&line, Operation::new(Effect::Read, "status"), around);
    }
    if verb.is_empty() && !matches!(noun, "browse" | "completion" | "version") {
        // A group alone prints its help.
        return Ok(Invocation::help(Tool::Gh));
    }
    let effect = effects::effect(&line);
    let mut operation = Operation::new(effect, line.path);
    operation.resource = Some(Resource::kind(noun));
    operation.name = line.positionals.first().cloned();
    finish(&line, operation, around)
}

/// Scope, hazards and files of a command that is not `api`.
fn finish(
    line: &Line<'_>,
    mut operation: Operation,
    around: &Surroundings,
) -> Result<Invocation, Unreadable> {
    for (position, word) in line.positionals.iter().enumerate() {
        if word.chars().any(is_deceptive) {
            return Err(Unreadable::at(
                position,
                word,
                "has characters that hide what it says",
            ));
        }
    }
    let redirect = scope::of(line, around, &mut operation.scope)?;
    let mut invocation = Invocation::simple(Tool::Gh, line.path, operation);
    if let Some(because) = redirect {
        invocation.add_hazard(Hazard::RedirectsEndpoint, because);
    }
    elsewhere(line, around, &mut invocation)?;
    if SEVERAL.contains(&line.path) {
        invocation.name_each(line.positionals.iter().cloned());
    }
    effects::hazards(line, &mut invocation);
    common(line, &mut invocation);
    Ok(invocation)
}

/// What a command does in repositories beside the one that it is for.
fn elsewhere(line: &Line<'_>, around: &Surroundings, invocation: &mut Invocation) -> Result<(), Unreadable> {
    match line.path {
        "label clone" => {
            if let Some(source) = line.positionals.first() {
                also_in(
                    invocation,
                    Operation::new(Effect::Read, "label list"),
                    source,
                    around,
                )?;
            }
        }
        "issue transfer" => {
            if let Some(target) = line.positionals.get(1) {
                also_in(
                    invocation,
                    Operation::new(Effect::Write, line.path),
                    target,
                    around,
                )?;
            }
        }
        "repo set-default" => {
            // Which of the checkout's remotes are one's own is asked where they are.
            let mut here = Operation::new(Effect::Read, line.path);
            here.resource = Some(Resource::kind("repo"));
            here.scope.host = around.variable("GH_HOST").map(str::to_owned);
            invocation.operations.push(here);
        }
        "issue develop" => {
            let Some(operation) = invocation.operations.first().cloned() else {
                return Ok(());
            };
            for flag in ["branch-repo", "issue-repo"] {
                if let Some(repo) = line.value(flag).filter(|repo| !repo.is_empty()) {
                    also_in(invocation, operation.clone(), repo, around)?;
                }
            }
            if operation.scope.repo.is_some() {
                // By version it is where the issue is, or the checkout's own repository all the same.
                let mut here = operation;
                here.scope.repo = None;
                here.scope.host = around.variable("GH_HOST").map(str::to_owned);
                invocation.operations.push(here);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Adds an operation in another repository, perhaps on another host.
fn also_in(
    invocation: &mut Invocation,
    mut operation: Operation,
    repo: &str,
    around: &Surroundings,
) -> Result<(), Unreadable> {
    let (host, repo) = scope::repository(repo)?;
    let default = scope::default_host(around);
    if let Some(because) = host
        .as_deref()
        .and_then(|host| scope::leaks_to(host, default, around))
    {
        invocation.add_hazard(Hazard::RedirectsEndpoint, because);
    }
    operation.resource = Some(Resource::kind(noun_of(&operation.verb)));
    operation.scope.host = host;
    operation.scope.repo = Some(repo);
    invocation.operations.push(operation);
    Ok(())
}

fn noun_of(verb: &str) -> &str {
    verb.split(' ').next().unwrap_or_default()
}

/// What the same flag means on every command.
fn common(line: &Line<'_>, invocation: &mut Invocation) {
    if line.values("jq").any(jq::sees_environment) {
        invocation.add_hazard(Hazard::RevealsCredentials, "`--jq` can print the environment");
    }
    if line.is_set("web") {
        invocation.add_hazard(Hazard::RunsLocalCode, "`--web` starts a browser");
    }
    if line.is_set("editor") {
        invocation.add_hazard(Hazard::RunsLocalCode, "`--editor` starts an editor");
    }
    if line.is_set("admin") {
        invocation.add_hazard(Hazard::SkipsChecks, "`--admin` overrides branch protection");
    }
    for flag in ["body-file", "notes-file", "env-file", "recover"] {
        for path in line.values(flag) {
            reads(invocation, path, &format!("`--{flag}` reads a local file"));
        }
    }
}

/// Notes a file that is read.
fn reads(invocation: &mut Invocation, path: &str, because: &str) {
    invocation.add_hazard(Hazard::ReadsFiles, because);
    invocation.files.push(FileUse {
        path: path.to_owned(),
        writes: false,
    });
}

#[cfg(test)]
mod tests;
