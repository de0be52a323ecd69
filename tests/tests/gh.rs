//! The real gh against GitHub's stand-in on a Unix socket (gh's own `http_unix_socket` setting).

use acceptance::http::{Request, Response, Server};
use acceptance::session::Scratch;
use serde_json::json;

/// Stands in for GitHub, which cannot be had here.
fn answer(request: &Request) -> Response {
    match request.path() {
        "/graphql" => {
            let pages = json!({"nodes": [{"number": 7, "title": "A change"}], "totalCount": 1,
                "pageInfo": {"hasNextPage": false, "endCursor": ""}});
            Response::json(&json!({"data": {"repository": {"pullRequests": pages}}}))
        }
        path => Response::json(&json!({"path": path, "full_name": "octo/app"})),
    }
}

fn with_github() -> (Scratch, Server) {
    let mut scratch = Scratch::new();
    let socket = scratch.at("gh.sock");
    let server = Server::unix(&socket, answer);
    let config = scratch.at("gh-config");
    std::fs::create_dir(&config).expect("a directory can be made");
    std::fs::write(
        config.join("config.yml"),
        format!("http_unix_socket: {}\n", socket.display()),
    )
    .expect("a file");
    scratch
        .real("gh")
        .env("GH_CONFIG_DIR", config)
        .env("GH_TOKEN", "gho_0123456789abcdef0123456789abcdef0123");
    scratch.env("GH_NO_UPDATE_NOTIFIER", "1");
    (scratch, server)
}

fn asked(server: &Server) -> Vec<String> {
    server
        .requests()
        .iter()
        .map(|request| format!("{} {}", request.method, request.path()))
        .collect()
}

#[test]
fn an_allowed_read_prints_what_gh_prints() {
    let (scratch, server) = with_github();
    for words in [
        "api repos/octo/app",
        "pr list -R octo/app --json number,title",
        "--version",
    ] {
        let direct = scratch.directly("gh", words);
        assert_eq!(direct.code(), 0, "{direct:?}");
        scratch.assert_runs_as(&direct, &format!("gh {words}"));
    }
    assert!(
        asked(&server).contains(&"GET /repos/octo/app".to_owned()),
        "{:?}",
        asked(&server)
    );
}

#[test]
fn a_mutation_never_reaches_github_in_any_spelling() {
    let (scratch, server) = with_github();
    let lines = [
        "api -X DELETE repos/octo/app",
        "api -XDELETE repos/octo/app",
        "api -X=DELETE repos/octo/app",
        "api -iX DELETE repos/octo/app",
        "api --method delete repos/octo/app",
        "api -X GET repos/octo/app -X DELETE",
        "api repos/octo/app/issues -f title=x",
        "api repos/octo/app/issues -ftitle=x",
        "api repos/octo/app/issues -F title=x",
        "api repos/octo/app/issues --input /dev/null",
        "api -X PUT repos/octo/app/pulls/1/merge",
        "api graphql -f query='mutation { x }'",
        "api graphql -f query='query { a } mutation { b }'",
        "api graphql -f query='{ a }' -f query='mutation { b }'",
        "api graphql -F query=@file",
        "api https://evil.example/x",
        "-R octo/app pr merge 1",
        "pr -R octo/app merge 1",
        "pr merge 1 -R octo/app --merge",
        "pr --body list merge 1",
        "pr close 1 -R octo/app",
        "issue create -R octo/app -t x -b y",
        "issue new -R octo/app -t x -b y",
        "repo delete octo/app --yes",
        "secret set X -R octo/app -b y",
        "secret remove X -R octo/app",
        "workflow run x -R octo/app",
        "release create v1 -R octo/app",
        "auth token",
        "auth status -t",
        "config get oauth_token -h github.com",
        "api user --jq env",
        "no-such-command",
    ];
    scratch.assert_refused("gh", &lines);
    assert_eq!(asked(&server), Vec::<String>::new());
    let printed = std::fs::read_to_string(scratch.at("out")).unwrap_or_default();
    assert!(!printed.contains("gho_"), "a token was printed");
    let record =
        std::fs::read_to_string(scratch.record().join("ledger-000001.ndjson")).expect("the record is there");
    assert!(!record.contains("gho_"), "a token is in the record");
}
