//! An installed gate has a group that its caller has not: what a caller could try to get hold of it.

use acceptance::host;
use acceptance::installed::{INSTALL, TOKEN, address, fresh, installed, says};
use acceptance::kube_api::Cluster;

/// Orders as an agent would write them: everything allowed, by a sidecar and with tools of its own.
const FORGED: &str = "mkdir -p ~/own/bin && cd ~/own &&\n\
    printf '#!/usr/bin/python3\\nimport os\\nprint(\"ran\", os.getegid(), os.popen(\"cat /etc/reeve-credentials/aws\").read())\\n' >evil &&\n\
    chmod +x evil && mkdir -p tools && cp evil tools/kubectl &&\n\
    cat >session.json <<END\n\
    {\"version\": 1, \"session\": \"s\", \"socket\": \"$HOME/own/sock\", \"pins\": {\"identities\": [{\"uid\": $(id -u), \"profile\": \"p\", \"level\": \"L2\"}]},\n\
     \"policies\": {}, \"path\": \"$HOME/own/tools\", \"environment\": {}}\n\
    END\n";

/// Starts the gate under a tracer, which could change what it does: then the kernel lends no group.
const TRACED: &str = "
import ctypes, os
ptrace = ctypes.CDLL(None).ptrace
child = os.fork()
if child == 0:
    ptrace(0, 0, None, None)
    os.execv(\"/usr/lib/reeve/shims/kubectl\", [\"kubectl\", \"get\", \"pods\"])
while True:
    _, status = os.waitpid(child, 0)
    if not os.WIFSTOPPED(status):
        break
    ptrace(7, child, None, None)
print(\"ended with\", os.waitstatus_to_exitcode(status))
";

#[test]
fn a_copy_or_a_link_of_the_gate_has_no_power() {
    if host::is_left_out() {
        return;
    }
    let cluster = Cluster::start();
    let host = installed(&address(&cluster));
    assert!(host.agent(FORGED).status.success());
    let group = host.must("getent group reeve | cut -d: -f3").trim().to_owned();
    let gate = "/usr/lib/reeve/bin/reeve";

    // A copy has not the group: with forged orders it is a gate of the agent's own, over what the agent has anyway.
    let copied = host.agent(&format!(
        "cp {gate} own/bin/kubectl; own/bin/kubectl get pods; stat -c %a own/bin/kubectl"
    ));
    assert!(
        !says(&copied, TOKEN) && !says(&copied, &format!("ran {group}")),
        "{copied:?}"
    );
    assert!(
        copied.out().ends_with("755\n") || copied.out().ends_with("700\n"),
        "{}",
        copied.out()
    );
    let copied = host.agent(&format!(
        "mkdir -p far/away; cp {gate} far/away/kubectl; far/away/kubectl get pods"
    ));
    assert_eq!(copied.code(), 78, "{}", copied.err());
    assert!(says(&copied, "not readable for this gate"), "{}", copied.err());

    // A hard link has the group. Where the kernel forbids it (fs.protected_hardlinks), root makes it here for the agent.
    host.must(&format!(
        "rm -f /home/agent/own/bin/kubectl; mkdir -p /usr/lib/own/bin; cp -r /home/agent/own/tools /home/agent/own/session.json /usr/lib/own/; \
         chown -R agent /usr/lib/own; ln {gate} /usr/lib/own/bin/kubectl"
    ));
    let linked = host.agent("sed -i \"s#$HOME/own#/usr/lib/own#g\" /usr/lib/own/session.json; /usr/lib/own/bin/kubectl get pods -o name");
    assert_eq!(
        linked.code(),
        0,
        "the host's orders hold, wherever the link is: {linked:?}"
    );
    assert!(
        linked.out().contains("pod/web-1") && !says(&linked, "ran"),
        "{linked:?}"
    );
    assert_eq!(host.agent("/usr/lib/own/bin/kubectl delete pod web-1").code(), 77);

    // A symbolic link, and any name that it may be called by.
    let named = host.agent(&format!(
        "ln -sf {gate} own/bin/kubectl; own/bin/kubectl get pods -o name; echo $?; own/bin/kubectl delete pod x; echo $?\n\
         for name in '' / . .. git ungroup less -bash '../../kubectl' '/home/agent/own/tools/evil' reeve .reeve; do\n\
         (exec -a \"$name\" {gate} /etc/reeve-credentials/aws) </dev/null; done\n\
         (exec -a kubectl {gate} delete pod x); echo $?"
    ));
    assert!(named.out().starts_with("pod/web-1"), "{named:?}");
    assert!(
        named.out().contains("\n0\n77\n") && named.out().ends_with("77\n"),
        "{named:?}"
    );
    assert!(!says(&named, TOKEN) && !says(&named, "ran"), "{named:?}");

    // Where the kernel ignores the bit there is no group, and so no orders.
    let ignored = host.agent(&format!(
        "setpriv --no-new-privs {gate} --version; setpriv --no-new-privs kubectl get pods"
    ));
    assert_eq!(ignored.code(), 78, "{ignored:?}");
    assert!(says(&ignored, "no_new_privs"), "{}", ignored.err());
    let namespaced = host.agent(
        "unshare --user --map-root-user bash -c 'mount --bind own /etc 2>/dev/null; kubectl get pods' && echo it ran",
    );
    assert!(
        !says(&namespaced, "it ran") && !says(&namespaced, TOKEN),
        "{namespaced:?}"
    );
    let traced = host.agent(&format!("python3 -c '{TRACED}'"));
    assert!(says(&traced, "not readable for this gate"), "{traced:?}");
    assert!(says(&traced, "ended with 78"), "{traced:?}");
    assert_eq!(cluster.mutations(), Vec::<String>::new());
}

#[test]
fn whatever_the_caller_names_is_read_with_the_callers_own_rights() {
    if host::is_left_out() {
        return;
    }
    let cluster = Cluster::start();
    let mut host = installed(&address(&cluster));
    let secret = "/etc/reeve-credentials/kubeconfig";
    for line in [
        format!("kubectl diff -f {secret}"),
        format!("kubectl apply --dry-run=server -f {secret}"),
        format!("kubectl get -f {secret}"),
        format!("kubectl get pods --kubeconfig {secret}"),
        format!("kubectl get pods -o go-template-file={secret}"),
        format!("kubectl get -k {secret}"),
        "aws logs describe-log-groups --log-group-name-prefix file:///etc/reeve-credentials/aws".to_owned(),
        "gh api repos/o/r/issues -F body=@/etc/reeve-credentials/gh/hosts.yml".to_owned(),
        format!("reeve check -- kubectl diff -f {secret}"),
        format!("reeve policy test --governance {secret}"),
        format!("reeve audit verify {secret}"),
        format!("reeve audit find-secret --key {secret} /var/lib/reeve </dev/null"),
        "reeve policy show --governance /etc/reeve-credentials".to_owned(),
        "reeve run -- bash -c 'cat /etc/reeve-credentials/aws; kubectl config view --raw; id -gn'".to_owned(),
        format!("reeve install --dry-run --agent-user agent --env-file {secret}"),
        "reeve uninstall".to_owned(),
    ] {
        let output = host.agent(&line);
        assert!(!says(&output, TOKEN), "{line}: {output:?}");
        let has_run_a_session = line.starts_with("reeve run");
        assert!(
            output.code() != 0 || has_run_a_session && output.out().contains("agent\n"),
            "{line}: {output:?}"
        );
    }
    let said = host.agent(&format!("kubectl diff -f {secret}"));
    assert!(says(&said, "ermission denied"), "{}", said.err());
    assert_eq!(cluster.server.requests().len(), 0);
    host.stop_sidecar();
    let recorded = host.must("cat /var/lib/reeve/events.ndjson");
    let digest = host.must(&format!("sha256sum {secret} | cut -c1-64"));
    assert!(!recorded.contains(TOKEN) && !recorded.contains(digest.trim()));
}

/// Says its groups, starts what tools start, and shows what these have.
const PROBE: &str = "#!/usr/bin/python3
import os, subprocess
print('tool', os.getgid() == os.getegid(), open('/etc/reeve-credentials/aws').read().count('token'), flush=True)
show = 'id -G; cat /etc/reeve-credentials/aws'
for words in ['git', '--no-pager', 'status', '--short'], ['less', '/etc/reeve-credentials/aws'], ['sh', '-c', show], ['bash', '-c', show]:
    subprocess.run(words, stdin=subprocess.DEVNULL)
";

#[test]
fn what_a_tool_starts_for_the_agent_has_not_the_group() {
    if host::is_left_out() {
        return;
    }
    let cluster = Cluster::start();
    let mut host = fresh(&address(&cluster));
    host.write("/usr/local/bin/gh", PROBE, "0755");
    let output = host.reeve(&format!(
        "{INSTALL} --tools kubectl,gh=/usr/local/bin/gh --credentials /etc/reeve-credentials/aws"
    ));
    assert_eq!(output.code(), 0, "{}{}", output.out(), output.err());
    host.start_sidecar();
    let output = host.agent(
        "git init --quiet repository && cd repository && touch a\n\
         printf '#!/bin/bash -p\\n(id -G; cat /etc/reeve-credentials/aws; ls -l /proc/self/fd) >>~/monitored 2>&1\\n' >~/monitor\n\
         chmod +x ~/monitor; git config core.fsmonitor ~/monitor\n\
         GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.pager GIT_CONFIG_VALUE_0=~/monitor gh pr list -R o/r",
    );
    assert_eq!(output.code(), 0, "{output:?}");
    assert!(
        output.out().starts_with("tool False 1\n"),
        "the tool has the group: {}",
        output.out()
    );
    let own = host.must("id -G agent");
    let shells = output.out().lines().filter(|line| *line == own.trim()).count();
    assert_eq!(shells, 2, "shells give it up: {output:?}");
    assert!(!says(&output, TOKEN), "{output:?}");
    let monitored = host.must("cat /home/agent/monitored");
    assert!(
        monitored.starts_with(&own),
        "what git runs has the agent's groups only: {monitored}"
    );
    assert!(
        !monitored.contains(TOKEN) && !monitored.contains("memfd"),
        "{monitored}"
    );
}

/// Tries everything that would show the inside of a process of the agent's own user; prints what worked.
const LOOK_INTO: &str = r#"
kubectl get pods --request-timeout=30s >/dev/null 2>&1 &
gate=$!
for i in $(seq 200); do pgrep -P $gate >/dev/null && break; sleep 0.05; done
sleep 1; tool=$(pgrep -P $gate)
[ -n "$tool" ] || echo "no tool"
for pid in $gate $tool; do
  [ -e /proc/$pid/status ] || echo "$pid is gone"
  for file in environ maps auxv smaps pagemap stack syscall io personality map_files; do
    head -c 1 /proc/$pid/$file >/dev/null 2>&1 && echo "read $file"
  done
  ls /proc/$pid/fd >/dev/null 2>&1 && echo "listed fd"
  for link in exe cwd root fd/3 ns/mnt; do readlink /proc/$pid/$link >/dev/null 2>&1 && echo "followed $link"; done
  prlimit --pid $pid --core=unlimited 2>/dev/null && echo "set a limit"
  python3 - $pid <<END
import ctypes, os, sys
pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
for request in (16, 0x4206):  # ATTACH, SEIZE
    if libc.ptrace(request, pid, None, None) == 0:
        print('traced')
try:
    open(f'/proc/{pid}/mem', 'rb')
    print('opened mem')
except OSError:
    pass
for descriptor in range(20):
    if libc.syscall(438, os.pidfd_open(pid), descriptor, 0) >= 0:
        print('took a descriptor')
END
done
head -c 1 /proc/$$/environ >/dev/null && ls /proc/$$/fd >/dev/null && echo 'its own it can read'
ulimit -c unlimited
for pid in $tool; do kill -SEGV $pid; done; sleep 0.3; kill -ABRT $gate 2>/dev/null
wait $gate
ls | grep -c '^core'
"#;

#[test]
fn neither_the_gate_nor_the_tool_can_be_looked_into() {
    if host::is_left_out() {
        return;
    }
    // Takes the connection and never answers, so that there is time to look.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
    let port = silent.local_addr().expect("it has an address").port();
    let host = installed(&format!("http://127.0.0.1:{port}"));
    let output = host.agent(LOOK_INTO);
    assert_eq!(output.out(), "its own it can read\n0\n", "{}", output.err());
}

#[test]
fn a_tool_does_not_outlive_a_gate_that_was_killed() {
    if host::is_left_out() {
        return;
    }
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
    let port = silent.local_addr().expect("it has an address").port();
    let host = installed(&format!("http://127.0.0.1:{port}"));
    // The tool, who watches both, and who tells signals to the group from those to the gate.
    let output = host.agent(
        "kubectl get pods >printed 2>&1 & gate=$!\n\
         for i in $(seq 200); do [ $(pgrep -P $gate | wc -l) = 3 ] && break; sleep 0.05; done\n\
         sleep 0.5; pgrep -P $gate | wc -l; children=$(pgrep -P $gate)\n\
         kill -KILL $gate; wait $gate; echo $?\n\
         for i in $(seq 100); do kill -0 $children 2>/dev/null || break; sleep 0.05; done\n\
         for child in $children; do [ -e /proc/$child ] && echo 'it goes on'; done\n\
         timeout --signal=INT 1 kubectl get pods marked 2>/dev/null | cat; sleep 0.2\n\
         for pid in $(pgrep -u agent -x kubectl); do grep -l marked /proc/$pid/cmdline; done 2>/dev/null | wc -l",
    );
    assert_eq!(output.out(), "3\n137\n0\n", "{}", output.err());
}

/// Leaves a mark, and takes the credentials along, wherever it is loaded.
const PRELOADED: &str = r#"
#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void loaded(void) {
    char bytes[4096];
    int from = open("/etc/reeve-credentials/aws", O_RDONLY), to = open("/home/agent/loaded", O_WRONLY | O_CREAT | O_APPEND, 0644);
    long count = from < 0 ? 0 : read(from, bytes, sizeof bytes);
    if (write(to, "loaded\n", 7) < 0 || (count > 0 && write(to, bytes, count) < 0)) _exit(1);
}
"#;

#[test]
fn nothing_that_the_caller_sets_is_loaded_or_believed() {
    if host::is_left_out() {
        return;
    }
    let cluster = Cluster::start();
    let host = installed(&address(&cluster));
    host.write("/opt/preloaded.c", PRELOADED, "0644");
    let made = host.agent(
        "cc -shared -fPIC -o own.so /opt/preloaded.c && LD_PRELOAD=$HOME/own.so /bin/true && cat loaded; rm loaded\n\
         mkdir -p python libraries .aws .kube .config/gh .config/git\n\
         printf 'open(\"/home/agent/loaded\", \"a\").write(\"python\")\\n' | tee python/sitecustomize.py >python/awscli.py\n\
         for name in libc.so.6 libpthread.so.0 libresolv.so.2 libgcc_s.so.1; do cp own.so libraries/$name; done\n\
         printf '[default]\\ncredential_process = touch /home/agent/loaded\\n[toplevel]\\ns3 = !touch /home/agent/loaded\\n' | tee .aws/config >alias\n\
         printf 'aliases:\\n  api: \"!touch /home/agent/loaded\"\\n' >.config/gh/config.yml; echo '{}' >.kube/config",
    );
    assert_eq!(
        made.out(),
        "loaded\n",
        "it is loaded where nothing forbids it: {}",
        made.err()
    );
    for variables in [
        "LD_PRELOAD=$HOME/own.so",
        "LD_LIBRARY_PATH=$HOME/libraries",
        "LD_AUDIT=$HOME/own.so",
        "GCONV_PATH=$HOME/libraries LANG=xx",
        "GLIBC_TUNABLES=glibc.malloc.check=1 MALLOC_TRACE=$HOME/loaded",
        "PYTHONPATH=$HOME/python",
        "PYTHONSTARTUP=$HOME/python/awscli.py PYTHONUSERBASE=$HOME PYTHONHOME=$HOME/python",
        "HOME=$HOME USER=root",
        "AWS_CONFIG_FILE=$HOME/.aws/config AWS_PAGER='touch loaded' PAGER='touch loaded'",
        "GH_CONFIG_DIR=$HOME/.config/gh GH_PAGER='touch loaded' GH_BROWSER='touch loaded'",
        "KUBECONFIG=$HOME/.kube/config KUBECTL_EXTERNAL_DIFF='touch loaded'",
        "TMPDIR=$HOME XDG_CACHE_HOME=$HOME XDG_CONFIG_HOME=$HOME/.config",
        "PATH=$HOME/python:$PATH BASH_ENV=$HOME/alias ENV=$HOME/alias",
        "RUST_BACKTRACE=full RUST_LOG=trace RUST_MIN_STACK=1",
        "HERMES_LAB_GOVERNANCE=L2 REEVE_OUTPUT=json",
    ] {
        let output = host.agent(&format!(
            "export {variables}; kubectl get pods -o name; echo $?; kubectl delete pod x; echo $?; aws --version; echo $?; \
             gh --version >/dev/null; echo $?"
        ));
        let codes: Vec<String> = output
            .out()
            .lines()
            .filter(|line| line.parse::<u8>().is_ok())
            .map(str::to_owned)
            .collect();
        assert_eq!(codes, ["0", "77", "0", "0"], "{variables}: {output:?}");
        assert!(!says(&output, TOKEN), "{variables}: {output:?}");
        assert_ne!(host.agent("cat loaded").code(), 0, "{variables}");
    }
    let raised = host.agent("HERMES_LAB_GOVERNANCE=L4 HERMES_LAB_TRACK=track-c kubectl get pods");
    assert_eq!(raised.code(), 78, "{}", raised.err());
    assert_eq!(cluster.mutations(), Vec::<String>::new());
}

#[test]
fn limits_and_descriptors_of_the_callers_end_in_a_refusal_at_most() {
    if host::is_left_out() {
        return;
    }
    let cluster = Cluster::start();
    let mut host = installed(&address(&cluster));
    for setting in [
        "ulimit -f 0",
        "ulimit -n 3",
        "ulimit -n 6",
        "ulimit -n 12",
        "ulimit -v 8000",
        "ulimit -v 200000",
        "ulimit -s 32",
        "ulimit -d 100",
        "ulimit -c unlimited",
        "ulimit -t 1",
        "ulimit -i 0",
        "umask 0777",
        "umask 0",
        "mkdir gone; cd gone; rmdir ../gone",
        "exec <&-",
        "exec >&- 2>&-",
        "exec <&- >&- 2>&-",
        "for fd in 3 4 5 6 7 8 9; do eval \"exec $fd</dev/null\"; done",
        "trap '' TERM INT HUP PIPE CHLD XFSZ",
        "exec nice -n 19 bash -c \"$tail\"",
    ] {
        // Ended after a while from outside: nothing may hang.
        let run = |line: &str| {
            let script = format!("tail='{line}'; {setting}; eval \"$tail\"").replace('\'', "'\\''");
            host.agent(&format!(
                "timeout --foreground --kill-after=1 30 bash -c '{script}'"
            ))
        };
        let (allowed, refused) = (run("kubectl get pods -o name"), run("kubectl delete pod web-1"));
        for output in [&allowed, &refused] {
            assert!(!says(output, TOKEN), "{setting}: {output:?}");
            assert!(
                ![Some(124), Some(137)].contains(&output.status.code()),
                "{setting}: it hangs"
            );
        }
        assert!(!refused.status.success(), "{setting}: {refused:?}");
        assert_eq!(cluster.mutations(), Vec::<String>::new(), "{setting}");
    }
    let left = host.must("find /home/agent /tmp /var/tmp -group reeve");
    assert_eq!(
        left, "",
        "nothing of the group's was left where the agent can use it"
    );
    host.stop_sidecar();
    let verified = host.root("/opt/reeve/reeve audit verify /var/lib/reeve");
    assert_eq!(verified.code(), 0, "{}{}", verified.out(), verified.err());
}
