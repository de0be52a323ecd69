//! Stands in for a cluster, which cannot be had here: an API server that has an object of every name, says yes to everything,
//! and knows which request is for what. [`crate::kube_api`] is its simpler sister for tests of single lines.

use super::sandbox::SECRET;
use super::{BTreeMap, Sent};
use crate::http::{Body, Request, Response, Server};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// A type: group, version, plural, kind, short name, whether it has namespaces. From the Kubernetes API reference.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    bool,
);

/// What this cluster has.
const TYPES: &[Row] = &[
    ("", "v1", "pods", "Pod", "po", true),
    ("", "v1", "secrets", "Secret", "", true),
    ("", "v1", "configmaps", "ConfigMap", "cm", true),
    ("", "v1", "services", "Service", "svc", true),
    ("", "v1", "serviceaccounts", "ServiceAccount", "sa", true),
    ("", "v1", "namespaces", "Namespace", "ns", false),
    ("", "v1", "nodes", "Node", "no", false),
    ("", "v1", "events", "Event", "ev", true),
    ("", "v1", "endpoints", "Endpoints", "ep", true),
    ("", "v1", "persistentvolumes", "PersistentVolume", "pv", false),
    (
        "",
        "v1",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        "pvc",
        true,
    ),
    (
        "",
        "v1",
        "replicationcontrollers",
        "ReplicationController",
        "rc",
        true,
    ),
    ("", "v1", "resourcequotas", "ResourceQuota", "quota", true),
    ("", "v1", "limitranges", "LimitRange", "limits", true),
    ("apps", "v1", "deployments", "Deployment", "deploy", true),
    ("apps", "v1", "replicasets", "ReplicaSet", "rs", true),
    ("apps", "v1", "statefulsets", "StatefulSet", "sts", true),
    ("apps", "v1", "daemonsets", "DaemonSet", "ds", true),
    (
        "apps",
        "v1",
        "controllerrevisions",
        "ControllerRevision",
        "",
        true,
    ),
    ("batch", "v1", "jobs", "Job", "", true),
    ("batch", "v1beta1", "cronjobs", "CronJob", "cj", true),
    (
        "autoscaling",
        "v1",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        "hpa",
        true,
    ),
    ("networking.k8s.io", "v1", "ingresses", "Ingress", "ing", true),
    (
        "networking.k8s.io",
        "v1",
        "networkpolicies",
        "NetworkPolicy",
        "netpol",
        true,
    ),
    (
        "policy",
        "v1beta1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        "pdb",
        true,
    ),
    ("rbac.authorization.k8s.io", "v1", "roles", "Role", "", true),
    (
        "rbac.authorization.k8s.io",
        "v1",
        "rolebindings",
        "RoleBinding",
        "",
        true,
    ),
    (
        "rbac.authorization.k8s.io",
        "v1",
        "clusterroles",
        "ClusterRole",
        "",
        false,
    ),
    (
        "rbac.authorization.k8s.io",
        "v1",
        "clusterrolebindings",
        "ClusterRoleBinding",
        "",
        false,
    ),
    (
        "storage.k8s.io",
        "v1",
        "storageclasses",
        "StorageClass",
        "sc",
        false,
    ),
    (
        "scheduling.k8s.io",
        "v1",
        "priorityclasses",
        "PriorityClass",
        "pc",
        false,
    ),
    (
        "certificates.k8s.io",
        "v1",
        "certificatesigningrequests",
        "CertificateSigningRequest",
        "csr",
        false,
    ),
    ("metrics.k8s.io", "v1beta1", "nodes", "NodeMetrics", "", false),
    ("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", "", true),
    ("example.com", "v1", "widgets", "Widget", "wd", true),
];

/// The cluster, and what was deleted from it: kubectl waits until that is gone.
pub(super) struct Cluster {
    pub(super) server: Server,
    gone: Gone,
}

/// The paths of objects that were deleted.
type Gone = Arc<Mutex<BTreeSet<String>>>;

impl Cluster {
    /// Starts it.
    pub(super) fn start() -> Cluster {
        let gone = Gone::default();
        let remembered = Arc::clone(&gone);
        let server = Server::tcp(move |request| {
            let mut gone = remembered.lock().unwrap_or_else(PoisonError::into_inner);
            answer(request, &mut gone)
        });
        Cluster { server, gone }
    }

    /// Forgets what was asked and done.
    pub(super) fn forget(&self) {
        self.server.forget();
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Where a path leads.
struct Place<'a> {
    group: &'a str,
    version: &'a str,
    namespace: &'a str,
    resource: &'a str,
    name: &'a str,
    subresource: &'a str,
}

fn place(path: &str) -> Option<Place<'_>> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, version, rest) = match segments.as_slice() {
        ["api", "v1", rest @ ..] => ("", "v1", rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return None,
    };
    // `namespaces/x/y` is in a namespace; `namespaces/x` and `namespaces/x/status|finalize` are about one.
    let (namespace, rest) = match rest {
        ["namespaces", _, "status" | "finalize"] => ("", rest),
        ["namespaces", namespace, below @ ..] if !below.is_empty() => (*namespace, below),
        _ => ("", rest),
    };
    let [resource, rest @ ..] = rest else { return None };
    let (name, rest) = rest
        .split_first()
        .map_or(("", rest), |(name, rest)| (*name, rest));
    let subresource = rest.first().copied().unwrap_or_default();
    Some(Place {
        group,
        version,
        namespace: if *resource == "namespaces" && namespace.is_empty() {
            ""
        } else {
            namespace
        },
        resource,
        name,
        subresource,
    })
}

/// What a request asks for; `None` for discovery, which every command may do.
pub(super) fn sent(request: &Request) -> Option<Sent> {
    let is_read = matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS");
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    let body = String::from_utf8_lossy(&request.body);
    let Some(place) = place(request.path()) else {
        return (!is_read).then(|| Sent {
            shown: format!("{} {}", request.method, request.target),
            changes: true,
            facts: BTreeMap::from([("path", request.path().to_owned())]),
        });
    };
    // What the cluster does not have is asked for in vain.
    let is_there = TYPES
        .iter()
        .any(|row| row.0 == place.group && row.2 == place.resource);
    if is_read && !is_there {
        return None;
    }
    let reviews = place.resource.contains("subject") && place.group.starts_with("auth");
    let dry = query.contains("dryRun=All")
        || place.subresource == "eviction" && body.contains("\"dryRun\":[\"All\"]");
    let connects = matches!(place.subresource, "exec" | "attach" | "portforward" | "proxy");
    let kind = match place.group {
        "" => place.resource.to_owned(),
        group => format!("{}.{group}", place.resource),
    };
    // What is made has its name in the body.
    let made: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let name = match made["metadata"]["name"].as_str() {
        Some(name) if request.method == "POST" && place.name.is_empty() => name.to_owned(),
        _ => place.name.to_owned(),
    };
    let facts = BTreeMap::from([
        ("path", request.path().to_owned()),
        ("kind", kind),
        ("subresource", place.subresource.to_owned()),
        ("namespace", decoded(place.namespace)),
        ("name", decoded(&name)),
    ]);
    Some(Sent {
        shown: format!("{} {}", request.method, request.target),
        changes: !is_read && !dry && !reviews || connects,
        facts,
    })
}

/// A segment of a path without its percent signs.
fn decoded(segment: &str) -> String {
    let mut parts = segment.split('%');
    let mut bytes: Vec<u8> = parts.next().unwrap_or_default().bytes().collect();
    for part in parts {
        match part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend(part.bytes().skip(2));
            }
            None => bytes.extend(std::iter::once(b'%').chain(part.bytes())),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn answer(request: &Request, gone: &mut BTreeSet<String>) -> Response {
    let path = request.path();
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match segments.as_slice() {
        ["version"] => Response::json(
            &json!({"major": "1", "minor": "20", "gitVersion": "v1.20.2", "platform": "linux/amd64"}),
        ),
        ["api"] => Response::json(
            &json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ),
        ["apis"] => Response::json(&groups()),
        ["api", version] => Response::json(&resources("", version)),
        ["apis", group, version] => Response::json(&resources(group, version)),
        // A schema that knows no type: nothing is validated.
        ["openapi", "v2"] => Response {
            status: 200,
            content_type: "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
            body: Body::Bytes(Vec::new()),
        },
        _ => match place(path) {
            Some(place) => about(request, &place, gone),
            None => Response::error(404, &status("NotFound", 404)),
        },
    }
}

fn about(request: &Request, place: &Place<'_>, gone: &mut BTreeSet<String>) -> Response {
    let Some((group, _, _, kind, ..)) = TYPES
        .iter()
        .find(|row| row.0 == place.group && row.2 == place.resource)
    else {
        return match place.group {
            "authorization.k8s.io" => Response::json(&json!({"kind": "SelfSubjectAccessReview",
                "apiVersion": "authorization.k8s.io/v1", "spec": {}, "status": {"allowed": true}})),
            _ => Response::error(404, &status("NotFound", 404)),
        };
    };
    // Some commands ask for a version of their own choice.
    let version = place.version;
    let api = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    match (request.method.as_str(), place.subresource) {
        ("GET", "log") => Response {
            status: 200,
            content_type: "text/plain",
            body: Body::Bytes(b"a line\n".to_vec()),
        },
        (_, "exec" | "attach" | "portforward" | "proxy") => Response::error(400, &status("BadRequest", 400)),
        (_, "token") => Response::json(
            &json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
            "metadata": {}, "spec": {"audiences": []}, "status": {"token": SECRET, "expirationTimestamp": "2027-01-01T00:00:00Z"}}),
        ),
        (_, "scale") => Response::json(&json!({"kind": "Scale", "apiVersion": "autoscaling/v1",
            "metadata": {"name": place.name, "namespace": place.namespace}, "spec": {"replicas": 1}, "status": {"replicas": 1}})),
        (_, "eviction") | ("DELETE", _) => {
            gone.insert(request.path().trim_end_matches("/eviction").to_owned());
            Response::json(&status("", 200))
        }
        ("GET", _) if place.name.is_empty() => Response::json(&list(request, place, kind, &api, gone)),
        ("GET", _) if gone.contains(request.path()) => Response::error(404, &status("NotFound", 404)),
        ("POST", _) => {
            let made: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            if made.is_object() {
                let mut made = made;
                if !place.namespace.is_empty() {
                    made["metadata"]["namespace"] = json!(place.namespace);
                }
                Response::json(&made)
            } else {
                Response::json(&object(kind, &api, place.namespace, "made"))
            }
        }
        _ => Response::json(&object(kind, &api, place.namespace, place.name)),
    }
}

fn list(request: &Request, place: &Place<'_>, kind: &str, api: &str, gone: &BTreeSet<String>) -> Value {
    if request.target.contains("watch=") {
        return Value::Null;
    }
    let is_namespaced = TYPES.iter().any(|row| row.3 == kind && row.5);
    let namespace = match (is_namespaced, place.namespace) {
        (true, "") => "default",
        (_, namespace) => namespace,
    };
    // A list narrowed to one name has just that one.
    let asked = request.target.split("metadata.name%3D").nth(1);
    let only = asked.map(|rest| rest.split(['&', '%']).next().unwrap_or_default());
    let names = match only {
        Some(name) => vec![name],
        None => vec!["web-1", "web-2"],
    };
    let is_there = |name: &&&str| !gone.contains(&format!("{}/{name}", request.path()));
    let items: Vec<Value> = names
        .iter()
        .filter(is_there)
        .map(|name| object(kind, api, namespace, name))
        .collect();
    json!({"kind": format!("{kind}List"), "apiVersion": api, "metadata": {"resourceVersion": "1"}, "items": items})
}

fn object(kind: &str, api: &str, namespace: &str, name: &str) -> Value {
    let mut metadata = json!({"name": name, "uid": "00000000-0000-0000-0000-000000000001", "generation": 1,
        "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"app": "web"}});
    if !namespace.is_empty() {
        metadata["namespace"] = json!(namespace);
    }
    let pod = json!({"nodeName": "node-1", "serviceAccountName": "web",
        "containers": [{"name": "app", "image": "app:1"}, {"name": "side", "image": "side:1"}]});
    let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": pod});
    let selector = json!({"matchLabels": {"app": "web"}});
    let (spec, state) = match kind {
        "Pod" => {
            metadata["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "1", "controller": true}]);
            (
                pod,
                json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}),
            )
        }
        "Deployment" | "StatefulSet" | "ReplicaSet" => (
            json!({"replicas": 1, "selector": selector, "template": template, "serviceName": "web"}),
            json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1, "currentReplicas": 1}),
        ),
        "DaemonSet" => (
            json!({"selector": selector, "template": template, "updateStrategy": {"type": "RollingUpdate"}}),
            json!({"observedGeneration": 1, "desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberAvailable": 1}),
        ),
        "ReplicationController" => (
            json!({"replicas": 1, "selector": {"app": "web"}, "template": template}),
            json!({"replicas": 1}),
        ),
        "Job" => (
            json!({"selector": selector, "template": template}),
            json!({"succeeded": 1}),
        ),
        "CronJob" => (
            json!({"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}}),
            json!({}),
        ),
        "Service" => (
            json!({"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080, "protocol": "TCP"}]}),
            json!({}),
        ),
        "CertificateSigningRequest" => (
            json!({"request": "eA==", "signerName": "example.com/x", "usages": ["client auth"]}),
            json!({}),
        ),
        _ => (json!({}), json!({})),
    };
    let mut object = json!({"kind": kind, "apiVersion": api, "metadata": metadata});
    match kind {
        "Secret" => {
            object["type"] = json!("kubernetes.io/service-account-token");
            // As it comes over the wire, and as it is when it was decoded.
            object["data"] = json!({"token": SECRET});
        }
        "ConfigMap" => object["data"] = json!({"key": "value"}),
        "Role" | "ClusterRole" => object["rules"] = json!([]),
        "RoleBinding" | "ClusterRoleBinding" => {
            object["roleRef"] =
                json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"});
            object["subjects"] = json!([]);
        }
        "ServiceAccount" => object["secrets"] = json!([{"name": "web-token"}]),
        "NodeMetrics" => object["usage"] = json!({"cpu": "1", "memory": "1Mi"}),
        "PodMetrics" => {
            object["containers"] = json!([{"name": "app", "usage": {"cpu": "1", "memory": "1Mi"}}])
        }
        "StorageClass" => object["provisioner"] = json!("example.com/x"),
        "PriorityClass" => object["value"] = json!(1),
        "Event" => object["involvedObject"] = json!({"kind": "Pod", "name": "web-1", "namespace": namespace}),
        _ => {
            object["spec"] = spec;
            object["status"] = state;
        }
    }
    object
}

fn groups() -> Value {
    let mut groups: Vec<Value> = Vec::new();
    for (group, version, ..) in TYPES.iter().filter(|row| !row.0.is_empty()) {
        let version = json!({"groupVersion": format!("{group}/{version}"), "version": version});
        match groups.iter_mut().find(|known| known["name"] == *group) {
            Some(known) => {
                let versions = known["versions"].as_array_mut().expect("it is a list");
                if !versions.contains(&version) {
                    versions.push(version);
                }
            }
            None => groups.push(json!({"name": group, "versions": [version], "preferredVersion": version})),
        }
    }
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn resources(group: &str, version: &str) -> Value {
    let verbs = json!([
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch"
    ]);
    let resources: Vec<Value> = TYPES
        .iter()
        .filter(|row| row.0 == group && row.1 == version)
        .flat_map(|(_, _, plural, kind, short, namespaced)| {
            // A custom type may have a verb for its short name.
            let short: Vec<&str> = match *plural {
                "widgets" => vec![short, "delete"],
                _ => Some(*short).into_iter().filter(|it| !it.is_empty()).collect(),
            };
            let categories: Vec<&str> = match *plural {
                _ if group == "metrics.k8s.io" => vec![],
                "pods" | "services" | "deployments" | "replicasets" | "statefulsets" | "daemonsets" | "jobs" => vec!["all"],
                _ => vec![],
            };
            let own = json!({"name": plural, "singularName": kind.to_lowercase(), "namespaced": namespaced, "kind": kind,
                "shortNames": short, "categories": categories, "verbs": verbs});
            let scale = matches!(*plural, "deployments" | "replicasets" | "statefulsets" | "replicationcontrollers").then(|| {
                json!({"name": format!("{plural}/scale"), "singularName": "", "namespaced": true, "group": "autoscaling",
                    "version": "v1", "kind": "Scale", "verbs": ["get", "patch", "update"]})
            });
            let evict = (*plural == "pods" && group.is_empty()).then(|| {
                json!({"name": "pods/eviction", "singularName": "", "namespaced": true, "group": "policy",
                    "version": "v1beta1", "kind": "Eviction", "verbs": ["create"]})
            });
            [Some(own), scale, evict].into_iter().flatten()
        })
        .collect();
    let name = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": resources})
}

fn status(reason: &str, code: u16) -> Value {
    let status = if code == 200 { "Success" } else { "Failure" };
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": status, "reason": reason, "code": code})
}
