//! What one governed call costs, against what a user could do instead, in one run.
//!
//! ```text
//! cargo build --release && cargo bench -p reeve --bench overhead [-- ROUNDS]
//! ```
//!
//! `REEVE=PATH` measures another build, with the `reeved` beside it.
//!
//! The tool is `/bin/true` under the name `kubectl`. Every way is timed as often as the others, so that what else the machine does
//! falls on all of them alike: first fifty times in a row before the next way's turn, as an agent calls its tool again and again; then once
//! before the next way's turn, when it finds the processor's caches full of what others (`sudo` most of all) left there:
//!
//! | row | what is timed |
//! |---|---|
//! | direct | fork, exec `/bin/true`, wait |
//! | floor | append 800 bytes, `fdatasync`, then the same: what any gate with a durable record must pay |
//! | two syncs | append and `fdatasync` before and after: what decision and outcome cost at the least |
//! | client | `client.c`, which has both recorded by the same sidecar and judges nothing, where there is a C compiler (x86-64) |
//! | gate | the same through Reeve: judged, decision durable, run, outcome durable |
//! | refused | a call that Reeve refuses: judged, decision durable |
//! | bash | a shell script that does nothing but `exec` |
//! | sudo | `sudo -n`, where it is installed and lets us |
//!
//! Then the same with the real kubectl, aws and gh, those of them that are there (`REEVE_TEST_TOOLS` is searched before PATH), asked
//! for their version, directly and through Reeve in turn; and what the gate is and takes in bytes.

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
        [inside, rounds, tools @ ..] if inside == "--inside-real" => measure_real(rounds.parse()?, tools),
        _ => outside(words.first().map_or("1000", String::as_str)),
    }
}

/// Where the session with `/bin/true` records.
const RECORD: &str = "record";
/// Calls of one way before the next way's turn.
const IN_A_ROW: usize = 50;

/// Lays out the tool, the script and the client, then runs this program again inside a session.
fn outside(rounds: &str) -> Result<(), Box<dyn std::error::Error>> {
    // Beside the build, because the default temporary directory may be in memory, where a sync costs nothing.
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("overhead-{}", std::process::id()));
    let tools = directory.join("tools");
    std::fs::create_dir_all(&tools)?;
    symlink("/bin/true", tools.join("kubectl"))?;
    let script = directory.join("wrapper.sh");
    std::fs::write(&script, "#!/bin/bash\nexec /bin/true \"$@\"\n")?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
    if cfg!(target_arch = "x86_64") {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/client.c");
        let flags = "-O2 -static -nostdlib -ffreestanding -fno-builtin -fno-stack-protector -o";
        let compiled = Command::new("cc")
            .args(flags.split(' '))
            .args([directory.join("client").as_os_str(), source.as_ref()])
            .status();
        if !compiled.is_ok_and(|status| status.success()) {
            writeln!(std::io::stdout(), "no `cc` here, so there is no row `client`")?;
        }
    }
    let path = std::env::var("PATH")?;
    let inside = [
        "--inside".into(),
        directory.display().to_string(),
        rounds.to_owned(),
    ];
    let done = session(
        &directory.join(RECORD),
        &format!("{}:{path}", tools.display()),
        &inside,
    )
    .and_then(|()| {
        let before = std::env::var("REEVE_TEST_TOOLS")
            .map_or_else(|_| path.clone(), |tools| format!("{tools}:{path}"));
        let found = ["kubectl", "aws", "gh"].map(|name| which(name, &before));
        let found = found.iter().flatten().map(|file| file.display().to_string());
        let inside = ["--inside-real".to_owned(), rounds.to_owned()];
        session(
            &directory.join("record-of-real"),
            &before,
            &inside.into_iter().chain(found).collect::<Vec<_>>(),
        )
    });
    std::fs::remove_dir_all(&directory)?;
    done
}

/// Runs this program again, in a session with this PATH.
fn session(record: &Path, path: &str, words: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let program = std::env::var_os("REEVE").unwrap_or_else(|| env!("CARGO_BIN_EXE_reeve").into());
    let status = Command::new(program)
        .args(["run", "--level", "L2", "--record"])
        .arg(record)
        .arg("--")
        .arg(std::env::current_exe()?)
        .args(words)
        .env("PATH", path)
        .status()?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("the session ended with {status}").into()),
    }
}

/// Each of `tools`, the real ones' files: what the gate adds to it.
fn measure_real(rounds: usize, tools: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let rounds = rounds.div_ceil(5);
    let mut out = std::io::stdout();
    writeln!(
        out,
        "\n{:10} {:>10} {:>10} {:>14}",
        "", "direct µs", "gate µs", "over direct µs"
    )?;
    for tool in tools {
        let name = Path::new(tool)
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or("a tool has a name")?;
        let words: &[&str] = if name == "kubectl" {
            &["version", "--client"]
        } else {
            &["--version"]
        };
        let shim = which(name, &std::env::var("PATH")?).ok_or("the session has no shim")?;
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..rounds.saturating_add(3) {
            for (times, program) in times.iter_mut().zip([Path::new(tool), &shim]) {
                let begun = Instant::now();
                run(with(Command::new(program), words), 0)?;
                if round >= 3 {
                    times.push(begun.elapsed());
                }
            }
        }
        let [direct, gate] = times.map(|mut times| {
            times.sort_unstable();
            times
                .get(times.len() / 2)
                .map_or(0.0, |median| median.as_secs_f64() * 1e6)
        });
        writeln!(out, "{name:10} {direct:10.0} {gate:10.0} {:14.0}", gate - direct)?;
    }
    Ok(())
}

type Way = (&'static str, Box<dyn FnMut() -> std::io::Result<()>>);

fn measure(directory: &Path, rounds: usize) -> Result<(), Box<dyn std::error::Error>> {
    let shim = which("kubectl", &std::env::var("PATH")?).ok_or("the session has no kubectl")?;
    // Before anything else is started: the most that a child has had in memory.
    run(with(Command::new(&shim), &["delete", "pod", "web"]), 77)?;
    let resident = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN)?.max_rss();
    let size = std::fs::metadata(&shim)?.len();
    writeln!(
        std::io::stdout(),
        "the gate: a file of {:.1} MB, {:.1} MB resident at the most\n",
        size as f64 / 1e6,
        resident as f64 * 1024.0 / 1e6
    )?;
    let mut ways = ways(directory, shim)?;
    let bursts = rounds.div_ceil(IN_A_ROW);
    writeln!(std::io::stdout(), "{IN_A_ROW} calls of a way in a row:")?;
    report(&ways_timed(&mut ways, bursts, IN_A_ROW)?, &ways)?;
    writeln!(std::io::stdout(), "\none call of a way after the other:")?;
    report(&ways_timed(&mut ways, rounds, 1)?, &ways)
}

/// What each way took, sorted: so many rounds of so many calls in a row, after some that warm the caches.
fn ways_timed(ways: &mut [Way], rounds: usize, in_a_row: usize) -> std::io::Result<Vec<Vec<Duration>>> {
    let warming = 20_usize.div_ceil(in_a_row);
    let mut times: Vec<Vec<Duration>> = ways.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds.saturating_add(warming) {
        for ((_, way), times) in ways.iter_mut().zip(&mut times) {
            for _ in 0..in_a_row {
                let begun = Instant::now();
                way()?;
                if round >= warming {
                    times.push(begun.elapsed());
                }
            }
        }
    }
    times.iter_mut().for_each(|times| times.sort_unstable());
    Ok(times)
}

fn ways(directory: &Path, shim: PathBuf) -> Result<Vec<Way>, Box<dyn std::error::Error>> {
    let mut log = append(&directory.join("floor.log"))?;
    let mut twice = append(&directory.join("twice.log"))?;
    let script = directory.join("wrapper.sh");
    let refused = shim.clone();
    let socket = shim
        .ancestors()
        .nth(2)
        .ok_or("a shim lies in its session")?
        .join("reeved.sock");
    let client = directory.join("client");
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
    ];
    if client.exists() {
        run(with(Command::new(&shim), &["get", "pods", "-n", "prod"]), 0)?;
        std::thread::sleep(Duration::from_millis(100)); // its line is written after its answer
        let decision = decision(&directory.join(RECORD))?;
        ways.push((
            "client",
            Box::new(move || {
                let mut command = Command::new(&client);
                command.arg(&socket).args([&decision, OUTCOME]);
                run(command, 0)
            }),
        ));
    }
    let ours: [Way; 3] = [
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
    ways.extend(ours);
    if run(with(Command::new("sudo"), &["-n", "/bin/true"]), 0).is_ok() {
        ways.push((
            "sudo",
            Box::new(|| run(with(Command::new("sudo"), &["-n", "/bin/true"]), 0)),
        ));
    }
    Ok(ways)
}

/// What `client` says before it runs the tool: what the gate said last, for the sidecar takes only what comes from this session.
fn decision(record: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let events = std::fs::read_to_string(record.join("events.ndjson"))?;
    let last = events
        .lines()
        .rfind(|line| line.starts_with(r#"{"kind":"event""#));
    let mut event: serde_json::Value = serde_json::from_str(last.ok_or("nothing was recorded")?)?;
    let fields = event.as_object_mut().ok_or("an event is an object")?;
    fields.retain(|key, _| !["kind", "seq", "hash"].contains(&key.as_str()));
    fields.insert("event_id".into(), "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx".into());
    Ok(format!(r#"{{"v":1,"type":"record","event":{event}}}"#))
}

/// And after it.
const OUTCOME: &str = concat!(
    r#"{"v":1,"type":"outcome","outcome":{"ts":"2026-04-07T14:32:01.223456Z","#,
    r#""event_id":"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx","exit_code":0,"signal":null,"not_started":null,"#,
    r#""duration_us":500}}"#
);

fn report(times: &[Vec<Duration>], ways: &[Way]) -> Result<(), Box<dyn std::error::Error>> {
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

fn which(name: &str, path: &str) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}
