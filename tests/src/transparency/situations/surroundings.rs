//! What a process inherits, beside descriptors, limits, signals and the environment.

use super::scripts;
use crate::transparency::Situation;

pub(super) fn all() -> Vec<Situation> {
    scripts(SURROUNDINGS)
}

const SURROUNDINGS: &[(&str, &str)] = &[
    ("plain", "K see"),
    (
        "by its path",
        "$(type -P kubectl) get pods see | sed 's/\"arguments\":\\[\"[^\"]*\"/\"arguments\":[\"(path)\"/'",
    ),
    ("umask 0", "umask 0; K file; K see; stat -c %a view"),
    ("umask 0777", "umask 0777; K file; K see; stat -c %a view"),
    ("nice", "nice -n 10 K see"),
    ("batch", "chrt --batch 0 K see"),
    ("idle", "chrt --idle 0 K see"),
    ("real time", "chrt --fifo 7 K see"),
    ("disk priority", "ionice -c 2 -n 6 K see; ionice -c 3 K see"),
    ("one processor", "taskset -c 0 K see"),
    ("first to be killed for memory", "with oom=500 -- K see"),
    ("timer slack", "with slack=123456 -- K see"),
    (
        "personality",
        "with personality=262144 -- K see; setarch -B K see",
    ),
    ("reaper of orphans", "with subreaper -- K see"),
    ("no huge pages", "with nothp -- K see"),
    ("no new privileges", "with nonewprivs -- K see"),
    ("core dump filter", "with coredump=0x7f -- K see"),
    ("an alarm is set", "with alarm=15 -- K see"),
    ("an alarm goes off", "with alarm=1 -- K wait; echo $?"),
    ("working directory is gone", "with gone -- K see"),
    (
        "working directory is a link",
        "mkdir real; ln -s real link; cd link; K see",
    ),
    ("groups", "setpriv --groups 1,2,3 K see"),
    (
        "fewer capabilities",
        "setpriv --bounding-set -sys_time,-mknod --inh-caps -all K see",
    ),
    (
        "ambient capabilities",
        "setpriv --inh-caps +chown --ambient-caps +chown K see",
    ),
    ("secure bits", "setpriv --securebits +no_setuid_fixup K see"),
    (
        "a namespace of its own",
        "unshare --uts --ipc K see | sed 's/\\(uts\\|ipc\\):.[0-9]*/\\1/g'",
    ),
    (
        "a network of its own",
        "unshare --net K see | sed 's/net:.[0-9]*/net/g'",
    ),
    ("a session of its own", "setsid --wait K see"),
];
