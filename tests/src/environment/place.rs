//! A scratch directory in which every value of the rows means something, the operator's setting, and the servers and the database that
//! the commands go to.

use super::{Seeing, Try, answer, aws_version_1, even, newest};
use crate::http::{Response, Server};
use crate::kube_api::Cluster;
use crate::postgres::Postgres;
use crate::session::{Scratch, finish};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Stdio;

/// The servers and the database that are the right ones, and one that is not.
pub struct World {
    cluster: Cluster,
    main: Server,
    postgres: Postgres,
}

impl World {
    /// Starts them.
    pub fn start() -> World {
        World {
            cluster: Cluster::start(),
            main: Server::tcp(answer),
            postgres: Postgres::start(),
        }
    }
}

impl Default for World {
    fn default() -> Self {
        World::start()
    }
}

/// A scratch directory with everything that the rows' values name, and the operator's setting.
pub struct Place<'w> {
    /// Where everything lies.
    pub scratch: Scratch,
    world: &'w World,
    /// A server that must not be asked.
    pub decoy: Server,
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
    /// Lays everything out, with the operator's setting of this name.
    pub fn new(world: &'w World, setting: &str) -> Place<'w> {
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
        place
            .scratch
            .govern(&["--level", "L2"], &[("governance-L2.yaml", POLICY)]);
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

    /// A path in it.
    pub fn at(&self, name: &str) -> PathBuf {
        self.scratch.at(name)
    }

    /// Writes a file of it.
    pub fn write(&self, name: &str, text: &str) {
        self.scratch.write(name, text);
    }

    fn program(&self, name: &str, text: &str) {
        self.write(name, text);
        std::fs::set_permissions(self.at(name), std::fs::Permissions::from_mode(0o755)).expect("a mode");
    }

    /// The operator's own.
    pub fn write_configurations(&self) {
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
    pub fn write_hostile(&self) {
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
    pub fn set(&mut self, setting: &str) {
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
    pub fn line(&self, one: &Try) -> String {
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
    pub fn script_without(&self, number: usize, one: &Try) -> String {
        let script = self.script(number, one, false);
        script.replace("REEVE_TEST=1", &format!("-u {}", one.variable))
    }

    /// The shell's lines that do one try, and leave what can be seen in files of this number.
    pub fn script(&self, number: usize, one: &Try, with_variable: bool) -> String {
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

    /// What was seen of the script with this number.
    pub fn seen(&self, number: usize) -> Seeing {
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
    pub fn direct(&self, script: &str) {
        let mut bash = self.scratch.command("bash");
        let output = finish(bash.args(["-c", script]).stdin(Stdio::null()), &[]);
        assert_eq!(output.code(), 0, "{output:?}");
    }
}
