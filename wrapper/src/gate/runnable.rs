//! The tool of one call, ready to be started, or executed already and held before its first instruction.

use super::environment;
use super::refusal::Stop;
use super::snapshot::Snapshot;
use crate::inputs::Inputs;
use crate::supervise;
use crate::sys::{self, Inherited, Poised, Program};
use crate::tool_path::{NoTool, RealTool};
use policies::Permit;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What will run when it may.
pub enum Runnable {
    /// The tool, and how it will be started.
    Ready(RealTool, Result<Program, Stop>),
    /// The tool with this path, opened, and executed.
    Poised(PathBuf, File, Poised),
}

impl Runnable {
    pub fn new(
        real: RealTool,
        call: &Snapshot,
        child: &environment::Child<'_>,
        inputs: &Inputs,
        event: &audit_event::Event,
    ) -> Runnable {
        let program = program(&real, call, child, inputs, event);
        Runnable::Ready(real, program)
    }

    /// Executes the tool that is permitted, if it can be held before its first instruction until that is recorded. Of our descriptors
    /// only `keep` and the tool's are left then.
    ///
    /// # Errors
    /// When descriptors cannot be let go of; nothing can be started any more.
    pub fn poise(
        self,
        _permit: &Permit,
        inherited: &Inherited,
        mut keep: Vec<RawFd>,
    ) -> Result<Runnable, Stop> {
        // Whatever is amiss here is asked for again when it may run, and said then.
        let poised = match &self {
            Runnable::Ready(real, Ok(program)) if real.hold().is_ok() => supervise::poise(program, inherited),
            _ => None,
        };
        match (self, poised) {
            (Runnable::Ready(real, _), Some(poised)) => {
                let RealTool { path, file, .. } = real;
                keep.push(file.as_raw_fd()); // there are kernels that let a file be written that is executed
                sys::let_go_of_descriptors(&keep).map_err(Stop::system)?;
                Ok(Runnable::Poised(path, file, poised))
            }
            (as_it_was, _) => Ok(as_it_was),
        }
    }

    /// That the tool is still what it was when it was opened, and stays so until it is executed.
    ///
    /// # Errors
    /// [`NoTool::Replaced`].
    pub fn hold(&self) -> Result<(), NoTool> {
        match self {
            Runnable::Ready(real, _) => real.hold(),
            Runnable::Poised(..) => Ok(()),
        }
    }
}

fn program(
    real: &RealTool,
    call: &Snapshot,
    child: &environment::Child<'_>,
    inputs: &Inputs,
    event: &audit_event::Event,
) -> Result<Program, Stop> {
    let no_nul = |error| Stop::system(std::io::Error::other(error));
    let mut environment = child.entries(inputs).map_err(no_nul)?;
    let id = CString::new(format!("REEVE_REQUEST_ID={}", event.request_id)).map_err(no_nul)?;
    environment.push(id.into());
    let words = call.args.iter().map(|word| CString::new(word.as_bytes()));
    Ok(Program {
        path: CString::new(real.path.as_os_str().as_bytes()).map_err(no_nul)?,
        file: (!real.is_script).then(|| real.file.as_raw_fd()),
        args: words.collect::<Result<_, _>>().map_err(no_nul)?,
        environment,
    })
}
