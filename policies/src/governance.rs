//! One level's rules, merged from every layer.

use crate::described::Shelf;
use crate::document::{self, Reader};
use crate::faults::{Fault, Faults};
use crate::level::{Level, Track};
use crate::limits::Moment;
use crate::original;
use crate::ours::{self, Document, Otherwise};
use crate::rule::Rule;
use argv::Tool;
use argv::described::Description;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The longest chain of `extends`.
const MAX_LAYERS: usize = 8;
/// The version of the snapshot's form.
const SNAPSHOT: u32 = 1;

/// Where documents come from; the caller reads files, this crate does not.
pub trait Documents {
    /// The text of `name`; `None` when there is no such document.
    ///
    /// # Errors
    /// Why it is there but cannot be read.
    fn document(&self, name: &str) -> Result<Option<String>, String>;
}

/// One level's rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Governance {
    snapshot: u32,
    level: Level,
    track: Option<Track>,
    pub(crate) otherwise: Otherwise,
    pub(crate) rules: Vec<Rule>,
    /// The descriptions of the tools that the rules speak about and that are not built in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Arc<Description>>,
}

impl Governance {
    /// The tools that the rules speak about and that are not built in.
    pub fn described(&self) -> impl Iterator<Item = (Tool, &Arc<Description>)> {
        self.tools
            .iter()
            .filter_map(|it| Some((Tool::of_name(&it.name)?, it)))
    }

    /// The description of a tool that is not built in.
    pub fn description(&self, tool: Tool) -> Option<Arc<Description>> {
        self.tools.iter().find(|it| it.name == tool.name()).cloned()
    }

    /// The name of the document for a level and a track.
    ///
    /// # Errors
    /// At L4 there must be a track: there is no L4 for everybody.
    pub fn document_name(level: Level, track: Option<&Track>) -> Result<String, Faults> {
        match (level, track) {
            (Level::L4, Some(track)) => Ok(format!("governance-L4-{track}.yaml")),
            (Level::L4, None) => Err(Faults::whole(
                "governance-L4",
                "L4 needs a track; name one, as in `--track track-c`",
            )),
            (level, _) => Ok(format!("governance-{level}.yaml")),
        }
    }

    /// Loads the document for a level and a track, and every layer it extends.
    ///
    /// # Errors
    /// Every fault of every layer; then none of them is used.
    pub fn load(
        level: Level,
        track: Option<&Track>,
        documents: &dyn Documents,
    ) -> Result<Governance, Faults> {
        Governance::load_document(&Governance::document_name(level, track)?, level, track, documents)
    }

    /// Loads the document `name` as the rules of a level and a track, and every layer it extends.
    ///
    /// # Errors
    /// As [`Governance::load`].
    pub fn load_document(
        name: &str,
        level: Level,
        track: Option<&Track>,
        documents: &dyn Documents,
    ) -> Result<Governance, Faults> {
        let shelf = Shelf::new(documents);
        let mut loading = Loading {
            level,
            documents,
            shelf: &shelf,
            faults: Vec::new(),
            names: Vec::new(),
        };
        let mut layers = Vec::new();
        let mut next = Some(name.to_owned());
        while let Some(name) = next.take() {
            let Some(layer) = loading.layer(name) else {
                break;
            };
            next = layer.extends.clone();
            layers.push(layer);
        }
        loading.finish(track, layers)
    }

    /// Everything merged, as one JSON document: loads fast, and its digest names the policy.
    pub fn snapshot(&self) -> String {
        // Strings, numbers and lists of them always become JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a snapshot.
    ///
    /// # Errors
    /// When it is not one, or of another version.
    pub fn from_snapshot(text: &str) -> Result<Governance, Faults> {
        let governance: Governance = serde_json::from_str(text).map_err(|error| {
            Faults(vec![Fault {
                document: "policy snapshot".to_owned(),
                line: error.line(),
                column: error.column(),
                message: error.to_string(),
            }])
        })?;
        if governance.snapshot != SNAPSHOT {
            let message = format!(
                "version {} is not known here; this program reads {SNAPSHOT}",
                governance.snapshot
            );
            return Err(Faults::whole("policy snapshot", message));
        }
        Governance::document_name(governance.level, governance.track.as_ref())?;
        Ok(governance)
    }

    /// SHA-256 over the snapshot, hex.
    pub fn digest(&self) -> String {
        base16ct::lower::encode_string(&Sha256::digest(self.snapshot().as_bytes()))
    }

    /// These rules as they hold at a moment: those of other hours are left out.
    pub fn at(mut self, moment: Moment) -> Governance {
        self.rules
            .retain(|rule| rule.during.is_none_or(|window| window.holds(moment)));
        self
    }

    /// The level these rules are for.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The track these rules are for.
    pub fn track(&self) -> Option<&Track> {
        self.track.as_ref()
    }
}

/// The level and track that a document's name promises; `None` for names of the site's own.
pub fn promised(name: &str) -> Option<(Level, Option<Track>)> {
    let rest = name.strip_prefix("governance-")?.strip_suffix(".yaml")?;
    match rest.split_once('-') {
        Some(("L4", track)) => Some((Level::L4, Some(track.parse().ok()?))),
        Some(_) => None,
        None => Some((rest.parse().ok()?, None)),
    }
}

struct Loading<'a> {
    level: Level,
    documents: &'a dyn Documents,
    shelf: &'a Shelf<'a>,
    faults: Vec<Fault>,
    names: Vec<String>,
}

impl Loading<'_> {
    fn layer(&mut self, name: String) -> Option<Document> {
        if self.names.contains(&name) {
            return self.whole(
                &name,
                format!("extends itself, by way of {}", self.names.join(" and ")),
            );
        }
        if self.names.len() >= MAX_LAYERS {
            return self.whole(
                &name,
                format!(
                    "is layer {}; at most {MAX_LAYERS} are read",
                    MAX_LAYERS.saturating_add(1)
                ),
            );
        }
        if !name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            || name.starts_with('.')
        {
            return self.whole(
                &name,
                "is not a file name; a layer stands in the same directory".to_owned(),
            );
        }
        let promised = promised(&name);
        if let Some((level, _)) = promised.as_ref().filter(|(level, _)| *level > self.level) {
            let message = format!(
                "is for {level}; {} may only extend what is not above it",
                self.level
            );
            return self.whole(&name, message);
        }
        let text = match self.documents.document(&name) {
            Ok(Some(text)) => text,
            Ok(None) => return self.whole(&name, "is missing".to_owned()),
            Err(why) => return self.whole(&name, format!("cannot be read: {why}")),
        };
        self.names.push(name.clone());
        let root = match document::parse(&name, &text) {
            Ok(root) => root,
            Err(fault) => {
                self.faults.push(fault);
                return None;
            }
        };
        let mut reader = Reader::new(&name);
        reader.shelf = Some(self.shelf);
        let layer = if original::is_original(&root) {
            original::read(&mut reader, &root, self.level)
        } else {
            let promised = promised.as_ref().map(|(level, track)| (*level, track.as_ref()));
            ours::read(&mut reader, &root, self.level, promised)
        };
        reader.faults.sort_by_key(|fault| (fault.line, fault.column));
        self.faults.append(&mut reader.faults);
        layer
    }

    fn whole<T>(&mut self, name: &str, message: String) -> Option<T> {
        self.faults.extend(Faults::whole(name, message).0);
        None
    }

    fn finish(mut self, track: Option<&Track>, layers: Vec<Document>) -> Result<Governance, Faults> {
        let otherwise = layers
            .iter()
            .find_map(|layer| layer.otherwise)
            .unwrap_or(Otherwise::Refuse);
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        let mut rules = Vec::new();
        for rule in layers.into_iter().rev().flat_map(|layer| layer.rules) {
            if let Some(first) = seen.insert(rule.id.clone(), rule.source.clone()) {
                let (document, line) = rule.source.rsplit_once(':').unwrap_or((&rule.source, "0"));
                self.faults.push(Fault {
                    document: document.to_owned(),
                    line: line.parse().unwrap_or(0),
                    column: 1,
                    message: format!("the id `{}` is taken by the rule at {first}", rule.id),
                });
            }
            rules.push(rule);
        }
        if !self.faults.is_empty() {
            return Err(Faults(self.faults));
        }
        Ok(Governance {
            snapshot: SNAPSHOT,
            level: self.level,
            track: track.cloned(),
            otherwise,
            rules,
            tools: self.shelf.taken(),
        })
    }
}
