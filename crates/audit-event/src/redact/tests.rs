//! What is replaced, and what stays.

use super::*;

#[test]
fn values_of_credential_flags_go() {
    let masked = words(&["get", "pods", "--token", "abc", "--password=x y", "-n", "prod"]);
    assert_eq!(
        masked,
        [
            "get",
            "pods",
            "--token",
            MASK,
            "--password=[redacted]",
            "-n",
            "prod"
        ]
    );
}

#[test]
fn literals_keep_their_key() {
    assert_eq!(
        words(&["--from-literal", "user=hunter2"]),
        ["--from-literal", "user=[redacted]"]
    );
    assert_eq!(
        words(&["--from_literal=user=hunter2"]),
        ["--from_literal=user=[redacted]"]
    );
}

#[test]
fn short_flags_go_but_not_where_they_take_no_value() {
    assert_eq!(words(&["patch", "secret", "x", "-p", "{\"a\":1}"])[4], MASK);
    assert_eq!(
        words(&["login", "-phunter2", "-p=hunter2"])[1..],
        ["-p[redacted]", "-p=[redacted]"]
    );
    assert_eq!(words(&["logs", "-p", "web-1"]), ["logs", "-p", "web-1"]);
}

#[test]
fn equal_secrets_have_equal_tags_under_one_key_and_no_other() {
    let (ours, other) = (Redactor::new([1; 32]), Redactor::new([2; 32]));
    let tag = ours.mask("hunter2");
    assert_eq!(tag, "[redacted:f26b540759235a9d]");
    assert_eq!(ours.words(&["--password", "hunter2"])[1], tag);
    assert_eq!(
        ours.words(&["--from-literal=pw=hunter2"])[0],
        format!("--from-literal=pw={tag}")
    );
    assert_eq!(
        ours.words(&["--token=aGVsbG8="])[0],
        format!("--token={}", ours.mask("aGVsbG8="))
    );
    assert_ne!(other.mask("hunter2"), tag);
    assert_ne!(ours.mask("hunter3"), tag);
    assert_eq!(format!("{ours:?}"), "Redactor(…)");
}

#[test]
fn known_token_shapes_go_wherever_they_stand() {
    assert_eq!(text("x=ghp_abcdefghijklmnopqrstuvwxyz0123 y"), "x=[redacted] y");
    assert_eq!(text("AKIAIOSFODNN7EXAMPLE"), MASK);
    assert_eq!(
        text("Authorization: Bearer abcdefghijklmnop1234"),
        "Authorization: Bearer [redacted]"
    );
    assert_eq!(text("https://user:pw@host/x"), "https://[redacted]@host/x");
}

#[test]
fn passwords_in_sql_and_connection_strings_go() {
    for (given, kept) in [
        (
            "alter user a password 'x' valid until",
            "alter user a password [redacted] valid until",
        ),
        (
            "ALTER ROLE a PASSWORD E'it\\'s'",
            "ALTER ROLE a PASSWORD [redacted]",
        ),
        (
            "create user a password $$x y$$",
            "create user a password [redacted]",
        ),
        (
            "create user a password 'x''y'",
            "create user a password [redacted]",
        ),
        // What is compared with a password may be one.
        ("rolpassword = 'x'", "rolpassword = '[redacted]'"),
        ("host=a password=x user=b", "host=a password=[redacted] user=b"),
        (
            "host=a password = 'x y' user=b",
            "host=a password = [redacted] user=b",
        ),
    ] {
        assert_eq!(text(given), kept);
    }
    for word in ["select password from users", "reset password"] {
        assert_eq!(text(word), word);
    }
}

#[test]
fn ordinary_words_stay_as_they_are() {
    for word in [
        "pods",
        "-o",
        "jsonpath={.items[*].metadata.name}",
        "https://host/a@b",
        "käse",
        "sk-short",
    ] {
        assert_eq!(text(word), word);
    }
}

#[test]
fn credentials_are_found_in_the_shapes_that_tools_give_them() {
    for line in [
        "gh secret set NAME --body hunter2hunter2",
        "gh secret set NAME -bhunter2hunter2",
        "gh secret set NAME --body=hunter2hunter2",
        "kubectl config set users.u.token hunter2hunter2",
        "kubectl set env deploy/a API_KEY=hunter2hunter2",
        "kubectl run p --env=DB_PASSWORD=hunter2hunter2",
        "x PGPASSWORD=hunter2hunter2",
        r#"aws rds create-db-instance --cli-input-json {"MasterUserPassword":"hunter2hunter2"}"#,
        r#"x {"a":{"password":"hunter2hunter2"}}"#,
        r#"x {\"clientSecret\":\"hunter2hunter2\"}"#,
        "x secret_access_key=hunter2hunter2&b=1",
        "gh api -H Authorization:hunter2hunter2",
        "gh api -H Authorization:token~hunter2hunter2",
        "gh api -H Authorization:~token~hunter2hunter2",
        "x https://user:pa/hunter2hunter2@host/path",
        "x postgres://u:hunter2hunter2@h/db",
    ] {
        let args: Vec<String> = line.split(' ').map(|word| word.replace('~', " ")).collect();
        let shown = words(&args).join(" ");
        assert!(!shown.contains("hunter2"), "{line}: {shown}");
    }
    let token = format!("ghp_{}", "A1b2C3d4E5".repeat(3));
    for text in [
        format!("x%3D{token}"),
        format!("{{\"a\":\"b\\n{token}\"}}"),
        format!("abc{token}"),
    ] {
        let shown = super::text(&text);
        assert!(!shown.contains("A1b2C3"), "{text}: {shown}");
    }
}

#[test]
fn what_is_no_secret_stays() {
    for line in [
        "kubectl get secrets -n prod",
        "kubectl get secret web-token -o json",
        "gh pr create --title t --body text-for-everybody",
        "aws ec2 describe-instances --filters Name=tag:token,Values=abc",
        "x http://localhost:8080/path@v1",
        "kubectl get pods -l app=secret",
        "kubectl logs -p web",
        "task-aaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        let args: Vec<&str> = line.split(' ').collect();
        assert_eq!(words(&args).join(" "), line);
    }
}
