//! Our own format: `apiVersion: reeve/v1`, `kind: Governance`. The reference is `governance/README.md`.

use crate::document::{Reader, clip, line};
use crate::level::{Level, Track};
use crate::limits::{Limits, Window};
use crate::names;
use crate::pattern::Pattern;
use crate::rule::{Action, Facet, Facets, Rule};
use argv::{Effect, Hazard, Tool};
use marked_yaml::types::MarkedMappingNode;
use marked_yaml::{Node, Span};

/// The keys of a file.
pub(crate) const KEYS: &[&str] = &[
    "apiVersion",
    "kind",
    "level",
    "track",
    "description",
    "extends",
    "otherwise",
    "rules",
];
/// The keys of a rule.
pub(crate) const RULE_KEYS: &[&str] = &[
    "id", "allow", "deny", "escalate", "accept", "at-most", "during", "unless", "reason",
];
/// Every effect, by its name in files.
pub(crate) const EFFECTS: [(Effect, &str); 6] = [
    (Effect::Local, "local"),
    (Effect::Read, "read"),
    (Effect::Write, "write"),
    (Effect::Delete, "delete"),
    (Effect::Execute, "execute"),
    (Effect::Connect, "connect"),
];

/// What happens to what no rule speaks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Otherwise {
    /// It is refused.
    Refuse,
    /// It is held for a person.
    Hold,
}

/// One document, in either format.
#[derive(Debug)]
pub(crate) struct Document {
    /// The document this one adds to.
    pub extends: Option<String>,
    /// As the file says; `None` leaves it to what it extends.
    pub otherwise: Option<Otherwise>,
    /// In the order of the file.
    pub rules: Vec<Rule>,
}

/// Reads a document of our format. `level` and `track` are what its name promises, when it has such a name.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    root: &Node,
    level: Level,
    expected: Option<(Level, Option<&Track>)>,
) -> Option<Document> {
    let mapping = reader.mapping(root, "a governance file", KEYS)?;
    let mut check = |key: &str, wanted: &str| match mapping.get_node(key) {
        Some(node) if node.as_scalar().is_some_and(|scalar| scalar.as_str() == wanted) => {}
        Some(node) => reader.fault(node.span(), format!("{key} must be `{wanted}`")),
        None => reader.fault(root.span(), format!("{key} is missing; it must be `{wanted}`")),
    };
    check("apiVersion", "reeve/v1");
    check("kind", "Governance");
    if let Some((level, track)) = expected {
        check("level", level.name());
        let track = track.filter(|_| level == Level::L4).map(ToString::to_string);
        match (track, mapping.get_node("track")) {
            (Some(track), _) => check("track", &track),
            (None, Some(node)) => reader.fault(node.span(), format!("a file for {level} has no track")),
            (None, None) => {}
        }
    }
    let extends = mapping
        .get_node("extends")
        .and_then(|node| reader.word(node, "extends"))
        .map(str::to_owned);
    let otherwise = mapping.get_node("otherwise").and_then(|node| {
        let word = reader.word(node, "otherwise")?;
        reader.one_of(
            word,
            node.span(),
            "a way to end",
            &[(Otherwise::Refuse, "refuse"), (Otherwise::Hold, "hold")],
        )
    });
    let rules = mapping
        .get_node("rules")
        .map(|node| rules(reader, node, level))
        .unwrap_or_default();
    Some(Document {
        extends,
        otherwise,
        rules,
    })
}

fn rules(reader: &mut Reader<'_>, node: &Node, level: Level) -> Vec<Rule> {
    match node.as_sequence() {
        Some(sequence) => sequence
            .iter()
            .filter_map(|node| rule(reader, node, level))
            .collect(),
        None => {
            reader.fault(node.span(), "rules must be a list");
            Vec::new()
        }
    }
}

fn rule(reader: &mut Reader<'_>, node: &Node, level: Level) -> Option<Rule> {
    let mapping = reader.mapping(node, "a rule", RULE_KEYS)?;
    let id = id(reader, node, mapping);
    let mut actions = [
        ("allow", Action::Allow),
        ("deny", Action::Deny),
        ("escalate", Action::Escalate),
    ]
    .into_iter()
    .filter_map(|(key, action)| mapping.get_node(key).map(|node| (key, action, node)));
    let (Some((key, action, body)), None) = (actions.next(), actions.next()) else {
        reader.fault(
            begin(node, mapping),
            "a rule has exactly one of allow, deny and escalate",
        );
        return None;
    };
    let facets = facets(reader, body, key, action)?;
    check_scopes(reader, body, &facets);
    let accept = mapping
        .get_node("accept")
        .map(|node| hazards(reader, node))
        .unwrap_or_default();
    let at_most = mapping
        .get_node("at-most")
        .map(|node| limits(reader, node))
        .unwrap_or_default();
    let during = mapping.get_node("during").and_then(|node| {
        let word = reader.word(node, "during")?;
        let window = Window::read(word);
        if window.is_none() {
            reader.fault(
                node.span(),
                format!("`{}` is no time: {}", clip(word), Window::FORM),
            );
        }
        window
    });
    let unless = mapping.get_node("unless").and_then(|node| {
        let unless = self::facets(reader, node, "unless", Action::Allow)?;
        check_scopes(reader, node, &unless);
        Some(unless)
    });
    if let Some(node) = mapping.get_node("accept").filter(|_| action != Action::Allow) {
        reader.fault(
            node.span(),
            format!("accept belongs to allow rules; this one says {key}"),
        );
    }
    if let Some(node) = mapping.get_node("at-most").filter(|_| action != Action::Allow) {
        reader.fault(
            node.span(),
            format!("at-most belongs to allow rules; this one says {key}"),
        );
    }
    if let Some(node) = mapping.get_node("unless").filter(|_| action == Action::Allow) {
        reader.fault(
            node.span(),
            "unless belongs to deny and escalate rules; narrow the allow itself",
        );
    }
    let reason = mapping
        .get_node("reason")
        .and_then(|node| reader.word(node, "reason"))
        .unwrap_or_default();
    if action == Action::Allow {
        check_reach(reader, body, &facets, level);
    }
    Some(Rule {
        id: id?,
        action,
        facets,
        accept,
        at_most,
        during,
        unless,
        reason: reason.to_owned(),
        source: format!("{}:{}", reader.document, line(node.span())),
    })
}

/// An allow rule without `effect` that names what changes things does not allow it: that is above every level's ceiling.
fn check_reach(reader: &mut Reader<'_>, body: &Node, facets: &Facets, level: Level) {
    let [tool] = facets.tool.as_slice() else {
        return;
    };
    if !facets.effect.is_empty() {
        return;
    }
    let named = facets
        .patterns(Facet::Verb)
        .iter()
        .chain(facets.patterns(Facet::Command));
    for name in named {
        let changes = *tool == Tool::Kubectl && CHANGES.contains(&name.as_str());
        if changes || names::is_above(*tool, name, Level::L4.ceiling()) {
            reader.fault(
                body.span(),
                format!(
                    "`{name}` changes things, which is above the ceiling of {level} ({}), so this would not allow it; \
                     name the effect too, as in `effect: write`",
                    level.ceiling()
                ),
            );
        }
    }
}

/// Places belong to one tool each; a rule for other tools that names one can match nothing.
fn check_scopes(reader: &mut Reader<'_>, body: &Node, facets: &Facets) {
    for (facet, _) in &facets.words {
        let owners = facet.owners();
        let Some(owner) = owners.first() else {
            continue;
        };
        if !facets.tool.is_empty() && !facets.tool.iter().any(|tool| facet.belongs_to(*tool)) {
            let at = body
                .as_mapping()
                .and_then(|mapping| mapping.get_node(facet.key()));
            reader.fault(
                at.unwrap_or(body).span(),
                format!(
                    "{} is {owner}'s, so with this tool it can match nothing",
                    facet.key()
                ),
            );
        }
    }
}

/// kubectl's verbs that always change something.
const CHANGES: &[&str] = &[
    "apply",
    "annotate",
    "autoscale",
    "cordon",
    "create",
    "delete",
    "drain",
    "edit",
    "exec",
    "expose",
    "label",
    "patch",
    "replace",
    "rollout pause",
    "rollout restart",
    "rollout resume",
    "rollout undo",
    "run",
    "scale",
    "taint",
    "uncordon",
];

fn id(reader: &mut Reader<'_>, node: &Node, mapping: &MarkedMappingNode) -> Option<String> {
    let Some(at) = mapping.get_node("id") else {
        reader.fault(
            begin(node, mapping),
            "a rule needs an id, as in `id: kubectl-reads`",
        );
        return None;
    };
    let word = reader.word(at, "id")?;
    let fits = (1..=64).contains(&word.len())
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if fits {
        return Some(word.to_owned());
    }
    reader.fault(
        at.span(),
        format!(
            "`{}` is not an id: 1 to 64 of A-Z a-z 0-9 - _ . are expected",
            clip(word)
        ),
    );
    None
}

/// Where a mapping begins: at its first key. The parser's own mark of an indented one is behind that.
fn begin<'n>(node: &'n Node, mapping: &'n MarkedMappingNode) -> &'n Span {
    mapping.iter().next().map_or(node.span(), |(key, _)| key.span())
}

fn hazards(reader: &mut Reader<'_>, node: &Node) -> Vec<Hazard> {
    let known: Vec<(Hazard, &str)> = Hazard::ALL
        .into_iter()
        .map(|hazard| (hazard, hazard.name()))
        .collect();
    reader
        .words(node, "a hazard")
        .into_iter()
        .filter_map(|(word, span)| reader.one_of(word, span, "a hazard", &known))
        .collect()
}

fn limits(reader: &mut Reader<'_>, node: &Node) -> Limits {
    let mut limits = Limits::default();
    let Some(mapping) = reader.mapping(node, "at-most", &Limits::KEYS) else {
        return limits;
    };
    for (key, value) in mapping.iter() {
        let number = value.as_scalar().and_then(|scalar| scalar.as_str().parse().ok());
        if number.is_none() {
            reader.fault(value.span(), format!("{} must be a whole number", key.as_str()));
        }
        match key.as_str() {
            "objects" => limits.objects = number,
            "replicas" => limits.replicas = number,
            _ => {}
        }
    }
    limits
}

fn facets(reader: &mut Reader<'_>, node: &Node, what: &str, action: Action) -> Option<Facets> {
    let mut known = vec!["tool", "effect", "hazard"];
    known.extend(Facet::ALL.map(|(_, key)| key));
    let mapping = reader.mapping(node, what, &known)?;
    if mapping.is_empty() {
        reader.fault(
            node.span(),
            format!("{what} names nothing; it must say at least which tool"),
        );
    }
    let mut facets = Facets::default();
    if let Some(value) = mapping.get_node("tool") {
        let words = reader.words(value, "a governed tool");
        facets.tool = words
            .into_iter()
            .filter_map(|(word, span)| reader.tool(word, span))
            .collect();
    }
    for (key, value) in mapping.iter() {
        match key.as_str() {
            "tool" => {}
            "effect" => facets.effect = closed(reader, value, "an effect", &EFFECTS),
            "hazard" if what == "unless" => {
                reader.fault(key.span(), "a hazard is no exception; name what is excepted");
            }
            "hazard" if action == Action::Allow => {
                reader.fault(
                    key.span(),
                    "an allow rule accepts hazards with `accept`, beside `allow`",
                );
            }
            "hazard" => facets.hazard = hazards(reader, value),
            other => {
                let Some((facet, _)) = Facet::ALL.into_iter().find(|(_, key)| *key == other) else {
                    continue;
                };
                let patterns = patterns(reader, value, facet, &facets.tool);
                facets.words.push((facet, patterns));
            }
        }
    }
    Some(facets)
}

fn closed<T: Copy>(reader: &mut Reader<'_>, node: &Node, what: &str, known: &[(T, &str)]) -> Vec<T> {
    let words = reader.words(node, what);
    words
        .into_iter()
        .filter_map(|(word, span)| reader.one_of(word, span, what, known))
        .collect()
}

fn patterns(reader: &mut Reader<'_>, node: &Node, facet: Facet, tools: &[Tool]) -> Vec<Pattern> {
    let key = facet.key();
    let words: Vec<(&str, &Span)> = reader.words(node, key);
    let mut patterns = Vec::with_capacity(words.len());
    for (word, span) in words {
        let pattern = match facet {
            Facet::Command | Facet::Verb => Pattern::of_words(word),
            _ => Pattern::new(word),
        };
        match pattern.map_err(|error| error.to_string()).and_then(|pattern| {
            let dead = dead(reader, facet, &pattern, tools);
            dead.map_or(Ok(pattern), Err)
        }) {
            Ok(pattern) => {
                if facet == Facet::Resource && pattern.is_exact() && may_be(tools, Tool::Kubectl) {
                    // Rules may spell a resource as command lines do; judged is what the parser calls it.
                    let kinds = names::kinds(word);
                    let only_spelled_so = tools == [Tool::Kubectl] && !kinds.is_empty();
                    patterns.extend(kinds.iter().filter_map(|kind| Pattern::new(kind).ok()));
                    if only_spelled_so || kinds.iter().any(|kind| kind == word) {
                        continue;
                    }
                }
                patterns.push(pattern);
            }
            Err(error) => reader.fault(span, format!("{key} `{}` {error}", clip(word))),
        }
    }
    patterns
}

fn may_be(tools: &[Tool], tool: Tool) -> bool {
    tools.is_empty() || tools.contains(&tool)
}

/// Why a pattern can match nothing of any of the rule's tools; `None` when it can for one, or that cannot be known.
fn dead(reader: &Reader<'_>, facet: Facet, pattern: &Pattern, tools: &[Tool]) -> Option<String> {
    let described = |tool: Tool| reader.shelf.and_then(|shelf| shelf.description(tool));
    let check = |tool: Tool| match (facet, tool) {
        (Facet::Command | Facet::Verb, Tool::Described(_)) => {
            described(tool).and_then(|description| names::described(&description, pattern))
        }
        (Facet::Command, _) => names::command(tool, pattern),
        (Facet::Verb, _) => names::verb(tool, pattern),
        (Facet::Resource, Tool::Kubectl) => names::resource(pattern),
        _ => None,
    };
    let mut first = None;
    let named = tools
        .iter()
        .copied()
        .filter(|tool| matches!(tool, Tool::Described(_)));
    for tool in Tool::ALL
        .into_iter()
        .filter(|tool| may_be(tools, *tool))
        .chain(named)
    {
        first = first.or(Some(check(tool)?));
    }
    first
}
