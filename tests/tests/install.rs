//! `reeve install` and `uninstall` on a host of the test's own, with the real tools: what they change, refuse and put back. What an
//! installation does is in `installed`.

use acceptance::host;
use acceptance::installed::{INSTALL, fresh};
use serde_json::Value;
use std::os::unix::process::ExitStatusExt;

#[test]
fn a_second_run_changes_nothing_and_uninstall_puts_everything_back() {
    if host::is_left_out() {
        return;
    }
    let mut host = fresh("http://127.0.0.1:9");
    // What packages' files were told before must be told again.
    host.must("dpkg-statoverride --update --add root daemon 0755 /usr/bin/gh; mkdir -p /run/systemd/system");
    let before = host.listing();
    let planned = host.reeve(&format!("{INSTALL} --dry-run --json"));
    assert_eq!(planned.code(), 0, "{}", planned.err());
    assert_eq!(
        host.changed_since(&before),
        Vec::<String>::new(),
        "--dry-run changes nothing"
    );
    let changes = |output: &acceptance::session::Output| {
        let lines = output.out();
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"));
        lines.filter(|line| line["action"] == "change").count()
    };

    let first = host.reeve(&format!("{INSTALL} --json"));
    assert_eq!(first.code(), 0, "{}", first.err());
    assert_eq!(changes(&first), changes(&planned), "what was planned was done");
    let installed = host.listing();
    assert_ne!(installed, before);
    let again = host.reeve(&format!("{INSTALL} --json"));
    assert_eq!((again.code(), changes(&again)), (0, 0), "{}", again.out());
    assert!(host.reeve(INSTALL).out().contains("nothing to change"));
    assert_eq!(host.changed_since(&installed), Vec::<String>::new());
    let told = host.must("dpkg-statoverride --list /usr/bin/gh /usr/bin/aws");
    assert_eq!(told, "root reeve 750 /usr/bin/gh\nroot reeve 750 /usr/bin/aws\n");
    host.must("systemd-analyze verify --man=no /etc/systemd/system/reeved.service");

    // One tool less: it is opened again.
    let fewer = host.reeve(&format!("{INSTALL} --tools kubectl,aws"));
    assert_eq!(fewer.code(), 0, "{}", fewer.err());
    assert_eq!(host.must("stat -c '%U:%G %a' /usr/bin/gh"), "root:daemon 755\n");

    host.start_sidecar();
    let refused = host.reeve("uninstall");
    assert_eq!(refused.code(), 73, "{}", refused.out());
    assert!(
        refused.err().contains("the sidecar is running"),
        "{}",
        refused.err()
    );
    host.stop_sidecar();

    let undone = host.reeve("uninstall");
    assert_eq!(undone.code(), 0, "{}", undone.err());
    assert_eq!(
        host.must("stat -c '%U:%G %a' /var/lib/reeve"),
        "reeved:reeved 750\n",
        "the record stays"
    );
    let purged = host.reeve("uninstall --purge");
    assert_eq!(purged.code(), 0, "{}", purged.err());
    host.must("rm -rf /run/reeve");
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    assert!(
        host.reeve("uninstall")
            .out()
            .contains("nothing is installed here")
    );
}

#[test]
fn an_installation_that_was_killed_is_completed_or_taken_back() {
    if host::is_left_out() {
        return;
    }
    let rounds: u32 = std::env::var("REEVE_INSTALL_KILLS").map_or(4, |text| text.parse().expect("a number"));
    let host = fresh("http://127.0.0.1:9");
    let before = host.listing();
    let mut killed = 0;
    for round in 0..rounds {
        // The whole takes about a second here; the first tenth of it changes nothing.
        let after = 0.1 + f64::from(round) * 0.15;
        let output = host.root(&format!(
            "timeout --signal=KILL {after} /opt/reeve/reeve {INSTALL}"
        ));
        killed += u32::from(output.status.signal() == Some(9));
        // What was killed in the middle of a sync is gone a moment later than `timeout`.
        host.root("[ ! -d /etc/reeve ] || flock --wait 10 /etc/reeve true");
        if round % 2 == 1 {
            let undone = host.reeve("uninstall --purge");
            assert_eq!(undone.code(), 0, "round {round}: {}", undone.err());
            assert_eq!(host.changed_since(&before), Vec::<String>::new(), "round {round}");
        }
        let opened = host.agent("cat /etc/reeve-credentials/aws");
        assert_ne!(opened.code(), 0, "round {round}");
    }
    assert!(killed > 0, "some were killed on the way");
    assert_eq!(host.reeve("uninstall --purge").code(), 0);
    host.must("mv /usr/sbin/useradd /usr/sbin/useradd.away");
    let failed = host.reeve(INSTALL);
    assert_eq!(failed.code(), 73, "{}", failed.out());
    failed.assert_said(&[
        "`useradd",
        "it is not installed",
        "run `reeve install` again to go on",
    ]);
    host.must("mv /usr/sbin/useradd.away /usr/sbin/useradd");
    let two = host.root(&format!("flock /etc/reeve /opt/reeve/reeve {INSTALL}"));
    assert_eq!(two.code(), 73, "{}", two.out());
    assert!(two.err().contains("another `reeve install`"), "{}", two.err());
    let done = host.reeve(INSTALL);
    assert_eq!(done.code(), 0, "{}", done.err());
    assert!(host.reeve(INSTALL).out().contains("nothing to change"));
    assert_ne!(host.agent("/usr/local/bin/kubectl version").code(), 0);
    assert_eq!(host.reeve("uninstall --purge").code(), 0);
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
}

#[test]
fn what_would_make_an_installation_worthless_forbids_it() {
    if host::is_left_out() {
        return;
    }
    let host = fresh("http://127.0.0.1:9");
    host.must(
        "useradd --groups sudo mighty; groupadd --system reeve; useradd --groups reeve insider; useradd --gid reeve native; \
         install -d -o agent /home/agent/keys; echo x >/home/agent/keys/key; chmod 0755 /home/agent; mkdir -m 0700 /srv/closed; \
         echo x >/srv/closed/key; mkdir -m 0777 /srv/open; echo 'x: y' >/srv/open/key; cp /bin/true /srv/open/aws; \
         printf 'a: &x b\\nc: *x\\n' >/etc/odd-kubeconfig; echo GH_TOKEN=x >/etc/open-environment; chmod 0644 /etc/open-environment; \
         printf '#!/usr/bin/env bash\nexec aws\n' >/opt/aws; chmod 0755 /opt/aws; ln -s /usr/bin/env /usr/local/bin/psql",
    );
    let before = host.listing();
    let refused = |words: &str, exit: i32, said: &str| {
        let output = host.reeve(&format!("install {words}"));
        assert_eq!(output.code(), exit, "{words}: {output:?}");
        assert!(output.err().contains(said), "{words}: {}", output.err());
    };
    refused(
        "--agent-user root",
        77,
        "`root` is root, from whom nothing can be kept",
    );
    refused("--agent-user nobody-there", 77, "there is no user `nobody-there`");
    refused("--agent-user mighty", 77, "in the group `sudo`");
    refused("--agent-user insider", 77, "in the group `reeve`");
    refused("--agent-user native", 77, "in the group `reeve`");
    refused(
        "--agent-user agent --tools no-such-tool",
        127,
        "there is no no-such-tool in",
    );
    refused(
        "--agent-user agent --tools aws=/srv/open/aws",
        78,
        "somebody besides root can write",
    );
    refused("--agent-user agent", 78, "starts other programs too"); // psql, above
    refused(
        "--agent-user agent --tools aws=/opt/aws",
        78,
        "is a script for bash",
    );
    let tools = "--agent-user agent --tools kubectl,aws,gh";
    refused(
        &format!("{tools} --credentials /home/agent/keys/key"),
        78,
        "the agent's own home",
    );
    refused(
        &format!("{tools} --credentials /srv/closed/key"),
        78,
        "cannot enter",
    );
    refused(
        &format!("{tools} --credentials /srv/open/key"),
        78,
        "somebody besides root can write",
    );
    refused(&format!("{tools} --credentials /nowhere"), 78, "No such file");
    refused(
        &format!("{tools} --env KUBECONFIG=/srv/open/key"),
        78,
        "somebody besides root can write",
    );
    refused(
        &format!("{tools} --env KUBECONFIG=/etc/odd-kubeconfig"),
        78,
        "is not understood",
    );
    refused(
        &format!("{tools} --env GH_TOKEN=x"),
        64,
        "every user of this host can see",
    );
    refused(
        &format!("{tools} --env PATH=/tmp"),
        64,
        "the installation needs it",
    );
    refused(
        &format!("{tools} --env-file /etc/open-environment"),
        64,
        "must be root's, mode 0600",
    );
    refused(&format!("{tools} --level L4"), 78, "track");
    refused(
        &format!("{tools} --minimum-version kubectl=999.1"),
        78,
        "and 999.1 is asked for",
    );
    let as_agent = host
        .agent("/opt/reeve/reeve install --agent-user agent; echo $?; /opt/reeve/reeve uninstall; echo $?");
    assert_eq!(as_agent.out(), "77\n77\n", "{}", as_agent.err());
    host.must("test ! -e /etc/reeve/gate.json; /opt/reeve/reeve uninstall --purge");
    assert_eq!(host.changed_since(&before), Vec::<String>::new());

    host.must("mkdir -m 0755 /etc/reeve; echo mine >/etc/reeve/gate.json");
    let in_the_way = host.reeve(&format!("install {tools}"));
    assert_eq!(in_the_way.code(), 73, "{in_the_way:?}");
    assert_eq!(
        host.must("cat /etc/reeve/gate.json"),
        "mine\n",
        "an operator's own file is left alone"
    );
}

#[test]
fn a_packages_next_version_does_not_open_its_tool_again() {
    if host::is_left_out() {
        return;
    }
    let mut host = fresh("http://127.0.0.1:9");
    host.must(
        "mkdir -p /opt/p/DEBIAN /opt/p/opt/bin; mv /usr/local/bin/kubectl /opt/p/opt/bin/\n\
         for version in 1 2; do\n\
         printf 'Package: a-tool-of-a-test\\nVersion: '$version'\\nArchitecture: all\\nMaintainer: A <a@example.org>\\nDescription: a tool\\n' \
         >/opt/p/DEBIAN/control; dpkg-deb -Znone --build /opt/p /opt/$version.deb >/dev/null; done; dpkg --install /opt/1.deb",
    );
    let words = format!("{INSTALL} --tools kubectl=/opt/bin/kubectl --minimum-version kubectl=1.10");
    let output = host.reeve(&words);
    assert_eq!(output.code(), 0, "{}", output.err());
    host.start_sidecar();
    let closed = || host.must("stat -c '%U:%G %a' /opt/bin/kubectl");
    assert_eq!(closed(), "root:reeve 750\n");
    let before = host.must("stat -c %i /opt/bin/kubectl");
    host.must("dpkg --install /opt/2.deb");
    assert_ne!(
        host.must("stat -c %i /opt/bin/kubectl"),
        before,
        "it is another file"
    );
    assert_eq!(closed(), "root:reeve 750\n");
    let changed = host.agent("kubectl version --client");
    assert_eq!(changed.code(), 126, "{changed:?}");
    assert!(
        changed.err().contains("it was changed since it was version"),
        "{}",
        changed.err()
    );
    assert_eq!(host.reeve(&words).code(), 0);
    let again = host.agent("kubectl version --client");
    assert_eq!(again.code(), 0, "{}", again.err());
    host.stop_sidecar();
    assert_eq!(host.reeve("uninstall").code(), 0);
    assert_eq!(
        host.must("stat -c '%U:%G %a' /opt/bin/kubectl"),
        "root:root 755\n"
    );
    host.must("dpkg --install /opt/1.deb");
    assert_eq!(
        host.must("stat -c '%U:%G %a' /opt/bin/kubectl"),
        "root:root 755\n"
    );
}
