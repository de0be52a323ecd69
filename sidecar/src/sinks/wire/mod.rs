//! What stands on the wire, protocol by protocol: values in, bytes out, and answers read into verdicts. Pure.

pub mod bulk;
pub mod forward;
pub mod handshake;
pub mod hec;
pub mod http_status;
pub mod loki;
pub mod msgpack;
pub mod nats;
pub mod otlp;
pub mod syslog;
