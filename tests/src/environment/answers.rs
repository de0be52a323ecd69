//! Servers that say who asks them, and how.

use crate::http::{Body, Request, Response};
use serde_json::json;

/// Answers as AWS and GitHub do, with what of the request says who asks and how.
pub fn answer(request: &Request) -> Response {
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
