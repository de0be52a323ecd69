//! Certificates for receivers, made by openssl: an authority, a server's that is good, one that has expired, a client's.

use super::programs::find;
use crate::session::finish;
use std::path::Path;
use std::process::Command;

/// Writes `ca.pem`, `server.pem`, `expired.pem` and `client.pem` with their keys into `directory`; the server is 127.0.0.1.
pub fn make(directory: &Path) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(
        directory,
        &format!("req -x509 {key} -keyout ca.key -out ca.pem -days 30 -subj /CN=test-ca"),
    );
    std::fs::write(directory.join("ext"), "subjectAltName=IP:127.0.0.1\n").expect("a file can be written");
    for name in ["server", "client"] {
        openssl(
            directory,
            &format!("req -new {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"),
        );
        openssl(
            directory,
            &format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile ext -out {name}.pem"
            ),
        );
    }
    std::fs::write(directory.join("index.txt"), "").expect("a file can be written");
    std::fs::write(directory.join("serial"), "1000").expect("a file can be written");
    let ca = "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n";
    std::fs::write(directory.join("ca.cnf"), ca).expect("a file can be written");
    openssl(
        directory,
        "ca -batch -config ca.cnf -cert ca.pem -keyfile ca.key -in server.csr -out expired.pem -extfile ext \
         -startdate 20200101000000Z -enddate 20200201000000Z -notext",
    );
}

/// The key `tls` of a sink that presents the client's certificate.
pub fn client(directory: &Path) -> String {
    let at = |name: &str| directory.join(name).display().to_string();
    format!(
        "    tls: {{ca: {}, certificate: {}, key: {}}}\n",
        at("ca.pem"),
        at("client.pem"),
        at("client.key")
    )
}

/// The key `tls` of a sink that presents none, and trusts the same authority.
pub fn nobody(directory: &Path) -> String {
    format!("    tls: {{ca: {}}}\n", directory.join("ca.pem").display())
}

fn openssl(directory: &Path, words: &str) {
    let mut command = Command::new(find("openssl"));
    command.args(words.split(' ')).current_dir(directory);
    let output = finish(&mut command, &[]);
    assert_eq!(output.code(), 0, "openssl {words}: {}", output.err());
}
