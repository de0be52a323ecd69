//! The words of `reeve` itself.

use super::install::Named;
use clap::{Args, Parser, Subcommand};
use policies::{Level, Track};
use std::ffi::OsString;
use std::path::PathBuf;

/// The gate between AI agents and kubectl, aws and gh.
#[derive(Debug, Parser)]
#[command(name = "reeve", version, about, propagate_version = true)]
#[command(after_help = "Called by the name kubectl, aws, gh or psql, this program is the gate itself.")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a command whose kubectl, aws and gh calls are judged and recorded
    Run(Run),
    /// Say whether a command line may run, without running it
    Check(Check),
    /// Say what a command line does, and what each rule thinks of it
    Explain(Check),
    /// Check, test, compare and suggest governance files
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// Look at the record
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Say what this user could still do past the gate, and how to close it: exit 1 when there is something
    Doctor(Doctor),
    /// Make this host one on which the agent's user gets to the tools and credentials through the gate only
    Install(Install),
    /// Put everything back as it was before `reeve install`
    Uninstall(Uninstall),
    /// Show where the record is forwarded to, and how far each sink has come
    Sinks {
        #[command(flatten)]
        at: SinkDirectory,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(subcommand)]
        command: Option<SinksCommand>,
    },
    /// Look at what receivers would not take, send it again, or give it up
    Dlq {
        #[command(flatten)]
        at: SinkDirectory,
        #[command(subcommand)]
        command: DlqCommand,
    },
    /// Let nothing run any more: every command of a profile, or of everybody, is refused until `unfreeze`
    Freeze(Freeze),
    /// Let a frozen profile run commands again
    Unfreeze(Unfreeze),
    /// Show which profiles are frozen, and why: exit 1 when one is
    Frozen(Frozen),
    /// Print a shell's completion script
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a directory
    Man {
        /// Where to write them
        directory: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Find rules that can never decide, repeat each other, or reach above their level: exit 1 when there is a warning
    Lint(PolicyFiles),
    /// Run the cases beside the governance files: exit 1 when one fails
    Test(PolicyFiles),
    /// Say what a level means, after everything it extends
    Show(PolicyShow),
    /// Say which decisions change from one directory of governance files to another: exit 1 when any does
    Diff(PolicyDiff),
    /// Print the least rules that would have allowed what a record's session was refused, for review
    Suggest(PolicyRecord),
    /// Judge a record's decisions again by present governance files: exit 1 when any differs
    Replay(PolicyReplay),
    /// Print the JSON Schema of governance files
    Schema,
}

#[derive(Debug, Args)]
pub struct Doctor {
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Install {
    /// The user that the agent runs as; not root, and in no group that is as good as root
    #[arg(long, value_name = "USER")]
    pub agent_user: String,
    #[command(flatten)]
    pub judged: Judged,
    /// Name of the agent's profile: a label on events and metrics
    #[arg(long, default_value = "default", value_parser = profile)]
    pub profile: String,
    /// Tools to govern, NAME or NAME=FILE [default: every governed tool that is on this host]
    #[arg(long, value_name = "TOOL", value_delimiter = ',')]
    pub tools: Vec<Named>,
    /// Files that the tools need and the agent must not read, besides those that the tools' variables lead to
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub credentials: Vec<PathBuf>,
    /// A variable that the tools get, such as KUBECONFIG=/etc/reeve/credentials/kubeconfig
    #[arg(long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// File of root's, mode 0600, with such variables, one each line: for those that hold credentials
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// The least version of a tool, such as kubectl=1.24; it is asked for its version now, and not at each call
    #[arg(long, value_name = "TOOL=VERSION")]
    pub minimum_version: Vec<String>,
    /// Compare each tool's SHA-256 at each call, which takes as long as reading it
    #[arg(long)]
    pub checksums: bool,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Uninstall {
    /// Remove the record, its key and its owner too
    #[arg(long)]
    pub purge: bool,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct PolicyFiles {
    /// Only this level [default: every one that has a file]
    #[arg(long)]
    pub level: Option<Level>,
    /// Only this track
    #[arg(long)]
    pub track: Option<Track>,
    /// Directory with governance-L1.yaml and so on, instead of the built-in files
    #[arg(long, value_name = "DIR")]
    pub governance: Option<PathBuf>,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct PolicyShow {
    #[command(flatten)]
    pub judged: Judged,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct PolicyDiff {
    /// Directory with governance files, or `built-in`
    pub old: PathBuf,
    /// Directory with governance files, or `built-in`
    pub new: PathBuf,
    /// Only this level [default: every one that has a file in both]
    #[arg(long)]
    pub level: Option<Level>,
    /// Only this track
    #[arg(long)]
    pub track: Option<Track>,
    /// File with command lines, one each [default: the cases of both directories]
    #[arg(long, value_name = "FILE")]
    pub lines: Vec<PathBuf>,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct PolicyRecord {
    #[command(flatten)]
    pub judged: Judged,
    /// The record's directory, or one of its files [default: the newest session's]
    #[arg(long, value_name = "RECORD")]
    pub from: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct PolicyReplay {
    /// Judge at this level [default: the one each decision was made at]
    #[arg(long)]
    pub level: Option<Level>,
    /// Judge for this track [default: the one each decision was made for]
    #[arg(long)]
    pub track: Option<Track>,
    /// Directory with governance-L1.yaml and so on, instead of the built-in files
    #[arg(long, value_name = "DIR")]
    pub governance: Option<PathBuf>,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
    /// The record's directory, or one of its files [default: the newest session's]
    pub record: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check the record's hash chain, offline: exit 0 sealed, 4 not sealed at the end, 2 tampered with, 3 unreadable
    Verify(Verify),
    /// Print the last decisions
    Tail(Tail),
    /// Print the decisions that fit every condition, with their outcomes
    Query(Query),
    /// Print every record as one line of JSON, with its number and hash
    Export(Export),
    /// Print everything about one request: decision, approval, outcome
    Show(Show),
    /// Print the records in which a secret stood; the secret is read from standard input
    FindSecret(FindSecret),
    /// Print a proof that a record is in the ledger, or that one state of it is the beginning of a later one
    Prove(Prove),
    /// Check such a proof: exit 0 when it holds, 2 when it does not
    CheckProof(CheckProof),
}

#[derive(Debug, Args)]
pub struct Freeze {
    #[command(flatten)]
    pub at: SinkDirectory,
    #[command(flatten)]
    pub whom: Whom,
    /// Why: it is recorded, and shown to whoever is refused
    #[arg(long, value_name = "TEXT")]
    pub why: String,
}

#[derive(Debug, Args)]
pub struct Unfreeze {
    #[command(flatten)]
    pub at: SinkDirectory,
    #[command(flatten)]
    pub whom: Whom,
    /// Why: it is recorded
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
}

#[derive(Debug, Args)]
pub struct Frozen {
    #[command(flatten)]
    pub at: SinkDirectory,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Whom a freeze is about.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Whom {
    /// A profile of the identity file; may be repeated
    #[arg(long, value_name = "PROFILE")]
    pub profile: Vec<String>,
    /// Everybody
    #[arg(long)]
    pub all: bool,
}

/// Whose sidecar.
#[derive(Debug, Args)]
pub struct SinkDirectory {
    /// The sidecar's ledger directory
    #[arg(
        long,
        env = "REEVED_DIR",
        global = true,
        default_value = "/var/lib/reeve",
        value_name = "DIR"
    )]
    pub dir: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum SinksCommand {
    /// Send a marked event through one sink, and say what came back
    Test {
        /// The sink's name
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum DlqCommand {
    /// List a sink's dead letters
    List {
        /// The sink's name
        sink: String,
        /// Print JSON, with the original bytes
        #[arg(long)]
        json: bool,
    },
    /// Send dead letters again; those that are taken leave the list
    Replay {
        /// The sink's name
        sink: String,
        /// Sequence numbers [default: all]
        seqs: Vec<u64>,
    },
    /// Give dead letters up; the ledger keeps the records
    Drop {
        /// The sink's name
        sink: String,
        /// Sequence numbers
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        seqs: Vec<u64>,
        /// All of them
        #[arg(long)]
        all: bool,
    },
}

#[derive(Debug, Args)]
pub struct Judged {
    /// Autonomy level: L1 to L4 [default: HERMES_LAB_GOVERNANCE, else L2]
    #[arg(long)]
    pub level: Option<Level>,
    /// Track, needed at L4: track-a, track-b, track-c … [default: HERMES_LAB_TRACK]
    #[arg(long)]
    pub track: Option<Track>,
    /// Directory with governance-L1.yaml and so on, instead of the built-in files
    #[arg(long, value_name = "DIR")]
    pub governance: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub judged: Judged,
    /// Name of the agent's profile: a label on events and metrics
    #[arg(long, default_value = "default", value_parser = profile)]
    pub profile: String,
    /// Where to keep the record [default: a new directory under $XDG_STATE_HOME/reeve/sessions]
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
    /// Address for metrics and probes; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub http: String,
    /// Print the summary as one line of JSON
    #[arg(long)]
    pub json: bool,
    /// The command to run, with its words
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    pub judged: Judged,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// The command line: kubectl, aws or gh, with its words
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub struct Verify {
    /// A later word on the record from elsewhere: a signed checkpoint, or an exported line with `seq` and `hash`
    #[arg(long, value_name = "FILE")]
    pub anchor: Vec<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// The record's directory, or one of its files [default: the newest session's]
    pub record: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Tail {
    /// Keep printing what is added
    #[arg(short, long)]
    pub follow: bool,
    /// How many decisions to print
    #[arg(short = 'n', long, default_value_t = 10, value_name = "COUNT")]
    pub lines: usize,
    /// Print each event as one line of JSON
    #[arg(long)]
    pub json: bool,
    /// The record's directory [default: the newest session's]
    pub record: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Query {
    /// Not before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// What was decided
    #[arg(long, value_enum)]
    pub decision: Option<Decided>,
    /// kubectl, aws or gh
    #[arg(long)]
    pub tool: Option<String>,
    /// The profile's name
    #[arg(long)]
    pub profile: Option<String>,
    /// The agent's own name for its run
    #[arg(long)]
    pub run: Option<String>,
    /// Part of a resource's kind or name
    #[arg(long)]
    pub resource: Option<String>,
    /// Text anywhere in the event
    #[arg(long)]
    pub text: Option<String>,
    /// Print each event as one line of JSON
    #[arg(long)]
    pub json: bool,
    /// The record's directory [default: the newest session's]
    pub record: Option<PathBuf>,
}

/// A decision, as it is typed.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Decided {
    Allowed,
    Blocked,
    Escalated,
}

impl From<Decided> for audit_event::Decision {
    fn from(decided: Decided) -> Self {
        match decided {
            Decided::Allowed => Self::Allowed,
            Decided::Blocked => Self::Blocked,
            Decided::Escalated => Self::Escalated,
        }
    }
}

#[derive(Debug, Args)]
pub struct Export {
    /// The first record's number
    #[arg(long, default_value_t = 0, value_name = "SEQ")]
    pub from: u64,
    /// The last record's number
    #[arg(long, value_name = "SEQ")]
    pub to: Option<u64>,
    /// Print the lines as they are stored
    #[arg(long)]
    pub raw: bool,
    /// The record's directory [default: the newest session's]
    pub record: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Show {
    /// The event's or the request's id
    pub event: String,
    /// Print each record as one line of JSON
    #[arg(long)]
    pub json: bool,
    /// The record's directory [default: the newest session's]
    pub record: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct FindSecret {
    /// The redaction key, 64 hex digits [default: redaction.key in the record]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Print each record as one line of JSON
    #[arg(long)]
    pub json: bool,
    /// The record's directory [default: the newest session's]
    pub record: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Prove {
    /// The number of the record that is in the ledger
    #[arg(long, conflicts_with = "from")]
    pub seq: Option<u64>,
    /// How many records the earlier state had
    #[arg(long, value_name = "SIZE")]
    pub from: Option<u64>,
    /// How many records the later state has [default: those of the last checkpoint, else all]
    #[arg(long)]
    pub size: Option<u64>,
    /// The record's directory [default: the newest session's]
    pub record: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct CheckProof {
    /// A checkpoint from elsewhere that has the proof's root
    #[arg(long, value_name = "FILE")]
    pub anchor: Option<PathBuf>,
    /// The verifier key that signed the proof's checkpoint
    #[arg(long)]
    pub key: Option<String>,
    /// The proof
    pub proof: PathBuf,
}

/// A profile becomes a metric label and part of file names.
fn profile(text: &str) -> Result<String, String> {
    let fits = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if fits {
        Ok(text.to_owned())
    } else {
        Err("1 to 64 of A-Z a-z 0-9 . _ - are expected".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
