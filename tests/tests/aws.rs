//! The real aws against an endpoint on loopback, with and without the gate.

use acceptance::http::{Body, Request, Response, Server};
use acceptance::session::Scratch;

/// Stands in for AWS, which cannot be had here.
fn answer(request: &Request) -> Response {
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let xml = |text: &str| Response {
        status: 200,
        content_type: "text/xml",
        body: Body::Bytes(text.as_bytes().to_vec()),
    };
    if body.contains("Action=GetCallerIdentity") {
        return xml(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/a</Arn><UserId>A</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
        );
    }
    if body.contains("Action=DescribeInstances") {
        return xml(
            "<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><reservationSet/></DescribeInstancesResponse>",
        );
    }
    xml("<Response/>")
}

/// Debian's aws is older than `AWS_ENDPOINT_URL`, so the endpoint is on the command line, which our own L2 refuses; the
/// site's layer accepts just that.
const SITE: &str = "apiVersion: reeve/v1\nkind: Governance\nlevel: L2\nextends: ours.yaml\nrules:\n  - id: site-endpoint\n    allow: {tool: aws, effect: [local, read]}\n    accept: [redirects-endpoint]\n";

fn with_endpoint() -> (Scratch, Server) {
    let server = Server::tcp(answer);
    let mut scratch = Scratch::new();
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/../governance");
    let ours = |level: &str| {
        std::fs::read_to_string(format!("{ours}/governance-{level}.yaml")).expect("ours is there")
    };
    scratch.govern(
        &["--level", "L2"],
        &[
            ("governance-L1.yaml", &ours("L1")),
            ("ours.yaml", &ours("L2")),
            ("governance-L2.yaml", SITE),
        ],
    );
    scratch
        .real("aws")
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secretsecretsecret");
    scratch
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_MAX_ATTEMPTS", "1");
    (scratch, server)
}

fn actions(server: &Server) -> Vec<String> {
    let named = |request: &Request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        body.split('&')
            .find_map(|pair| pair.strip_prefix("Action="))
            .map_or(format!("{} {}", request.method, request.target), str::to_owned)
    };
    server.requests().iter().map(named).collect()
}

#[test]
fn an_allowed_read_prints_what_aws_prints() {
    let (scratch, server) = with_endpoint();
    let endpoint = format!("http://127.0.0.1:{}", server.port);
    for words in [
        "sts get-caller-identity",
        "ec2 describe-instances --output json",
        "--version",
    ] {
        let words = format!("--endpoint-url {endpoint} {words}");
        scratch.assert_runs_as(&scratch.directly("aws", &words), &format!("aws {words}"));
    }
    assert_eq!(
        actions(&server),
        [
            "GetCallerIdentity",
            "GetCallerIdentity",
            "DescribeInstances",
            "DescribeInstances"
        ]
    );
}

#[test]
fn a_mutation_never_reaches_the_endpoint_in_any_spelling() {
    let (scratch, server) = with_endpoint();
    let endpoint = format!("http://127.0.0.1:{}", server.port);
    let lines = [
        "ec2 terminate-instances --instance-ids i-1",
        "--no-cli-pager ec2 terminate-instances --instance-ids i-1",
        "ec2 --region eu-west-1 terminate-instances --instance-ids i-1",
        "--profile describe ec2 terminate-instances --instance-ids i-1",
        "ec2 terminate-instances --inst i-1",
        "ec2 terminate-instances --instance-ids i-1 help",
        "ec2 terminate-instances --instance-ids=i-1 --query list",
        "ec2 terminate-instances --instance-ids i-1 --dry-run --no-dry-run",
        "-- ec2 terminate-instances --instance-ids i-1",
        "s3 rm s3://b/k",
        "s3 rm s3://b --recursive",
        "s3api delete-object --bucket b --key k",
        "s3 cp /etc/hostname s3://b/k",
        "s3 mb s3://b",
        "iam create-user --user-name x",
        "iam delete-user --user-name x",
        "cloudformation delete-stack --stack-name x",
        "cloudcontrol delete-resource --type-name T --identifier i",
        "lambda invoke --function-name f out.json",
        "ssm send-command --document-name d",
        "ec2 create-tags --resources i-1 --tags Key=a,Value=b",
        "sts get-session-token",
        "secretsmanager get-secret-value --secret-id x",
        "no-such-service x",
    ];
    scratch.assert_refused(&format!("aws --endpoint-url {endpoint}"), &lines);
    assert_eq!(actions(&server), Vec::<String>::new());
    assert_eq!(scratch.verify().0, 0);
}

#[test]
fn the_endpoint_itself_is_refused_where_no_rule_accepts_it() {
    let (mut scratch, server) = with_endpoint();
    scratch.flags(&["--level", "L2"]);
    let output = scratch.run(&format!(
        "aws --endpoint-url http://127.0.0.1:{} sts get-caller-identity",
        server.port
    ));
    assert_eq!(output.code(), 77);
    assert!(output.err().contains("--endpoint-url"), "{}", output.err());
    assert_eq!(server.requests().len(), 0);
}
