//! Commands that change or remove objects.

use super::hazards::{self, reveal};
use super::reading::{Reading, Run};
use super::resources::{self, Type};
use super::targets::{self, Target};
use super::tree::Word;
use super::{local, raw};
use crate::{Effect, Hazard, Unreadable, Workload};

/// `apply`, `replace`, `patch`, `edit` and the editors of last-applied configuration.
pub(super) fn content(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    if let (Some(path), "replace") = (reading.line.value("raw"), reading.path) {
        reading.manifest_targets()?;
        return raw::read(reading, path);
    }
    let arguments = reading.arguments();
    let from_files_only = matches!(reading.path, "apply" | "replace" | "apply set-last-applied");
    if let (true, Some(extra)) = (from_files_only, arguments.first()) {
        return Err(extra.unreadable("does not go with this command").hint("use `-f`"));
    }
    if let Some(path) = reading.line.value("patch-file") {
        reading.file(path, false);
        reading.hazard(Hazard::ReadsFiles, "`--patch-file` sends what a local file says");
    }
    if matches!(reading.path, "edit" | "apply edit-last-applied") {
        local::editor(reading);
    }
    let removes = reading.line.on("force") && matches!(reading.path, "apply" | "replace");
    // Older versions delete in spite of a dry run.
    let run = if removes && reading.path == "replace" {
        Run::Real
    } else {
        run_or_local(reading)?
    };
    let targets = reading.targets(&arguments)?;
    let subresource = reading.subresource()?;
    reading.act(run, Effect::Write, &targets, subresource);
    if removes {
        reading.act(run, Effect::Delete, &targets, None);
    }
    if reading.line.on("prune") {
        prune(reading, run);
    }
    Ok(())
}

/// What `apply --prune` removes lies in any namespace, and may be a namespace.
fn prune(reading: &mut Reading<'_>, run: Run) {
    hazards::of_prune(reading);
    let effect = if run == Run::Real {
        Effect::Delete
    } else {
        Effect::Read
    };
    let verb = format!("apply{}", run.mark());
    reading.operate_everywhere(effect, &verb, &Target::every(Type::unknown()), None);
}

/// `delete`.
pub(super) fn delete(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    if let Some(path) = reading.line.value("raw") {
        reading.manifest_targets()?;
        return raw::read(reading, path);
    }
    let arguments = reading.arguments();
    let run = reading.run()?;
    let mut targets = reading.targets(&arguments)?;
    let category = arguments
        .first()
        .is_some_and(|word| word.text.split(',').any(resources::is_category));
    if category {
        // Custom resources may have joined the category.
        targets.push(Target::every(Type::unknown()));
    }
    reading.act(run, Effect::Delete, &targets, None);
    if category && run == Run::Real {
        reading.hazard(Hazard::Unbounded, "a category stands for any number of types");
    }
    Ok(())
}

/// `label`, `annotate`: reads with `--list`, whatever else is on the line.
pub(super) fn metadata(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let (resources, _) = split_pairs(&reading.arguments(), is_pair)?;
    let run = if reading.line.on("list") {
        Run::Only(" --list")
    } else {
        run_or_local(reading)?
    };
    let targets = reading.targets(&resources)?;
    reading.act(run, Effect::Write, &targets, None);
    if reading.path == "annotate" && run == Run::Only(" --list") {
        for target in targets.iter().filter(|target| target.of.holds_secrets()) {
            reveal(reading, target, "is listed with its last applied content");
        }
    }
    Ok(())
}

/// `set …`.
pub(super) fn set(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let arguments = reading.arguments();
    let resources = match reading.path {
        "set image" => split_pairs(&arguments, is_pair)?.0,
        // A lone `-` reads the variables from standard input.
        "set env" => split_pairs(&arguments, |word| is_pair(word) || word == "-")?.0,
        // The last word is the selector, or the account.
        "set selector" | "set serviceaccount" => arguments
            .split_last()
            .map(|(_, resources)| resources.to_vec())
            .unwrap_or_default(),
        _ => arguments,
    };
    let listing = reading.path == "set env" && reading.line.on("list");
    let run = if listing {
        Run::Only(" --list")
    } else {
        run_or_local(reading)?
    };
    let targets = reading.targets(&resources)?;
    if reading.line.on("resolve") {
        let verb = format!("set env{}", run.mark());
        for kind in ["secrets", "configmaps"] {
            reading.operate(Effect::Read, &verb, &Target::every(Type::built_in(kind)), None);
        }
        reading.hazard(
            Hazard::RevealsCredentials,
            "`--resolve` prints the secrets that variables refer to",
        );
    }
    reading.act(run, Effect::Write, &targets, None);
    let copied = reading.line.values("from").next();
    if let Some(source) = copied {
        let source = targets::pair(source)?;
        let verb = format!("set env{}", run.mark());
        reading.operate(Effect::Read, &verb, &source, None);
    }
    Ok(())
}

/// Commands whose arguments are just targets.
pub(super) fn plain(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let run = reading.run()?;
    let mut targets = targets::read(&reading.arguments())?;
    let looked_at = targets.len();
    targets.extend(reading.manifest_targets()?);
    if targets.is_empty() {
        return Err(reading.nothing_named());
    }
    match reading.path {
        "scale" => {
            reading.act(run, Effect::Write, &targets, Some("scale"));
            if reading.line.on("record") {
                // The command is noted in an annotation of the object itself.
                reading.act(run, Effect::Write, &targets, None);
            }
        }
        "autoscale" => makes(
            reading,
            run,
            &targets,
            looked_at,
            "horizontalpodautoscalers.autoscaling",
        ),
        "expose" => makes(reading, run, &targets, looked_at, "services"),
        _ => reading.act(run, Effect::Write, &targets, None),
    }
    Ok(())
}

/// A new object for each target; the first targets are only looked at, those in manifests not even that.
fn makes(reading: &mut Reading<'_>, run: Run, targets: &[Target], looked_at: usize, kind: &str) {
    let name = reading.line.value("name");
    for (number, target) in targets.iter().enumerate() {
        if number < looked_at {
            reading.act(run, Effect::Read, std::slice::from_ref(target), None);
        }
        let made = Target {
            of: Type::built_in(kind),
            name: name.map(str::to_owned).or_else(|| target.name.clone()),
            namespace: target.namespace.clone(),
            from_manifest: target.from_manifest,
            workload: Workload::default(),
        };
        reading.act(run, Effect::Write, &[made], None);
    }
}

/// `cordon`, `uncordon`, `drain`, `taint`.
pub(super) fn node(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let arguments = reading.arguments();
    let run = reading.run()?;
    let targets = if reading.path == "taint" {
        let (resources, _) = split_pairs(&arguments, |word| is_pair(word) || word.contains([':', '=']))?;
        let mut targets = reading.targets(&resources)?;
        if reading.line.on("all") || reading.line.has("selector") {
            // Names count for nothing beside these.
            for target in &mut targets {
                target.name = None;
            }
        }
        targets
    } else if arguments.is_empty() && reading.line.has("selector") {
        vec![Target::every(Type::built_in("nodes"))]
    } else if arguments.is_empty() {
        return Err(Unreadable::missing(&format!(
            "`kubectl {}` does not say which node",
            reading.path
        )));
    } else {
        targets::all_named(&arguments, "nodes")?
    };
    reading.act(run, Effect::Write, &targets, None);
    if reading.path == "drain" {
        let effect = if run == Run::Real {
            Effect::Delete
        } else {
            Effect::Read
        };
        // A client-side dry run only lists them.
        let evicts = !reading.line.on("disable-eviction") && run != Run::CLIENT;
        let pods = Target::every(Type::built_in("pods"));
        let verb = format!("drain{}", run.mark());
        reading.operate_everywhere(effect, &verb, &pods, evicts.then_some("eviction"));
        if run == Run::Real {
            reading.hazard(Hazard::Unbounded, "`drain` removes every pod of the node");
        }
    }
    Ok(())
}

/// `certificate approve|deny`.
pub(super) fn certificate(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let mut targets = targets::all_named(
        &reading.arguments(),
        "certificatesigningrequests.certificates.k8s.io",
    )?;
    targets.extend(reading.manifest_targets()?);
    if targets.is_empty() {
        return Err(Unreadable::missing(&format!(
            "`kubectl {}` does not say which request",
            reading.path
        )));
    }
    reading.act(Run::Real, Effect::Write, &targets, Some("approval"));
    Ok(())
}

/// `--local` never asks the server; otherwise what `--dry-run` says.
fn run_or_local(reading: &Reading<'_>) -> Result<Run, Unreadable> {
    if reading.line.on("local") {
        reading.run()?;
        return Ok(Run::Only(" --local"));
    }
    reading.run()
}

/// `KEY=VALUE` sets, `KEY-` removes.
fn is_pair(word: &str) -> bool {
    word.find('=').is_some_and(|place| place > 0) || (word.len() > 1 && word.ends_with('-'))
}

/// Resources first, then pairs; they do not mix.
fn split_pairs<'a>(
    words: &[Word<'a>],
    pair: impl Fn(&str) -> bool,
) -> Result<(Vec<Word<'a>>, Vec<Word<'a>>), Unreadable> {
    let start = words
        .iter()
        .position(|word| pair(word.text))
        .unwrap_or(words.len());
    let (resources, pairs) = words.split_at_checked(start).unwrap_or((words, &[]));
    match pairs.iter().find(|word| !pair(word.text)) {
        Some(late) => Err(late
            .unreadable("is a resource behind what is to be set")
            .hint("name the resources first")),
        None => Ok((resources.to_vec(), pairs.to_vec())),
    }
}
