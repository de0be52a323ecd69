//! The tools themselves. A kubeconfig is there, so the gate hands them files of its own.

use super::scripts;
use crate::transparency::Situation;

pub(super) fn all() -> Vec<Situation> {
    scripts(REAL_TOOLS)
}

const REAL_TOOLS: &[(&str, &str)] = &[
    (
        "kubectl",
        "kubectl get pods; echo $?; kubectl get pods -o name; kubectl get pods -n other web-1 -o json; echo $?",
    ),
    (
        "kubectl, not found",
        "kubectl get nothing; echo $?; kubectl get pods --context nowhere; echo $?",
    ),
    (
        "kubectl, help",
        "kubectl get --help | head -n 3; kubectl version --client; echo $?",
    ),
    (
        "kubectl, into nothing",
        "kubectl get pods >&-; echo $?; kubectl get pods >/dev/full; echo $?; kubectl get pods <&- 2>&-; echo $?",
    ),
    (
        "kubectl, ten lines of many",
        "kubectl logs big | head -c 1000 | sha256sum; echo ${PIPESTATUS[0]}",
    ),
    ("kubectl, 100 MiB", "kubectl logs big | sha256sum"),
    (
        "kubectl, little of everything",
        "(ulimit -n 64; umask 0777; nice -n 5 kubectl get pods; echo $?)",
    ),
    (
        "kubectl, no file may grow for now",
        "with limit=FSIZE:0:unlimited -- kubectl get pods; echo $?",
    ),
    (
        "kubectl, files that may hardly grow",
        "with limit=FSIZE:100:unlimited -- kubectl get pods; echo $?",
    ),
    (
        "kubectl, from a directory that is gone",
        "with gone -- kubectl get pods; echo $?",
    ),
    (
        "kubectl, many at once",
        "seq 6 | xargs -P 3 -I N kubectl get pods web-N -o name | sort",
    ),
    ("kubectl, timed out", "timeout 1 kubectl get pod slow; echo $?"),
    (
        "kubectl, interrupted",
        "timeout -s INT 1 kubectl get pod slow; echo $?",
    ),
    (
        "kubectl, in C",
        "LC_ALL=C kubectl get pods; env -u LANG kubectl get pods",
    ),
    (
        "kubectl, on a terminal",
        "script -qec 'kubectl get pods' /dev/null </dev/null",
    ),
    ("gh", "gh --version; echo $?; gh pr list --help | head -n 5;"),
    ("gh, not signed in", "gh pr list -R o/r; echo $?"),
    (
        "gh, on a terminal",
        "script -qec 'gh pr list -R o/r' /dev/null </dev/null; echo $?",
    ),
    (
        "gh, into nothing",
        "gh --version >&-; echo $?; gh --version >/dev/full; echo $?",
    ),
    ("aws", "aws --version; echo $?"),
    (
        "aws, without credentials",
        "AWS_EC2_METADATA_DISABLED=true aws ec2 describe-instances --region eu-west-1; echo $?",
    ),
    (
        "aws, into nothing",
        "aws --version >/dev/full; echo $?; aws --version <&-; echo $?",
    ),
];
