//! Syslog sinks against syslog-ng (TCP, TLS, Unix datagrams) and rsyslog (UDP, Unix datagrams).

use acceptance::sinks::programs::{free_port, has_datagrams};
use acceptance::sinks::receivers::{has_everything, lines, takes_nothing_without_a_certificate};
use acceptance::sinks::syslog::{has_everything_after_restarts, rsyslog, syslog_ng};
use acceptance::sinks::{certificates, events};
use std::path::Path;

/// Datagrams are not acknowledged: so many fit into the receiver's socket, however late it reads.
const FEW: u64 = 100;

/// The keys of a sink that sends datagrams to this socket.
fn to(socket: &Path) -> String {
    format!("    to: syslog+unix:{}\n", socket.display())
}

#[test]
fn syslog_ng_over_tcp_has_everything_although_it_was_restarted() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let port = free_port();
    let source = format!("syslog(ip(\"127.0.0.1\") port({port}) transport(\"tcp\"));");
    let (mut program, out) = syslog_ng(directory.path(), &source);
    has_everything_after_restarts(&mut program, port, &out);
}

#[test]
fn syslog_ng_over_tls_wants_a_client_certificate_and_takes_nothing_without() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let at = |name: &str| directory.path().join(name).display().to_string();
    certificates::make(directory.path());
    let port = free_port();
    let source = format!(
        "syslog(ip(\"127.0.0.1\") port({port}) transport(\"tls\") tls(key-file(\"{}\") cert-file(\"{}\") \
         ca-file(\"{}\") peer-verify(required-trusted)));",
        at("server.key"),
        at("server.pem"),
        at("ca.pem")
    );
    let (mut program, out) = syslog_ng(directory.path(), &source);
    program.start(port);
    let address = format!("    to: syslog+tls://127.0.0.1:{port}\n");
    // Only what one of both sends is different: the stranger's checkpoints would be repeats.
    let few = events().min(5000);
    takes_nothing_without_a_certificate(directory.path(), few, &address, "CertificateRequired", || {
        lines(&out)
    });
}

#[test]
fn syslog_ng_over_a_unix_datagram_socket_has_everything() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let socket = directory.path().join("log");
    let source = format!("unix-dgram(\"{}\" flags(syslog-protocol));", socket.display());
    let (mut program, out) = syslog_ng(directory.path(), &source);
    program.start_until(|| socket.exists());
    has_everything(events(), &to(&socket), &out);
}

#[test]
fn rsyslog_over_udp_has_what_fits_into_its_socket() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let port = free_port();
    let inputs = format!(
        "module(load=\"imudp\")\ninput(type=\"imudp\" address=\"127.0.0.1\" port=\"{port}\" rcvbufSize=\"4m\")"
    );
    let (mut program, out) = rsyslog(directory.path(), "", &inputs);
    program.start_until(|| has_datagrams(port));
    has_everything(FEW, &format!("    to: syslog+udp://127.0.0.1:{port}\n"), &out);
}

#[test]
fn rsyslog_over_a_unix_datagram_socket_has_everything() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let socket = directory.path().join("log");
    let inputs = format!(
        "module(load=\"imuxsock\" sysSock.use=\"off\")\n\
         input(type=\"imuxsock\" socket=\"{}\" useSpecialParser=\"off\" parseHostname=\"on\" rateLimit.interval=\"0\")",
        socket.display()
    );
    let (mut program, out) = rsyslog(directory.path(), "", &inputs);
    program.start_until(|| socket.exists());
    has_everything(events(), &to(&socket), &out);
}
