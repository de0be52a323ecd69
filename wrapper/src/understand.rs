//! From words to what they do, with everything that lies around: files that are read, the tool's own configuration, aliases.

use crate::hand_over::{aliases, bind_aws, bind_gh, bind_kubeconfig, hosts};
use crate::inputs::{Inputs, Purpose};
use crate::kustomize::{self, NotBuilt};
use crate::tool_files::Found;
use crate::tool_path::RealTool;
use argv::configuration::{of_aws, of_environment, of_gh};
use argv::{Hazard, Invocation, Surroundings, Tool, Unreadable, words};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Whose the environment and the configuration files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The operator's, pinned: what they say is meant.
    Operator,
    /// Nobody knows whose: what they make the tool run or where they send it counts as the command's own doing.
    Anybody,
}

/// What it takes to build a kustomization.
pub struct Builder<'a> {
    /// Whether knowing more could make the command run; nothing is built where it could not.
    pub is_worth_it: &'a dyn Fn(&Invocation) -> bool,
    /// Whether the command may run, or be held, as far as it is known.
    pub is_allowed: &'a dyn Fn(&Invocation) -> bool,
    /// The real kubectl, or why there is none.
    pub tool: &'a dyn Fn() -> Result<RealTool, String>,
    /// Where copies are made, of kustomizations and of the tools' own directories.
    pub place: &'a Path,
    /// Whether the place is as much the caller's as the tools' HOME is.
    pub is_in_session: bool,
}

/// A command that was understood, and what it reads.
#[derive(Debug)]
pub struct Understood {
    /// What it does.
    pub invocation: Invocation,
    /// What it reads.
    pub inputs: Inputs,
}

/// Why a command is not judged.
#[derive(Debug, Error)]
pub enum NotUnderstood {
    /// It is not understood.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The system refuses something basic.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Understands `args`, the words after the tool's name. `around` has the environment that the tool gets; `files` are its
/// configuration files. Without a `builder`, a kustomization stays what it is, a hazard.
///
/// # Errors
/// [`NotUnderstood`]: then nothing may run.
pub fn understand(
    tool: Tool,
    args: &[OsString],
    mut around: Surroundings,
    files: &[Found],
    purpose: Purpose,
    whose: Whose,
    builder: Option<&Builder<'_>>,
) -> Result<Understood, NotUnderstood> {
    let mut inputs = Inputs::take(tool, args, purpose)?;
    around.manifests.clone_from(&inputs.manifests);
    around.contents.clone_from(&inputs.contents);
    around.aliases = aliases(tool, files);
    around.default_host = hosts(tool, files);
    let mut invocation = argv::parse(tool, args, &around)?;
    if let Some(builder) = builder.filter(|_| tool == Tool::Kubectl && inputs.manifests.is_none()) {
        invocation = build(invocation, &mut inputs, args, &mut around, builder)?;
    }
    if tool != Tool::Psql && invocation.has_hazard(Hazard::ReadsFiles) && inputs.manifests.is_none() {
        around.contents = inputs.take_named(tool, &invocation, args)?;
        if !around.contents.is_empty() {
            invocation = argv::parse(tool, args, &around)?;
        }
    }
    if let Some(extension) = extension_instead(tool, &invocation, &around) {
        let because = format!("`{}` is an extension that runs instead", extension.display());
        invocation.add_hazard(Hazard::RunsLocalCode, because);
    }
    let mut facts = Vec::new();
    if whose == Whose::Anybody {
        facts.extend(of_environment(tool, &around));
        facts.extend(of_files(tool, &invocation, files));
    }
    let place = builder
        .filter(|_| purpose == Purpose::Run)
        .map(|builder| builder.place);
    match tool {
        Tool::Kubectl => facts.extend(bind_kubeconfig(&mut invocation, &mut inputs, files, whose)?),
        Tool::Aws => {
            let place = place.filter(|_| builder.is_some_and(|builder| builder.is_in_session));
            bind_aws(&mut invocation, &mut inputs, files, &around, place)?;
            if inputs.environment.iter().any(|(name, _)| *name == "HOME") {
                names_no_home(args)?;
            }
        }
        Tool::Gh if purpose == Purpose::Run => bind_gh(&invocation, &mut inputs, files, place)?,
        Tool::Gh | Tool::Psql | Tool::Described(_) => {}
    }
    for fact in facts {
        invocation.add_hazard(fact.hazard, fact.because);
    }
    if let Some(description) = &around.description {
        inputs.withhold(description.clone());
    }
    if tool == Tool::Psql {
        inputs.bind_session(&invocation, around.variable("PGOPTIONS"));
    }
    Ok(Understood { invocation, inputs })
}

/// aws writes some files to where `~` leads, and behind the gate that would be a directory that goes with the command.
fn names_no_home(args: &[OsString]) -> Result<(), Unreadable> {
    for (position, word) in args.iter().enumerate() {
        let word = word.to_string_lossy();
        if word == "~" || word.starts_with("~/") || word.contains("=~/") {
            return Err(
                Unreadable::at(position, &word, "has a `~` that aws would expand").hint("write the path out")
            );
        }
    }
    Ok(())
}

/// The invocation with the objects of the kustomization that the command names, where it names one that can be built.
fn build(
    invocation: Invocation,
    inputs: &mut Inputs,
    args: &[OsString],
    around: &mut Surroundings,
    builder: &Builder<'_>,
) -> Result<Invocation, NotUnderstood> {
    let Some(named) = argv::kubectl::kustomization(&words::utf8(args)?)? else {
        return Ok(invocation);
    };
    // What building answers: the objects, whether one is a secret, and that nothing was fetched or run.
    let answered = [
        Hazard::ReadsFiles,
        Hazard::RunsLocalCode,
        Hazard::RevealsCredentials,
    ];
    let mut trial = invocation.clone();
    trial.hazards.retain(|fact| !answered.contains(&fact.hazard));
    if !(builder.is_worth_it)(&trial) {
        return Ok(invocation);
    }
    let tool = (builder.tool)().map_err(|why| {
        Unreadable::missing(&format!(
            "the kustomization is not built, so it is not judged: {why}"
        ))
    })?;
    match kustomize::build(&tool, Path::new(&named.directory), builder.place) {
        Ok(built) => {
            let hidden = built.hidden.clone();
            inputs.take_built(&named, built)?;
            around.manifests.clone_from(&inputs.manifests);
            let mut invocation = argv::parse(Tool::Kubectl, args, around)?;
            if let Some(hidden) = hidden {
                let because = format!(
                    "the kustomization puts `{hidden}` into an object, and it is hidden, or has a secret in it"
                );
                invocation.add_hazard(Hazard::RevealsCredentials, because);
            }
            Ok(invocation)
        }
        // A rule may accept a kustomization as the hazard that it is.
        Err(NotBuilt::NotTried(_)) if (builder.is_allowed)(&invocation) => Ok(invocation),
        Err(NotBuilt::NotTried(why)) => Err(Unreadable::missing(&format!(
            "the kustomization is not built, because it may fetch or run something, and no rule accepts that: {why}"
        ))
        .into()),
        Err(NotBuilt::Failed(why)) => {
            Err(Unreadable::missing(&format!("the kustomization cannot be built: {why}")).into())
        }
        Err(NotBuilt::System(error)) => Err(error.into()),
    }
}

fn of_files(tool: Tool, invocation: &Invocation, files: &[Found]) -> Vec<argv::HazardFact> {
    let texts: Vec<&str> = files.iter().filter_map(Found::text).collect();
    // What nobody reads cannot do anything: `--version`, help.
    match tool {
        Tool::Kubectl | Tool::Psql | Tool::Described(_) => Vec::new(),
        Tool::Aws => {
            let profile = invocation
                .operations
                .first()
                .and_then(|operation| operation.scope.profile.as_deref());
            of_aws(&texts, profile)
        }
        Tool::Gh => texts.iter().flat_map(|text| of_gh(text)).collect(),
    }
}

/// A gh extension with the name of one of gh's own commands: some versions run it instead.
fn extension_instead(tool: Tool, invocation: &Invocation, around: &Surroundings) -> Option<PathBuf> {
    if tool != Tool::Gh {
        return None;
    }
    let noun = invocation.command.split(' ').next()?;
    let base = match around.variable("XDG_DATA_HOME") {
        Some(base) => PathBuf::from(base),
        None => PathBuf::from(around.variable("HOME")?).join(".local/share"),
    };
    let extension = base.join("gh/extensions").join(format!("gh-{noun}"));
    extension.symlink_metadata().is_ok().then_some(extension)
}
