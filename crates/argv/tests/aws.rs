//! One line per fact: what an aws command line means. Row numbers are those of the classes of ways past a gate
//! that the project's threat list numbers; the facts were observed on the real tools.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use argv::{Effect, Hazard, Invocation, Surroundings, Tool, Unreadable};
use std::ffi::OsString;

fn read_with(line: &[&str], environment: &[(&str, &str)]) -> Result<Invocation, Unreadable> {
    let args: Vec<OsString> = line.iter().map(OsString::from).collect();
    let mut around = Surroundings::default();
    for (name, value) in environment {
        around.environment.insert((*name).to_owned(), (*value).to_owned());
    }
    argv::parse(Tool::Aws, &args, &around)
}

/// Words between spaces; `_` stands for a space inside a word.
fn read(line: &str) -> Result<Invocation, Unreadable> {
    let words: Vec<String> = line
        .split_whitespace()
        .map(|word| word.replace('_', " "))
        .collect();
    read_with(&words.iter().map(String::as_str).collect::<Vec<_>>(), &[])
}

/// `command: verb=effect … !hazard …`
fn show(line: &str) -> String {
    match read(line) {
        Ok(invocation) => brief(&invocation),
        Err(fault) => format!("? {}", fault.problem),
    }
}

fn brief(invocation: &Invocation) -> String {
    let mut text = format!("{}:", invocation.command);
    for operation in &invocation.operations {
        text += &format!(" {}={}", operation.verb, operation.effect);
    }
    let mut hazards: Vec<_> = invocation.hazards.iter().map(|fact| fact.hazard.name()).collect();
    hazards.dedup();
    for hazard in hazards {
        text += &format!(" !{hazard}");
    }
    text
}

macro_rules! means {
    ($($name:ident: $line:literal => $meaning:literal;)*) => {
        $(#[test] fn $name() { assert_eq!(show($line), $meaning, "{}", $line); })*
    };
}

macro_rules! refused {
    ($($name:ident: $line:literal => $word:literal;)*) => {
        $(#[test] fn $name() {
            let fault = read($line).expect_err($line);
            assert!(fault.problem.contains($word), "{}: {}", $line, fault.problem);
        })*
    };
}

means! {
    // Which words are verbs.
    row_01_a_value_is_not_a_verb: "ec2 terminate-instances --instance-ids i-1 --query list" => "ec2 terminate-instances: ec2:TerminateInstances=delete";
    row_01_nor_is_a_profile: "--profile delete-stack ec2 describe-instances" => "ec2 describe-instances: ec2:DescribeInstances=read";
    row_02_global_options_go_before: "--no-cli-pager ec2 terminate-instances --instance-ids i-1" => "ec2 terminate-instances: ec2:TerminateInstances=delete";
    row_03_and_between: "ssm --region r send-command --document-name d" => "ssm send-command: ssm:SendCommand=execute !runs-remote-code";
    row_03_unknown_ones_pass_through_to_the_command: "--dry-run ec2 --image-id=ami-1 run-instances" => "ec2 run-instances: ec2:RunInstances=write";
    row_05_a_value_behind_an_equals_sign: "s3 ls --endpoint-url=http://evil" => "s3 ls: s3:ListBuckets=read !redirects-endpoint";
    row_06_cut_short: "ssm get-parameter --name x --with-decrypt" => "ssm get-parameter: ssm:GetParameter=read !reveals-credentials";
    row_06_not_asked_for: "ssm get-parameter --name x --no-with-decryption" => "ssm get-parameter: ssm:GetParameter=read";
    row_07_two_spellings_one_operation: "s3 rm s3://b/k" => "s3 rm: s3:DeleteObject=delete";
    row_07_the_other_spelling: "s3api delete-object --bucket b --key k" => "s3api delete-object: s3:DeleteObject=delete";
    row_08_the_last_flag_wins: "ssm get-parameter --name x --with-decryption --no-with-decryption" => "ssm get-parameter: ssm:GetParameter=read";
    row_08_whichever_it_is: "ssm get-parameter --name x --no-with-decryption --with-decryption" => "ssm get-parameter: ssm:GetParameter=read !reveals-credentials";
    row_09_a_flag_inside_a_value: "s3 rm s3://b/--dryrun --recursive" => "s3 rm: s3:ListObjectsV2=read s3:DeleteObject=delete !unbounded";
    row_09_the_flag_itself: "s3 rm s3://b/k --recursive --dryr" => "s3 rm: s3:ListObjectsV2=read";
    row_10_help_stops_everything: "ec2 terminate-instances help" => "help: help=local";
    row_10_help_behind_a_flag: "ec2 terminate-instances --dry-run help" => "help: help=local";
    row_10_but_not_behind_a_list: "ec2 terminate-instances --instance-ids i-1 help" => "ec2 terminate-instances: ec2:TerminateInstances=delete ec2:TerminateInstances=delete";
    row_10_unless_the_list_was_one_word: "ec2 terminate-instances --instance-ids=i-1 help" => "help: help=local";
    row_10_version_stops_everything: "ec2 terminate-instances --instance-ids i-1 --version" => "version: version=local";
    row_11_end_of_options_before_the_service: "-- ec2 describe-instances --max-items 1" => "ec2 describe-instances: ec2:DescribeInstances=read";
    row_11_before_the_operation: "ec2 -- describe-instances" => "ec2 describe-instances: ec2:DescribeInstances=read";
    row_11_before_a_positional: "s3 rm -- s3://b/k" => "s3 rm: s3:DeleteObject=delete";
    row_11_behind_it_a_flag_is_a_path: "s3 cp s3://b/k -- --dryrun" => "s3 cp: s3:HeadObject=read s3:GetObject=read !writes-files";
    row_12_endpoint_cut_short: "s3 ls --endpoint http://127.0.0.1:9999" => "s3 ls: s3:ListBuckets=read !redirects-endpoint";
    row_12_certificates: "s3 ls --ca-bundle x --no-verify-ssl" => "s3 ls: s3:ListBuckets=read !redirects-endpoint";
    row_12_a_command_with_an_endpoint_of_its_own: "dlm create-default-role --iam-endpoint http://evil" => "dlm create-default-role: iam:GetRole=read iam:GetPolicy=read iam:GetPolicyVersion=read iam:CreateRole=write iam:AttachRolePolicy=write !redirects-endpoint";
    row_13_taking_a_role: "sts assume-role --role-arn a --role-session-name b" => "sts assume-role: sts:AssumeRole=write !reveals-credentials";
    row_16_a_file_as_a_value: "logs create-log-group --log-group-name file:///etc/hosts" => "logs create-log-group: logs:CreateLogGroup=write !reads-files";
    row_16_a_file_inside_a_value: "ec2 create-tags --resources r --tags Key=a,Value@=file:///etc/passwd" => "ec2 create-tags: ec2:CreateTags=write !reads-files";
    row_16_literal_inside_shorthand: "ec2 create-tags --resources r --tags Key=a,Value=file:///etc/passwd" => "ec2 create-tags: ec2:CreateTags=write";
    row_17_parameters_from_a_file: "ec2 describe-instances --cli-input-json file://x" => "ec2 describe-instances: ec2:DescribeInstances=read !reads-files";
    row_17_inline_ones_may_ask_for_anything: "ssm get-parameter --cli-input-json {}" => "ssm get-parameter: ssm:GetParameter=read !reveals-credentials";
    row_18_an_output_file: "s3api get-object --bucket b --key k ../.bashrc" => "s3api get-object: s3:GetObject=read !writes-files";
    row_18_an_output_option: "iam create-virtual-mfa-device --virtual-mfa-device-name n --outfile q --bootstrap-method m" => "iam create-virtual-mfa-device: iam:CreateVirtualMFADevice=write !reveals-credentials !writes-files";
    row_18_kubectls_configuration: "eks update-kubeconfig --name c" => "eks update-kubeconfig: eks:DescribeCluster=read !writes-files !changes-tool";
    row_19_a_session: "ssm start-session --target i-1" => "ssm start-session: ssm:StartSession=execute !runs-local-code !runs-remote-code !opens-tunnel";
    row_20_a_token: "eks get-token --cluster-name c" => "eks get-token: eks get-token=local !reveals-credentials";
    row_20_a_key: "configure get prod.aws_secret_access_key" => "configure get: configure get=local !reveals-credentials";
    row_20_a_key_behind_parts_that_are_ignored: "configure get default.aws_secret_access_key.x.region" => "configure get: configure get=local !reveals-credentials";
    row_20_a_signed_address: "s3 presign s3://b/k" => "s3 presign: s3:GetObject=local !reveals-credentials";
    row_21_the_generic_api: "cloudcontrol delete-resource --type-name t --identifier i" => "cloudcontrol delete-resource: cloudformation:DeleteResource=delete";

    // Local and harmless.
    local_configuration: "configure list" => "configure list: configure list=local";
    local_setting: "configure get profile.prod.region" => "configure get: configure get=local";
    local_skeleton: "ec2 terminate-instances --instance-ids i-1 --generate-cli-skel" => "ec2 terminate-instances: generate-cli-skeleton=local";
    local_help_of_the_tool: "help" => "help: help=local";
    local_help_of_a_service: "--region us-east-1 ec2 help" => "help: help=local";
    local_help_of_a_custom_command: "s3 cp help" => "help: help=local";

    // Copies by direction.
    s3_download: "s3 cp s3://b/k ./x" => "s3 cp: s3:HeadObject=read s3:GetObject=read !writes-files";
    s3_to_standard_output: "s3 cp s3://b/k -" => "s3 cp: s3:HeadObject=read s3:GetObject=read";
    s3_upload: "s3 cp x s3://b/k" => "s3 cp: s3:PutObject=write !reads-files";
    s3_from_standard_input: "s3 cp - s3://b/k" => "s3 cp: s3:PutObject=write";
    s3_move_deletes_its_local_source: "s3 mv x s3://b/k" => "s3 mv: s3:PutObject=write !reads-files !writes-files";
    s3_move_deletes_its_source: "s3 mv s3://b/k -" => "s3 mv: s3:HeadObject=read s3:GetObject=read s3:DeleteObject=delete";
    s3_sync_deletes_local_files: "s3 sync s3://b/ ./x --delete" => "s3 sync: s3:ListObjectsV2=read s3:GetObject=read !writes-files !unbounded";
    s3_remove_bucket: "s3 rb s3://b --force" => "s3 rb: s3:ListObjectsV2=read s3:DeleteObject=delete s3:DeleteBucket=delete !unbounded";
    s3_dry_run_of_a_move: "s3 mv s3://b/k s3://c/ --dryrun" => "s3 mv: s3:HeadObject=read";

    // Reads that are more.
    reads_a_secret: "secretsmanager get-secret-value --secret x" => "secretsmanager get-secret-value: secretsmanager:GetSecretValue=read !reveals-credentials";
    reads_keys_when_asked: "apigateway get-api-keys --include-values" => "apigateway get-api-keys: apigateway:GetApiKeys=read !reveals-credentials";
    reads_no_keys_otherwise: "apigateway get-api-keys" => "apigateway get-api-keys: apigateway:GetApiKeys=read";
    reads_a_password_unless_hidden: "glue get-connection --name c" => "glue get-connection: glue:GetConnection=read !reveals-credentials";
    reads_no_hidden_password: "glue get-connection --name c --hide-password" => "glue get-connection: glue:GetConnection=read";
    receiving_hides: "sqs receive-message --queue-url https://sqs.us-east-1.amazonaws.com/1/q" => "sqs receive-message: sqs:ReceiveMessage=write";
    drift_detection_starts: "cloudformation detect-stack-drift --stack-name s" => "cloudformation detect-stack-drift: cloudformation:DetectStackDrift=write";
    partiql_select_reads: "dynamodb execute-statement --statement SELECT_*_FROM_t" => "dynamodb execute-statement: dynamodb:ExecuteStatement=read";
    partiql_delete_does_not: "dynamodb execute-statement --statement DELETE_FROM_t" => "dynamodb execute-statement: dynamodb:ExecuteStatement=write";
    debug_prints_the_token: "ec2 describe-instances --d" => "ec2 describe-instances: ec2:DescribeInstances=read !reveals-credentials";
    decoding_only_decodes: "sts decode-authorization-message --encoded-message m" => "sts decode-authorization-message: sts:DecodeAuthorizationMessage=read";

    // Names that differ.
    waiter: "ec2 wait instance-running --instance-ids i-1" => "ec2 wait instance-running: ec2:DescribeInstances=read";
    iam_prefix: "elbv2 describe-load-balancers" => "elbv2 describe-load-balancers: elasticloadbalancing:DescribeLoadBalancers=read";
    configservice: "configservice describe-config-rules" => "configservice describe-config-rules: config:DescribeConfigRules=read";
    tail: "logs tail g --follow" => "logs tail: logs:FilterLogEvents=read";
    option_group: "rds add-option-to-option-group --option-group-name g --options o" => "rds add-option-to-option-group: rds:ModifyOptionGroup=write";
    change_set: "cloudformation deploy --template-file t --stack-name s --no-execute-changeset" => "cloudformation deploy: cloudformation:DescribeStacks=read cloudformation:GetTemplateSummary=read cloudformation:CreateChangeSet=write cloudformation:DescribeChangeSet=read !reads-files";

    // Values that only look like something else.
    negative_number: "cloudwatch put-metric-data --namespace n --metric-name m --value -1" => "cloudwatch put-metric-data: cloudwatch:PutMetricData=write";
    shell_words_are_values: "ec2 describe-instances --filters a && delete" => "ec2 describe-instances: ec2:DescribeInstances=read";
    fetched_by_version_1: "ec2 describe-instances --filters https://x" => "ec2 describe-instances: ec2:DescribeInstances=read !remote-input";
    not_fetched: "cloudformation validate-template --template-url https://x" => "cloudformation validate-template: cloudformation:ValidateTemplate=read";
    uploaded_by_path: "s3api put-object --bucket b --key k --body x" => "s3api put-object: s3:PutObject=write !reads-files";
}

refused! {
    unknown_service: "ec3 describe-instances" => "`ec3`: is not a service";
    unknown_operation: "ec2 describe-instance" => "`describe-instance`: is not an operation of `ec2`";
    operations_are_not_cut_short: "ec2 terminate-inst --instance-ids i-1" => "`terminate-inst`";
    unknown_option: "ec2 describe-instances --bogus" => "`--bogus`: is not an option";
    ambiguous_option: "ec2 describe-instances --no" => "`--no`: is the beginning of more than one";
    ambiguous_global: "ec2 describe-instances --c on" => "`--c`: is the beginning of more than one";
    a_value_is_missing: "ec2 describe-instances --region" => "`--region`: expects a value";
    an_option_is_no_value: "ec2 describe-instances --region --debug" => "`--region`: expects a value";
    flags_take_no_value: "ec2 describe-instances --dry-run=false" => "`--dry-run`: takes no value";
    flags_take_no_word: "ec2 describe-instances --dry-run false" => "`false`: is one word too many";
    row_12_a_region_that_is_a_host: "s3 ls --region x.evil.example/" => "is not the name of a region";
    row_14_aliases_are_not_known: "nuke i-1" => "`nuke`";
    row_25_one_word_of_shell: "ec2_describe-instances" => "is not a service";
    short_options: "ec2 describe-instances -x" => "`-x`: is not an option";
    prompting: "ec2 --cli-auto-p" => "lets the command be changed";
    nothing: "" => "no service is named";
    no_operation: "ec2" => "no operation of `ec2`";
    no_waiter: "ec2 wait" => "is not known";
    wizards: "iam wizard new-role" => "is not known";
    updates: "update" => "is not known";
    help_behind_end_of_options: "ec2 terminate-instances --instance-ids i-1 -- help" => "`--`: is read differently";
    both_sides_local: "s3 cp a b" => "neither side";
    by_another_name_in_version_1: "cloudformation deploy push --template-file t" => "`push`";
}

#[test]
fn scope_comes_from_the_last_option_and_then_from_the_environment() {
    let scope = |line: &[&str], environment: &[(&str, &str)]| {
        let scope = read_with(line, environment).unwrap().operations[0].scope.clone();
        (scope.profile, scope.region)
    };
    let some = |profile: &str, region: &str| (Some(profile.to_owned()), Some(region.to_owned()));
    let flags = ["s3", "ls", "--profile", "ok", "--prof=prod", "--reg", "eu-west-1"];
    assert_eq!(
        scope(&flags, &[("AWS_PROFILE", "x"), ("AWS_REGION", "y")]),
        some("prod", "eu-west-1")
    );
    let environment = [
        ("AWS_DEFAULT_PROFILE", "d"),
        ("AWS_REGION", "us-east-2"),
        ("AWS_DEFAULT_REGION", "r"),
    ];
    assert_eq!(scope(&["s3", "ls"], &environment), some("d", "us-east-2"));
    assert_eq!(
        scope(&["s3", "ls", "--profile", "", "--region="], &environment),
        some("d", "us-east-2")
    );
    assert_eq!(scope(&["s3", "ls"], &[]), (None, None));
}

#[test]
fn an_operation_says_what_it_is_about() {
    let name = |line: &str| read(line).unwrap().operations[0].name.clone();
    assert_eq!(
        name("s3api get-object --bucket b --key a/k -").as_deref(),
        Some("b/a/k")
    );
    assert_eq!(
        name("lambda get-function-configuration --function-name f").as_deref(),
        Some("f")
    );
    assert_eq!(name("ec2 describe-instances"), None);
    assert_eq!(name("s3 ls s3://b/p").as_deref(), Some("b/p"));
    let operation = read("elbv2 describe-load-balancers").unwrap().operations[0].clone();
    assert_eq!(operation.resource.unwrap().kind, "elbv2");
}

#[test]
fn every_name_is_an_operation() {
    for (line, expected) in [
        (
            "ec2 terminate-instances --dry-run --instance-ids i-1 i-3",
            &["i-1", "i-3"][..],
        ),
        ("ec2 terminate-instances --instance-ids i-1 i-1", &["i-1"]),
        (
            r#"ec2 terminate-instances --instance-ids ["i-1","i-3"]"#,
            &["i-1", "i-3"],
        ),
        (
            "ec2 terminate-instances --instance-ids i-1 --instance-ids i-3",
            &["i-3"],
        ),
        ("ec2 terminate-instances --instance-ids file://ids", &[]),
    ] {
        let operations = read(line).unwrap().operations;
        assert!(
            operations.iter().all(|one| one.effect == Effect::Delete),
            "{line}"
        );
        let names: Vec<String> = operations.into_iter().filter_map(|one| one.name).collect();
        assert_eq!(names, expected, "{line}");
    }
    let skeleton = read("ec2 terminate-instances --instance-ids i-1 i-3 --generate-cli-skeleton").unwrap();
    assert_eq!(skeleton.operations.len(), 1);
}

#[test]
fn files_are_named() {
    let files = |line: &str| -> Vec<(String, bool)> {
        read(line)
            .unwrap()
            .files
            .into_iter()
            .map(|file| (file.path, file.writes))
            .collect()
    };
    let owned = |list: &[(&str, bool)]| {
        list.iter()
            .map(|(path, writes)| ((*path).to_owned(), *writes))
            .collect::<Vec<_>>()
    };
    assert_eq!(files("s3 cp s3://b/k ../x"), owned(&[("../x", true)]));
    assert_eq!(
        files("ec2 run-instances --user-data file://~/.aws/credentials"),
        owned(&[("~/.aws/credentials", false)])
    );
    assert_eq!(
        files("ec2 create-tags --tags Key@=fileb://a,Value=b"),
        owned(&[("a", false)])
    );
    assert_eq!(
        files("s3api get-object --bucket b --key k /dev/stdout"),
        owned(&[])
    );
    assert_eq!(
        files("eks update-kubeconfig --name c --kubeconfig k"),
        owned(&[("k", true)])
    );
}

#[test]
fn a_refusal_says_what_could_be_meant_and_repeats_no_value() {
    let hint = |line: &str| read(line).unwrap_err().hint.unwrap_or_default();
    assert_eq!(hint("ec3 describe-instances"), "did you mean `aws ec2`?");
    assert_eq!(
        hint("ec2 describe-instance"),
        "did you mean `aws ec2 describe-instances`?"
    );
    assert_eq!(
        hint("ec2 describe-instances --filtre x"),
        "did you mean `--filters`?"
    );
    assert_eq!(
        hint("ec2 describe-instances --help"),
        "aws ec2 describe-instances help"
    );
    let fault = read("rds modify-db-instance --password=hunter2").unwrap_err();
    assert!(!format!("{fault:?}").contains("hunter2"));
}

#[test]
fn characters_that_hide_the_text_are_refused() {
    for line in [
        ["ec2\u{202e}", "describe-instances", ""],
        ["ec2", "describe-\u{200b}instances", ""],
        ["ec2", "describe-instances", "--filt\u{2066}ers"],
        ["ec2", "describe-instances\n", ""],
    ] {
        let words: Vec<_> = line.into_iter().filter(|word| !word.is_empty()).collect();
        let fault = read_with(&words, &[]).unwrap_err();
        assert!(fault.problem.contains("hide what it says"), "{line:?}: {fault}");
    }
}

#[test]
fn the_operators_endpoint_is_no_hazard() {
    let invocation = read_with(&["s3", "ls"], &[("AWS_ENDPOINT_URL", "http://localhost:4566")]).unwrap();
    assert!(invocation.hazards.is_empty());
    assert_eq!(invocation.operations[0].effect, Effect::Read);
    assert!(!invocation.has_hazard(Hazard::RedirectsEndpoint));
}
