//! The tool: does what its last word says, after `get pods`.

use super::view;
use crate::http::pattern;
use nix::libc;
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// Signals received, and the one that is counted.
static COUNT: AtomicI32 = AtomicI32::new(0);

/// Does it; returns the exit status.
pub fn run(words: &[OsString]) -> i32 {
    let word = words.get(3).map(|word| word.to_string_lossy().into_owned());
    let word = word.unwrap_or_default();
    let (verb, value) = word.split_once('-').unwrap_or((&word, ""));
    let number = || value.parse::<i32>().expect("a number");
    let done = match verb {
        "exit" => return number(),
        "die" => return die(number()),
        "cat" => cat(),
        "flood" => flood(number()),
        "digest" => digest(),
        "lines" => std::fs::write("ready", format!("{}\n", std::process::id())).and_then(|()| digest()),
        "answer" => answer(),
        "both" => both(),
        "daemon" => return daemon(),
        "count" => writeln!(
            &mut *descriptor(1),
            "came {}",
            count(number(), Duration::from_millis(200))
        ),
        "counts" => writeln!(
            &mut *descriptor(1),
            "came {}",
            count(number(), Duration::from_millis(900))
        ),
        "some" => writeln!(
            &mut *descriptor(1),
            "came: {}",
            count(number(), Duration::from_millis(200)) > 0
        ),
        "words" => {
            let all = words.iter().map(|word| view::text(word.clone()) + "\n");
            let digest = crate::sha256(all.collect::<String>().as_bytes());
            writeln!(&mut *descriptor(1), "{} words, {digest}", words.len())
        }
        "late" => {
            // What waited for the gate is passed on to the tool, a moment after it began.
            std::thread::sleep(Duration::from_millis(200));
            descriptor(1).write_all((view::everything().to_string() + "\n").as_bytes())
        }
        "stop" => return stop(number()),
        "wait" => wait(),
        "line" => line(),
        "file" => std::fs::write("view", view::everything().to_string() + "\n"),
        "touched" => {
            // SAFETY: 2 is what the caller left there; a write to a closed one fails.
            let written =
                [1, 2].map(|descriptor| unsafe { libc::write(descriptor, b"x\n".as_ptr().cast(), 2) });
            std::fs::write("touched", format!("{written:?}\n"))
        }
        _ => descriptor(1).write_all((view::everything().to_string() + "\n").as_bytes()),
    };
    match done {
        Ok(()) => 0,
        Err(error) => {
            drop(descriptor(2).write_all(format!("{error}\n").as_bytes()));
            1
        }
    }
}

/// A standard descriptor without any buffer, left open.
fn descriptor(number: RawFd) -> ManuallyDrop<File> {
    // SAFETY: the file is never dropped, so the descriptor stays the process's.
    ManuallyDrop::new(unsafe { File::from_raw_fd(number) })
}

fn die(signal: i32) -> i32 {
    // SAFETY: default actions run no code of ours.
    unsafe {
        let none = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
        libc::signal(signal, libc::SIG_DFL);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigaddset(&raw mut set, signal);
        libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
        libc::kill(libc::getpid(), signal);
    }
    std::thread::sleep(Duration::from_millis(20));
    99
}

fn cat() -> io::Result<()> {
    io::copy(&mut *descriptor(0), &mut *descriptor(1)).map(drop)
}

/// So many MiB of a pattern.
fn flood(mebibytes: i32) -> io::Result<()> {
    let piece: Vec<u8> = (0..1 << 20).map(pattern).collect();
    (0..mebibytes).try_for_each(|_| descriptor(1).write_all(&piece))
}

/// The size and SHA-256 of standard input.
fn digest() -> io::Result<()> {
    let (mut digest, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        match descriptor(0).read(&mut buffer)? {
            0 => break,
            count => {
                digest.update(&buffer[..count]);
                size += count;
            }
        }
    }
    let hex: String = digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    writeln!(&mut *descriptor(1), "{size} {hex}")
}

/// Answers every line at once.
fn answer() -> io::Result<()> {
    for line in io::stdin().lock().lines() {
        writeln!(&mut *descriptor(1), "answer to {}", line?)?;
    }
    Ok(())
}

/// Writes to both outputs in turn; where they are one, the order shows.
fn both() -> io::Result<()> {
    (0..200).try_for_each(|number| {
        writeln!(&mut *descriptor(1), "out {number}")?;
        writeln!(&mut *descriptor(2), "err {number}")
    })
}

/// Leaves a child behind that keeps standard output.
fn daemon() -> i32 {
    // SAFETY: one thread; the child only sleeps, writes and ends.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: takes nothing.
            unsafe { libc::setsid() };
            std::thread::sleep(Duration::from_millis(400));
            drop(descriptor(1).write_all(b"from the child that was left behind\n"));
            0
        }
        _ => 3,
    }
}

extern "C" fn received(_: libc::c_int) {
    COUNT.fetch_add(1, Ordering::Relaxed);
}

/// Counts a signal until none came for a while after the first; says when it is ready in the file `ready`.
fn count(signal: i32, quiet: Duration) -> i32 {
    // SAFETY: the handler only adds to an atomic number.
    unsafe { libc::signal(signal, received as *const () as libc::sighandler_t) };
    std::fs::write("ready", format!("{}\n", std::process::id())).expect("the directory can be written");
    let (mut came, mut last) = (0, Instant::now());
    while last.elapsed() < if came == 0 { Duration::from_secs(10) } else { quiet } {
        std::thread::sleep(Duration::from_millis(20));
        let now = COUNT.load(Ordering::Relaxed);
        if now != came {
            (came, last) = (now, Instant::now());
        }
    }
    came
}

/// Stops itself by a signal; says so when it is continued.
fn stop(signal: i32) -> i32 {
    // SAFETY: default actions run no code of ours.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
    drop(descriptor(1).write_all(b"continued\n"));
    4
}

/// Until a signal ends it, or half a minute is over.
fn wait() -> io::Result<()> {
    std::fs::write("ready", format!("{}\n", std::process::id()))?;
    std::thread::sleep(Duration::from_secs(30));
    Err(io::Error::other("nobody ended this"))
}

/// Reads one line, and puts it on record.
fn line() -> io::Result<()> {
    std::fs::write("ready", format!("{}\n", std::process::id()))?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let mut facts = File::options().append(true).create(true).open("facts")?;
    writeln!(facts, "the tool read {line:?}")
}
