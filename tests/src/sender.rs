//! What a gate sends, made by hand: by the socket, or left in a spool.

use audit_event::chain::{Cursor, Draft, Kind, write_line};
use serde_json::value::RawValue;
use std::path::{Path, PathBuf};

/// The number `n` as an event's id.
pub fn id(n: usize) -> String {
    format!("ffffffff-0000-7000-8000-{n:012}")
}

/// A decision of this user's gate, as process 1 says it.
pub fn decided(n: usize, decision: &str) -> String {
    let uid = nix::unistd::getuid().as_raw();
    serde_json::json!({
        "ts": "2026-04-07T14:32:01.123456Z", "wrapper": "kubectl", "command": "kubectl get pods",
        "governance_level": "L2", "track": "", "allowlist_hit": false, "decision": decision,
        "caller_profile": "load", "caller_agent_run_id": "", "schema": 1, "event_id": id(n), "request_id": id(n),
        "argv": [], "argv_bytes": 0, "argv_sha256": "", "operation": "get", "operations": [], "hazards": [],
        "reason": "", "message": "", "rule": null, "policy_digest": "", "binary": null,
        "environment_changed": [], "cwd": "/", "uid": uid, "gid": 0, "pid": 1, "ppid": 1, "parent": "", "host": ""
    })
    .to_string()
}

/// How the command of decision `n` ended, with more keys behind.
pub fn ended(n: usize, more: &str) -> String {
    let id = id(n);
    format!(
        r#"{{"ts":"2026-04-07T14:32:02Z","event_id":"{id}","exit_code":0,"signal":null,"not_started":null,"duration_us":1{more}}}"#
    )
}

/// JSON as it is.
pub fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text).expect("JSON")
}

/// Where this user's spool is.
pub fn spool_file(directory: &Path) -> PathBuf {
    directory.join(format!("{}.spool", nix::unistd::getuid()))
}

/// A spool of this user's with these lines.
pub fn spool(directory: &Path, lines: impl Iterator<Item = (Kind, String)>) {
    let mut bytes = Vec::new();
    let mut cursor = Cursor::start();
    for (kind, data) in lines {
        let draft = Draft {
            writer: "spool",
            epoch: 0,
            seq: cursor.next,
            wall: "2026-04-07T14:32:01Z",
            monotonic_ns: 0,
            kind,
            peer: None,
            data: &data,
        };
        cursor.head = write_line(&mut bytes, cursor.head, &draft);
        cursor.next += 1;
    }
    std::fs::create_dir_all(directory).expect("a directory can be made");
    std::fs::write(spool_file(directory), &bytes).expect("a file can be written");
}
