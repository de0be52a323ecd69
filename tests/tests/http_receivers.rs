//! Sinks against receivers that speak HTTP: each treats requests badly in turn, and afterwards has every record of the ledger.

use acceptance::http::{self, Body, Request, Response};
use acceptance::session::finish;
use acceptance::sinks::{Received, Sidecar, events};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// An HTTP receiver that treats requests badly in turn, then takes them by `take`.
fn receiver(
    take: impl Fn(&Request, &Received) -> Response + Send + Sync + 'static,
) -> (http::Server, Received, Arc<AtomicU64>) {
    let received = Received::default();
    let count = Arc::new(AtomicU64::new(0));
    let (kept, counted) = (received.clone(), Arc::clone(&count));
    let server = http::Server::tcp(move |request| {
        let request = &unpacked(request);
        if request.method != "POST" {
            return Response::json(&json!({"text": "HEC is healthy", "code": 17}));
        }
        let number = counted.fetch_add(1, Ordering::Relaxed);
        match (number < 10, number % 5) {
            (true, 0) => Response::error(503, &json!({"text": "Server is busy", "code": 9})),
            (true, 1) => Response::error(429, &json!({})),
            (true, 2) => {
                take(request, &kept); // it has them, and says something else
                text(200, "<html>maintenance</html>")
            }
            (true, 3) if number < 5 => {
                std::thread::sleep(Duration::from_millis(1500));
                text(502, "late")
            }
            _ => take(request, &kept),
        }
    });
    (server, received, count)
}

/// With its body as it was before gzip: unpacked by gzip itself, so that no library of ours says what is right.
fn unpacked(request: &Request) -> Request {
    let mut request = request.clone();
    if request.header("content-encoding") == "gzip" {
        let output = finish(
            Command::new("gzip").arg("-dc").stdin(Stdio::piped()),
            &request.body,
        );
        assert_eq!(output.code(), 0, "{}", output.err());
        request.body = output.stdout;
    }
    request
}

fn text(status: u16, body: &str) -> Response {
    Response {
        status,
        content_type: "text/html",
        body: Body::Bytes(body.as_bytes().to_vec()),
    }
}

fn run(sink: &str, name: &str, received: &Received) -> Sidecar {
    let mut sidecar = Sidecar::new(events(), "  x:\n    to: stdout:\n");
    std::fs::write(sidecar.at("token"), "t0ken").expect("a file can be written");
    let token = sidecar.at("token").display().to_string();
    let sink = sink.replace("TOKEN", &token);
    sidecar.configure(&format!(
        "  {name}:\n{sink}    batch: 100\n    timeout_seconds: 1\n"
    ));
    sidecar.start();
    sidecar.wait_for(name);
    let repeats = received.repeats();
    println!("{name}: {} records, {repeats} repeated", received.records().len());
    sidecar
}

#[test]
fn hec_with_acknowledgement_and_a_bad_event() {
    let ids = Arc::new(AtomicU64::new(0));
    let (server, received, _) = receiver(move |request, received| {
        assert_eq!(request.header("authorization"), "Splunk t0ken");
        assert!(!request.header("x-splunk-request-channel").is_empty());
        if request.path().ends_with("/ack") {
            let asked: Value = serde_json::from_slice(&request.body).expect("JSON");
            let id = asked["acks"][0].to_string();
            // Every seventh acknowledgement is `false` at first.
            let late = ids.fetch_add(1, Ordering::Relaxed) % 7 == 3;
            return Response::json(&json!({"acks": {id: !late}}));
        }
        let events = request.objects();
        // Record 42 is one that this collector will never take.
        if let Some(bad) = events.iter().position(|event| event["event"]["seq"] == 42) {
            return Response::error(
                400,
                &json!({"text": "Error in handling indexed fields", "code": 15,
                "invalid-event-number": bad}),
            );
        }
        for event in &events {
            received.add_json(&event["event"]);
        }
        Response::json(&json!({"text": "Success", "code": 0, "ackId": 7}))
    });
    let sidecar = run(
        &format!(
            "    to: splunk-hec+http://127.0.0.1:{}\n    token: {{file: TOKEN}}\n    acks: true\n    gzip: true\n",
            server.port
        ),
        "hec",
        &received,
    );
    let mut expected = sidecar.records();
    expected.remove(&42);
    assert_eq!(received.records(), expected);
    let (_, listed) = sidecar.reeve(&["dlq", "list", "hec"]);
    assert!(
        listed.contains("42") && listed.contains("Error in handling indexed fields"),
        "{listed}"
    );
}

#[test]
fn bulk_with_a_fate_for_each_item() {
    let refused = Arc::new(AtomicU64::new(0));
    let (server, received, _) = receiver(move |request, received| {
        let lines = request.objects();
        let items: Vec<Value> = lines
            .chunks(2)
            .map(|pair| {
                let (action, document) = (&pair[0]["create"], &pair[1]);
                assert!(action["_id"].as_str().is_some_and(|id| !id.is_empty()) && action["_index"] == "reeve-audit");
                let seq = document["seq"].as_u64().expect("seq");
                if seq % 500 == 17 {
                    return json!({"create": {"status": 400, "error": {"type": "mapper_parsing_exception", "reason": "no"}}});
                }
                if seq % 90 == 5 && refused.fetch_add(1, Ordering::Relaxed) < 40 {
                    return json!({"create": {"status": 429, "error": {"type": "es_rejected_execution_exception"}}});
                }
                if received.has(seq) && seq.is_multiple_of(2) {
                    return json!({"create": {"status": 409, "error": {"type": "version_conflict_engine_exception"}}});
                }
                received.add_json(document);
                json!({"create": {"status": 201}})
            })
            .collect();
        Response::json(&json!({"errors": true, "items": items}))
    });
    let sidecar = run(
        &format!("    to: elasticsearch+http://127.0.0.1:{}\n", server.port),
        "es",
        &received,
    );
    let mut expected = sidecar.records();
    let before = expected.len();
    expected.retain(|seq, _| seq % 500 != 17);
    assert_eq!(received.records(), expected);
    let dead = (before - expected.len()) as f64;
    assert_eq!(sidecar.metric("reeve_sink_dead_letters{sink=\"es\"}"), dead);
}

#[test]
fn loki_isolates_the_line_that_it_refuses() {
    let (server, received, _) = receiver(|request, received| {
        let body: Value = serde_json::from_slice(&request.body).expect("JSON");
        let lines: Vec<Value> = body["streams"]
            .as_array()
            .expect("streams")
            .iter()
            .flat_map(|stream| stream["values"].as_array().expect("values"))
            .map(|value| serde_json::from_str(value[1].as_str().expect("a line")).expect("JSON"))
            .collect();
        if lines.iter().any(|line| line["seq"] == 99) {
            return text(400, "entry too far behind");
        }
        lines.iter().for_each(|line| received.add_json(line));
        text(204, "")
    });
    let sidecar = run(
        &format!("    to: loki+http://127.0.0.1:{}\n    gzip: true\n", server.port),
        "loki",
        &received,
    );
    let mut expected = sidecar.records();
    expected.remove(&99);
    assert_eq!(received.records(), expected);
    assert_eq!(sidecar.metric("reeve_sink_dead_letters{sink=\"loki\"}"), 1.0);
    let packed = server
        .requests()
        .into_iter()
        .filter(|it| it.header("content-encoding") == "gzip");
    let (count, bytes) = packed.fold((0, 0), |(count, bytes), it| (count + 1, bytes + it.body_length));
    let plain: usize = sidecar.records().len() * 1000;
    assert!(
        count > 10 && bytes < plain as u64 / 4,
        "{count} requests, {bytes} bytes"
    );
}

/// The few messages of OTLP that the test reads.
mod otlp {
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Request {
        #[prost(message, repeated, tag = "1")]
        pub resources: Vec<Resource>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Resource {
        #[prost(message, repeated, tag = "2")]
        pub scopes: Vec<Scope>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Scope {
        #[prost(message, repeated, tag = "2")]
        pub records: Vec<Record>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Record {
        #[prost(message, optional, tag = "5")]
        pub body: Option<Text>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Text {
        #[prost(string, tag = "1")]
        pub text: String,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Reply {
        #[prost(message, optional, tag = "1")]
        pub partial: Option<Partial>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Partial {
        #[prost(int64, tag = "1")]
        pub rejected: i64,
        #[prost(string, tag = "2")]
        pub message: String,
    }
}

#[test]
fn otlp_partial_success_goes_to_the_dead_letters_and_comes_back_by_replay() {
    use prost::Message;
    let is_strict = Arc::new(AtomicU64::new(1));
    let strict = Arc::clone(&is_strict);
    let (server, received, _) = receiver(move |request, received| {
        let decoded = otlp::Request::decode(request.body.as_slice()).expect("protobuf");
        let bodies: Vec<Value> = decoded
            .resources
            .iter()
            .flat_map(|resource| &resource.scopes)
            .flat_map(|scope| &scope.records)
            .map(|record| serde_json::from_str(&record.body.as_ref().expect("a body").text).expect("JSON"))
            .collect();
        let partial = bodies.iter().any(|body| body["seq"] == 1234) && strict.load(Ordering::Relaxed) == 1;
        for body in &bodies {
            if !(partial && body["seq"] == 1234) && body["kind"] != "test" {
                received.add_json(body);
            }
        }
        let reply = otlp::Reply {
            partial: partial.then(|| otlp::Partial {
                rejected: 1,
                message: "too old".into(),
            }),
        };
        Response {
            status: 200,
            content_type: "application/x-protobuf",
            body: Body::Bytes(reply.encode_to_vec()),
        }
    });
    let sidecar = run(
        &format!("    to: otlp+http://127.0.0.1:{}\n    gzip: true\n", server.port),
        "otlp",
        &received,
    );
    assert!(!received.records().contains_key(&1234));
    let held = sidecar.metric("reeve_sink_dead_letters{sink=\"otlp\"}");
    assert!((1.0..=100.0).contains(&held), "{held}");
    is_strict.store(0, Ordering::Relaxed);
    let (code, said) = sidecar.reeve(&["dlq", "replay", "otlp"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(sidecar.metric("reeve_sink_dead_letters{sink=\"otlp\"}"), 0.0);
    sidecar.wait_for("otlp"); // the replay itself is recorded, and sent
    sidecar.assert_received(&received);
}

#[test]
fn generic_http_gets_lines() {
    let (server, received, _) = receiver(|request, received| {
        assert!(!request.header("idempotency-key").is_empty());
        assert_eq!(request.target, "/in?x=1");
        request.objects().iter().for_each(|line| received.add_json(line));
        text(200, "")
    });
    // "<html>" with status 200 is a success here: there is no protocol that says otherwise.
    let sidecar = run(
        &format!("    to: http://127.0.0.1:{}/in?x=1\n", server.port),
        "http",
        &received,
    );
    sidecar.assert_received(&received);
}
