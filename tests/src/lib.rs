//! What the acceptance tests share: the built binaries, the real tools, sessions, and stand-ins for what cannot be had
//! (a cluster, AWS, GitHub). Everything stays on loopback, and every wait has an end.

pub mod binaries;
pub mod differential;
pub mod environment;
pub mod host;
pub mod http;
pub mod installed;
pub mod kube_api;
pub mod ledger;
pub mod load;
pub mod postgres;
pub mod pty;
pub mod race;
pub mod score;
pub mod sender;
pub mod session;
pub mod sinks;
pub mod tools;
pub mod transparency;
pub mod wire;

/// Hex of the SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
