//! One rule: what it matches, and what it says of it.

use crate::level::Level;
use crate::limits::{Limits, Window};
use crate::pattern::Pattern;
use argv::{Effect, Hazard, Invocation, Namespace, Operation, Sets, Tool};
use serde::{Deserialize, Serialize};

/// What a rule says of the operations it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// They may run.
    Allow,
    /// A person decides.
    Escalate,
    /// They may not run, whatever any other rule says.
    Deny,
}

/// A rule as it is judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Unique over all layers.
    pub id: String,
    /// What it says.
    pub action: Action,
    /// Of what.
    pub facets: Facets,
    /// Allow: hazards that are accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accept: Vec<Hazard>,
    /// Allow: no more than this.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub at_most: Limits,
    /// When it holds; `None` is always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub during: Option<Window>,
    /// Deny: not of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unless: Option<Facets>,
    /// Shown to the agent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Where it stands, `document:line`.
    pub source: String,
}

/// What a rule matches: an operation that fits *every* facet that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facets {
    /// Any of these tools; none given means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool: Vec<Tool>,
    /// Any of these effects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub effect: Vec<Effect>,
    /// Deny and escalate: any of these hazards is present.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hazard: Vec<Hazard>,
    /// The others, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<(Facet, Vec<Pattern>)>,
}

/// A facet that is matched by patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Facet {
    /// The tool's own words: `ec2 describe-instances`.
    Command,
    /// The canonical verb: `get`, `ec2:DescribeInstances`, `pr create`.
    Verb,
    /// `pods`, `deployments.apps`; aws: the service; gh: the noun.
    Resource,
    /// `log`, `exec`, `scale`.
    Subresource,
    /// The object's name.
    Name,
    /// kubectl; psql: the schema.
    Namespace,
    /// kubectl.
    Context,
    /// kubectl.
    Cluster,
    /// aws.
    Region,
    /// aws.
    Profile,
    /// aws: where its configuration says which.
    Account,
    /// gh; psql.
    Host,
    /// gh: `owner/repo`.
    Repo,
    /// kubectl: the image of a container or volume; of several, all must fit what allows, and one what restricts.
    Image,
    /// psql.
    Database,
    /// psql.
    User,
}

impl Facet {
    /// Every one, with its key in files.
    pub const ALL: [(Facet, &'static str); 16] = [
        (Facet::Command, "command"),
        (Facet::Verb, "verb"),
        (Facet::Resource, "resource"),
        (Facet::Subresource, "subresource"),
        (Facet::Name, "name"),
        (Facet::Namespace, "namespace"),
        (Facet::Context, "context"),
        (Facet::Cluster, "cluster"),
        (Facet::Region, "region"),
        (Facet::Profile, "profile"),
        (Facet::Account, "account"),
        (Facet::Host, "host"),
        (Facet::Repo, "repo"),
        (Facet::Image, "image"),
        (Facet::Database, "database"),
        (Facet::User, "user"),
    ];

    /// The key in files.
    pub fn key(self) -> &'static str {
        Facet::ALL
            .iter()
            .find(|(facet, _)| *facet == self)
            .map_or("", |(_, key)| key)
    }
}

impl Facet {
    /// The tools that alone have this facet; none where all have it.
    pub fn owners(self) -> &'static [Tool] {
        match self {
            Facet::Subresource | Facet::Context | Facet::Cluster | Facet::Image => &[Tool::Kubectl],
            Facet::Namespace => &[Tool::Kubectl, Tool::Psql],
            Facet::Region | Facet::Profile | Facet::Account => &[Tool::Aws],
            Facet::Host => &[Tool::Gh, Tool::Psql],
            Facet::Repo => &[Tool::Gh],
            Facet::Database | Facet::User => &[Tool::Psql],
            Facet::Command | Facet::Verb | Facet::Resource | Facet::Name => &[],
        }
    }

    /// Whether operations of this tool have the facet. A described tool may have what a cluster's tools have.
    pub fn belongs_to(self, tool: Tool) -> bool {
        let is_clusters = matches!(self, Facet::Namespace | Facet::Context);
        self.owners().is_empty()
            || self.owners().contains(&tool)
            || (is_clusters && matches!(tool, Tool::Described(_)))
    }
}

/// What an operation has for a facet.
enum Value<'a> {
    Known(&'a str),
    /// Several at once.
    All(&'a [String]),
    /// It has one, but the command line does not say which: the current context, every namespace, a file's content.
    Unknown,
    /// There is no such thing here.
    Absent,
}

impl Rule {
    /// Whether the rule speaks about `operation`. A deny or escalate rule also speaks about what is *unknown*: if the
    /// namespace is not said, it may be the one that is denied.
    pub fn matches(&self, invocation: &Invocation, operation: &Operation) -> bool {
        self.mismatch(invocation, operation).is_none() && !self.excepts(invocation, operation)
    }

    /// Whether the rule certainly speaks about `operation`, with nothing unknown. What no rule allows is not brought to
    /// a person on a mere possibility.
    pub fn matches_certainly(&self, invocation: &Invocation, operation: &Operation) -> bool {
        self.facets.mismatch(invocation, operation, false).is_none() && !self.excepts(invocation, operation)
    }

    /// Whether the rule speaks about `operation`, or would if what is unknown of it were the right thing.
    pub fn matches_perhaps(&self, invocation: &Invocation, operation: &Operation) -> bool {
        self.facets.mismatch(invocation, operation, true).is_none() && !self.excepts(invocation, operation)
    }

    fn excepts(&self, invocation: &Invocation, operation: &Operation) -> bool {
        self.unless.as_ref().is_some_and(|unless| {
            // An exception needs certainty, like an allow.
            unless.mismatch(invocation, operation, false).is_none()
        })
    }

    /// The key of the first facet that does not fit.
    pub fn mismatch(&self, invocation: &Invocation, operation: &Operation) -> Option<&'static str> {
        self.facets
            .mismatch(invocation, operation, self.action != Action::Allow)
    }

    /// Allow: whether the operation's effect is within reach, by the level or because the rule names it.
    pub fn reaches(&self, level: Level, operation: &Operation) -> bool {
        operation.effect <= level.ceiling() || self.facets.effect.contains(&operation.effect)
    }
}

impl Facets {
    /// The first facet that does not fit, by its key.
    fn mismatch(
        &self,
        invocation: &Invocation,
        operation: &Operation,
        unknown_fits: bool,
    ) -> Option<&'static str> {
        if !self.tool.is_empty() && !self.tool.contains(&invocation.tool) {
            return Some("tool");
        }
        if !self.effect.is_empty() && !self.effect.contains(&operation.effect) {
            return Some("effect");
        }
        if !self.hazard.is_empty() && !self.hazard.iter().any(|hazard| invocation.has_hazard(*hazard)) {
            return Some("hazard");
        }
        self.words
            .iter()
            .find(|(facet, patterns)| {
                !fits(
                    *facet,
                    patterns,
                    value(*facet, invocation, operation, unknown_fits),
                    unknown_fits,
                )
            })
            .map(|(facet, _)| facet.key())
    }

    /// The patterns for one facet.
    pub fn patterns(&self, wanted: Facet) -> &[Pattern] {
        self.words
            .iter()
            .find(|(facet, _)| *facet == wanted)
            .map_or(&[], |(_, patterns)| patterns)
    }
}

fn fits(facet: Facet, patterns: &[Pattern], value: Value<'_>, unknown_fits: bool) -> bool {
    if let Value::All(texts) = value {
        let fits = |text: &String| fits(facet, patterns, Value::Known(text), unknown_fits);
        return if unknown_fits {
            texts.iter().any(fits)
        } else {
            texts.iter().all(fits)
        };
    }
    patterns.iter().any(|pattern| match value {
        Value::Known(text) if matches!(facet, Facet::Command | Facet::Verb) => {
            pattern.matches_words(text, unknown_fits)
        }
        Value::Known(text) => pattern.matches(text, unknown_fits),
        Value::Unknown => unknown_fits || pattern.is_everything(),
        Value::Absent | Value::All(_) => pattern.is_everything(),
    })
}

/// `widely`: for rules that restrict. To them, a namespace is also where the object `namespaces/NAME` is: who deletes it
/// deletes what is inside.
#[inline(never)] // inlined, everything that any facet could ask for is loaded for every rule: a third of a judgement
fn value<'a>(facet: Facet, invocation: &'a Invocation, operation: &'a Operation, widely: bool) -> Value<'a> {
    let is_local = operation.effect == Effect::Local;
    let of = |text: &'a Option<String>| match text {
        Some(text) => Value::Known(text),
        None if facet.belongs_to(invocation.tool) && !is_local => Value::Unknown,
        None => Value::Absent,
    };
    let scope = &operation.scope;
    match facet {
        Facet::Command => Value::Known(&invocation.command),
        Facet::Verb => Value::Known(&operation.verb),
        Facet::Resource => match operation.resource.as_ref().map(|resource| resource.kind.as_str()) {
            Some("*") => Value::Unknown,
            Some(kind) => Value::Known(kind),
            None => Value::Absent,
        },
        Facet::Subresource => match operation
            .resource
            .as_ref()
            .and_then(|resource| resource.subresource.as_deref())
        {
            Some(sub) => Value::Known(sub),
            None => Value::Absent,
        },
        Facet::Name => match &operation.name {
            Some(name) => Value::Known(name),
            None if operation.resource.is_some() && !is_local => Value::Unknown,
            None => Value::Absent,
        },
        Facet::Namespace => match &scope.namespace {
            Namespace::Named(name) => Value::Known(name),
            Namespace::Ambient | Namespace::All if facet.belongs_to(invocation.tool) && !is_local => {
                Value::Unknown
            }
            _ if widely && is_namespace(operation) => match &operation.name {
                Some(name) => Value::Known(name),
                None => Value::Unknown,
            },
            _ => Value::Absent,
        },
        Facet::Context => of(&scope.context),
        Facet::Cluster => of(&scope.cluster),
        Facet::Region => of(&scope.region),
        Facet::Profile => of(&scope.profile),
        Facet::Account => of(&scope.account),
        Facet::Host => of(&scope.host),
        Facet::Repo => of(&scope.repo),
        Facet::Database => of(&scope.database),
        Facet::User => of(&scope.user),
        Facet::Image => match &operation.workload.images {
            Sets::To(images) => Value::All(images),
            Sets::Unknown => Value::Unknown,
            Sets::Nothing => Value::Absent,
        },
    }
}

fn is_namespace(operation: &Operation) -> bool {
    operation
        .resource
        .as_ref()
        .is_some_and(|resource| resource.kind == "namespaces")
}
