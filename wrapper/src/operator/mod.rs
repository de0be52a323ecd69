//! The operator's command line: `reeve run`, `check`, `explain`, `audit`, …

mod audit;
mod check;
mod cli;
mod doctor;
mod doctor_host;
mod freeze;
mod install;
mod ledger;
mod office;
mod policy;
mod proof;
mod query;
mod run;
mod session;
mod sidecar_process;
mod sinks;

use crate::exit::Exit;
use crate::privilege;
use clap::{CommandFactory, Parser};
use cli::{AuditCommand, Cli, Command};
use std::ffi::OsString;
use std::io::Write;

/// Why an operator's command ended early: what to say, and the exit status.
#[derive(Debug)]
pub struct Failure {
    message: String,
    exit: Exit,
}

impl Failure {
    /// A failure with its exit status.
    pub fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure {
            message: message.into(),
            exit,
        }
    }
}

/// Runs one command of the operator; returns the exit status.
pub fn run(args: Vec<OsString>) -> i32 {
    if let Err(error) = privilege::give_up() {
        crate::gate::warn(&error.to_string());
        return Exit::Configuration.code();
    }
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let asked_for = !error.use_stderr(); // help and version
            let _nobody_left = error.print();
            return if asked_for {
                Exit::Ok.code()
            } else {
                Exit::Usage.code()
            };
        }
    };
    let done = match cli.command {
        Command::Run(options) => run::run(&options),
        Command::Check(options) => check::check(&options),
        Command::Explain(options) => check::explain(&options),
        Command::Doctor(options) => doctor::doctor(&options),
        Command::Install(options) => install::install(&options),
        Command::Uninstall(options) => install::uninstall(&options),
        Command::Policy { command } => policy::run(&command),
        Command::Audit { command } => match command {
            AuditCommand::Verify(options) => audit::verify(&options),
            AuditCommand::Tail(options) => audit::tail(&options),
            AuditCommand::Query(options) => query::query(&options),
            AuditCommand::Export(options) => query::export(&options),
            AuditCommand::Show(options) => query::show(&options),
            AuditCommand::FindSecret(options) => query::find_secret(&options),
            AuditCommand::Prove(options) => proof::prove(&options),
            AuditCommand::CheckProof(options) => proof::check(&options),
        },
        Command::Sinks { at, json, command } => sinks::sinks(command.as_ref(), &at, json),
        Command::Dlq { at, command } => sinks::dlq(&command, &at),
        Command::Freeze(options) => freeze::freeze(&options),
        Command::Unfreeze(options) => freeze::unfreeze(&options),
        Command::Frozen(options) => freeze::frozen(&options),
        Command::Completions { shell } => completions(shell),
        Command::Man { directory } => man(&directory),
    };
    done.unwrap_or_else(|failure| {
        let text: String = failure
            .message
            .lines()
            .map(|line| format!("reeve: {line}\n"))
            .collect();
        let _nobody_left = std::io::stderr().write_all(text.as_bytes());
        failure.exit.code()
    })
}

/// Writes to standard output; a reader that went away early (`| head`) is not an error worth words.
fn print(text: &str) -> Result<(), Failure> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Failure::new(Exit::CannotCreate, format!("cannot write the output: {error}")))
}

fn completions(shell: clap_complete::Shell) -> Result<i32, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "reeve", &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Ok.code())
}

fn man(directory: &std::path::Path) -> Result<i32, Failure> {
    clap_mangen::generate_to(Cli::command(), directory).map_err(|error| {
        Failure::new(
            Exit::CannotCreate,
            format!("cannot write man pages to {}: {error}", directory.display()),
        )
    })?;
    Ok(Exit::Ok.code())
}
