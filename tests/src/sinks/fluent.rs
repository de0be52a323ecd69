//! A forward server that is not ours: `FluentServer` of npm's `@fluent-org/logger`, under node, with the little program
//! `tests/peers/forward/server.js` around it. It acknowledges, knows a shared key and users, and TLS.

use super::programs::{Program, find};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The server with these orders (see `server.js`), which append what it gets to the file that is returned.
pub fn server(directory: &Path, mut orders: Value) -> (Program, PathBuf) {
    let tools = std::env::var("REEVE_TEST_TOOLS").unwrap_or_default();
    let modules = Path::new(&tools).join("forward/node_modules");
    assert!(
        modules.join("@fluent-org/logger").is_dir(),
        "@fluent-org/logger is not in {}; `tests/run` puts it there",
        modules.display()
    );
    let out = directory.join("received");
    orders["out"] = out.display().to_string().into();
    let mut command = Command::new(find("node"));
    command
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/forward/server.js"))
        .arg(orders.to_string())
        .env("NODE_PATH", modules);
    (Program::new(command), out)
}
