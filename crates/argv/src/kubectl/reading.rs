//! What the commands' readers share: the parsed line on one side, the invocation being built on the other.

use super::Manifest;
use super::flags::Line;
use super::hazards::{self, Named};
use super::resources::{PLAIN_SUBRESOURCES, Type};
use super::targets::{self, Target};
use super::tree::Word;
use super::workload;
use crate::unreadable::is_deceptive;
use crate::{
    Effect, FileUse, Hazard, Invocation, Namespace, Operation, Resource, Scope, Surroundings, Tool,
    Unreadable, Workload,
};

/// Repetitions are dropped while there are no more than this: a long line must not cost its length squared.
const FEW: usize = 100;

/// A command being read.
pub(super) struct Reading<'a> {
    /// The canonical command path.
    pub(super) path: &'static str,
    pub(super) line: Line<'a>,
    pub(super) around: &'a Surroundings,
    /// The objects in the manifests that the line names, when somebody read them.
    pub(super) manifests: Option<&'a [Manifest]>,
    invocation: Invocation,
    scope: Scope,
    /// Whether `-A` is on.
    everywhere: bool,
}

/// How far a command goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    /// All the way.
    Real,
    /// Nothing is changed: `--dry-run=client`, `--dry-run=server`, `--local`, `--list`.
    Only(&'static str),
}

impl Run {
    /// `--dry-run=client`: nothing is sent but what is looked at.
    pub(super) const CLIENT: Run = Run::Only(" --dry-run=client");

    /// `--dry-run=server`: sent, and not kept.
    pub(super) const SERVER: Run = Run::Only(" --dry-run=server");

    /// What the verb ends in.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Run::Real => "",
            Run::Only(mark) => mark,
        }
    }
}

impl<'a> Reading<'a> {
    /// Starts reading: scope and the hazards that every command shares.
    ///
    /// # Errors
    /// [`Unreadable`] for namespaces and contexts that cannot be.
    pub(super) fn start(
        path: &'static str,
        line: Line<'a>,
        around: &'a Surroundings,
        manifests: Option<&'a [Manifest]>,
    ) -> Result<Self, Unreadable> {
        let scope = scope(&line)?;
        let everywhere = line.on("all-namespaces");
        let invocation = Invocation {
            tool: Tool::Kubectl,
            command: path.to_owned(),
            operations: Vec::new(),
            hazards: Vec::new(),
            files: Vec::new(),
        };
        let mut reading = Reading {
            path,
            line,
            around,
            manifests,
            invocation,
            scope,
            everywhere,
        };
        hazards::of_every_command(&mut reading)?;
        Ok(reading)
    }

    /// The invocation; never without an operation.
    pub(super) fn finish(mut self) -> Invocation {
        if self.invocation.operations.is_empty() {
            self.plain(Effect::Local);
        }
        self.invocation
    }

    pub(super) fn hazard(&mut self, hazard: Hazard, because: impl Into<String>) {
        self.invocation.add_hazard(hazard, because);
    }

    pub(super) fn file(&mut self, path: &str, writes: bool) {
        let file = FileUse {
            path: path.to_owned(),
            writes,
        };
        if self.invocation.files.len() > FEW || !self.invocation.files.contains(&file) {
            self.invocation.files.push(file);
        }
    }

    /// An operation on nothing that has a type: `version`, `config view`.
    pub(super) fn plain(&mut self, effect: Effect) {
        let mut operation = Operation::new(effect, self.path);
        operation.scope = self.scope.clone();
        operation.scope.namespace = Namespace::Cluster;
        self.push(operation);
    }

    /// One operation.
    pub(super) fn operate(&mut self, effect: Effect, verb: &str, target: &Target, subresource: Option<&str>) {
        let mut operation = Operation::new(effect, verb);
        operation.resource = Some(Resource {
            kind: target.of.kind.clone(),
            subresource: subresource.filter(|sub| !sub.is_empty()).map(str::to_owned),
        });
        operation.name.clone_from(&target.name);
        operation.scope = self.scope.clone();
        operation.scope.namespace = self.namespace_of(target);
        if workload::is_from_manifests(self.path) {
            operation.workload.clone_from(&target.workload);
        }
        self.push(operation);
    }

    /// One operation in every namespace, whatever the line says.
    pub(super) fn operate_everywhere(
        &mut self,
        effect: Effect,
        verb: &str,
        target: &Target,
        subresource: Option<&str>,
    ) {
        let before = std::mem::replace(&mut self.everywhere, true);
        self.operate(effect, verb, target, subresource);
        self.everywhere = before;
    }

    /// What every operation that changes something, or would, makes of workloads.
    pub(super) fn change_workloads(&mut self, workload: &Workload) {
        for operation in &mut self.invocation.operations {
            if operation.effect >= Effect::Write || operation.verb.contains(" --dry-run=") {
                operation.workload.clone_from(workload);
            }
        }
    }

    fn push(&mut self, operation: Operation) {
        if self.invocation.operations.len() > FEW || !self.invocation.operations.contains(&operation) {
            self.invocation.operations.push(operation);
        }
    }

    fn namespace_of(&self, target: &Target) -> Namespace {
        if target.of.namespaced == Some(false) {
            return Namespace::Cluster;
        }
        if let Some(namespace) = &target.namespace {
            return Namespace::Named(namespace.clone());
        }
        if self.everywhere {
            Namespace::All
        } else {
            self.scope.namespace.clone()
        }
    }

    /// The positional arguments as targets, and those in manifests; at least one.
    ///
    /// # Errors
    /// [`Unreadable`] when an argument is not understood or nothing is named.
    pub(super) fn targets(&mut self, arguments: &[Word<'_>]) -> Result<Vec<Target>, Unreadable> {
        let mut found = targets::read(arguments)?;
        found.extend(self.manifest_targets()?);
        if found.is_empty() {
            return Err(self.nothing_named());
        }
        Ok(found)
    }

    /// The value of `--subresource`, where it is one that holds data.
    ///
    /// # Errors
    /// [`Unreadable`] for any other: `get pods web --subresource=exec` runs a program.
    pub(super) fn subresource(&self) -> Result<Option<&'a str>, Unreadable> {
        match (self.line.value("subresource"), self.line.word("subresource")) {
            (Some(name), Some(word)) if !PLAIN_SUBRESOURCES.contains(&name) => Err(word
                .unreadable("is not a subresource that this command may touch")
                .hint("`status`, perhaps, or `scale`")),
            (name, _) => Ok(name),
        }
    }

    /// The complaint that a line names no target.
    pub(super) fn nothing_named(&self) -> Unreadable {
        Unreadable::missing(&format!("`kubectl {}` does not say what it is for", self.path))
            .hint("name a resource type, as in `pods`, or TYPE/NAME")
    }

    /// The positional arguments, all of them.
    pub(super) fn arguments(&self) -> Vec<Word<'a>> {
        self.line.arguments.clone()
    }

    /// The objects of `-f` and `-k`; nothing where neither was given.
    ///
    /// # Errors
    /// [`Unreadable`] for lists of files in a form that is not understood.
    pub(super) fn manifest_targets(&mut self) -> Result<Vec<Target>, Unreadable> {
        match (hazards::of_manifests(self)?, self.manifests) {
            (Named::Nothing, _) => Ok(Vec::new()),
            (Named::Files, Some(manifests)) => manifests.iter().map(Manifest::target).collect(),
            (Named::Files, None) | (Named::Anything, _) => Ok(vec![Target {
                workload: Workload::unknown(),
                ..Target::every(Type::unknown())
            }]),
        }
    }

    /// Whether the command changes anything, from `--dry-run`.
    ///
    /// # Errors
    /// [`Unreadable`] for a value that `--dry-run` does not take.
    pub(super) fn run(&self) -> Result<Run, Unreadable> {
        match self.line.optional("dry-run") {
            None | Some(Some("none")) => Ok(Run::Real),
            Some(None | Some("client" | "unchanged")) => Ok(Run::CLIENT),
            Some(Some("server")) => Ok(Run::SERVER),
            Some(Some(value)) => match (super::flags::truth(value), self.line.word("dry-run")) {
                (Some(true), _) => Ok(Run::CLIENT),
                (Some(false), _) => Ok(Run::Real),
                (None, word) => Err(word
                    .map_or_else(
                        || Unreadable::missing(value),
                        |word| word.unreadable("is no kind of dry run"),
                    )
                    .hint("`--dry-run` is `client`, `server` or `none`")),
            },
        }
    }

    /// One operation per target: `effect` when it is real, a read with the kind of run in its verb otherwise.
    /// Adds the hazards that come with it.
    pub(super) fn act(&mut self, run: Run, effect: Effect, targets: &[Target], subresource: Option<&str>) {
        let effect = if run == Run::Real { effect } else { Effect::Read };
        let verb = format!("{}{}", self.path, run.mark());
        for target in targets {
            self.operate(effect, &verb, target, subresource);
            hazards::of_output(self, target);
            if effect >= Effect::Write {
                hazards::of_change(self, target);
            }
        }
    }
}

fn scope(line: &Line<'_>) -> Result<Scope, Unreadable> {
    let mut scope = Scope::default();
    if let (Some(namespace), Some(word)) = (line.value("namespace"), line.word("namespace")) {
        if matches!(namespace, "." | "..") || namespace.contains(['/', '%']) {
            return Err(word.unreadable("cannot be the name of a namespace"));
        }
        scope.namespace = Namespace::Named(visible(namespace, word)?);
    }
    if let (Some(context), Some(word)) = (line.value("context"), line.word("context")) {
        scope.context = Some(visible(context, word)?);
    }
    if let (Some(cluster), Some(word)) = (line.value("cluster"), line.word("cluster")) {
        scope.cluster = Some(visible(cluster, word)?);
    }
    Ok(scope)
}

fn visible(text: &str, word: Word<'_>) -> Result<String, Unreadable> {
    if text.chars().any(is_deceptive) {
        return Err(word.unreadable("contains characters that cannot be seen"));
    }
    Ok(text.to_owned())
}
