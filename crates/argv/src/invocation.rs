//! The decision model's nouns: what a command line does, to what, where, and what comes with it.

use crate::Tool;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A command line that was understood completely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Invocation {
    /// The tool it is for.
    pub tool: Tool,
    /// The command path in the tool's own canonical words, one space between, aliases resolved:
    /// `get`, `rollout status`, `ec2 describe-instances`, `pr create`, `help`.
    pub command: String,
    /// Everything it does; never empty. A rule must cover *every* one.
    pub operations: Vec<Operation>,
    /// Facts that no allow rule covers unless it names them.
    pub hazards: Vec<HazardFact>,
    /// Local files the tool would read or write because of this command line.
    pub files: Vec<FileUse>,
}

/// One thing a command does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// What it does to the world.
    pub effect: Effect,
    /// The canonical verb. kubectl: the command's own verb (`get`, `apply`, `rollout restart`).
    /// aws: `service:Operation` as in IAM (`ec2:DescribeInstances`). gh: `noun verb` (`pr create`,
    /// and for `gh api` the method in lower case, `api get`).
    pub verb: String,
    /// What it is done to.
    pub resource: Option<Resource>,
    /// The object's name, when one was given.
    pub name: Option<String>,
    /// Where.
    pub scope: Scope,
    /// kubectl: what it makes of workloads.
    #[serde(skip_serializing_if = "Workload::is_nothing")]
    pub workload: Workload,
}

/// What a kubectl operation makes of workloads, as far as the command line and the files it names say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Workload {
    /// How many replicas; of an autoscaler, how many at most.
    pub replicas: Sets<u64>,
    /// The images of its containers and volumes.
    pub images: Sets<Vec<String>>,
}

/// What an operation sets something to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sets<T> {
    /// It leaves that as it is.
    #[default]
    Nothing,
    /// To something that the command line does not say.
    Unknown,
    /// To this.
    To(T),
}

impl Workload {
    /// Anything at all.
    pub fn unknown() -> Workload {
        Workload {
            replicas: Sets::Unknown,
            images: Sets::Unknown,
        }
    }

    /// Whether it leaves workloads as they are.
    pub fn is_nothing(&self) -> bool {
        *self == Workload::default()
    }
}

/// The kind of thing an operation is done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resource {
    /// kubectl: `plural` for the core group, `plural.group` otherwise (`pods`, `deployments.apps`).
    /// aws: the service (`ec2`). gh: the noun (`pr`), and for `gh api` the path.
    pub kind: String,
    /// kubectl: the subresource (`log`, `exec`, `scale`).
    pub subresource: Option<String>,
}

/// How an operation changes the world, in order of weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Nothing leaves the machine: help, version, completion.
    Local,
    /// Reads from the service.
    Read,
    /// Creates or changes something.
    Write,
    /// Removes something.
    Delete,
    /// Runs code somewhere else: exec, run, invoke.
    Execute,
    /// Opens a connection that carries other traffic: port-forward, proxy.
    Connect,
}

/// Where an operation happens. `None` and [`Namespace::Ambient`] mean "whatever the configuration says".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scope {
    /// kubectl: the namespace; psql: the schema, ambient where the search path decides.
    pub namespace: Namespace,
    /// kubectl: the context named on the command line.
    pub context: Option<String>,
    /// kubectl: the cluster named on the command line.
    pub cluster: Option<String>,
    /// aws: the region.
    pub region: Option<String>,
    /// aws: the profile.
    pub profile: Option<String>,
    /// aws: the account, twelve digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// gh: the host; psql: the host, with `:PORT` where that is not 5432.
    pub host: Option<String>,
    /// gh: `owner/repo`.
    pub repo: Option<String>,
    /// psql: the database.
    pub database: Option<String>,
    /// psql: the user.
    pub user: Option<String>,
}

/// Which namespaces a kubectl operation touches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Namespace {
    /// Not said: the context's namespace, else `default`.
    #[default]
    Ambient,
    /// Every namespace (`-A`).
    All,
    /// This one.
    Named(String),
    /// The object has none (nodes, namespaces), or the tool has no such thing.
    Cluster,
}

/// A fact about a command line that an allow rule must name to accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hazard {
    /// Prints or stores a credential.
    RevealsCredentials,
    /// Sends the request, or the credentials, somewhere else.
    RedirectsEndpoint,
    /// Runs a program on this machine that the command line or a file chooses.
    RunsLocalCode,
    /// Runs code on another machine.
    RunsRemoteCode,
    /// Opens a listener or a tunnel.
    OpensTunnel,
    /// Reads local files.
    ReadsFiles,
    /// Writes or deletes local files.
    WritesFiles,
    /// Fetches what it acts on from a URL.
    RemoteInput,
    /// Acts on everything, or on an unknown number of things.
    Unbounded,
    /// Turns off a safety check.
    SkipsChecks,
    /// Changes the tool's own configuration.
    ChangesTool,
}

impl Hazard {
    /// Every hazard.
    pub const ALL: [Hazard; 11] = [
        Hazard::RevealsCredentials,
        Hazard::RedirectsEndpoint,
        Hazard::RunsLocalCode,
        Hazard::RunsRemoteCode,
        Hazard::OpensTunnel,
        Hazard::ReadsFiles,
        Hazard::WritesFiles,
        Hazard::RemoteInput,
        Hazard::Unbounded,
        Hazard::SkipsChecks,
        Hazard::ChangesTool,
    ];

    /// The name used in policies and events.
    pub fn name(self) -> &'static str {
        match self {
            Hazard::RevealsCredentials => "reveals-credentials",
            Hazard::RedirectsEndpoint => "redirects-endpoint",
            Hazard::RunsLocalCode => "runs-local-code",
            Hazard::RunsRemoteCode => "runs-remote-code",
            Hazard::OpensTunnel => "opens-tunnel",
            Hazard::ReadsFiles => "reads-files",
            Hazard::WritesFiles => "writes-files",
            Hazard::RemoteInput => "remote-input",
            Hazard::Unbounded => "unbounded",
            Hazard::SkipsChecks => "skips-checks",
            Hazard::ChangesTool => "changes-tool",
        }
    }
}

impl fmt::Display for Hazard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A hazard and the word that brings it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HazardFact {
    /// Which hazard.
    pub hazard: Hazard,
    /// Why, naming the flag or word but never a secret value: "`--server` sends requests to another host".
    pub because: String,
}

/// A local file that the tool would touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileUse {
    /// The path as typed; `-` is standard input or output.
    pub path: String,
    /// Whether the tool writes it (or deletes it); otherwise it reads it.
    pub writes: bool,
}

impl Effect {
    /// The name used in policies and events.
    pub fn name(self) -> &'static str {
        match self {
            Effect::Local => "local",
            Effect::Read => "read",
            Effect::Write => "write",
            Effect::Delete => "delete",
            Effect::Execute => "execute",
            Effect::Connect => "connect",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Resource {
    /// A resource without a subresource.
    pub fn kind(kind: impl Into<String>) -> Self {
        Resource {
            kind: kind.into(),
            subresource: None,
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subresource {
            Some(sub) => write!(f, "{}/{sub}", self.kind),
            None => f.write_str(&self.kind),
        }
    }
}

impl Operation {
    /// An operation with nothing but an effect and a verb.
    pub fn new(effect: Effect, verb: impl Into<String>) -> Self {
        Operation {
            effect,
            verb: verb.into(),
            resource: None,
            name: None,
            scope: Scope::default(),
            workload: Workload::default(),
        }
    }
}

impl Invocation {
    /// An invocation with one operation and nothing else to say.
    pub fn simple(tool: Tool, command: impl Into<String>, operation: Operation) -> Self {
        Invocation {
            tool,
            command: command.into(),
            operations: vec![operation],
            hazards: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Help or version: the tool prints and exits, and nothing leaves the machine.
    pub fn help(tool: Tool) -> Self {
        Invocation::simple(tool, "help", Operation::new(Effect::Local, "help"))
    }

    /// Adds a hazard, once per kind and reason.
    pub fn add_hazard(&mut self, hazard: Hazard, because: impl Into<String>) {
        let fact = HazardFact {
            hazard,
            because: because.into(),
        };
        if !self.hazards.contains(&fact) {
            self.hazards.push(fact);
        }
    }

    /// Whether this hazard is present.
    pub fn has_hazard(&self, hazard: Hazard) -> bool {
        self.hazards.iter().any(|fact| fact.hazard == hazard)
    }
}
