// A forward server by @fluent-org/logger: appends each entry's record to OUT as a line of JSON.
//
//   node server.js '{"listen": {…}, "out": PATH, "tls": {"key", "cert", "ca"}, "security": {"serverHostname", …}}'
//
// `listen` is what net.Server.listen takes (a port and a host, or a path); of `tls` each value is a file. It ends between two
// entries when it is told to (SIGTERM), so that what it has acknowledged is in OUT.
"use strict";
const fs = require("fs");
const { FluentServer } = require("@fluent-org/logger");

const { listen, out, tls, security } = JSON.parse(process.argv[2]);
const file = fs.openSync(out, "a");
const read = (path) => path && fs.readFileSync(path);
const server = new FluentServer({
  listenOptions: listen,
  tlsOptions: tls && {
    key: read(tls.key),
    cert: read(tls.cert),
    ca: read(tls.ca),
    requestCert: Boolean(tls.ca),
    rejectUnauthorized: Boolean(tls.ca),
  },
  security: security && { ...security, authorize: Boolean(security.userDict) },
});
server.on("entry", (tag, time, record) => {
  fs.writeSync(file, JSON.stringify({ ...record, _tag: tag, _time: [time.epoch, time.nano] }) + "\n");
});
process.on("SIGTERM", () => process.exit(0));
server.listen();
