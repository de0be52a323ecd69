//! What a program can see of itself and its surroundings, as JSON. Numbers that differ between any two runs (process ids,
//! inodes of pipes) are left out, or replaced by how they relate to each other.

use nix::libc;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Lines of `/proc/self/status` that say what was inherited.
const STATUS: &[&str] = &[
    "Umask",
    "TracerPid",
    "Uid",
    "Gid",
    "Groups",
    "SigBlk",
    "SigIgn",
    "SigCgt",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Seccomp_filters",
    "THP_enabled",
    "CoreDumping",
    "Cpus_allowed",
    "Mems_allowed",
];
/// Small files below `/proc/self` that say what was inherited.
const FILES: &[&str] = &[
    "comm",
    "limits",
    "oom_score_adj",
    "personality",
    "timerslack_ns",
    "coredump_filter",
    "loginuid",
    "sessionid",
    "cgroup",
    "setgroups",
    "uid_map",
];
/// Links below `/proc/self`, the same.
const LINKS: &[&str] = &[
    "cwd",
    "exe",
    "root",
    "ns/mnt",
    "ns/net",
    "ns/pid",
    "ns/user",
    "ns/uts",
    "ns/ipc",
    "ns/cgroup",
    "ns/time",
];
/// Queries of `prctl` that take nothing or a pointer to an `int`.
const PRCTL: &[(&str, libc::c_int, bool)] = &[
    ("parent_death_signal", libc::PR_GET_PDEATHSIG, true),
    ("dumpable", libc::PR_GET_DUMPABLE, false),
    ("keep_capabilities", libc::PR_GET_KEEPCAPS, false),
    ("secure_bits", libc::PR_GET_SECUREBITS, false),
    ("child_subreaper", libc::PR_GET_CHILD_SUBREAPER, true),
    ("no_new_privileges", libc::PR_GET_NO_NEW_PRIVS, false),
    ("timer_slack", libc::PR_GET_TIMERSLACK, false),
    ("huge_pages_off", libc::PR_GET_THP_DISABLE, false),
    ("machine_check_kill", libc::PR_MCE_KILL_GET, false),
];

/// Everything. Descriptors first, before this opens any of its own.
pub fn everything() -> Value {
    let descriptors = descriptors();
    let mut all = Map::new();
    let arguments: Vec<String> = std::env::args_os().map(text).collect();
    all.insert("arguments".into(), json!(arguments));
    all.insert("environment".into(), json!(environment()));
    all.insert("descriptors".into(), descriptors);
    all.insert("process".into(), process());
    all.insert("status".into(), status());
    let contents: BTreeMap<&str, String> = FILES.iter().map(|name| (*name, content(name))).collect();
    all.insert("files".into(), json!(contents));
    let links: BTreeMap<&str, String> = LINKS.iter().map(|name| (*name, link(name))).collect();
    all.insert("links".into(), json!(links));
    let queried: BTreeMap<&str, i64> = PRCTL
        .iter()
        .map(|(name, query, by_pointer)| (*name, asked(*query, *by_pointer)))
        .collect();
    all.insert("prctl".into(), json!(queried));
    all.insert("terminals".into(), terminals());
    all.insert("auxiliary".into(), auxiliary());
    Value::Object(all)
}

/// Text, with `\xNN` for each byte that is none.
pub fn text(bytes: OsString) -> String {
    match bytes.into_string() {
        Ok(text) => text,
        Err(bytes) => bytes.as_bytes().escape_ascii().to_string(),
    }
}

/// `environ` as it is: in order, with entries that are named twice, or that have no `=`.
fn environment() -> Vec<String> {
    let bytes = std::fs::read("/proc/self/environ").unwrap_or_default();
    bytes
        .split(|byte| *byte == 0)
        .filter(|entry| !entry.is_empty())
        .map(|entry| text(std::ffi::OsStr::from_bytes(entry).to_owned()))
        .collect()
}

fn descriptors() -> Value {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return Value::Null;
    };
    let mut numbers: Vec<i32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable();
    // The directory that was read is closed by now.
    let open: Vec<(i32, String)> = numbers
        .into_iter()
        .filter_map(|number| {
            Some((
                number,
                std::fs::read_link(format!("/proc/self/fd/{number}")).ok()?,
            ))
        })
        .map(|(number, target)| (number, target.to_string_lossy().into_owned()))
        .collect();
    let all: Map<String, Value> = open
        .iter()
        .map(|(number, target)| {
            let first = open
                .iter()
                .find(|(_, other)| other == target)
                .map(|(first, _)| *first);
            let info = content(&format!("fdinfo/{number}"));
            let field = |name: &str| {
                let line = info.lines().find_map(|line| line.strip_prefix(name));
                line.map(|value| value.trim().to_owned())
            };
            let described = json!({
                "what": kind(target), "same_as": first, "flags": field("flags:"), "position": field("pos:"),
            });
            (number.to_string(), described)
        })
        .collect();
    Value::Object(all)
}

fn kind(target: &str) -> String {
    match target.split_once(":[") {
        Some((kind, _)) => kind.to_owned(),
        None if target.starts_with("/dev/pts/") => "terminal".to_owned(),
        None => target.to_owned(),
    }
}

/// How this process stands to its group, its session, its terminal and the scheduler.
fn process() -> Value {
    let stat = content("stat");
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let fields: Vec<i64> = behind
        .split_whitespace()
        .skip(1)
        .map(|field| field.parse().unwrap_or(-1))
        .collect();
    let field = |number: usize| fields.get(number - 4).copied().unwrap_or(-1); // as numbered in proc(5)
    let pid = i64::from(std::process::id());
    // SAFETY: these take numbers only.
    let (priority, input_output, timer) = unsafe {
        let mut timer: libc::itimerval = std::mem::zeroed();
        libc::getitimer(libc::ITIMER_REAL, &raw mut timer);
        (
            libc::getpriority(libc::PRIO_PROCESS, 0),
            libc::syscall(libc::SYS_ioprio_get, 1, 0),
            timer.it_value.tv_sec != 0 || timer.it_value.tv_usec != 0,
        )
    };
    json!({
        "leads_its_group": field(5) == pid,
        "leads_its_session": field(6) == pid,
        "has_a_terminal": field(7) != 0,
        "is_in_the_foreground": field(8) == field(5),
        "nice": priority,
        "io_priority": input_output,
        "real_time_priority": field(40),
        "policy": field(41),
        "an_alarm_is_set": timer,
        "has_dev_tty": std::fs::File::open("/dev/tty").is_ok(),
        "working_directory_is_readable": std::fs::read_dir(".").is_ok(),
    })
}

fn status() -> Value {
    let status = content("status");
    let all: BTreeMap<&str, &str> = status
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| STATUS.contains(name))
        .map(|(name, value)| (name, value.trim()))
        .collect();
    let set = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        u64::from_str_radix(line.unwrap_or_default().trim(), 16).unwrap_or(0)
    };
    let waiting = format!("{:x}", set("SigPnd:") | set("ShdPnd:"));
    let mut all = json!(all);
    all["signals that wait"] = waiting.into();
    all
}

fn terminals() -> Value {
    let all: Vec<Value> = (0..3)
        .map(|descriptor| {
            // SAFETY: both calls fill a structure of ours, or fail.
            unsafe {
                let mut settings: libc::termios = std::mem::zeroed();
                let mut size: libc::winsize = std::mem::zeroed();
                if libc::tcgetattr(descriptor, &raw mut settings) != 0 {
                    return Value::Null;
                }
                libc::ioctl(descriptor, libc::TIOCGWINSZ, &raw mut size);
                json!({
                    "flags": [settings.c_iflag, settings.c_oflag, settings.c_cflag, settings.c_lflag],
                    "characters": settings.c_cc,
                    "size": [size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel],
                })
            }
        })
        .collect();
    Value::Array(all)
}

fn auxiliary() -> Value {
    // SAFETY: the auxiliary vector's file name, where there is one, is a string that lives as long as the process.
    let (name, secure) = unsafe {
        let name = libc::getauxval(libc::AT_EXECFN) as *const libc::c_char;
        let name = if name.is_null() {
            String::new()
        } else {
            std::ffi::CStr::from_ptr(name).to_string_lossy().into_owned()
        };
        (name, libc::getauxval(libc::AT_SECURE))
    };
    json!({"executed_as": name, "secure": secure})
}

fn asked(query: libc::c_int, by_pointer: bool) -> i64 {
    let mut value: libc::c_int = -1;
    let pointer = if by_pointer {
        (&raw mut value) as libc::c_ulong
    } else {
        0
    };
    // SAFETY: the queries that write do so to an `int` of ours.
    let result = unsafe { libc::prctl(query, pointer, 0, 0, 0) };
    i64::from(if by_pointer { value } else { result })
}

fn content(name: &str) -> String {
    let bytes = std::fs::read(Path::new("/proc/self").join(name)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim_end().to_owned()
}

fn link(name: &str) -> String {
    std::fs::read_link(Path::new("/proc/self").join(name)).map_or_else(
        |error| error.to_string(),
        |target| target.to_string_lossy().into_owned(),
    )
}
