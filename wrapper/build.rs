//! How the static program is linked: without what nobody reads, and with what a governed call runs side by side. See the heads of
//! the scripts in `link/`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let features = std::env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let is_static = features.split(',').any(|feature| feature == "crt-static");
    // Each puts its part before the rest of the code, so the last one's is the last: should the parts outgrow their 2 MiB, what
    // only some commands run is beyond.
    for script in ["no_unwinding", "one_piece", "governed_functions"] {
        let script = format!("{}/link/{script}.ld", env!("CARGO_MANIFEST_DIR"));
        println!("cargo:rerun-if-changed={script}");
        if is_static {
            println!("cargo:rustc-link-arg-bins=-Wl,-T,{script}");
        }
    }
    if is_static {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,noseparate-code");
    }
}
