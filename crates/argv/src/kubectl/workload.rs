//! What a change makes of workloads: how many replicas, from which images. For rules with limits.

use super::manifest::Tree;
use super::reading::Reading;
use super::resources::Type;
use crate::{Sets, Workload};

/// How deep an image may stand in an object; the parsers of manifests allow no more.
const DEEPEST: usize = 64;
/// Built-in types that have a pod's specification in them.
const WITH_PODS: &[&str] = &[
    "pods",
    "podtemplates",
    "replicationcontrollers",
    "replicasets.apps",
    "deployments.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "jobs.batch",
    "cronjobs.batch",
];

/// What an object of a manifest sets. Nobody knows where custom resources have their images.
pub(super) fn of_object(object: &Tree, of: &Type) -> Workload {
    let spec = object.get("spec").unwrap_or(&Tree::Null);
    let nothing_else = |replicas| Workload {
        replicas,
        images: Sets::Nothing,
    };
    match of.kind.as_str() {
        "horizontalpodautoscalers.autoscaling" => nothing_else(number(spec.get("maxReplicas"))),
        "scales.autoscaling" => nothing_else(number(spec.get("replicas"))),
        kind if WITH_PODS.contains(&kind) => Workload {
            replicas: number(spec.get("replicas")),
            images: images(object),
        },
        _ if of.namespaced.is_some() => Workload::default(),
        _ => Workload::unknown(),
    }
}

fn number(value: Option<&Tree>) -> Sets<u64> {
    match value {
        None | Some(Tree::Null) => Sets::Nothing,
        Some(Tree::Other(text) | Tree::Text(text)) => text.parse().map_or(Sets::Unknown, Sets::To),
        Some(Tree::List(_) | Tree::Map(_)) => Sets::Unknown,
    }
}

/// Every `image` at any depth, those of volumes too.
fn images(object: &Tree) -> Sets<Vec<String>> {
    let mut found = Vec::new();
    if collect(object, 0, &mut found).is_none() {
        return Sets::Unknown;
    }
    found.sort();
    found.dedup();
    match found.is_empty() {
        true => Sets::Nothing,
        false => Sets::To(found),
    }
}

/// `None` when an image is not a text.
fn collect(tree: &Tree, depth: usize, found: &mut Vec<String>) -> Option<()> {
    if depth > DEEPEST {
        return None;
    }
    let deeper = depth.saturating_add(1);
    match tree {
        Tree::List(items) => items.iter().try_for_each(|item| collect(item, deeper, found)),
        Tree::Map(entries) => entries.iter().try_for_each(|(key, value)| match value {
            _ if !key.eq_ignore_ascii_case("image") => collect(value, deeper, found),
            Tree::Null => Some(()),
            Tree::Text(image) => {
                found.push(image.clone());
                Some(())
            }
            // A volume's image has its name in `reference`.
            Tree::Map(_) => {
                found.push(value.text("reference").ok()??);
                Some(())
            }
            Tree::Other(_) | Tree::List(_) => None,
        }),
        Tree::Null | Tree::Text(_) | Tree::Other(_) => Some(()),
    }
}

/// Whether the command makes objects as its manifests say.
pub(super) fn is_from_manifests(path: &str) -> bool {
    matches!(path, "apply" | "create" | "replace")
}

/// Adds what the options say, to each operation that changes something or would.
pub(super) fn of_options(reading: &mut Reading<'_>) {
    let line = &reading.line;
    let images = |values: Vec<&str>| {
        let images: Vec<String> = values
            .into_iter()
            .flat_map(|value| value.split(','))
            .map(str::to_owned)
            .collect();
        match images.is_empty() {
            true => Sets::Unknown,
            false => Sets::To(images),
        }
    };
    let given = |flag: &str| images(line.values(flag).map(|value| value.text).collect());
    let count = |flag: &str, otherwise: Sets<u64>| match line.value(flag) {
        Some(text) => text.parse().map_or(Sets::Unknown, Sets::To),
        None => otherwise,
    };
    let workload = match reading.path {
        _ if line.has("overrides") || line.has("raw") => Workload::unknown(),
        "patch" | "edit" | "apply edit-last-applied" => Workload::unknown(),
        "scale" => Workload {
            replicas: count("replicas", Sets::Unknown),
            images: Sets::Nothing,
        },
        "autoscale" => Workload {
            replicas: count("max", Sets::Unknown),
            images: Sets::Nothing,
        },
        "rollout undo" => Workload {
            replicas: Sets::Nothing,
            images: Sets::Unknown,
        },
        "create deployment" => Workload {
            replicas: count("replicas", Sets::Nothing),
            images: given("image"),
        },
        "run" | "debug" | "create job" | "create cronjob" => Workload {
            replicas: Sets::Nothing,
            images: given("image"),
        },
        "set image" => Workload {
            replicas: Sets::Nothing,
            images: images(
                line.arguments
                    .iter()
                    .filter_map(|word| word.text.split_once('='))
                    .map(|(_, image)| image)
                    .collect(),
            ),
        },
        _ => return,
    };
    reading.change_workloads(&workload);
}
