//! The gate: one governed command, from the words to its exit status.

mod environment;
mod event;
mod frozen;
mod judge;
mod refusal;
mod runnable;
mod sidecar;
mod snapshot;
mod spool;

use crate::configuration::{self, Configuration, ConfigurationError};
use crate::exit::Exit;
use crate::inputs::Inputs;
use crate::supervise::{self, Beside, Start, SuperviseError};
use crate::sys::{self, Inherited};
use crate::tool_path::{FileId, NoTool, RealTool};
use argv::Tool;
use judge::Judgement;
use policies::{Permit, Verdict};
use refusal::{Report, Stop};
use runnable::Runnable;
use sidecar::{CannotRecord, Sidecar, Submitted};
use snapshot::Snapshot;
use spool::Spool;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::RawFd;
use std::path::Path;

pub use judge::{place_for_copies, real_tool as tool_in_force};
pub use refusal::warn;

/// Judges, records, and runs or refuses the command; returns the exit status.
pub fn run(tool: Tool, args: Vec<OsString>) -> i32 {
    pipeline(tool, args).unwrap_or_else(|stop| stop.report())
}

/// The way of one command. Each step can only end it or hand on to the next; only a `Permit` reaches `execute`.
fn pipeline(tool: Tool, args: Vec<OsString>) -> Result<i32, Stop> {
    let inherited = sys::prepare().map_err(Stop::system)?;
    let call = Snapshot::take(tool, args).map_err(Stop::system)?;
    let (file, orders) = Configuration::find()?;
    let child = environment::clean(tool, &orders, &call);
    let identity = match configuration::identify(&file, &orders.pins, call.uid, |name| call.variable(name)) {
        Ok(identity) => identity,
        Err(error) => {
            return Err(refuse_misconfigured(&call, &file, &orders, &child, error));
        }
    };
    let judgement = Judgement::of(&call, &file, &orders, &identity, &child)?;
    let found = real_tool(tool, &orders)?;
    let binary = found.as_ref().ok().map(|found| found.path.as_path());
    let event = event::compose(&call, &identity, &judgement, &child, binary, &orders.redactor());
    // Not sooner: it would take us in on the processor on which we judge.
    let sidecar = Sidecar::connect(&orders.socket, orders.deadline());
    let asked = sidecar.and_then(|sidecar| sidecar.submit(&event));
    // The sidecar writes; meanwhile what may run is made ready, up to its first instruction.
    let call = call.with(&judgement.inputs);
    let mut runnable = found.map(|real| Runnable::new(real, &call, &child, &judgement.inputs, &event));
    if let (Verdict::Allow(permit), Ok(asked)) = (&judgement.verdict, &asked) {
        let files = judgement.inputs.descriptors();
        let keep = files.chain([asked.descriptor()]).collect();
        runnable = match runnable {
            Ok(runnable) => Ok(runnable.poise(permit, &inherited, keep)?),
            no_tool => no_tool,
        };
    }
    let recorder = match Recorder::confirm(asked, &orders, &identity, &judgement, &event) {
        Ok(recorder) => recorder,
        Err(error) => {
            drop(runnable);
            return Err(match error {
                CannotRecord::Frozen(why) => frozen::refuse(&orders, &event, &judgement, why),
                error => Stop::unrecorded(&event, &judgement, error),
            });
        }
    };
    match judgement.verdict {
        Verdict::Allow(permit) => {
            let inputs = judgement.inputs;
            let company = Company {
                recorder,
                inputs,
                tool: None,
            };
            execute(permit, tool, runnable, &inherited, company, &event)
        }
        Verdict::Escalate(hold) => Err(Stop::Told(Report::held(&event, &hold), Exit::Held)),
        Verdict::Deny(denial) => Err(Stop::Told(Report::refused(&event, &denial), Exit::Refused)),
    }
}

/// Runs what was permitted and recorded, then records how it ended.
fn execute(
    _permit: Permit,
    tool: Tool,
    runnable: Result<Runnable, NoTool>,
    inherited: &Inherited,
    mut company: Company,
    event: &audit_event::Event,
) -> Result<i32, Stop> {
    let runnable = match runnable.and_then(|runnable| runnable.hold().map(|()| runnable)) {
        Ok(runnable) => runnable,
        Err(no_tool) => {
            company
                .recorder
                .record_outcome(&event::not_started(event, &no_tool.to_string()))?;
            return Err(Stop::no_tool(no_tool));
        }
    };
    let (path, program);
    let start = match runnable {
        Runnable::Ready(real, ready) => {
            company.tool = Some(real.file);
            path = real.path;
            program = ready?;
            Start::Program(&program, inherited)
        }
        Runnable::Poised(at, file, poised) => {
            company.tool = Some(file);
            path = at;
            Start::Poised(poised)
        }
    };
    company.inputs.say().map_err(Stop::system)?;
    let result = supervise::run(start, &mut company);
    company.inputs.let_go(); // A tool that was killed takes us with it below.
    match result {
        Ok((ended, duration)) => {
            let outcome = event::outcome(event, ended, duration);
            if let Err(error) = company.recorder.record_outcome(&outcome) {
                // The tool has run and its status is the caller's; the ledger will show it as not concluded.
                warn(&format!("how {tool} ended could not be recorded: {error}"));
            }
            // What we hold is given back by the kernel; taking it apart first would only keep the caller waiting.
            sys::leave(ended.mirror())
        }
        Err(SuperviseError::NotStarted(errno)) => {
            company
                .recorder
                .record_outcome(&event::not_started(event, errno.desc()))?;
            Err(Stop::not_executable(&path, errno))
        }
        Err(error) => Err(Stop::system(std::io::Error::other(error))),
    }
}

/// The tool that would run: found in the operator's PATH, and still the operator's.
fn real_tool(tool: Tool, orders: &Configuration) -> Result<Result<RealTool, NoTool>, Stop> {
    let pinned = orders
        .tools
        .as_ref()
        .map(|tools| tools.get(&tool).and_then(Option::as_ref));
    if let Some(real) = pinned.and_then(|pinned| RealTool::find_unchanged(tool.name(), &orders.path, pinned?))
    {
        return Ok(Ok(real));
    }
    let ourselves = FileId::of_this_program().map_err(Stop::system)?;
    let opened = RealTool::find(tool.name(), &orders.path, ourselves);
    Ok(opened.and_then(|mut real| {
        match pinned {
            Some(pinned) => real.check_pinned(pinned)?,
            None => real.check_host(&orders.required(tool))?,
        }
        Ok(real)
    }))
}

/// A caller whose environment asks for what it may not have: said, and recorded at the pinned level if possible.
fn refuse_misconfigured(
    call: &Snapshot,
    file: &Path,
    orders: &Configuration,
    child: &environment::Child<'_>,
    error: ConfigurationError,
) -> Stop {
    let Ok(pinned) = configuration::identify(file, &orders.pins, call.uid, |_| None) else {
        return Stop::Configuration(error);
    };
    let judgement = match Judgement::refused_by_configuration(file, orders, &pinned, &error) {
        Ok(judgement) => judgement,
        Err(stop) => return stop,
    };
    let event = event::compose(call, &pinned, &judgement, child, None, &orders.redactor());
    let sidecar = Sidecar::connect(&orders.socket, orders.deadline());
    match sidecar.and_then(|mut sidecar| sidecar.record(&event)) {
        Ok(()) => Stop::Configuration(error),
        Err(unrecorded) => Stop::unrecorded(&event, &judgement, unrecorded),
    }
}

/// Who has recorded the decision, and will record the outcome.
enum Recorder {
    Sidecar(Sidecar),
    Spool(Spool),
}

impl Recorder {
    /// Waits until the decision is durable: in the ledger, or in the spool when nobody answers and the command may go by it. A
    /// sidecar that refuses, or that hangs, is not gone round.
    fn confirm(
        asked: Result<Submitted, CannotRecord>,
        orders: &Configuration,
        identity: &configuration::Identity,
        judgement: &Judgement,
        event: &audit_event::Event,
    ) -> Result<Recorder, CannotRecord> {
        let asked = asked.and_then(Submitted::confirm).map(Recorder::Sidecar);
        let may_spool = matches!(judgement.verdict, Verdict::Allow(_))
            && spool::admits(orders, identity, judgement.invocation.as_ref());
        match asked {
            Err(CannotRecord::Unreachable { .. }) if may_spool => {
                Ok(Recorder::Spool(Spool::begin(orders, event)?))
            }
            other => other,
        }
    }

    fn record_outcome(&mut self, outcome: &audit_event::Outcome) -> Result<(), CannotRecord> {
        match self {
            Recorder::Sidecar(sidecar) => sidecar.record_outcome(outcome),
            Recorder::Spool(spool) => Ok(spool.record_outcome(outcome)?),
        }
    }

    fn descriptor(&self) -> Option<RawFd> {
        match self {
            Recorder::Sidecar(sidecar) => Some(sidecar.descriptor()),
            Recorder::Spool(_) => None,
        }
    }
}

/// What the gate keeps while the tool runs, and nothing else: its connection, and the files that the tool reads.
struct Company {
    recorder: Recorder,
    inputs: Inputs,
    tool: Option<File>,
}

impl Beside for Company {
    fn started(&mut self) {
        self.tool = None; // whoever waits to write to it may
    }

    fn keep(&self) -> Option<Vec<RawFd>> {
        let files = self.inputs.descriptors();
        Some(files.chain(self.recorder.descriptor()).collect())
    }
}

/// The operator's environment as a session pins it: values, and digests of credentials.
pub fn pin_environment() -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    environment::pin()
}

/// Why a command that would be allowed is not, because of what this process's environment says of where it goes.
///
/// # Errors
/// When the environment cannot be read.
pub fn astray(
    tool: Tool,
    invocation: &argv::Invocation,
    orders: &Configuration,
) -> std::io::Result<Option<policies::Denial>> {
    let call = Snapshot::take(tool, Vec::new())?;
    let child = environment::clean(tool, orders, &call);
    Ok(judge::astray(invocation, &child.elsewhere))
}

/// The policy under which this session's gates judge right now.
///
/// # Errors
/// As the gate itself.
pub fn governance_in_force() -> Result<policies::Governance, ConfigurationError> {
    let (file, orders) = Configuration::find()?;
    let uid = nix::unistd::getuid().as_raw();
    let identity = configuration::identify(&file, &orders.pins, uid, |name| std::env::var(name).ok())?;
    judge::load(&file, &orders, identity.level).map(|(governance, _)| governance)
}
