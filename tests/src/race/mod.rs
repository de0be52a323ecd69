//! What the race tests share: somebody who swaps what lies behind a name as fast as can be, manifests that can be told
//! apart wherever they arrive, a tool that costs nearly nothing, and a cluster that remembers.

pub mod tool;
pub mod turns;

use crate::http::{Body, Request, Response, Server};
use crate::kube_api;
use serde_json::{Value, json};
use std::fs::File;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A manifest. All have the same length; `stamp` stands at both ends, so a mixture of two is known for one.
pub fn manifest(stamp: u64, harmless: bool) -> String {
    let namespace = if harmless { "dev" } else { "ops" };
    format!(
        "{{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"data\": {{\"begin\": \"{stamp:012}\"}}, \"metadata\": {{\"name\": \"m\", \"namespace\": \"{namespace}\", \"labels\": {{\"end\": \"e{stamp:012}\"}}}}}}\n"
    )
}

/// The manifests whose stamps are these: one, or all that a reader can see who comes while the second is written over the first.
pub fn candidates(begin: u64, end: u64) -> Vec<String> {
    let kinds = [true, false];
    if begin == end {
        return kinds.map(|harmless| manifest(begin, harmless)).into();
    }
    let mut all = Vec::new();
    for (new, old) in kinds
        .iter()
        .flat_map(|new| kinds.iter().map(move |old| (*new, *old)))
    {
        let (new, old) = (manifest(begin, new), manifest(end, old));
        all.extend((0..=new.len()).map(|at| [&new[..at], &old[at..]].concat()));
    }
    all
}

/// Something that is swapped.
pub enum Target {
    /// A file, for these contents: renamed over, linked over, written anew, written over in place.
    File {
        /// Where it is.
        place: PathBuf,
        /// What was there first.
        good: Vec<u8>,
        /// What else is put there.
        bad: Vec<Vec<u8>>,
    },
    /// A manifest, with a new stamp each time.
    Manifest(PathBuf),
    /// A file that is not there at first.
    Extra {
        /// Where it is.
        place: PathBuf,
        /// What it says when it is there.
        bad: Vec<u8>,
    },
    /// A link, to here or there.
    Link {
        /// Where it is.
        place: PathBuf,
        /// Where it leads first.
        good: PathBuf,
        /// Where else.
        bad: PathBuf,
    },
}

/// Swaps at random until told to stop; puts back what was first. Returns how often.
pub fn swap(targets: &[Target], scratch: &Path, stop: &AtomicBool) -> u64 {
    static STAMP: AtomicU64 = AtomicU64::new(1);
    let mut random = fastrand::Rng::with_seed(STAMP.load(Ordering::Relaxed));
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let is_good = random.u8(..3) > 0;
        match &targets[random.usize(..targets.len())] {
            Target::Manifest(place) => {
                let text = manifest(STAMP.fetch_add(1, Ordering::Relaxed), is_good);
                write(&mut random, scratch, place, text.as_bytes());
            }
            Target::File { place, good, bad } => {
                let content = if is_good {
                    good
                } else {
                    &bad[random.usize(..bad.len())]
                };
                write(&mut random, scratch, place, content);
            }
            Target::Extra { place, .. } if is_good => remove(place),
            Target::Extra { place, bad } => rename(scratch, place, bad),
            Target::Link { place, good, bad } => link(scratch, place, if is_good { good } else { bad }),
        }
        count += 1;
    }
    for target in targets {
        match target {
            Target::Manifest(place) => rename(scratch, place, manifest(0, true).as_bytes()),
            Target::File { place, good, .. } => rename(scratch, place, good),
            Target::Extra { place, .. } => remove(place),
            Target::Link { place, good, .. } => link(scratch, place, good),
        }
    }
    count
}

fn write(random: &mut fastrand::Rng, scratch: &Path, place: &Path, content: &[u8]) {
    match random.u8(..4) {
        0 => rename(scratch, place, content),
        1 => {
            // Each in a file of its own, so that what a link led to stays what it was for who has opened it.
            let behind = scratch.join(format!("behind-{}", random.u8(..8)));
            rename(scratch, &behind, content);
            link(scratch, place, &behind);
        }
        2 => std::fs::write(place, content).expect("it can be written"),
        _ => {
            let file = File::options().write(true).open(place).expect("it can be opened");
            file.write_all_at(content, 0).expect("it can be written over");
            file.set_len(content.len() as u64).expect("it can be cut");
        }
    }
}

/// Puts a file with this content in its place by renaming.
pub fn rename(scratch: &Path, place: &Path, content: &[u8]) {
    let beside = scratch.join("beside");
    std::fs::write(&beside, content).expect("it can be written");
    std::fs::rename(&beside, place).expect("it can be renamed");
}

fn remove(place: &Path) {
    match std::fs::remove_file(place) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{}: {error}", place.display()),
        _ => {}
    }
}

/// Puts a link in its place by renaming.
pub fn link(scratch: &Path, place: &Path, to: &Path) {
    let beside = scratch.join("beside.link");
    symlink(to, &beside).expect("it can be linked");
    std::fs::rename(&beside, place).expect("it can be renamed");
}

/// A cluster in which no object is there yet.
pub fn cluster() -> Server {
    Server::tcp(|request| {
        let is_of_configmaps =
            request.path().ends_with("/configmaps") || request.path().contains("/configmaps/");
        match (request.method.as_str(), request.path()) {
            // A schema that knows no type: nothing is validated.
            (_, "/openapi/v2") => Response {
                status: 200,
                content_type: "text/plain",
                body: Body::Bytes(Vec::new()),
            },
            ("POST", _) if is_of_configmaps => Response {
                status: 201,
                content_type: "application/json",
                body: Body::Bytes(request.body.clone()),
            },
            ("GET", path) if path.contains("/configmaps/g-") => {
                let name = path.rsplit('/').next();
                Response::json(
                    &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "dev"}}),
                )
            }
            _ => kube_api::answer(request),
        }
    })
}

/// The kubeconfig for a server, with more for its user, if any.
pub fn kubeconfig(port: u16, user: &Value) -> Vec<u8> {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": format!("http://127.0.0.1:{port}")}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "dev"}}],
    });
    config.to_string().into_bytes()
}

/// The names of the single objects that were asked for: `g-1` …
pub fn got(requests: &[Request]) -> Vec<String> {
    let names = requests.iter().filter(|request| request.method == "GET");
    names
        .filter_map(|request| request.path().rsplit('/').next())
        .filter(|name| name.starts_with("g-"))
        .map(str::to_owned)
        .collect()
}

/// The requests that change something.
pub fn changes(requests: &[Request]) -> Vec<&Request> {
    requests
        .iter()
        .filter(|request| !matches!(request.method.as_str(), "GET" | "HEAD"))
        .collect()
}
