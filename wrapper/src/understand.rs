//! From words to what they do, with everything that lies around: files that are read, the tool's own configuration, aliases.

use crate::inputs::{Inputs, Purpose};
use crate::kustomize::{self, NotBuilt};
use crate::tool_files::{self, Found};
use crate::tool_path::RealTool;
use argv::aws::AwsConfig;
use argv::configuration::{of_aws, of_environment, of_gh, of_kubeconfig};
use argv::kubectl::Kubeconfig;
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
    /// Where copies of kustomizations are made.
    pub place: &'a Path,
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
    match tool {
        Tool::Kubectl => facts.extend(bind_kubeconfig(&mut invocation, &mut inputs, files, whose)?),
        Tool::Aws => bind_aws(&mut invocation, &mut inputs, files, &around)?,
        Tool::Gh if purpose == Purpose::Run => {
            bind_gh(
                &invocation,
                &mut inputs,
                files,
                builder.map(|builder| builder.place),
            )?;
        }
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

/// Fills in where kubectl goes, and hands it the very kubeconfig that says so.
fn bind_kubeconfig(
    invocation: &mut Invocation,
    inputs: &mut Inputs,
    files: &[Found],
    whose: Whose,
) -> io::Result<Vec<argv::HazardFact>> {
    // With `--kubeconfig` it is another file that counts, and a command that changes the configuration must find the real one.
    if invocation.has_hazard(Hazard::RedirectsEndpoint) || invocation.has_hazard(Hazard::ChangesTool) {
        return Ok(Vec::new());
    }
    let texts: Option<Vec<&str>> = files.iter().map(Found::text).collect();
    let Some(kubeconfig) = texts.and_then(|texts| Kubeconfig::read(&texts)) else {
        let unclear = argv::HazardFact {
            hazard: Hazard::RunsLocalCode,
            because: "the kubeconfig is not understood, so it may start any program".to_owned(),
        };
        let is_nobodys = whose == Whose::Anybody && !files.is_empty();
        return Ok(is_nobodys.then_some(unclear).into_iter().collect());
    };
    kubeconfig.resolve(invocation);
    // Elsewhere its relative paths would mean other files.
    if !kubeconfig.has_relative_paths {
        let contents: Vec<&[u8]> = files.iter().map(|file| file.content.as_slice()).collect();
        inputs.hold_kubeconfig(&contents)?;
    }
    Ok(match whose {
        Whose::Operator => Vec::new(),
        Whose::Anybody => of_kubeconfig(&kubeconfig),
    })
}

/// Fills in where aws goes, and hands it the very files that say so. Not where something that they start may look for them, or the
/// command may write them; its aliases and service models are where they are.
fn bind_aws(
    invocation: &mut Invocation,
    inputs: &mut Inputs,
    files: &[Found],
    around: &Surroundings,
) -> io::Result<()> {
    let paths = tool_files::paths(Tool::Aws, |name| around.variable(name).map(str::to_owned));
    let text = |path: Option<&PathBuf>| {
        let path = path?;
        match files.iter().find(|file| file.path == *path) {
            Some(file) => file.text(),
            // What is there and was not read is not a file; aws may see something in it all the same.
            None => path.symlink_metadata().is_err().then_some(""),
        }
    };
    let (Some(config), Some(credentials)) = (text(paths.first()), text(paths.get(1))) else {
        return Ok(());
    };
    let Some(found) = AwsConfig::read(config, credentials) else {
        return Ok(());
    };
    found.resolve(invocation, around);
    let first = invocation.command.split(' ').next().unwrap_or_default();
    let writes_them = matches!(first, "configure" | "emr" | "login" | "logout" | "sso");
    let stays = writes_them
        || found.starts_programs
        || invocation.has_hazard(Hazard::RunsLocalCode)
        || invocation.has_hazard(Hazard::ChangesTool);
    if !stays {
        inputs.hold_file("AWS_CONFIG_FILE", config.as_bytes())?;
        inputs.hold_file("AWS_SHARED_CREDENTIALS_FILE", credentials.as_bytes())?;
    }
    Ok(())
}

/// Hands gh the very files that were read, in a directory of links to them. Not where the command may write them: newer versions
/// rewrite a configuration that does not say its version, and put its tokens elsewhere.
fn bind_gh(
    invocation: &Invocation,
    inputs: &mut Inputs,
    files: &[Found],
    place: Option<&Path>,
) -> io::Result<()> {
    let (Some(place), Some(config)) = (place, named(files, "config.yml")) else {
        return Ok(());
    };
    let says_its_version = config
        .text()
        .is_some_and(|text| text.lines().any(|line| line.starts_with("version:")));
    let first = invocation.command.split(' ').next().unwrap_or_default();
    let writes_them = matches!(first, "alias" | "auth" | "config" | "extension");
    let stays = !says_its_version
        || writes_them
        || invocation.has_hazard(Hazard::RunsLocalCode)
        || invocation.has_hazard(Hazard::ChangesTool);
    if stays {
        return Ok(());
    }
    let mut held = vec![("config.yml", config.content.as_slice())];
    held.extend(named(files, "hosts.yml").map(|hosts| ("hosts.yml", hosts.content.as_slice())));
    inputs.hold_directory("GH_CONFIG_DIR", place, &held)
}

fn named<'f>(files: &'f [Found], name: &str) -> Option<&'f Found> {
    files
        .iter()
        .find(|file| file.path.file_name().is_some_and(|found| found == name))
}

/// The host that gh takes where none is named.
fn hosts(tool: Tool, files: &[Found]) -> Option<String> {
    let hosts = named(files, "hosts.yml").filter(|_| tool == Tool::Gh)?;
    argv::gh::only_host(hosts.text()?)
}

/// The text in which the tool has its aliases.
fn aliases(tool: Tool, files: &[Found]) -> String {
    let name = match tool {
        Tool::Kubectl | Tool::Psql | Tool::Described(_) => return String::new(),
        Tool::Aws => "alias",
        Tool::Gh => "config.yml",
    };
    let text = named(files, name).and_then(Found::text);
    text.unwrap_or_default().to_owned()
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
