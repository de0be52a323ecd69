//! Understands the command and judges it, at the level in force and at the pinned one.

use super::environment::Child;
use super::refusal::Stop;
use super::snapshot::Snapshot;
use crate::configuration::{Configuration, ConfigurationError, Identity, Owner, read_trusted};
use crate::digest;
use crate::governance::now;
use crate::inputs::{Inputs, Purpose};
use crate::privilege;
use crate::tool_files::{self, Found};
use crate::tool_path::RealTool;
use crate::understand::{Builder, NotUnderstood, Understood, Whose, understand};
use argv::{Effect, Hazard, Invocation, Operation, Surroundings, Tool};
use policies::{Denial, Governance, Level, Verdict};
use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

/// What was understood, and the verdict.
#[derive(Debug)]
pub struct Judgement {
    /// `None` when it could not be understood.
    pub invocation: Option<Invocation>,
    /// May it run?
    pub verdict: Verdict,
    /// SHA-256 of the policy of the level in force.
    pub policy_digest: String,
    /// The files that were read for it, to be handed to the tool.
    pub inputs: Inputs,
}

impl Judgement {
    /// Judges `call` by the policies that `orders` name.
    pub fn of(
        call: &Snapshot,
        file: &Path,
        orders: &Configuration,
        identity: &Identity,
        child: &Child<'_>,
    ) -> Result<Judgement, Stop> {
        let (governance, policy_digest) = load(file, orders, identity.level)?;
        // The kernel takes it back as a whole in a moment; to take it apart first would only keep the caller waiting.
        let governance = ManuallyDrop::new(governance);
        let files = match configuration_files(call.tool, orders, child) {
            Ok(files) => files,
            Err(why) => {
                return Ok(Judgement {
                    invocation: None,
                    verdict: Verdict::Deny(misconfigured(why)),
                    policy_digest,
                    inputs: Inputs::default(),
                });
            }
        };
        let around = Surroundings {
            description: governance.description(call.tool),
            ..child.around.clone()
        };
        let builder = Builder {
            is_worth_it: &|invocation| governance.might_allow(invocation),
            is_allowed: &|invocation| !matches!(governance.evaluate(invocation), Verdict::Deny(_)),
            tool: &|| real_tool(call.tool, orders),
            place: &place_for_copies(file, orders),
            is_in_session: orders.session.is_some(),
        };
        // The files that the caller names are read as the caller may. A kustomization is not built with a lent group: whoever
        // rewrites the copy meanwhile could have it read what only the group may.
        let builder = (!privilege::is_lent()).then_some(&builder);
        let understood = privilege::as_the_caller(|| {
            understand(
                call.tool,
                call.words(),
                around,
                &files,
                Purpose::Run,
                Whose::Operator,
                builder,
            )
        })
        .map_err(Stop::system)?;
        let (invocation, inputs, verdict) = match understood {
            Ok(Understood { invocation, inputs }) => {
                let verdict = governance.evaluate(&invocation);
                (Some(invocation), inputs, verdict)
            }
            Err(NotUnderstood::Unreadable(unreadable)) => (
                None,
                Inputs::default(),
                Verdict::Deny(governance.refuse_unreadable(call.tool, &unreadable)),
            ),
            Err(NotUnderstood::System(error)) => return Err(Stop::system(error)),
        };
        let verdict = match (&invocation, verdict) {
            // Lowered: the pinned level's own refusals stay, for narrowing must never widen.
            (Some(invocation), Verdict::Allow(permit)) if identity.pinned > identity.level => {
                match load(file, orders, identity.pinned)?.0.evaluate(invocation) {
                    Verdict::Allow(_) => Verdict::Allow(permit),
                    stricter => stricter,
                }
            }
            (_, verdict) => verdict,
        };
        let verdict = match (&invocation, verdict) {
            (_, Verdict::Deny(denial)) => Verdict::Deny(denial),
            (Some(invocation), verdict) => {
                astray(invocation, &child.elsewhere).map_or(verdict, Verdict::Deny)
            }
            (None, verdict) => verdict,
        };
        Ok(Judgement {
            invocation,
            verdict,
            policy_digest,
            inputs,
        })
    }

    /// Nothing may run, because of what the environment asks for.
    pub fn refused_by_configuration(
        file: &Path,
        orders: &Configuration,
        identity: &Identity,
        error: &ConfigurationError,
    ) -> Result<Judgement, Stop> {
        let (_, policy_digest) = load(file, orders, identity.level)?;
        Ok(Judgement {
            invocation: None,
            verdict: Verdict::Deny(misconfigured(error.to_string())),
            policy_digest,
            inputs: Inputs::default(),
        })
    }
}

/// A command that would change something, and not where its caller said. What only reads goes where the operator said.
pub fn astray(invocation: &Invocation, elsewhere: &[String]) -> Option<Denial> {
    let changes = |operation: &Operation| operation.effect > Effect::Read;
    let changes = invocation.operations.iter().any(changes) || invocation.has_hazard(Hazard::ChangesTool);
    let name = elsewhere.first().filter(|_| changes)?;
    Some(misconfigured(format!(
        "`{name}` is not as the operator has it, whose word counts: this would change something elsewhere than you mean; unset it and \
         name the place by an option"
    )))
}

fn misconfigured(message: String) -> Denial {
    Denial {
        reason: policies::Reason::Configuration,
        rule: None,
        message,
        nearest: Vec::new(),
    }
}

/// The tool that would run, for a look at what it makes of its input.
pub fn real_tool(tool: Tool, orders: &Configuration) -> Result<RealTool, String> {
    match super::real_tool(tool, orders) {
        Ok(found) => found.map_err(|no_tool| no_tool.to_string()),
        Err(_) => Err("this program cannot find itself".to_owned()),
    }
}

/// Where copies of what the agent has are made: what is left in a session's directory goes with the session.
pub fn place_for_copies(file: &Path, orders: &Configuration) -> PathBuf {
    match (&orders.session, file.parent()) {
        (Some(_), Some(directory)) => directory.join("copies"),
        _ => PathBuf::from("/tmp"),
    }
}

/// The contents of the tool's own configuration files, or why they cannot be trusted.
fn configuration_files(tool: Tool, orders: &Configuration, child: &Child<'_>) -> Result<Vec<Found>, String> {
    let variable = |name: &str| child.around.variable(name).map(str::to_owned);
    if let Some(why) = tool_files::unclear(tool, variable) {
        return Err(why);
    }
    let paths = tool_files::paths(tool, variable);
    let nothing = BTreeMap::new();
    let pinned = orders
        .files
        .as_ref()
        .map(|files| files.get(&tool).unwrap_or(&nothing));
    tool_files::take(paths, pinned)
}

/// The policy of one level, checked against the digest that is pinned for it.
pub fn load(
    file: &Path,
    orders: &Configuration,
    level: Level,
) -> Result<(Governance, String), ConfigurationError> {
    let uid = nix::unistd::getuid().as_raw();
    let refuse = ConfigurationError::Policy;
    let name = orders.policies.get(&level).ok_or_else(|| {
        refuse(format!(
            "{}: no policy for level {level}, so nothing may run",
            file.display()
        ))
    })?;
    let path = file.parent().unwrap_or(Path::new("/")).join(name);
    let owner = if orders.session.is_some() {
        Owner::Caller
    } else {
        Owner::Root
    };
    let text = read_trusted(&path, owner)?;
    let digest = digest::hex(text.as_bytes());
    let pinned = orders
        .pins
        .of(uid)
        .and_then(|pin| pin.policies.get(level.to_string().as_str()));
    if pinned.is_some_and(|pinned| *pinned != digest) {
        return Err(refuse(format!(
            "{}: changed since it was pinned, so nothing may run",
            path.display()
        )));
    }
    let governance =
        Governance::from_snapshot(&text).map_err(|faults| refuse(format!("{}: {faults}", path.display())))?;
    Ok((governance.at(now()), digest))
}
