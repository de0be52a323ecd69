//! A stand-in for a tool that is a program, as kubectl and gh are, and not a script: it leaves its request's id in the file `ran`.
//!
//! With the words `--without-ptrace PROGRAM WORD…` it becomes that program, under a filter for system calls that kills whoever calls
//! `ptrace`, as a container or a service manager may have it.

use nix::libc;
use std::io::{Error, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let done = match words.get(1..) {
        Some([first, program, words @ ..]) if first == "--without-ptrace" => {
            forbid_ptrace().map(|()| panic!("{}", Command::new(program).args(words).exec()))
        }
        _ => leave_the_id(),
    };
    done.expect("it can be done");
}

/// One append of one short line, which no other tears.
fn leave_the_id() -> Result<(), Error> {
    let id = std::env::var("REEVE_REQUEST_ID").unwrap_or_default();
    let mut ran = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open("ran")?;
    ran.write_all(format!("{id}\n").as_bytes())
}

fn forbid_ptrace() -> Result<(), Error> {
    let step = |code: u32, jump: u8, value: u32| libc::sock_filter {
        code: u16::try_from(code).expect("codes are short"),
        jt: jump,
        jf: 0,
        k: value,
    };
    let ptrace = u32::try_from(libc::SYS_ptrace).expect("numbers of calls are small");
    let mut steps = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0), // the call's number
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, ptrace),
        step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
        step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_KILL_PROCESS),
    ];
    let filter = libc::sock_fprog {
        len: 4,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: the kernel copies the four steps, which are there until it has.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) == 0
    };
    if done { Ok(()) } else { Err(Error::last_os_error()) }
}
