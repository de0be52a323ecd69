//! Kustomizations with the real kubectl, every version that is here: what arrives is what was judged, and nothing else happens.

use acceptance::http::{Response, Server};
use acceptance::kube_api::Cluster;
use acceptance::race::{self, turns};
use acceptance::session::{Scratch, finish};
use acceptance::tools;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A site that applies, compares and prints, in the namespace `dev` and never a Secret; and that deletes config maps there.
const SITE: &str = "apiVersion: reeve/v1\nkind: Governance\nlevel: L4\ntrack: track-c\nrules:\n\
    \x20 - id: change\n    allow: {tool: kubectl, effect: [read, write], verb: [apply, 'apply --dry-run=client', diff, get, create], namespace: dev}\n\
    \x20 - id: remove\n    allow: {tool: kubectl, effect: [read, delete], verb: delete, resource: configmaps, namespace: dev}\n\
    \x20 - id: print\n    allow: {tool: kubectl, effect: local, verb: kustomize}\n\
    \x20 - id: no-secrets\n    deny: {tool: kubectl, resource: secrets}\n";

const POD: &str =
    "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: a, image: 'app:1'}]}\n";
const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: b}\n";
const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: token}\nstringData: {a: b}\n";

struct Site {
    scratch: Scratch,
    cluster: Cluster,
}

impl Site {
    fn new(kubectl: &Path) -> Site {
        Site::governed_by(kubectl, SITE)
    }

    fn governed_by(kubectl: &Path, policy: &str) -> Site {
        let cluster = Cluster::start();
        let mut scratch = Scratch::new();
        cluster.kubeconfig(&scratch.at("kubeconfig"));
        std::os::unix::fs::symlink(kubectl, scratch.at("tools/kubectl")).expect("a link can be made");
        let level = ["--level", "L4", "--track", "track-c"];
        scratch.govern(&level, &[("governance-L4-track-c.yaml", policy)]);
        let kubeconfig = scratch.at("kubeconfig");
        scratch.env("KUBECONFIG", kubeconfig);
        Site { scratch, cluster }
    }

    /// Writes a file, with the directories above it.
    fn write(&self, name: &str, text: &str) {
        self.scratch.write(name, text);
    }

    /// One command: its exit status, what it printed, and what it complained about.
    fn run(&self, words: &str) -> (i32, String, String) {
        let output = self
            .scratch
            .run(&format!("kubectl {words} >out 2>err; echo $? >code"));
        assert!(output.status.success(), "{output:?}");
        let read = |name: &str| std::fs::read_to_string(self.scratch.at(name)).expect("the script wrote it");
        let code = read("code").trim().parse().expect("a number");
        (code, read("out"), read("err"))
    }

    /// Several commands in one session: the exit status and the complaint of each.
    fn run_all(&self, lines: &[String]) -> Vec<(i32, String)> {
        let script: String = (lines.iter().enumerate())
            .map(|(index, words)| format!("kubectl {words} >out 2>err{index}; echo $? >>codes\n"))
            .collect();
        let output = self.scratch.run(&script);
        assert!(output.status.success(), "{output:?}");
        let read = |name: &str| std::fs::read_to_string(self.scratch.at(name)).expect("the script wrote it");
        let codes = read("codes");
        assert_eq!(codes.lines().count(), lines.len());
        let codes = codes.lines().map(|code| code.parse().expect("a number"));
        codes
            .enumerate()
            .map(|(index, code)| (code, read(&format!("err{index}"))))
            .collect()
    }

    /// The same without the gate.
    fn direct(&self, words: &str) -> (i32, String, String) {
        let mut command = self.scratch.command(self.scratch.at("tools/kubectl"));
        let output = finish(command.args(words.split(' ')).stdin(Stdio::null()), &[]);
        (output.code(), output.out(), output.err())
    }

    fn last_event(&self) -> Value {
        self.scratch.events().pop().expect("an event was recorded")
    }

    fn forget(&self) {
        std::fs::remove_dir_all(self.scratch.record()).expect("the record can be removed");
    }
}

fn each_kubectl() -> Vec<PathBuf> {
    tools::versions("kubectl")
}

/// A small kustomization on a base elsewhere; both spellings, for an old kubectl knows directories only as `bases`.
fn write_app(site: &Site) {
    site.write(
        "app/kustomization.yaml",
        "bases:\n- ../base\nnamespace: dev\nnamePrefix: my-\n",
    );
    site.write("base/kustomization.yaml", "resources:\n- pod.yaml\n- map.yaml\n");
    site.write("base/pod.yaml", POD);
    site.write("base/map.yaml", MAP);
}

#[test]
fn what_a_kustomization_comes_to_is_what_is_judged_and_what_arrives() {
    for kubectl in each_kubectl() {
        let site = Site::new(&kubectl);
        write_app(&site);
        let before = site.cluster.server.requests().len();
        let (code, out, err) = site.run("apply -k app");
        assert_eq!(code, 0, "{}: {out}{err}", kubectl.display());
        let requests = site.cluster.server.requests();
        let mut sent: Vec<String> = requests[before..]
            .iter()
            .filter(|request| request.method != "GET")
            .map(|request| format!("{} {}", request.method, request.path()))
            .collect();
        sent.sort();
        assert_eq!(
            sent,
            [
                "PATCH /api/v1/namespaces/dev/pods/my-web",
                "POST /api/v1/namespaces/dev/configmaps"
            ]
        );
        let made = requests
            .iter()
            .find(|request| request.method == "POST")
            .expect("it is in the list");
        let made: Value = serde_json::from_slice(&made.body).expect("JSON");
        assert_eq!(made["metadata"]["name"], "my-settings");
        assert_eq!(made["data"]["a"], "b");
        let event = site.last_event();
        let judged: Vec<&Value> = event["operations"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|it| &it["name"])
            .collect();
        assert!(
            judged.contains(&&Value::from("my-web")) && judged.contains(&&Value::from("my-settings")),
            "{event}"
        );
        let files = event["files"].as_array().expect("a list");
        assert!(files.iter().any(|file| file["path"] == "app"), "{files:?}");
        assert_eq!(
            files.len(),
            5,
            "two kustomizations, two manifests, and what they came to: {files:?}"
        );
        assert_eq!(event["argv"][2], "-k", "the record has what was typed");
    }
}

#[test]
fn the_gate_changes_nothing_that_the_caller_sees() {
    for kubectl in each_kubectl() {
        let site = Site::new(&kubectl);
        write_app(&site);
        for words in [
            "apply -k app",
            "-k app apply",
            "apply --kustomize=app -o name",
            "apply -kapp --dry-run=client -o yaml",
            "get --kustomize base/pods -n dev -o name",
            "delete -k base/maps -n dev --wait=false",
            "create -k app",
            "kustomize app",
            "kustomize base",
        ] {
            site.write("base/maps/kustomization.yaml", "resources:\n- map.yaml\n");
            site.write("base/maps/map.yaml", MAP);
            site.write("base/pods/kustomization.yaml", "resources:\n- pod.yaml\n");
            site.write("base/pods/pod.yaml", POD);
            let (code, out, err) = site.run(words);
            let (same_code, same_out, same_err) = site.direct(words);
            assert_eq!(
                (code, &out, &err),
                (same_code, &same_out, &same_err),
                "{}: {words}",
                kubectl.display()
            );
            assert!(!out.is_empty(), "{words} prints something");
            assert_eq!(site.last_event()["decision"], "ALLOWED", "{words}");
            site.forget();
        }
        let left = std::fs::read_dir(site.scratch.at("run"))
            .expect("a directory")
            .count();
        assert_eq!(left, 0, "no copies are left behind");
    }
}

#[test]
fn objects_that_no_rule_allows_are_refused_whatever_file_they_come_from() {
    for kubectl in each_kubectl() {
        let site = Site::new(&kubectl);
        site.write(
            "app/kustomization.yaml",
            "namespace: dev\nresources:\n- pod.yaml\n- hidden.yaml\n",
        );
        site.write("app/pod.yaml", POD);
        site.write("app/hidden.yaml", SECRET);
        site.write(
            "gen/kustomization.yaml",
            "namespace: dev\nsecretGenerator:\n- name: s\n  literals: [a=b]\n",
        );
        site.write(
            "prod/kustomization.yaml",
            "namespace: prod\nresources:\n- pod.yaml\n",
        );
        site.write("prod/pod.yaml", POD);
        let cases = [
            ("apply -k app", "secrets"),
            ("apply -k gen", "secrets"),
            ("apply -k prod", "no rule"),
            ("delete -k prod", "no rule"),
            ("kustomize gen", "a secret"),
            ("kustomize app", "a secret"),
            ("get -k gen -o yaml", "secrets"),
        ];
        let lines = cases.map(|(words, _)| words.to_owned());
        for ((words, why), (code, err)) in cases.iter().zip(site.run_all(&lines)) {
            assert_eq!(code, 77, "{words}: {err}");
            assert!(err.contains(why), "{words}: {err}");
        }
        assert_eq!(site.cluster.mutations(), Vec::<String>::new());
    }
}

/// Each with what the refusal says. `PORT` is of a server that records every request.
const MALICIOUS: &[(&str, &str)] = &[
    ("resources:\n- http://127.0.0.1:PORT/x.yaml\n", "plain local path"),
    (
        "resources:\n- https://127.0.0.1:PORT/o/r//d?ref=x\n",
        "plain local path",
    ),
    ("bases:\n- git::http://127.0.0.1:PORT/o/r\n", "plain local path"),
    ("bases:\n- github.com/o/r\n", "plain local path"),
    (
        "components:\n- ssh://git@127.0.0.1:PORT/o/r\n",
        "plain local path",
    ),
    (
        "resources: [pod.yaml]\npatches:\n- path: http://127.0.0.1:PORT/p.yaml\n",
        "plain local path",
    ),
    (
        "resources: [pod.yaml]\npatchesStrategicMerge:\n- http://127.0.0.1:PORT/p.yaml\n",
        "plain local path",
    ),
    (
        "resources: [pod.yaml]\ncrds:\n- http://127.0.0.1:PORT/c.json\n",
        "plain local path",
    ),
    (
        "resources: [pod.yaml]\nopenapi: {path: 'http://127.0.0.1:PORT/o.json'}\n",
        "plain local path",
    ),
    (
        "resources: [pod.yaml]\nconfigurations:\n- http://127.0.0.1:PORT/c.yaml\n",
        "plain local path",
    ),
    (
        "resources: [pod.yaml]\nreplacements:\n- path: http://127.0.0.1:PORT/r.yaml\n",
        "plain local path",
    ),
    (
        "configMapGenerator:\n- name: x\n  files: ['a=http://127.0.0.1:PORT/a']\n",
        "plain local path",
    ),
    (
        "configMapGenerator:\n- name: x\n  envs: ['http://127.0.0.1:PORT/a']\n",
        "plain local path",
    ),
    (
        "configMapGenerator:\n- name: x\n  files: [/etc/passwd]\n",
        "plain local path",
    ),
    (
        "configMapGenerator:\n- name: x\n  files: ['a=../outside.txt']\n",
        "not in or below",
    ),
    ("configMapGenerator:\n- name: x\n  files: [link.txt]\n", "a link"),
    (
        "configMapGenerator:\n- name: x\n  files: [linked/credentials]\n",
        "a link",
    ),
    (
        "configMapGenerator:\n- name: x\n  files: [pipe]\n",
        "not a regular file",
    ),
    (
        "configMapGenerator:\n- name: x\n  files: [.aws/credentials]\n",
        "hidden",
    ),
    (
        "configMapGenerator:\n- name: x\n  files: [key.txt]\n",
        "a secret in it",
    ),
    ("resources: [../elsewhere.yaml]\n", "not in or below"),
    (
        "resources: [pod.yaml]\ngenerators: [plugin.yaml]\n",
        "may run programs",
    ),
    (
        "resources: [pod.yaml]\ntransformers: [plugin.yaml]\n",
        "may run programs",
    ),
    (
        "resources: [pod.yaml]\nvalidators: [plugin.yaml]\n",
        "may run programs",
    ),
    (
        "helmCharts:\n- {name: x, repo: 'http://127.0.0.1:PORT/'}\n",
        "runs helm",
    ),
    (
        "secretGenerator:\n- name: x\n  commands: {a: 'touch PWNED'}\n",
        "not known here",
    ),
    ("Resources:\n- http://127.0.0.1:PORT/x.yaml\n", "not known here"),
    (
        "resources: [a.yaml]\nresources: ['http://127.0.0.1:PORT/x']\n",
        "Duplicate key",
    ),
    ("resources: [loop]\nbases: [loop]\n", "cannot be built"),
    ("resources: [absent.yaml]\n", "No such file"),
];

#[test]
fn a_malicious_kustomization_fetches_runs_and_reads_nothing() {
    for kubectl in each_kubectl() {
        let site = Site::new(&kubectl);
        let server = Server::tcp(|_| Response::error(404, &Value::Null));
        site.write("outside.txt", "text");
        site.write("elsewhere.yaml", POD);
        site.write("secrets/credentials", "text");
        site.write("app/pod.yaml", POD);
        site.write("app/key.txt", &format!("key = ghp_{}\n", "A1b2C3d4E5".repeat(4)));
        site.write("app/.aws/credentials", "text");
        site.write("app/loop/kustomization.yaml", "resources: [..]\nbases: [..]\n");
        site.write(
            "app/plugin.yaml",
            "apiVersion: x/v1\nkind: Touch\nmetadata: {name: x}\n",
        );
        // Stand-ins for what kustomize would start; each leaves a mark.
        for name in ["git", "helm", "Touch"] {
            let mark = format!("#!/bin/sh\ntouch {}\n", site.scratch.at("PWNED").display());
            let file = site.scratch.at("tools").join(name);
            std::fs::write(&file, mark).expect("it can be written");
            std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755))
                .expect("a mode");
        }
        let mut lines = Vec::new();
        for (index, (text, _)) in MALICIOUS.iter().enumerate() {
            let app = format!("app{index}");
            let write = |name: &str, text: &str| site.write(&format!("{app}/{name}"), text);
            let text = format!(
                "namespace: dev\n{}",
                text.replace("PORT", &server.port.to_string())
            );
            write("kustomization.yaml", &text);
            write("pod.yaml", POD);
            write("key.txt", &format!("key = ghp_{}\n", "A1b2C3d4E5".repeat(4)));
            write(".aws/credentials", "text");
            write("loop/kustomization.yaml", "resources: [..]\nbases: [..]\n");
            write(
                "plugin.yaml",
                "apiVersion: x/v1\nkind: Touch\nmetadata: {name: x}\n",
            );
            let at = |name: &str| site.scratch.at(&app).join(name);
            std::os::unix::fs::symlink("../outside.txt", at("link.txt")).expect("a link");
            std::os::unix::fs::symlink("../secrets", at("linked")).expect("a link");
            nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
            lines.extend([format!("apply -k {app}"), format!("kustomize {app}")]);
        }
        for ((line, (code, err)), (text, why)) in lines
            .iter()
            .zip(site.run_all(&lines))
            .zip(MALICIOUS.iter().flat_map(|case| [case, case]))
        {
            assert_eq!(code, 77, "{}: {line}: {text}: {err}", kubectl.display());
            assert!(err.contains(why), "{line}: {text}: {err}");
        }
        assert_eq!(server.requests().len(), 0, "nothing was fetched");
        assert!(!site.scratch.at("PWNED").exists(), "nothing was started");
        assert_eq!(site.cluster.mutations(), Vec::<String>::new());
    }
}

/// The tests above prove something only if kubectl would do it: a newer one fetches files, all of them clone with git.
#[test]
fn without_the_gate_the_same_kustomizations_do_fetch_and_run() {
    let newest = each_kubectl().pop().expect("there is one");
    let is_old = newest == tools::real("kubectl");
    let site = Site::new(&newest);
    let server = Server::tcp(|_| Response::error(404, &Value::Null));
    let git = site.scratch.at("tools/git");
    std::fs::write(
        &git,
        format!("#!/bin/sh\ntouch {}\n", site.scratch.at("PWNED").display()),
    )
    .expect("written");
    std::fs::set_permissions(&git, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
    site.write("app/pod.yaml", POD);
    for (text, why) in MALICIOUS.iter().filter(|(_, why)| *why == "plain local path") {
        site.write(
            "app/kustomization.yaml",
            &text.replace("PORT", &server.port.to_string()),
        );
        let (code, _, _) = site.direct("kustomize app");
        assert_ne!(code, 0, "{text}: {why}");
    }
    assert!(site.scratch.at("PWNED").exists(), "git was started");
    assert!(
        is_old || server.requests().len() >= 7,
        "{} requests",
        server.requests().len()
    );
}

#[test]
fn building_is_bounded_in_time_and_size() {
    let kubectl = each_kubectl().pop().expect("there is one");
    let site = Site::new(&kubectl);
    // 64 generators with a file of 200 KiB each.
    site.write("big/data.txt", &"0123456789abcdef".repeat(12_800));
    let generator = |index: usize| format!("- name: m{index}\n  files: [data.txt]\n");
    let many: String = (0..64).map(generator).collect();
    site.write(
        "big/kustomization.yaml",
        &format!("namespace: dev\nconfigMapGenerator:\n{many}"),
    );
    let (code, _, err) = site.run("apply -k big");
    assert_eq!(code, 77, "{err}");
    assert!(err.contains("more than 8 MiB"), "{err}");
    // Anchors in a manifest, each ten times the one before.
    let mut bomb =
        String::from("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\na: &a [x,x,x,x,x,x,x,x,x,x]\n");
    for (last, next) in "abcdefgh".chars().zip("bcdefghi".chars()) {
        let ten = format!("*{last},").repeat(10);
        bomb.push_str(&format!("{next}: &{next} [{}]\n", ten.trim_end_matches(',')));
    }
    site.write("bomb/kustomization.yaml", "resources: [bomb.yaml]\n");
    site.write("bomb/bomb.yaml", &bomb);
    let begun = std::time::Instant::now();
    let (code, _, err) = site.run("apply -k bomb");
    assert_eq!(code, 77, "{err}");
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    // Too many files, and too many bytes.
    let names: Vec<String> = (0..300).map(|index| format!("p{index}.yaml")).collect();
    for name in &names {
        site.write(&format!("many/{name}"), POD);
    }
    site.write(
        "many/kustomization.yaml",
        &format!("resources: [{}]\n", names.join(", ")),
    );
    let (code, _, err) = site.run("apply -k many");
    assert_eq!(code, 77, "{err}");
    assert!(err.contains("256 files"), "{err}");
    assert_eq!(site.cluster.mutations(), Vec::<String>::new());
}

/// A stand-in that never ends, and leaves a mark that it was started.
#[test]
fn a_builder_that_hangs_is_killed_and_a_refused_verb_builds_nothing() {
    let mut scratch = Scratch::new();
    let mark = scratch.at("started");
    scratch.stand_in(
        "kubectl",
        &format!(
            "#!/bin/sh\n/bin/mkdir -p {}\nexec /bin/sleep 60\n",
            mark.display()
        ),
    );
    let site = Site::new(&scratch.at("tools/kubectl"));
    write_app(&site);
    let refused = [
        "replace -k app",
        "delete -k app --all",
        "apply -k app --prune --all",
        "label -k app a=b",
        "exec -k app -- id",
    ];
    for (code, err) in site.run_all(&refused.map(str::to_owned)) {
        assert_eq!(code, 77, "{err}");
    }
    assert!(!mark.exists(), "nothing was built for what could not run");
    let begun = std::time::Instant::now();
    let (code, _, err) = site.run("apply -k app");
    assert_eq!(code, 77, "{err}");
    assert!(err.contains("longer than 10s"), "{err}");
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

/// A site that takes remote kustomizations says so, and gets what it had before: nothing is built or judged by content.
#[test]
fn a_rule_may_accept_what_is_not_built() {
    let accepting = "apiVersion: reeve/v1\nkind: Governance\nlevel: L4\ntrack: track-c\nrules:\n\
        \x20 - id: any\n    allow: {tool: kubectl, effect: [read, write, local], verb: [apply, kustomize]}\n    accept: [reads-files, runs-local-code, remote-input]\n";
    let kubectl = each_kubectl().pop().expect("there is one");
    let site = Site::governed_by(&kubectl, accepting);
    site.write("app/pod.yaml", POD);
    site.write("app/kustomization.yaml", "resources:\n- pod.yaml\ntransformers:\n- |-\n  apiVersion: builtin\n  kind: PrefixTransformer\n  metadata: {name: x}\n  prefix: a-\n");
    let (code, out, err) = site.run("kustomize app");
    // Only newer versions have transformers; the gate let it run.
    assert_eq!(site.last_event()["decision"], "ALLOWED", "{code} {out} {err}");
}

#[test]
fn a_kustomization_that_is_rewritten_all_the_time_never_becomes_another_one() {
    let rounds = turns::rounds(30);
    let site = Site::new(&each_kubectl().pop().expect("there is one"));
    site.write("app/kustomization.yaml", "namespace: dev\nresources:\n- x.yaml\n");
    site.write("app/x.yaml", MAP);
    let file = site.scratch.at("app/x.yaml");
    let script = format!("for i in $(seq {rounds}); do kubectl apply -k app >>out 2>>err; done; true");
    turns::by_turns(&site.scratch, &script, [MAP, SECRET], |text| {
        race::rename(&site.scratch.at(""), &file, text.as_bytes());
        std::fs::write(&file, text).expect("it can be written");
    });
    let requests = site.cluster.server.requests();
    assert!(
        !requests.iter().any(|request| request.target.contains("secret")),
        "what was not judged arrived"
    );
    let allowed = turns::allowed_of(&site.scratch, rounds);
    let posted = |method: &str| requests.iter().filter(|request| request.method == method).count();
    assert_eq!(posted("POST"), allowed, "what was judged is what arrived");
}

/// `reeve check` in a session builds as the gate does.
#[test]
fn asking_says_what_the_gate_would_say() {
    let site = Site::new(&each_kubectl().pop().expect("there is one"));
    write_app(&site);
    site.write(
        "other/kustomization.yaml",
        "namespace: prod\nresources:\n- pod.yaml\n",
    );
    site.write("other/pod.yaml", POD);
    let output = site.scratch.run(
        "reeve check -- kubectl apply -k app >/dev/null; echo $?; reeve check -- kubectl apply -k other >/dev/null; echo $?\n\
         reeve check -- kubectl kustomize app >/dev/null; echo $?\n",
    );
    assert_eq!(output.out(), "0\n77\n0\n", "{}", output.err());
}
