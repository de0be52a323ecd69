//! `/metrics` and the probes, for Prometheus and the kubelet. Loopback by default; every connection has a deadline.

use crate::shared::Shared;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// The most connections at once; others wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 64;
/// For sending a request's head.
const HEADER_DEADLINE: Duration = Duration::from_secs(5);
/// For a connection in all, however many requests it carries.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(60);

/// Serves until the task is ended.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let Ok(seat) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "an http connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let response = respond(&request, &shared);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_DEADLINE)
                .serve_connection(TokioIo::new(stream), service);
            match tokio::time::timeout(CONNECTION_DEADLINE, connection).await {
                Ok(Ok(())) | Err(_) => {}
                Ok(Err(error)) => tracing::debug!(%error, "an http connection ended badly"),
            }
            drop(seat);
        });
    }
}

fn respond(request: &Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return plain(
            StatusCode::METHOD_NOT_ALLOWED,
            "GET and HEAD are answered here\n".into(),
        );
    }
    match request.uri().path() {
        "/metrics" => match shared.metrics.text() {
            Ok(text) => typed(
                StatusCode::OK,
                text.into(),
                "text/plain; version=0.0.4; charset=utf-8",
            ),
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        },
        "/healthz" | "/health" | "/health/live" => {
            probe(shared.is_alive(), "the ledger's writer makes no progress")
        }
        "/readyz" | "/ready" | "/health/ready" => match shared.status().unavailable {
            None => probe(shared.is_alive(), "the ledger's writer makes no progress"),
            Some(why) => probe(false, &why),
        },
        // Listening begins when the ledger is open, so whoever gets an answer has a started sidecar.
        "/startupz" | "/startup" | "/health/startup" => probe(true, ""),
        _ => plain(
            StatusCode::NOT_FOUND,
            "/metrics, /healthz, /readyz and /startupz are here\n".into(),
        ),
    }
}

fn probe(good: bool, why: &str) -> Response<Full<Bytes>> {
    let (code, body) = if good {
        (StatusCode::OK, serde_json::json!({ "status": "ok" }))
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            serde_json::json!({ "status": "unavailable", "reason": why }),
        )
    };
    typed(code, format!("{body}\n").into(), "application/json")
}

fn plain(code: StatusCode, body: String) -> Response<Full<Bytes>> {
    typed(code, body.into(), "text/plain; charset=utf-8")
}

fn typed(code: StatusCode, body: Bytes, content_type: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = code;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
