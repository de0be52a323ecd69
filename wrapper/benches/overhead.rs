//! What one governed call costs, against what a user could do instead, in one run.
//!
//! ```text
//! cargo build --release && cargo bench -p reeve --bench overhead [-- ROUNDS]
//! ```
//!
//! `REEVE=PATH` measures another build, with the `reeved` beside it.
//!
//! The tool is `/bin/true` under the name `kubectl`. Each round times every way once, in turn, so that
//! what else the machine does falls on all of them alike:
//!
//! | row | what is timed |
//! |---|---|
//! | direct | fork, exec `/bin/true`, wait |
//! | floor | append 800 bytes, `fdatasync`, then the same: what any gate with a durable record must pay |
//! | two syncs | append and `fdatasync` before and after: what decision and outcome cost at the least |
//! | gate | the same through Reeve: judged, decision durable, run, outcome durable |
//! | refused | a call that Reeve refuses: judged, decision durable |
//! | bash | a shell script that does nothing but `exec` |
//! | sudo | `sudo -n`, where it is installed and lets us |

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    match words.as_slice() {
        [inside, directory, rounds] if inside == "--inside" => measure(Path::new(directory), rounds.parse()?),
        _ => outside(words.first().map_or("1000", String::as_str)),
    }
}

/// Lays out the tool and the script, then runs this program again inside a session.
fn outside(rounds: &str) -> Result<(), Box<dyn std::error::Error>> {
    // Beside the build, because the default temporary directory may be in memory, where a sync costs nothing.
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("overhead-{}", std::process::id()));
    let tools = directory.join("tools");
    std::fs::create_dir_all(&tools)?;
    symlink("/bin/true", tools.join("kubectl"))?;
    let script = directory.join("wrapper.sh");
    std::fs::write(&script, "#!/bin/bash\nexec /bin/true \"$@\"\n")?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
    let path = format!("{}:{}", tools.display(), std::env::var("PATH")?);
    let program = std::env::var_os("REEVE").unwrap_or_else(|| env!("CARGO_BIN_EXE_reeve").into());
    let status = Command::new(program)
        .args(["run", "--level", "L2", "--record"])
        .arg(directory.join("record"))
        .arg("--")
        .arg(std::env::current_exe()?)
        .args(["--inside".as_ref(), directory.as_os_str(), rounds.as_ref()])
        .env("PATH", path)
        .status()?;
    std::fs::remove_dir_all(&directory)?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("the session ended with {status}").into())
    }
}

type Way = (&'static str, Box<dyn FnMut() -> std::io::Result<()>>);

fn measure(directory: &Path, rounds: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut ways = ways(directory)?;
    let mut times: Vec<Vec<Duration>> = ways.iter().map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..rounds.saturating_add(20) {
        for ((_, way), times) in ways.iter_mut().zip(&mut times) {
            let begun = Instant::now();
            way()?;
            if round >= 20 {
                times.push(begun.elapsed()); // the first twenty warm the caches
            }
        }
    }
    report(&ways, times)
}

fn ways(directory: &Path) -> Result<Vec<Way>, Box<dyn std::error::Error>> {
    let mut log = append(&directory.join("floor.log"))?;
    let mut twice = append(&directory.join("twice.log"))?;
    let script = directory.join("wrapper.sh");
    let shim = which("kubectl").ok_or("the session has no kubectl")?;
    let refused = shim.clone();
    let mut ways: Vec<Way> = vec![
        ("direct", Box::new(|| run(Command::new("/bin/true"), 0))),
        (
            "floor",
            Box::new(move || {
                durable(&mut log)?;
                run(Command::new("/bin/true"), 0)
            }),
        ),
        (
            "two syncs",
            Box::new(move || {
                durable(&mut twice)?;
                run(Command::new("/bin/true"), 0)?;
                durable(&mut twice)
            }),
        ),
        (
            "gate",
            Box::new(move || run(with(Command::new(&shim), &["get", "pods", "-n", "prod"]), 0)),
        ),
        (
            "refused",
            Box::new(move || run(with(Command::new(&refused), &["delete", "pod", "web"]), 77)),
        ),
        ("bash", Box::new(move || run(Command::new(&script), 0))),
    ];
    if run(with(Command::new("sudo"), &["-n", "/bin/true"]), 0).is_ok() {
        ways.push((
            "sudo",
            Box::new(|| run(with(Command::new("sudo"), &["-n", "/bin/true"]), 0)),
        ));
    }
    Ok(ways)
}

fn report(ways: &[Way], mut times: Vec<Vec<Duration>>) -> Result<(), Box<dyn std::error::Error>> {
    for times in &mut times {
        times.sort_unstable();
    }
    let at = |row: usize, percent: usize| -> Option<f64> {
        let sorted = times.get(row)?;
        let index = sorted.len().saturating_mul(percent) / 100;
        Some(sorted.get(index.min(sorted.len().checked_sub(1)?))?.as_secs_f64() * 1e6)
    };
    let (direct, floor) = (at(0, 50).ok_or("no rounds")?, at(1, 50).ok_or("no rounds")?);
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{:10} {:>10} {:>10} {:>14} {:>10}",
        "", "median µs", "p99 µs", "over direct µs", "× floor"
    )?;
    for (row, (name, _)) in ways.iter().enumerate() {
        let (median, p99) = (at(row, 50).ok_or("no rounds")?, at(row, 99).ok_or("no rounds")?);
        writeln!(
            out,
            "{name:10} {median:10.0} {p99:10.0} {:14.0} {:10.2}",
            median - direct,
            median / floor
        )?;
    }
    Ok(())
}

fn with(mut command: Command, words: &[&str]) -> Command {
    command.args(words);
    command
}

fn run(mut command: Command, expected: i32) -> std::io::Result<()> {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    match status.code() {
        Some(code) if code == expected => Ok(()),
        _ => Err(std::io::Error::other(format!(
            "{command:?} ended with {status}, not {expected}"
        ))),
    }
}

fn durable(file: &mut File) -> std::io::Result<()> {
    file.write_all(&[b'x'; 800])?;
    file.sync_data()
}

fn append(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn which(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}
