//! `with PREPARATION… -- PROGRAM WORDS…`: makes this process odd in ways that a shell cannot, and becomes the program.

use nix::libc;
use std::ffi::{CString, OsString, c_char};
use std::os::fd::RawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Prepares and executes; returns only when that fails.
pub fn run(words: &[OsString]) -> i32 {
    let end = words
        .iter()
        .position(|word| word == "--")
        .expect("`--` stands before the program");
    let mut plan = Plan {
        program: None,
        name: None,
        environment: None,
    };
    for word in &words[1..end] {
        let word = word.to_str().expect("preparations are text");
        let (verb, value) = word.split_once('=').unwrap_or((word, ""));
        plan.prepare(verb, value);
    }
    plan.become_the_program(&words[end + 1..])
}

struct Plan {
    program: Option<String>,
    name: Option<String>,
    environment: Option<Vec<OsString>>,
}

impl Plan {
    fn prepare(&mut self, verb: &str, value: &str) {
        let number = || value.parse::<i32>().expect("a number");
        // SAFETY: calls that take numbers, or pointers to values that live through the call; no handler runs.
        unsafe {
            match verb {
                "ignore" => assert_ne!(libc::signal(number(), libc::SIG_IGN), libc::SIG_ERR),
                "block" => mask(number()),
                "pend" => {
                    mask(number());
                    libc::raise(number());
                }
                "limit" => limit(value),
                "close" => assert_eq!(libc::close(number()), 0),
                "descriptors" => odd_descriptors(),
                "gone" => {
                    std::fs::create_dir("gone").expect("a directory can be made");
                    std::env::set_current_dir("gone").expect("it can be entered");
                    std::fs::remove_dir("../gone").expect("it can be removed");
                }
                "subreaper" => assert_eq!(libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1), 0),
                "slack" => assert_eq!(
                    libc::prctl(
                        libc::PR_SET_TIMERSLACK,
                        libc::c_ulong::from(number().unsigned_abs())
                    ),
                    0
                ),
                "oom" => std::fs::write("/proc/self/oom_score_adj", value).expect("it can be written"),
                "coredump" => std::fs::write("/proc/self/coredump_filter", value).expect("it can be written"),
                "personality" => assert!(libc::personality(number().unsigned_abs().into()) >= 0),
                "nothp" => assert_eq!(libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0), 0),
                "nonewprivs" => assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0),
                "alarm" => {
                    libc::alarm(number().unsigned_abs());
                }
                "name" => self.name = Some(value.to_owned()),
                "program" => self.program = Some(value.to_owned()),
                "environment" => self.environment = Some(entries(value)),
                other => panic!("`{other}` is not a preparation"),
            }
        }
    }

    fn become_the_program(&self, words: &[OsString]) -> i32 {
        let program = self
            .program
            .clone()
            .map_or_else(|| words[0].clone(), OsString::from);
        let c_string = |bytes: &[u8]| CString::new(bytes).expect("no NUL");
        let mut strings: Vec<CString> = words.iter().map(|word| c_string(word.as_bytes())).collect();
        if let Some(name) = &self.name {
            strings[0] = c_string(name.as_bytes());
        }
        let environment: Vec<CString> = match &self.environment {
            Some(entries) => entries.iter().map(|entry| c_string(entry.as_bytes())).collect(),
            None => std::env::vars_os()
                .map(|(name, value)| c_string(&[name.as_bytes(), b"=", value.as_bytes()].concat()))
                .collect(),
        };
        let path = c_string(found(&program).as_bytes());
        let (words, entries) = (pointers(&strings), pointers(&environment));
        // SAFETY: both arrays end with a null pointer, and point into strings that live through the call.
        unsafe { libc::execve(path.as_ptr(), words.as_ptr(), entries.as_ptr()) };
        panic!("{path:?}: {}", std::io::Error::last_os_error());
    }
}

/// As `execvp` finds it.
fn found(program: &OsString) -> OsString {
    if program.as_bytes().contains(&b'/') {
        return program.clone();
    }
    let path = std::env::var_os("PATH").expect("there is a PATH");
    let found = std::env::split_paths(&path).map(|directory| directory.join(program));
    found
        .into_iter()
        .find(|file| file.is_file())
        .expect("the program is in PATH")
        .into_os_string()
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    let pointers = strings.iter().map(|string| string.as_ptr());
    pointers.chain([std::ptr::null()]).collect()
}

/// `A=1,B=2` is these entries and no others; `\xNN` is a byte.
fn entries(value: &str) -> Vec<OsString> {
    let entry = |text: &str| {
        let mut parts = text.split("\\x");
        let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
        for part in parts {
            let (digits, rest) = part.split_at(2);
            bytes.push(u8::from_str_radix(digits, 16).expect("two hexadecimal digits"));
            bytes.extend(rest.as_bytes());
        }
        OsString::from_vec(bytes)
    };
    value
        .split(',')
        .filter(|text| !text.is_empty())
        .map(entry)
        .collect()
}

/// Blocks a signal.
fn mask(signal: i32) {
    // SAFETY: the set is ours.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigaddset(&raw mut set, signal);
        assert_eq!(
            libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()),
            0
        );
    }
}

/// `NOFILE:soft:hard`
fn limit(value: &str) {
    let mut parts = value.split(':');
    let resource = match parts.next() {
        Some("NOFILE") => libc::RLIMIT_NOFILE,
        Some("FSIZE") => libc::RLIMIT_FSIZE,
        Some("AS") => libc::RLIMIT_AS,
        Some("DATA") => libc::RLIMIT_DATA,
        Some("STACK") => libc::RLIMIT_STACK,
        Some("NPROC") => libc::RLIMIT_NPROC,
        Some("MEMLOCK") => libc::RLIMIT_MEMLOCK,
        Some("CPU") => libc::RLIMIT_CPU,
        Some("SIGPENDING") => libc::RLIMIT_SIGPENDING,
        other => panic!("{other:?} is no limit"),
    };
    let mut number = || match parts.next() {
        Some("unlimited") => libc::RLIM_INFINITY,
        other => other.and_then(|text| text.parse().ok()).expect("a number"),
    };
    let limit = libc::rlimit {
        rlim_cur: number(),
        rlim_max: number(),
    };
    // SAFETY: the limit is ours.
    let set = unsafe { libc::setrlimit(resource, &raw const limit) };
    assert_eq!(set, 0, "{value}: {}", std::io::Error::last_os_error());
}

/// Descriptors of every kind from 3 to 200, some to be closed at exec, some not blocking.
fn odd_descriptors() {
    // SAFETY: descriptors that this process makes, and leaves open.
    unsafe {
        let mut made: RawFd = 3;
        while made <= 200 {
            let mut pair = [0; 2];
            match made % 4 {
                0 => assert_eq!(libc::pipe2(pair.as_mut_ptr(), libc::O_NONBLOCK), 0),
                1 => assert_eq!(
                    libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, pair.as_mut_ptr()),
                    0
                ),
                2 => {
                    pair[0] = libc::open(c"/etc/passwd".as_ptr(), libc::O_RDONLY);
                    libc::lseek(pair[0], 7, libc::SEEK_SET);
                    pair[1] = libc::open(c"/dev/null".as_ptr(), libc::O_WRONLY | libc::O_APPEND);
                }
                _ => {
                    pair[0] = libc::open(c"/dev".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
                    pair[1] = libc::open(c"/dev/zero".as_ptr(), libc::O_RDWR | libc::O_NONBLOCK);
                }
            }
            made = pair[0].max(pair[1]) + 1;
        }
    }
}
