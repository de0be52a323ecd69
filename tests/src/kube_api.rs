//! Stands in for a cluster, which cannot be had here: an API server over plain HTTP that speaks enough discovery for the real
//! kubectl to work, says yes to everything, and records what it was asked.

use crate::http::{Body, Request, Response, Server};
use serde_json::{Value, json};
use std::path::Path;

/// How many bytes `logs` of the pod `big` has.
pub const BIG_LOG: u64 = 100 * 1024 * 1024;

/// A cluster on loopback.
pub struct Cluster {
    /// The server.
    pub server: Server,
}

impl Cluster {
    /// Starts one.
    pub fn start() -> Cluster {
        Cluster {
            server: Server::tcp(answer),
        }
    }

    /// Writes a kubeconfig for it.
    pub fn kubeconfig(&self, path: &Path) {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://127.0.0.1:{}", self.server.port)}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        });
        std::fs::write(path, config.to_string()).expect("the kubeconfig can be written");
    }

    /// What would have changed something.
    pub fn mutations(&self) -> Vec<String> {
        let harmless = |request: &Request| {
            matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS")
                && !request.path().ends_with("/exec")
                || request.path().contains("/selfsubject")
        };
        self.server
            .requests()
            .iter()
            .filter(|request| !harmless(request))
            .map(|request| format!("{} {}", request.method, request.target))
            .collect()
    }
}

/// What the cluster says.
pub fn answer(request: &Request) -> Response {
    let path = request.path();
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (request.method.as_str(), segments.as_slice()) {
        (_, ["version"]) => Response::json(
            &json!({"major": "1", "minor": "20", "gitVersion": "v1.20.2", "platform": "linux/amd64"}),
        ),
        (_, ["api"]) => Response::json(
            &json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ),
        (_, ["apis"]) => Response::json(&groups()),
        (_, ["api", "v1"]) => Response::json(&core_resources()),
        (_, ["apis", "apps", "v1"]) => Response::json(&apps_resources()),
        // Nothing is known of any object, so nothing is checked; the empty message is a document.
        ("GET", ["openapi", "v2"]) => Response {
            status: 200,
            content_type: "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
            body: Body::Bytes(Vec::new()),
        },
        ("GET", ["api", "v1", "namespaces", _, "pods", "big", "log"]) => Response {
            status: 200,
            content_type: "text/plain",
            body: Body::Pattern(BIG_LOG),
        },
        ("GET", ["api", "v1", "namespaces", namespace, "pods"]) => Response::json(&list(request, namespace)),
        ("GET", ["api", "v1", "pods"]) => Response::json(&list(request, "default")),
        ("GET", ["api", "v1", "namespaces", namespace, "pods", name]) => {
            Response::json(&pod(namespace, name))
        }
        ("GET", ["apis", "apps", "v1", "namespaces", namespace, "deployments", name]) => {
            Response::json(&deployment(namespace, name))
        }
        // What is made is what was sent.
        ("POST" | "PUT", _) if has_metadata(request) => Response {
            status: 200,
            content_type: "application/json",
            body: Body::Bytes(request.body.clone()),
        },
        ("PATCH", ["api", "v1", "namespaces", namespace, "pods", name]) => {
            Response::json(&pod(namespace, name))
        }
        ("GET", _) => Response::error(404, &status("Failure", "NotFound", 404)),
        _ => Response::json(&status("Success", "", 200)),
    }
}

fn has_metadata(request: &Request) -> bool {
    serde_json::from_slice::<Value>(&request.body).is_ok_and(|object| object["metadata"]["name"].is_string())
}

fn groups() -> Value {
    let version = json!({"groupVersion": "apps/v1", "version": "v1"});
    json!({"kind": "APIGroupList", "apiVersion": "v1",
        "groups": [{"name": "apps", "versions": [version], "preferredVersion": version}]})
}

fn core_resources() -> Value {
    let resource = |name: &str, kind: &str, short: &[&str], namespaced: bool| {
        json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "shortNames": short,
            "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]})
    };
    json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": [
        resource("pods", "Pod", &["po"], true), resource("pods/log", "Pod", &[], true),
        resource("secrets", "Secret", &[], true), resource("configmaps", "ConfigMap", &["cm"], true),
        resource("services", "Service", &["svc"], true), resource("namespaces", "Namespace", &["ns"], false),
        resource("nodes", "Node", &["no"], false),
    ]})
}

fn apps_resources() -> Value {
    json!({"kind": "APIResourceList", "groupVersion": "apps/v1", "resources": [
        {"name": "deployments", "singularName": "", "namespaced": true, "kind": "Deployment", "shortNames": ["deploy"],
         "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]},
    ]})
}

fn pod(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": "00000000-0000-0000-0000-000000000001",
            "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"app": name}},
        "spec": {"containers": [{"name": "app", "image": "app:1"}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "app", "ready": true, "restartCount": 0, "image": "app:1", "imageID": "", "state": {"running": {}}}]}})
}

fn deployment(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "uid": "00000000-0000-0000-0000-000000000002", "generation": 1},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}}},
        "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}})
}

fn list(request: &Request, namespace: &str) -> Value {
    let names = ["web-1", "web-2", "db-0"];
    if request.header("accept").contains("as=Table") {
        let columns = ["Name", "Ready", "Status", "Restarts", "Age"];
        let columns: Vec<Value> = columns
            .iter()
            .map(|name| json!({"name": name, "type": "string", "format": "", "description": "", "priority": 0}))
            .collect();
        let rows: Vec<Value> = names
            .iter()
            .map(|name| {
                let object = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                    "metadata": {"name": name, "namespace": namespace}});
                json!({"cells": [name, "1/1", "Running", "0", "5d"], "object": object})
            })
            .collect();
        return json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "columnDefinitions": columns, "rows": rows});
    }
    let items: Vec<Value> = names.iter().map(|name| pod(namespace, name)).collect();
    json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items})
}

fn status(status: &str, reason: &str, code: u16) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": status, "reason": reason, "code": code,
        "details": {"name": "x", "kind": "pods"}})
}
