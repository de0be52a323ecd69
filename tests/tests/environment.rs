//! Every row of the table of environment variables, tried on the real tool: directly, to see what it does, and with the gate, where
//! it does nothing, or the command is refused. The rows' values are in `corpora/environment.tsv`; a row of the table without one is
//! a failure, and so is one here that is not in the table.

use acceptance::http::{Body, Request, Response, Server};
use acceptance::kube_api::Cluster;
use acceptance::postgres::Postgres;
use acceptance::session::{Scratch, finish};
use acceptance::tools;
use argv::environment::{FAMILIES, Treatment, VARIABLES, is_secret};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A row of the file.
#[derive(Debug, Clone)]
struct Try {
    variable: String,
    tool: String,
    line: String,
    setting: String,
    value: String,
    seen: Seen,
}

/// What is seen without the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    /// Something else happens than without the variable.
    Always,
    /// Only with a newer version than Debian 12 has; it is tried where one is there.
    Newer,
    /// Only with an older one.
    Older,
    /// Nothing, and why.
    Nothing,
}

fn tries() -> Vec<Try> {
    include_str!("../corpora/environment.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let [variable, tool, line, setting, value, seen] = fields[..] else {
                panic!("six fields: {line:?}");
            };
            Try {
                variable: variable.to_owned(),
                tool: tool.to_owned(),
                line: line.to_owned(),
                setting: setting.to_owned(),
                value: value.to_owned(),
                seen: match seen.split(':').next() {
                    Some("effect") => Seen::Always,
                    Some("newer") => Seen::Newer,
                    Some("older") => Seen::Older,
                    _ => Seen::Nothing,
                },
            }
        })
        .collect()
}

/// What can be seen of a command: its exit status, what it printed, and what it left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seeing {
    code: String,
    out: String,
    err: String,
    left: String,
}

/// Digits vary: times, ports, process numbers.
fn even(text: &str) -> String {
    let mut result = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if result.ends_with('#') => {}
            '0'..='9' => result.push('#'),
            c => result.push(c),
        }
    }
    result
}

/// Answers as AWS and GitHub do, with what of the request says who asks and how.
fn answer(request: &Request) -> Response {
    let who = format!(
        "{} {} {} {}",
        request.method,
        request
            .header("authorization")
            .split("Signature=")
            .next()
            .unwrap_or_default(),
        request.header("x-amz-security-token"),
        request.header("host").split(':').next().unwrap_or_default(),
    );
    // Newer versions say in no order which parts of them were used.
    let agent = request.header("user-agent").split(' ');
    let agent: Vec<&str> = agent.filter(|word| !word.starts_with("m/")).collect();
    let agent = agent.join(" ");
    if request.method == "POST" && String::from_utf8_lossy(&request.body).contains("Action=") {
        let action = String::from_utf8_lossy(&request.body).into_owned();
        let text = if action.contains("AssumeRole") {
            let named = action
                .split('&')
                .find_map(|pair| pair.strip_prefix("RoleSessionName="));
            let named: String = named.unwrap_or_default().chars().take(4).collect();
            let token = action
                .split('&')
                .find_map(|pair| pair.strip_prefix("WebIdentityToken="));
            let token = token.unwrap_or_default();
            format!(
                "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>AKID-{named}-{token}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
            )
        } else {
            format!(
                "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Arn>{who}</Arn><UserId>{agent}</UserId><Account>a</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
            )
        };
        return Response {
            status: 200,
            content_type: "text/xml",
            body: Body::Bytes(text.into_bytes()),
        };
    }
    Response::json(&json!({"who": who, "agent": agent, "path": request.path(), "data": {}}))
}

/// The servers and the database that are the right ones, and one that is not.
struct World {
    cluster: Cluster,
    main: Server,
    postgres: Postgres,
}

/// A scratch directory with everything that the rows' values name, and the operator's setting.
struct Place<'w> {
    scratch: Scratch,
    world: &'w World,
    decoy: Server,
    _socket: Server,
}

const POLICY: &str = "apiVersion: reeve/v1\nkind: Governance\nlevel: L2\nrules:\n\
    \x20 - id: reads\n    allow: {tool: [kubectl, aws, gh, psql], effect: [local, read]}\n    accept: [redirects-endpoint, reads-files]\n";

/// A library that leaves a mark when one of the tools loads it.
const LIBRARY: &str = r#"
#include <stdio.h>
#include <string.h>
#include <unistd.h>
static const char *tools[] = {"kubectl", "gh", "psql", "perl", "python3"};
unsigned int la_version(unsigned int version) { return version; }
__attribute__((constructor)) static void loaded(void) {
    char exe[4096];
    ssize_t length = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (length < 0) return;
    exe[length] = 0;
    const char *name = strrchr(exe, '/') + 1;
    for (unsigned i = 0; i < sizeof tools / sizeof *tools; i++)
        if (!strncmp(name, tools[i], strlen(tools[i]))) {
            FILE *mark = fopen(MARKS, "a");
            if (mark) { fprintf(mark, "loaded\n"); fclose(mark); }
        }
}
"#;

impl<'w> Place<'w> {
    fn new(world: &'w World, setting: &str) -> Place<'w> {
        let scratch = Scratch::new();
        let socket = scratch.at("gh.sock");
        let mut place = Place {
            _socket: Server::unix(&socket, answer),
            decoy: Server::tcp(|request| Response {
                status: 418,
                ..answer(request)
            }),
            scratch,
            world,
        };
        for (name, path) in newest() {
            symlink(path, place.at("tools").join(name)).expect("a link can be made");
        }
        symlink(world.postgres.program(), place.at("tools/psql")).expect("a link can be made");
        place.write("governance/governance-L2.yaml", POLICY);
        let governance = place.at("governance").display().to_string();
        place
            .scratch
            .flags(&["--level", "L2", "--governance", &governance]);
        // A session bus that notes who comes.
        std::fs::create_dir(place.at("bus")).expect("a directory can be made");
        let (bus, marks) = (
            UnixListener::bind(place.at("bus/bus")).expect("a socket"),
            place.at("marks"),
        );
        std::thread::spawn(move || {
            while let Ok((stream, _)) = bus.accept() {
                drop(stream);
                std::fs::write(&marks, "asked\n").unwrap_or_default();
            }
        });
        place.write_configurations();
        place.write_hostile();
        place.set(setting);
        if let Some(version_1) = setting.starts_with("v1").then(aws_version_1).flatten() {
            // It knows variables that Debian 12's version 2 does not.
            std::fs::remove_file(place.at("tools/aws")).expect("it was linked");
            symlink(version_1, place.at("tools/aws")).expect("a link can be made");
        }
        if setting == "perl" {
            // Debian's starter, which finds the program.
            std::fs::remove_file(place.at("tools/psql")).expect("it was linked");
            symlink("/usr/bin/psql", place.at("tools/psql")).expect("a link can be made");
        }
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.scratch.at(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().expect("it is in the scratch directory")).expect("made");
        std::fs::write(path, text).expect("it can be written");
    }

    fn program(&self, name: &str, text: &str) {
        self.write(name, text);
        std::fs::set_permissions(self.at(name), std::fs::Permissions::from_mode(0o755)).expect("a mode");
    }

    /// The operator's own.
    fn write_configurations(&self) {
        let kubeconfig = |server: &str| {
            format!(
                "apiVersion: v1\nkind: Config\ncurrent-context: here\nclusters:\n- name: c\n  cluster: {{server: 'http://127.0.0.1:{server}'}}\n- name: p\n  cluster: {{server: 'http://127.1:{server}'}}\nusers:\n- name: u\n  user: {{}}\ncontexts:\n- name: here\n  context: {{cluster: c, user: u}}\n- name: proxied\n  context: {{cluster: p, user: u}}\n"
            )
        };
        self.write(
            "home/.kube/config",
            &kubeconfig(&self.world.cluster.server.port.to_string()),
        );
        self.write(
            "home/.aws/config",
            &format!(
                "[default]\nregion = eu-west-1\nendpoint_url = http://127.0.0.1:{}\n[profile other]\nregion = eu-north-1\n",
                self.world.main.port
            ),
        );
        let keys =
            |id: &str| format!("aws_access_key_id = {id}\naws_secret_access_key = secretsecretsecret\n");
        self.write(
            "home/.aws/credentials",
            &format!("[default]\n{}[other]\n{}", keys("AKIDDEFAULT"), keys("AKIDOTHER")),
        );
        self.write(
            "home/.config/gh/config.yml",
            &format!(
                "version: \"1\"\nhttp_unix_socket: {}\n",
                self.at("gh.sock").display()
            ),
        );
        self.write(
            "pod.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: web-1, labels: {a: b}}\n",
        );
        self.write("app/kustomization.yaml", "resources: [pod.yaml]\n");
        self.write(
            "app/pod.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: web-1}\n",
        );
        let git = |words: &str| {
            let mut git = self.scratch.command("git");
            git.args(words.split(' ')).current_dir(self.at("checkout"));
            assert_eq!(finish(git.stdin(Stdio::null()), &[]).code(), 0, "git {words}");
        };
        self.write("checkout/file", "text");
        git("init -q -b main");
        git("remote add origin https://github.com/octo/app");
        git("add file");
        git("-c user.name=a -c user.email=a@b.c commit -q -m x");
    }

    /// What the agent has prepared.
    fn write_hostile(&self) {
        let decoy = self.decoy.port;
        let marks = self.at("marks");
        let marking = format!("#!/bin/sh\necho ran >>{}\n/bin/cat >/dev/null\n", marks.display());
        for name in [
            "mark",
            "programs/git",
            "programs/gh",
            "programs/git-remote-https",
            "tools/kubectl-create-thing",
        ] {
            self.program(name, &marking);
        }
        self.write("h/.kube/config", &format!("apiVersion: v1\nkind: Config\ncurrent-context: x\nclusters:\n- name: c\n  cluster: {{server: 'http://127.0.0.1:{decoy}'}}\nusers:\n- name: u\n  user: {{}}\ncontexts:\n- name: x\n  context: {{cluster: c, user: u}}\n"));
        self.write("h/.aws/config", &format!("[default]\nregion = us-east-1\nendpoint_url = http://127.0.0.1:{decoy}\ncredential_process = {}\n", self.at("mark").display()));
        self.write(
            "h/.aws/credentials",
            "[default]\naws_access_key_id = AKIDEVIL\naws_secret_access_key = secretsecretsecret\n",
        );
        self.write(
            "h/boto",
            "[Credentials]\naws_access_key_id = AKIDEVIL\naws_secret_access_key = secretsecretsecret\n",
        );
        self.write(
            "h/.config/gh/config.yml",
            "version: \"1\"\nhttp_unix_socket: /nonexistent\n",
        );
        self.write("h/kuberc", "apiVersion: kubectl.config.k8s.io/v1alpha1\nkind: Preference\noverrides:\n- command: get\n  flags:\n  - name: namespace\n    default: evil\n");
        self.program("h/.local/share/gh/extensions/gh-pr/gh-pr", &marking);
        self.write("h/pg_service.conf", "[evil]\nhost=/nonexistent-evil\n");
        self.write(
            "h/docutils.conf",
            &format!("[general]\nrecord_dependencies: {}\n", self.at("file").display()),
        );
        self.write("h/models/sts/2011-06-15/service-2.json", "{\"metadata\":{}}");
        self.write("secret.txt", "secret-of-a-file");
        self.write("shrc", &format!("echo ran >>{}\n", marks.display()));
        self.write(
            "pyrc.py",
            &format!("open('{}','a').write('ran\\n')\n", marks.display()),
        );
        let module = format!("open('{}','a').write('ran\\n')\n", marks.display());
        self.write("modules/sitecustomize.py", &module);
        let version = finish(
            self.scratch
                .command("python3")
                .args(["-c", "import sys; print('python%d.%d' % sys.version_info[:2])"])
                .stdin(Stdio::null()),
            &[],
        );
        self.write(
            &format!(
                "userbase/lib/{}/site-packages/usercustomize.py",
                version.out().trim()
            ),
            &module,
        );
        self.write("psqlrc", &format!("\\! echo ran >>{}\n", marks.display()));
        self.write("hostaliases", "localhost evil.test\nnamed localhost\n");
        self.write(
            "openssl.cnf",
            "openssl_conf = x\n[x]\nssl_conf = y\n[y]\nsystem_default = z\n[z]\nMinProtocol = nonsense\n",
        );
        self.write(
            "gitconfig",
            &format!(
                "[core]\n\tfsmonitor = {}\n[remote \"origin\"]\n\turl = https://github.com/evil/repo\n",
                self.at("mark").display()
            ),
        );
        self.write("library.c", LIBRARY);
        std::fs::create_dir_all(self.at("libs")).expect("a directory can be made");
        for name in ["mark.so", "libs/libpq.so.5", "libs/libreadline.so.8"] {
            let mut cc = self.scratch.command("cc");
            cc.arg(format!("-DMARKS=\"{}\"", marks.display()));
            cc.args(["-shared", "-fPIC", "-o", name, "library.c"]);
            assert_eq!(finish(cc.stdin(Stdio::null()), &[]).code(), 0);
        }
    }

    /// What the operator has set.
    fn set(&mut self, setting: &str) {
        let database = self.world.postgres.host().to_owned();
        let decoy = format!("http://127.0.0.1:{}", self.decoy.port);
        let remove =
            |place: &Place<'_>, name: &str| std::fs::remove_file(place.at(name)).expect("it was written");
        // Nothing may leave the machine: what is not on loopback has a proxy that leads nowhere.
        self.scratch
            .env("HTTPS_PROXY", "http://127.0.0.1:1")
            .env("AWS_MAX_ATTEMPTS", "1");
        self.scratch
            .env("GH_NO_UPDATE_NOTIFIER", "1")
            .env("PGHOST", database)
            .env("PGUSER", "postgres")
            .env("PGDATABASE", "postgres");
        if setting != "imds" {
            self.scratch.env("AWS_EC2_METADATA_DISABLED", "true");
        }
        if setting != "keyring" {
            self.scratch
                .env("GH_TOKEN", "gho_0123456789abcdef0123456789abcdef0123");
        }
        match setting {
            "bare" => remove(self, "home/.kube/config"),
            "cgi" => drop(self.scratch.env("HTTP_PROXY", decoy)),
            "poor" => remove(self, "home/.aws/credentials"),
            "imds" => {
                remove(self, "home/.aws/credentials");
                // Where it would be asked, nobody is.
                self.scratch.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1/").env("AWS_METADATA_SERVICE_TIMEOUT", "1");
            }
            "keys" => drop(self.scratch.env("AWS_ACCESS_KEY_ID", "AKIDKEYS").env("AWS_SECRET_ACCESS_KEY", "secretsecretsecret")),
            "half" => drop(self.scratch.env("AWS_ACCESS_KEY_ID", "AKIDHALF")),
            "v1 role" => {
                let main = format!("http://127.0.0.1:{}", self.world.main.port);
                self.scratch.env("AWS_ENDPOINT_URL_STS", main);
                remove(self, "home/.aws/credentials");
                self.write("token.txt", "a-token");
                let file = self.at("token.txt");
                self.scratch.env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/operator").env("AWS_WEB_IDENTITY_TOKEN_FILE", file);
            }
            "v1 token" => {
                let main = format!("http://127.0.0.1:{}", self.world.main.port);
                self.scratch.env("AWS_ENDPOINT_URL_STS", main);
                remove(self, "home/.aws/credentials");
                self.write("token.txt", "a-token");
                let file = self.at("token.txt");
                self.scratch.env("AWS_WEB_IDENTITY_TOKEN_FILE", file);
            }
            "keyring" => self.write("home/.config/gh/hosts.yml", "github.com:\n    user: a\n    git_protocol: https\n    users:\n        a:\n"),
            "proxied" => self.write("home/.config/gh/config.yml", "version: \"1\"\n"),
            "kuberc" => self.write("home/.kube/kuberc", "apiVersion: kubectl.config.k8s.io/v1alpha1\nkind: Preference\noverrides:\n- command: get\n  flags:\n  - name: namespace\n    default: evil\n"),
            "https" => drop(self.scratch.env("NO_PROXY", "127.0.0.1")),
            "edit" => drop(self.scratch.env("EDITOR", "/bin/true")),
            "arn" => {
                remove(self, "home/.aws/credentials");
                self.scratch
                    .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/operator");
            }
            "usual" | "perl" | "v1" => {}
            other => panic!("no setting {other}"),
        }
    }

    fn value(&self, value: &str) -> String {
        let decoy = self.decoy.port.to_string();
        let mut text = value
            .replace("{DECOYPORT}", &decoy)
            .replace("{DECOY}", &format!("http://127.0.0.1:{decoy}"));
        for (name, file) in [
            ("{MARK}", "mark"),
            ("{SO}", "mark.so"),
            ("{LIBS}", "libs"),
            ("{FILE}", "file"),
            ("{DIR}", "directory"),
            ("{HOSTILE}", "h"),
            ("{PROGRAMS}", "programs"),
            ("{HOSTALIASES}", "hostaliases"),
            ("{OPENSSLCONF}", "openssl.cnf"),
            ("{SHRC}", "shrc"),
            ("{PYRC}", "pyrc.py"),
            ("{PSQLRC}", "psqlrc"),
            ("{MODULES}", "modules"),
            ("{USERBASE}", "userbase"),
            ("{SECRET}", "secret.txt"),
            ("{SERVICES}", "h/pg_service.conf"),
            ("{GITCONFIG}", "gitconfig"),
            ("{HERE}", "checkout"),
            ("{BUS}", "bus"),
        ] {
            text = text.replace(name, &self.at(file).display().to_string());
        }
        text
    }

    /// The words of a line, for a shell; `$TOOL` is the tool.
    fn line(&self, one: &Try) -> String {
        let main = format!("http://127.0.0.1:{}", self.world.main.port);
        let asks = format!("sts get-caller-identity --endpoint-url {main}");
        let on_terminal = |words: &str| format!("script -qec '{words}' /dev/null");
        match (one.tool.as_str(), one.line.as_str()) {
            ("kubectl", "usual") => "$TOOL get pods".to_owned(),
            ("kubectl", "proxied") => "$TOOL get pods --context proxied".to_owned(),
            ("kubectl", "edit") => "$TOOL edit pod web-1".to_owned(),
            ("kubectl", "diff") => "$TOOL diff -f pod.yaml".to_owned(),
            ("kubectl", "shadow") => "$TOOL create thing".to_owned(),
            ("kubectl", "forward") => "$TOOL port-forward pod/web-1 0:80".to_owned(),
            ("kubectl", "exec") => "$TOOL exec web-1 -- id".to_owned(),
            ("kubectl", "kustomize") => "$TOOL kustomize app".to_owned(),
            ("aws", "usual") => format!("$TOOL {asks}"),
            ("aws", "named") => format!("$TOOL {}", asks.replace("127.0.0.1", "localhost")),
            ("aws", "https") => format!("$TOOL {}", asks.replace("http://", "https://")),
            ("aws", "configured") => "$TOOL sts get-caller-identity".to_owned(),
            ("aws", "help") => "$TOOL sts get-caller-identity help".to_owned(),
            ("aws", "pager") => on_terminal(&format!("aws {asks}")),
            ("gh", "usual") => "$TOOL api repos/octo/app".to_owned(),
            ("gh", "status") => "cd checkout; $TOOL pr status".to_owned(),
            ("gh", "prlist") => "$TOOL pr list -R octo/app".to_owned(),
            ("gh", "browse") => "$TOOL browse -R octo/app".to_owned(),
            ("gh", "view") => "$TOOL repo view octo/app".to_owned(),
            ("gh", "issue") => "$TOOL issue create -R octo/app -t x".to_owned(),
            ("gh", "enterprise") => "$TOOL api repos/octo/app --hostname ghe.test".to_owned(),
            ("gh", "pager") => on_terminal("gh api repos/octo/app"),
            ("psql", "usual") => "$TOOL -X -At -c 'select current_user, current_database()' -c 'show datestyle' -c 'show timezone' -c 'show application_name' -c 'show geqo' -c 'show client_encoding'".to_owned(),
            ("psql", "rc") => "$TOOL -At -c 'select 1'".to_owned(),
            ("psql", "wrong") => "$TOOL -X -c 'select nope'".to_owned(),
            ("psql", "after") => "$TOOL postgres -X -At -c 'select 1'".to_owned(),
            ("psql", "edit") => "$TOOL -X -c '\\e pod.yaml'".to_owned(),
            ("psql", "service") => "$TOOL -X service=evil -c 'select 1'".to_owned(),
            (tool, line) => panic!("no line {line} of {tool}"),
        }
    }

    /// The same without the variable, even where the operator has it.
    fn script_without(&self, number: usize, one: &Try) -> String {
        let script = self.script(number, one, false);
        script.replace("REEVE_TEST=1", &format!("-u {}", one.variable))
    }

    /// The shell's lines that do one try, and leave what can be seen in files of this number.
    fn script(&self, number: usize, one: &Try, with_variable: bool) -> String {
        let root = self.scratch.at("").display().to_string();
        let root = root.trim_end_matches('/');
        let line = self.line(one);
        let (before, line) = line.split_once("; ").unwrap_or(("true", &line));
        let assignment = if with_variable {
            format!("'{}={}'", one.variable, self.value(&one.value))
        } else {
            "REEVE_TEST=1".to_owned()
        };
        format!(
            "rm -rf {root}/marks {root}/file {root}/directory; mkdir {root}/directory; TOOL=$(command -v {})\n\
             ( cd {root}; {before}; exec timeout 40 env {assignment} {line} ) >{root}/out.{number} 2>{root}/err.{number} </dev/null; echo $? >{root}/code.{number}\n\
             ( cd {root}; ls -d file 2>/dev/null; ls directory; sort -u marks 2>/dev/null; true ) >{root}/left.{number}\n",
            one.tool
        )
    }

    fn seen(&self, number: usize) -> Seeing {
        let read = |name: &str| {
            let bytes = std::fs::read(self.at(&format!("{name}.{number}"))).expect("the script wrote it");
            even(&String::from_utf8_lossy(&bytes))
        };
        let code = std::fs::read_to_string(self.at(&format!("code.{number}"))).expect("written");
        Seeing {
            code: code.trim().to_owned(),
            out: read("out"),
            err: read("err"),
            left: read("left"),
        }
    }

    /// Runs a script with the operator's environment and no gate.
    fn direct(&self, script: &str) {
        let mut bash = self.scratch.command("bash");
        let output = finish(bash.args(["-c", script]).stdin(Stdio::null()), &[]);
        assert_eq!(output.code(), 0, "{output:?}");
    }
}

/// The newest version of each tool that is here.
fn newest() -> Vec<(&'static str, PathBuf)> {
    let newest = |name| (name, tools::versions(name).pop().expect("there is one"));
    vec![newest("kubectl"), ("aws", tools::real("aws")), newest("gh")]
}

/// aws's version 1, where it is here.
fn aws_version_1() -> Option<PathBuf> {
    let is_first = |path: &PathBuf| path.to_string_lossy().contains("/aws-1.");
    tools::versions("aws").into_iter().find(is_first)
}

fn is_newer_than_debian(one: &Try) -> bool {
    if one.setting.starts_with("v1") {
        return aws_version_1().is_some();
    }
    one.tool != "psql" && tools::versions(&one.tool).len() > 1
}

#[test]
fn every_row_has_a_try_and_every_try_a_row() {
    let tried: BTreeSet<String> = tries().into_iter().map(|one| one.variable).collect();
    let rows: BTreeSet<String> = VARIABLES.iter().map(|row| row.name.to_owned()).collect();
    assert_eq!(tried, rows);
}

#[test]
fn no_variable_of_the_table_has_an_effect_behind_the_gate() {
    let world = World {
        cluster: Cluster::start(),
        main: Server::tcp(answer),
        postgres: Postgres::start(),
    };
    let mut by_setting: BTreeMap<String, Vec<Try>> = BTreeMap::new();
    for one in tries() {
        by_setting.entry(one.setting.clone()).or_default().push(one);
    }
    // Long lists are cut up, so that no session is longer than a test may be.
    let jobs: Vec<(String, Vec<Try>)> = by_setting
        .into_iter()
        .flat_map(|(setting, tries)| {
            let pieces: Vec<_> = tries.chunks(20).map(<[Try]>::to_vec).collect();
            pieces.into_iter().map(move |tries| (setting.clone(), tries))
        })
        .collect();
    // All of them take minutes; by hand, some.
    let most: usize =
        std::env::var("REEVE_ENVIRONMENT_PIECES").map_or(3, |text| text.parse().expect("a number"));
    let jobs: Vec<_> = jobs.into_iter().rev().take(most).collect();
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((setting, tries)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let checked = check(&Place::new(&world, setting), setting, tries);
                    found.lock().expect("no check panicked").push(checked);
                }
            });
        }
    });
    let found = found.into_inner().expect("no check panicked");
    let faults: String = found.iter().map(|(faults, _)| faults.as_str()).collect();
    let report: String = found.iter().map(|(_, report)| report.as_str()).collect();
    if let Some(path) = std::env::var_os("REEVE_REPORT") {
        std::fs::write(path, &report).expect("the report can be written");
    }
    assert!(faults.is_empty(), "{faults}");
}

/// Tries each three times: without the variable, with it, and with it and the gate. Returns what is wrong, and all that was seen.
fn check(place: &Place<'_>, setting: &str, tries: &[Try]) -> (String, String) {
    let (mut faults, mut report) = (String::new(), String::new());
    let mut usual: BTreeMap<(String, String), Seeing> = BTreeMap::new();
    let mut with: Vec<(Seeing, bool)> = Vec::new();
    for one in tries {
        let key = (one.tool.clone(), one.line.clone());
        usual.entry(key).or_insert_with(|| {
            place.direct(&place.script(0, one, false));
            // What the first run makes, caches, is there for the second.
            place.direct(&place.script(0, one, false));
            place.seen(0)
        });
        let asked_before = place.decoy.requests().len();
        place.direct(&place.script(0, one, true));
        let asked = place.decoy.requests().len() > asked_before;
        with.push((place.seen(0), asked));
    }
    let asked_before = place.decoy.requests().len();
    let script: String = tries
        .iter()
        .enumerate()
        .map(|(index, one)| place.script(index, one, true))
        .collect();
    let output = place.scratch.run(&script);
    assert!(output.status.success(), "{output:?}");
    let asked = place.decoy.requests().len() - asked_before;
    if asked > 0 && setting != "cgi" {
        writeln!(
            &mut faults,
            "{setting}: the wrong server was asked {asked} times behind the gate"
        )
        .expect("text");
    }
    for (index, (one, (with, asked))) in tries.iter().zip(&with).enumerate() {
        let usual = &usual[&(one.tool.clone(), one.line.clone())];
        let mut gated = place.seen(index);
        let row = VARIABLES
            .iter()
            .find(|row| row.name == one.variable)
            .expect("checked elsewhere");
        let has_effect = with != usual || *asked && setting != "cgi";
        writeln!(
            &mut report,
            "{}\t{}\t{has_effect}\t{with:?}\t{usual:?}\t{gated:?}",
            one.variable, one.tool
        )
        .expect("text");
        let expected = match one.seen {
            Seen::Always => Some(true),
            Seen::Nothing => Some(false),
            Seen::Newer if is_newer_than_debian(one) => Some(true),
            Seen::Older if is_newer_than_debian(one) => Some(false),
            Seen::Newer | Seen::Older => None,
        };
        if expected.is_some_and(|expected| expected != has_effect) {
            writeln!(
                &mut faults,
                "{} on {}: effect without the gate: {has_effect}\n  {with:?}\n  {usual:?}",
                one.variable, one.tool
            )
            .expect("text");
        }
        let is_refused = gated.code == "77" && (gated.left == usual.left || gated.left.is_empty());
        let wanted = match row.treatment {
            Treatment::Passes => with.clone(),
            // Of a credential the gate has only the digest, so the operator's cannot be put back: the tool gets none.
            _ if is_secret(&one.variable) && setting == "usual" => {
                place.direct(&place.script_without(0, one));
                place.seen(0)
            }
            _ => usual.clone(),
        };
        // The gate's own loader says what it does, too.
        if one.variable.starts_with("LD_DEBUG") {
            gated.err.clone_from(&wanted.err);
        }
        if gated != wanted && !is_refused {
            writeln!(
                &mut faults,
                "{} on {}: behind the gate\n  {gated:?}\n  {wanted:?}",
                one.variable, one.tool
            )
            .expect("text");
        }
    }
    (faults, report)
}

/// A configuration file below HOME: the tool that reads it, a line that does, and what the agent writes there. A name that ends in a
/// slash is a directory's, and the file is in it.
const FILES: &[(&str, &str, &str, &str, &str)] = &[
    (".kube/config", "", "kubectl", "usual", "KUBECONFIG"),
    (
        ".aws/config",
        "",
        "aws",
        "usual",
        "[default]\nregion = us-east-1\n",
    ),
    (
        ".aws/credentials",
        "",
        "aws",
        "usual",
        "[default]\naws_access_key_id = AKIDEVIL\naws_secret_access_key = s\n",
    ),
    (".aws/cli/alias", "", "aws", "usual", "[toplevel]\nsts = !MARK\n"),
    (
        ".aws/models",
        "/sts/2011-06-15/service-2.json",
        "aws",
        "usual",
        "{\"metadata\": {}}",
    ),
    (
        ".boto",
        "",
        "aws",
        "usual",
        "[Credentials]\naws_access_key_id = AKIDEVIL\naws_secret_access_key = s\n",
    ),
    (
        ".config/gh/config.yml",
        "",
        "gh",
        "usual",
        "version: \"1\"\nhttp_unix_socket: /nonexistent\n",
    ),
    (
        ".config/gh/hosts.yml",
        "",
        "gh",
        "usual",
        "evil.test:\n    user: a\n    oauth_token: t\n",
    ),
    (".pgpass", "", "psql", "usual", "*:*:*:*:secret\n"),
    (
        ".pg_service.conf",
        "",
        "psql",
        "service",
        "[evil]\nhost=/nonexistent-evil\n",
    ),
    (".postgresql", "/root.crt", "psql", "usual", "nothing"),
    (".postgresqlrc", "", "psql", "usual", "9.1 none *\n"),
    (".psqlrc", "", "psql", "rc", "\\! MARK\n"),
];

/// Those without an effect on the line that is tried: legacy credentials that other ones go before; what only a password, TLS or
/// Debian's starter asks for.
const WITHOUT_EFFECT: [&str; 4] = [".boto", ".pgpass", ".postgresql", ".postgresqlrc"];
/// Not pinned: psql is told not to read it.
const NOT_PINNED: [&str; 1] = [".psqlrc"];

#[test]
fn no_configuration_file_has_an_effect_behind_the_gate() {
    let world = World {
        cluster: Cluster::start(),
        main: Server::tcp(answer),
        postgres: Postgres::start(),
    };
    let place = Place::new(&world, "usual");
    let (mut faults, mut script) = (
        String::new(),
        String::from("cat $XDG_RUNTIME_DIR/reeve-*/session.json >orders\n"),
    );
    let mut seen = Vec::new();
    for (index, (file, below, tool, line, content)) in FILES.iter().enumerate() {
        let one = Try {
            variable: "REEVE_TEST".to_owned(),
            tool: (*tool).to_owned(),
            line: (*line).to_owned(),
            setting: "usual".to_owned(),
            value: "1".to_owned(),
            seen: Seen::Always,
        };
        place.direct(&place.script(0, &one, false));
        let usual = place.seen(0);
        let hostile = std::fs::read_to_string(place.at("h/.kube/config")).expect("it was written");
        let content = content
            .replace("KUBECONFIG", &hostile)
            .replace("MARK", &place.at("mark").display().to_string());
        place.write(&format!("hostile.{index}"), &content);
        let (file, root) = (place.at("home").join(file), place.at("").display().to_string());
        let path = format!("{}{below}", file.display());
        let file = file.display();
        let write = format!(
            "cp -r {file} {root}/kept 2>/dev/null; mkdir -p $(dirname {path}); cp {root}/hostile.{index} {path}; chmod 600 {path}\n"
        );
        let restore = format!("rm -rf {file}; mv {root}/kept {file} 2>/dev/null; true\n");
        place.direct(&format!("{write}{}{restore}", place.script(0, &one, true)));
        let with = place.seen(0);
        script.push_str(&format!(
            "{write}{}{restore}{}",
            place.script(2 * index, &one, true),
            place.script(2 * index + 1, &one, true)
        ));
        seen.push((usual, with));
    }
    let output = place.scratch.run(&script);
    assert!(output.status.success(), "{output:?}");
    for (index, ((file, ..), (usual, with))) in FILES.iter().zip(&seen).enumerate() {
        if (usual != with) == WITHOUT_EFFECT.contains(file) {
            writeln!(
                &mut faults,
                "{file}: effect without the gate: {}\n  {with:?}\n  {usual:?}",
                usual != with
            )
            .expect("text");
        }
        let (gated, restored) = (place.seen(2 * index), place.seen(2 * index + 1));
        let is_refused = gated.code == "77" && gated.left.is_empty();
        if is_refused == NOT_PINNED.contains(file) || !is_refused && gated != *usual {
            writeln!(&mut faults, "{file}: behind the gate\n  {gated:?}\n  {usual:?}").expect("text");
        }
        // A service is refused whatever it means.
        if restored != *usual && *file != ".pg_service.conf" {
            writeln!(&mut faults, "{file}: put back\n  {restored:?}\n  {usual:?}").expect("text");
        }
    }
    assert!(faults.is_empty(), "{faults}");
    let orders = std::fs::read_to_string(place.at("orders")).expect("the script wrote it");
    let orders: serde_json::Value = serde_json::from_str(&orders).expect("JSON");
    let home = place.at("home");
    for tool in ["kubectl", "aws", "gh", "psql"] {
        for path in orders["files"][tool].as_object().expect("files by path").keys() {
            let name = PathBuf::from(path)
                .strip_prefix(&home)
                .expect("below HOME")
                .display()
                .to_string();
            assert!(
                FILES.iter().any(|(file, _, of, ..)| *file == name && *of == tool),
                "{tool}: {name} is not tried"
            );
        }
    }
}

/// The names alone, for every tool: what is pinned or removed does not reach it, what passes does, and the record says what was
/// taken away.
#[test]
fn what_a_tool_gets_is_what_the_table_says() {
    let mut scratch = Scratch::new();
    let script = "#!/bin/bash\n/usr/bin/tr '\\0' '\\n' </proc/$$/environ >got.${0##*/}\n";
    let lines = [
        ("kubectl", "get pods"),
        ("aws", "ec2 describe-instances"),
        ("gh", "pr list -R o/r"),
        ("psql", "-c 'select 1'"),
    ];
    for (tool, _) in lines {
        scratch.stand_in(tool, script);
    }
    scratch.flags(&["--level", "L4", "--track", "track-a"]);
    let families = FAMILIES
        .iter()
        .map(|family| format!("{}NOBODY_KNOWS", family.prefix));
    let mixed = ["Https_Proxy", "hTTP_PROXY", "socks_proxy"].map(str::to_owned);
    let names: Vec<String> = VARIABLES
        .iter()
        .map(|row| row.name.to_owned())
        .chain(families)
        .chain(mixed)
        .collect();
    // Some would stop the shell itself.
    let assignments: String = names
        .iter()
        .filter(|name| {
            !matches!(
                name.as_str(),
                "PATH"
                    | "HOME"
                    | "LD_PRELOAD"
                    | "LD_AUDIT"
                    | "LD_LIBRARY_PATH"
                    | "SHELLOPTS"
                    | "BASHOPTS"
                    | "GLIBC_TUNABLES"
            )
        })
        .map(|name| format!("{name}=of-the-agent "))
        .collect();
    let script: String = lines
        .iter()
        .map(|(tool, words)| {
            format!("env {assignments} $(command -v {tool}) {words} </dev/null 2>>err; echo $?\n")
        })
        .collect();
    let output = scratch.run(&script);
    let err = std::fs::read_to_string(scratch.at("err")).unwrap_or_default();
    assert_eq!(output.out(), "0\n0\n0\n0\n", "{err}");
    for (tool, _) in lines {
        let got = std::fs::read_to_string(scratch.at(&format!("got.{tool}"))).expect("the stand-in wrote it");
        let reached: BTreeSet<&str> = got
            .lines()
            .filter_map(|line| line.strip_suffix("=of-the-agent"))
            .collect();
        let expected: BTreeSet<&str> = VARIABLES
            .iter()
            .filter(|row| row.treatment == Treatment::Passes)
            .map(|row| row.name)
            .collect();
        assert_eq!(reached, expected, "{tool}");
    }
    let event = &scratch.events()[0];
    let changed: BTreeSet<&str> = event["environment_changed"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|name| name.as_str())
        .collect();
    for name in [
        "AWS_CONFIG_FILE",
        "DBUS_SESSION_BUS_ADDRESS",
        "Https_Proxy",
        "PYTHONSTARTUP",
        "GIT_NOBODY_KNOWS",
    ] {
        assert!(changed.contains(name), "{name}: {changed:?}");
    }
    assert!(!changed.contains("LANG"));
}

/// The operator's own values reach the tools, but for what only runs code.
#[test]
fn the_operators_values_reach_the_tools() {
    let mut scratch = Scratch::new();
    scratch.stand_in(
        "gh",
        "#!/bin/bash\n/usr/bin/tr '\\0' '\\n' </proc/$$/environ >got\n",
    );
    let names = [
        "AWS_PROFILE",
        "KUBECONFIG",
        "GODEBUG",
        "XDG_CONFIG_HOME",
        "PYTHONSTARTUP",
        "BASH_ENV",
        "GCONV_PATH",
    ];
    for name in names {
        scratch.env(name, "/of-the-operator");
    }
    let output = scratch.run("env -u AWS_PROFILE KUBECONFIG=/of-the-agent gh pr list -R o/r");
    assert_eq!(output.code(), 0, "{}", output.err());
    let got = std::fs::read_to_string(scratch.at("got")).expect("the stand-in wrote it");
    let reached: Vec<&str> = names
        .into_iter()
        .filter(|name| got.contains(&format!("{name}=/of-the-operator\n")))
        .collect();
    assert_eq!(
        reached,
        ["AWS_PROFILE", "KUBECONFIG", "GODEBUG", "XDG_CONFIG_HOME"],
        "{got}"
    );
    let changed = &scratch.events()[0]["environment_changed"];
    assert_eq!(
        *changed,
        json!([
            "AWS_PROFILE",
            "BASH_ENV",
            "GCONV_PATH",
            "KUBECONFIG",
            "PYTHONSTARTUP"
        ])
    );
}
