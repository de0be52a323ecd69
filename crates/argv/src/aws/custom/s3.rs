//! `aws s3`: what is read, written and deleted depends on which side of a copy is local.

use super::super::argparse::{Parsed, Word};
use super::super::operation::Request;
use super::super::table::Row;
use super::super::values;
use crate::{Effect, Hazard, Invocation, Operation, Resource, Scope, Unreadable};

/// One side of a copy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place<'a> {
    /// `bucket/key`, without `s3://`.
    Bucket(&'a str),
    /// A path; `-` is standard input or output.
    Local(&'a str),
}

impl<'a> Place<'a> {
    fn of(word: &Word<'a>) -> Self {
        word.text
            .strip_prefix("s3://")
            .map_or(Place::Local(word.text), Place::Bucket)
    }
}

pub(super) fn read(
    row: &Row,
    request: &Request<'_, '_>,
    parsed: &Parsed<'_>,
    invocation: &mut Invocation,
) -> Result<(), Unreadable> {
    let words: Vec<Word<'_>> = parsed.positionals.iter().flatten().copied().collect();
    let mut plan = Plan { invocation, request };
    match (row.key, words.as_slice()) {
        ("s3 ls", []) => plan.does(Effect::Read, "ListBuckets", ""),
        ("s3 ls", [path]) => plan.does(Effect::Read, "ListObjectsV2", bare(path)),
        ("s3 mb", [path]) => plan.does(Effect::Write, "CreateBucket", bare(path)),
        ("s3 rb", [path]) => plan.remove_bucket(bare(path)),
        ("s3 rm", [path]) => plan.remove(bare(path)),
        ("s3 website", [path]) => plan.does(Effect::Write, "PutBucketWebsite", bare(path)),
        ("s3 presign", [path]) => {
            plan.does(Effect::Local, "GetObject", bare(path));
            plan.invocation
                .add_hazard(Hazard::RevealsCredentials, "prints a signed address");
        }
        ("s3 cp" | "s3 mv" | "s3 sync", [from, to]) => {
            let (from, to) = (Place::of(from), Place::of(to));
            if let (Place::Local(_), Place::Local(path)) = (from, to) {
                return Err(Unreadable::missing(&format!(
                    "neither side of `aws {}` is in a bucket",
                    row.key
                ))
                .hint(format!("s3://{path}")));
            }
            match row.key {
                "s3 sync" => plan.sync(from, to),
                _ => plan.copy(from, to, row.key == "s3 mv"),
            }
        }
        _ => {
            return Err(Unreadable::missing(&format!(
                "what `aws {}` does is not known",
                row.key
            )));
        }
    }
    Ok(())
}

/// A bucket may be named with or without the scheme.
fn bare<'a>(path: &Word<'a>) -> &'a str {
    path.text.strip_prefix("s3://").unwrap_or(path.text)
}

struct Plan<'i, 'r> {
    invocation: &'i mut Invocation,
    request: &'r Request<'r, 'r>,
}

impl Plan<'_, '_> {
    fn does(&mut self, effect: Effect, api: &str, name: &str) {
        self.invocation.operations.push(Operation {
            resource: Some(Resource::kind("s3")),
            name: (!name.is_empty()).then(|| name.to_owned()),
            scope: Scope::default(),
            ..Operation::new(effect, format!("s3:{api}"))
        });
    }

    fn unbounded(&mut self, because: &str) {
        self.invocation.add_hazard(Hazard::Unbounded, because);
    }

    fn on(&self, flag: &str) -> bool {
        self.request.flag(flag) == Some(true)
    }

    fn remove_bucket(&mut self, bucket: &str) {
        if self.on("force") {
            self.does(Effect::Read, "ListObjectsV2", bucket);
            self.does(Effect::Delete, "DeleteObject", bucket);
            self.unbounded("`--force` deletes everything in the bucket");
        }
        self.does(Effect::Delete, "DeleteBucket", bucket);
    }

    fn remove(&mut self, path: &str) {
        let recursive = self.on("recursive");
        if recursive {
            self.does(Effect::Read, "ListObjectsV2", path);
        }
        if self.on("dryrun") {
            if !recursive {
                self.does(Effect::Local, "DeleteObject", path);
            }
            return;
        }
        self.does(Effect::Delete, "DeleteObject", path);
        if recursive {
            self.unbounded("`--recursive` deletes everything under the path");
        }
    }

    fn copy(&mut self, from: Place<'_>, to: Place<'_>, moves: bool) {
        let (recursive, dry) = (self.on("recursive"), self.on("dryrun"));
        if let Place::Bucket(path) = from {
            let look = if recursive { "ListObjectsV2" } else { "HeadObject" };
            self.does(Effect::Read, look, path);
        } else if dry {
            self.does(Effect::Local, "PutObject", "");
        }
        if dry {
            return;
        }
        self.transfer(from, to, recursive);
        if moves {
            match from {
                Place::Bucket(path) => self.does(Effect::Delete, "DeleteObject", path),
                Place::Local(path) => {
                    values::writes(self.invocation, path, "deletes the local file it has uploaded")
                }
            }
        }
        if recursive && (moves || matches!(to, Place::Bucket(_))) {
            self.unbounded("`--recursive` acts on everything under the path");
        }
    }

    fn sync(&mut self, from: Place<'_>, to: Place<'_>) {
        for side in [from, to] {
            if let Place::Bucket(path) = side {
                self.does(Effect::Read, "ListObjectsV2", path);
            }
        }
        if self.on("dryrun") {
            return;
        }
        self.transfer(from, to, true);
        if self.on("delete") {
            match to {
                Place::Bucket(path) => self.does(Effect::Delete, "DeleteObject", path),
                Place::Local(path) => values::writes(self.invocation, path, "`--delete` deletes local files"),
            }
            self.unbounded("`--delete` removes everything that the source has not");
        } else if matches!(to, Place::Bucket(_)) {
            self.unbounded("copies everything under the path");
        }
    }

    fn transfer(&mut self, from: Place<'_>, to: Place<'_>, many: bool) {
        match (from, to) {
            (Place::Bucket(source), Place::Bucket(target)) => {
                self.does(Effect::Read, "GetObject", source);
                self.does(Effect::Read, "GetObjectTagging", source);
                self.does(Effect::Write, "CopyObject", target);
                self.does(Effect::Write, "PutObjectTagging", target);
            }
            (Place::Bucket(source), Place::Local(path)) => {
                self.does(Effect::Read, "GetObject", source);
                if path != "-" || many {
                    values::writes(self.invocation, path, "downloads into a local file");
                }
            }
            (Place::Local(path), Place::Bucket(target)) => {
                self.does(Effect::Write, "PutObject", target);
                if path != "-" || many {
                    values::reads(self.invocation, path, "uploads a local file");
                }
            }
            (Place::Local(_), Place::Local(_)) => {}
        }
    }
}
