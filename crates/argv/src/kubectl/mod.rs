//! kubectl: from its words to what it does, by cobra's and pflag's rules and tables made from kubectl itself.
//!
//! One direction, each step its own file: find the command (tree.rs) → parse its options (flags.rs)
//! → the hazards any command can have (hazards.rs) → what this command does (read.rs, write.rs, create.rs,
//! remote.rs, local.rs; raw.rs for `--raw` paths; completion.rs). Types and names are resolved in resources.rs
//! and targets.rs. Whatever no step understands is [`Unreadable`].
//!
//! A run that changes nothing is a read whose verb says so: `apply --dry-run=server`, `label --list`.

mod completion;
mod create;
mod flags;
mod hazards;
mod kubeconfig;
mod kustomization;
mod local;
mod manifest;
mod raw;
mod read;
mod reading;
mod remote;
mod resources;
mod table;
mod targets;
mod tree;
mod workload;
mod write;

use crate::{Invocation, Surroundings, Tool, Unreadable};
pub use kubeconfig::Kubeconfig;
pub use kustomization::{
    KUSTOMIZATION_NAMES, Kustomization, KustomizationPlace, NamedKustomization, kustomization,
};
pub use manifest::Manifest;
pub(crate) use manifest::Tree;
use reading::Reading;

/// The manifests that a command line names, for a caller that means to read them for [`parse_with`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManifestFiles {
    /// Each value of `-f`, in order.
    pub values: Vec<ManifestValue>,
    /// Whether directories are read with all that is below them.
    pub recursive: bool,
    /// Whether that is all: no URL, no kustomization.
    pub complete: bool,
}

/// A value of `-f` and where it stands, so that other paths can be put in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestValue {
    /// The word it is in, from 0.
    pub word: usize,
    /// The byte of the word at which it begins; it goes on to the end of the word.
    pub start: usize,
    /// The local paths it lists; `-` is standard input, and a directory stands for what is in it.
    pub paths: Vec<String>,
}

/// Which manifests `words`, the words after `kubectl`, name.
///
/// # Errors
/// [`Unreadable`] when a word is not understood.
pub fn manifest_files(words: &[String]) -> Result<ManifestFiles, Unreadable> {
    let found = tree::find(words)?;
    let nothing = ManifestFiles {
        complete: true,
        ..ManifestFiles::default()
    };
    if found.path == "__complete" {
        return Ok(nothing);
    }
    let line = flags::parse(&found.words, &table::FlagSet::parsing(found.path))?;
    // `logs -f` is another option of the same letter. With `--raw` the file is a request's body, whatever is in it: the
    // path that it is sent to decides.
    if line.on("help") || line.has("raw") || !line.has("filename") && !line.has("kustomize") {
        return Ok(nothing);
    }
    let around = Surroundings::default();
    let mut reading = Reading::start(found.path, line, &around, None)?;
    let named = hazards::of_manifests(&mut reading)?;
    let values = reading
        .line
        .values("filename")
        .map(|value| {
            let (word, start) =
                place_of(value.text, words).ok_or_else(|| value.unreadable("stands nowhere"))?;
            let paths = value.text.split(',').filter(|path| !path.is_empty());
            Ok(ManifestValue {
                word,
                start,
                paths: paths.map(str::to_owned).collect(),
            })
        })
        .collect::<Result<_, Unreadable>>()?;
    Ok(ManifestFiles {
        values,
        recursive: reading.line.on("recursive"),
        complete: named != hazards::Named::Anything,
    })
}

/// The word whose end `value` is a slice of, and where in it.
fn place_of(value: &str, words: &[String]) -> Option<(usize, usize)> {
    let at = value.as_ptr().addr();
    words.iter().enumerate().find_map(|(index, word)| {
        let start = at.checked_sub(word.as_ptr().addr())?;
        let reaches_the_end = start.checked_add(value.len())? == word.len();
        (reaches_the_end && word.get(start..) == Some(value)).then_some((index, start))
    })
}

/// Reads `words`, the words after `kubectl`. What `-f` names is taken for anything at all (`*`).
///
/// # Errors
/// [`Unreadable`] when a word is not understood.
pub fn parse(words: &[String], around: &Surroundings) -> Result<Invocation, Unreadable> {
    read_line(words, around, None)
}

/// As [`parse`], for a caller that has read every manifest named with `-f`, or has built the kustomization that is named with
/// `-k`, and makes sure that kubectl reads the very same bytes: the operations are on those objects, and reading the files
/// is no hazard.
///
/// # Errors
/// [`Unreadable`] when a word is not understood.
pub fn parse_with(
    words: &[String],
    around: &Surroundings,
    manifests: &[Manifest],
) -> Result<Invocation, Unreadable> {
    read_line(words, around, Some(manifests))
}

fn read_line(
    words: &[String],
    around: &Surroundings,
    manifests: Option<&[Manifest]>,
) -> Result<Invocation, Unreadable> {
    let found = tree::find(words)?;
    if found.path == "__complete" {
        return completion::read(&found.words, around);
    }
    let line = flags::parse(&found.words, &table::FlagSet::parsing(found.path))?;
    // `--help` stops everything once all options are understood; `--help=false` does not, nor does
    // a word behind `--`.
    if line.on("help") {
        return Ok(Invocation::help(Tool::Kubectl));
    }
    // kubectl alone shows its help too, but as a command that runs: `--profile` writes its file.
    let path = if found.path.is_empty() { "help" } else { found.path };
    let mut reading = Reading::start(path, line, around, manifests)?;
    command(&mut reading)?;
    workload::of_options(&mut reading);
    Ok(reading.finish())
}

/// What the command does. Every runnable command of the table is here; a test sees to it.
fn command(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    match reading.path {
        "get" => read::get(reading),
        "describe" => read::describe(reading),
        "logs" => read::logs(reading),
        "events" => read::events(reading),
        "wait" => read::wait(reading),
        "diff" => read::diff(reading),
        "top pod" | "top node" => read::top(reading),
        "rollout status" | "rollout history" | "apply view-last-applied" => read::inspect(reading),
        "cluster-info" | "cluster-info dump" => read::cluster_info(reading),
        "auth can-i" | "auth whoami" => read::review(reading),
        "version" | "api-resources" | "api-versions" | "explain" => read::server(reading),

        "create" => create::from_manifest(reading),
        "create token" => create::token(reading),
        path if path.starts_with("create ") => create::generated(reading),
        "run" => create::run(reading),

        "apply" | "replace" | "patch" | "edit" | "apply edit-last-applied" | "apply set-last-applied" => {
            write::content(reading)
        }
        "delete" => write::delete(reading),
        "label" | "annotate" => write::metadata(reading),
        "set env" | "set image" | "set resources" | "set selector" | "set serviceaccount" | "set subject" => {
            write::set(reading)
        }
        "scale" | "autoscale" | "expose" | "auth reconcile" => write::plain(reading),
        "rollout restart" | "rollout pause" | "rollout resume" | "rollout undo" => write::plain(reading),
        "cordon" | "uncordon" | "drain" | "taint" => write::node(reading),
        "certificate approve" | "certificate deny" => write::certificate(reading),

        "exec" | "attach" => remote::execute(reading),
        "debug" => remote::debug(reading),
        "cp" => remote::copy(reading),
        "port-forward" | "proxy" => remote::tunnel(reading),

        "kustomize" => local::kustomize(reading),
        "help" | "options" | "completion" | "plugin list" | "kuberc view" => Ok(()),
        path if path.starts_with("config ") || path == "kuberc set" => local::config(reading),
        _ => local::group(reading),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_the_table_has_a_reader() {
        let mut left = vec![String::new()];
        let mut seen = 0;
        while let Some(path) = left.pop() {
            for name in table::subcommand_names(&path) {
                let below = if path.is_empty() {
                    name.to_owned()
                } else {
                    format!("{path} {name}")
                };
                let words: Vec<String> = below.split(' ').map(str::to_owned).collect();
                if let Err(fault) = parse(&words, &Surroundings::default()) {
                    assert!(!fault.problem.contains("is not known"), "{}", fault.problem);
                }
                seen += 1;
                left.push(below);
            }
        }
        assert!(seen > 100, "only {seen} commands");
    }
}
