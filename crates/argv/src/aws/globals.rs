//! The options that every aws command takes, wherever they stand, and what they mean.

use super::argparse::{Given, Word};
use super::table::{Arity, EVERY_VERSION, Spec, VERSION_1};
use crate::{Hazard, Invocation, Scope, Surroundings, Unreadable};

const V2: u8 = EVERY_VERSION & !VERSION_1;

/// Both versions' options before any command.
pub(super) const SPECS: &[Spec] = &[
    Spec::new("ca-bundle", Arity::One, EVERY_VERSION),
    Spec::new("cli-auto-prompt", Arity::None, V2),
    Spec::new("cli-binary-format", Arity::One, V2),
    Spec::new("cli-connect-timeout", Arity::One, EVERY_VERSION),
    Spec::new("cli-error-format", Arity::One, 4),
    Spec::new("cli-read-timeout", Arity::One, EVERY_VERSION),
    Spec::new("color", Arity::One, EVERY_VERSION),
    Spec::new("debug", Arity::None, EVERY_VERSION),
    Spec::new("endpoint-url", Arity::One, EVERY_VERSION),
    Spec::new("no-cli-auto-prompt", Arity::None, V2),
    Spec::new("no-cli-pager", Arity::None, V2),
    Spec::new("no-paginate", Arity::None, EVERY_VERSION),
    Spec::new("no-sign-request", Arity::None, EVERY_VERSION),
    Spec::new("no-verify-ssl", Arity::None, EVERY_VERSION),
    Spec::new("output", Arity::One, EVERY_VERSION),
    Spec::new("profile", Arity::One, EVERY_VERSION),
    Spec::new("query", Arity::One, EVERY_VERSION),
    Spec::new("region", Arity::One, EVERY_VERSION),
    Spec::new("v2-debug", Arity::None, VERSION_1),
    Spec::new("version", Arity::None, EVERY_VERSION),
];

/// What the global options come to.
#[derive(Debug, Default)]
pub(super) struct Globals {
    /// `--version` was given: nothing else happens.
    pub(super) version: bool,
    /// Where the command acts.
    pub(super) scope: Scope,
    hazards: Vec<(Hazard, &'static str)>,
}

impl Globals {
    /// From the options given, and where they are silent, the environment.
    pub(super) fn read(given: &[Given<'_>], around: &Surroundings) -> Result<Self, Unreadable> {
        let mut globals = Globals::default();
        for option in given {
            let value = option.values.first();
            match option.spec.name {
                "version" => globals.version = true,
                "profile" => globals.scope.profile = set(value),
                "region" => globals.scope.region = value.map(region).transpose()?.flatten(),
                "cli-auto-prompt" => {
                    return Err(Unreadable::missing(
                        "`--cli-auto-prompt` lets the command be changed after it was read",
                    )
                    .hint("write the command out"));
                }
                "debug" => globals.hazard(Hazard::RevealsCredentials, "`--debug` prints the session token"),
                "endpoint-url" => {
                    globals.hazard(
                        Hazard::RedirectsEndpoint,
                        "`--endpoint-url` sends the signed request to another host",
                    );
                }
                "ca-bundle" => globals.hazard(
                    Hazard::RedirectsEndpoint,
                    "`--ca-bundle` trusts other certificates",
                ),
                "no-verify-ssl" => {
                    globals.hazard(Hazard::RedirectsEndpoint, "`--no-verify-ssl` trusts any host");
                }
                _ => {}
            }
        }
        let ambient = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| around.variable(name))
                .map(str::to_owned)
        };
        let scope = &mut globals.scope;
        scope.profile = scope
            .profile
            .take()
            .or_else(|| ambient(&["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]));
        scope.region = scope
            .region
            .take()
            .or_else(|| ambient(&["AWS_REGION", "AWS_DEFAULT_REGION"]));
        Ok(globals)
    }

    /// Puts the scope on every operation and adds the hazards.
    pub(super) fn apply(self, invocation: &mut Invocation) {
        for operation in &mut invocation.operations {
            let region = operation.scope.region.take();
            operation.scope = self.scope.clone();
            operation.scope.region = region.or_else(|| self.scope.region.clone());
        }
        for (hazard, because) in self.hazards {
            invocation.add_hazard(hazard, because);
        }
    }

    fn hazard(&mut self, hazard: Hazard, because: &'static str) {
        self.hazards.push((hazard, because));
    }
}

/// An empty value counts as not given.
fn set(value: Option<&Word<'_>>) -> Option<String> {
    value
        .map(|value| value.text)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// A region becomes part of a host name, so only what can be one is read.
fn region(value: &Word<'_>) -> Result<Option<String>, Unreadable> {
    let plain = value
        .text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if plain {
        Ok(set(Some(value)))
    } else {
        Err(value.unreadable("is not the name of a region"))
    }
}
