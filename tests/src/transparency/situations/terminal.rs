//! Terminals: none, one that only some descriptors are, and one with an interactive shell and job control.

use super::scripts;
use crate::transparency::{Situation, Step, What};
use Step::{Appears, Expect, Foreground, HangUp, Keys, Resize};

pub(super) fn all() -> Vec<Situation> {
    [scripts(ON_NO_TERMINAL), terminals()].concat()
}

/// No terminal, or one that only some descriptors are.
const ON_NO_TERMINAL: &[(&str, &str)] = &[
    (
        "script, input elsewhere",
        "script -qec 'kubectl get pods see </dev/null' /dev/null </dev/null",
    ),
    (
        "script, output elsewhere",
        "script -qec 'kubectl get pods see >out; cat out' /dev/null </dev/null",
    ),
    (
        "script, own session",
        "script -qec 'setsid --wait kubectl get pods see' /dev/null </dev/null",
    ),
];

/// Ctrl-Z stops what runs, and the shell says so.
const SUSPENDED: &[Step] = &[Keys("\u{1a}"), Expect("Stopped"), Expect("> ")];
/// And it goes on.
const BACK: &[Step] = &[Keys("fg\n"), Expect("fg\r\n"), Foreground];

fn terminals() -> Vec<Situation> {
    let table: &[(&str, &[&[Step]])] = &[
        (
            "everything on a terminal",
            &[&[
                Expect("> "),
                Keys(
                    "stty -echo intr ^A; K see >>facts; K see | tee -a facts >/dev/null; K file; cat view >>facts; echo over\n",
                ),
                Expect("\nover"),
                Keys("exit\n"),
            ]],
        ),
        (
            "interrupted",
            &[&[
                Expect("> "),
                Keys("K wait; echo \"status $?\" >>facts\n"),
                Appears("ready"),
                Keys("\u{3}"),
                Expect("> "),
                Keys("echo \"then $?\" >>facts; exit\n"),
            ]],
        ),
        (
            "an interrupt that is counted",
            &[&[
                Expect("> "),
                Keys("K count-2 >>facts; echo \"status $?\" >>facts\n"),
                Appears("ready"),
                Keys("\u{3}"),
                Appears("facts"),
                Keys("\n\nexit\n"),
            ]],
        ),
        (
            "quit",
            &[&[
                Expect("> "),
                Keys("ulimit -c 0; K wait\n"),
                Appears("ready"),
                Keys("\u{1c}"),
                Expect("> "),
                Keys("echo \"then $?\" >>facts; exit\n"),
            ]],
        ),
        (
            "suspended and continued",
            &[
                &[Expect("> "), Keys("K line\n"), Appears("ready")],
                SUSPENDED,
                &[
                    Keys("echo \"stopped $?\" >>facts; jobs | sed 's/  */ /g' >>facts; fg\n"),
                    Expect("fg\r\n"),
                    Foreground,
                    Keys("again\n"),
                    Appears("facts"),
                    Expect("> "),
                    Keys("echo \"then $?\" >>facts; exit\n"),
                ],
            ],
        ),
        (
            "suspended twice, continued in the background, killed",
            &[
                &[Expect("> "), Keys("K wait\n"), Appears("ready")],
                SUSPENDED,
                BACK,
                SUSPENDED,
                &[Keys(
                    "bg; sleep .6; jobs | sed 's/  */ /g' >>facts; kill %1; wait %1; echo \"then $?\" >>facts; exit\n",
                )],
            ],
        ),
        (
            "reads in the background",
            &[&[
                Expect("> "),
                Keys("K line &\n"),
                Appears("ready"),
                Keys("sleep 1.2; jobs | sed 's/  */ /g' >>facts; fg\n"),
                Expect("fg\r\n"),
                Foreground,
                Keys("for you\n"),
                Expect("> "),
                Keys("echo \"then $?\" >>facts; exit\n"),
            ]],
        ),
        (
            "writes in the background where that stops",
            &[&[
                Expect("> "),
                Keys("stty tostop; K see &\n"),
                Keys("sleep 1.2; jobs | sed 's/  */ /g' >>facts; fg; echo \"then $?\" >>facts; exit\n"),
            ]],
        ),
        (
            "another size",
            &[&[
                Expect("> "),
                Keys("K count-28 >>facts; stty size >>facts; exit\n"),
                Appears("ready"),
                Resize(41, 133),
            ]],
        ),
        (
            "the terminal goes away",
            &[&[
                Expect("> "),
                Keys(
                    "nohup bash -c 'echo >watching; while [ ! -s ready ]; do sleep .02; done; p=$(cat ready); while grep -qs '^State:.[^ZX]' /proc/$p/status; do sleep .02; done; echo over >facts' >/dev/null 2>&1 & K wait\n",
                ),
                Appears("watching"),
                Appears("ready"),
                HangUp,
                Appears("facts"),
            ]],
        ),
        (
            "the terminal goes away from a count",
            &[&[
                Expect("> "),
                Keys("K some-1 >>facts\n"),
                Appears("ready"),
                HangUp,
                Appears("facts"),
            ]],
        ),
        (
            "a pipeline in the foreground",
            &[
                &[
                    Expect("> "),
                    Keys("K wait | cat; echo \"${PIPESTATUS[*]}\" >>facts\n"),
                    Appears("ready"),
                ],
                SUSPENDED,
                BACK,
                &[
                    Keys("\u{3}"),
                    Expect("> "),
                    Keys("echo \"then $?\" >>facts; exit\n"),
                ],
            ],
        ),
        (
            "end of input",
            &[&[
                Expect("> "),
                Keys("K lines >>facts; exit\n"),
                Appears("ready"),
                Foreground,
                Keys("a line\n\u{4}"),
            ]],
        ),
        (
            "raw keys",
            &[&[
                Expect("> "),
                Keys("stty -icanon -echo; K see >>facts; stty sane; echo over\n"),
                Expect("\nover"),
                Keys("exit\n"),
            ]],
        ),
    ];
    table
        .iter()
        .map(|(name, steps)| Situation {
            name: (*name).to_owned(),
            what: What::Terminal(steps.concat()),
        })
        .collect()
}
