//! How the program is called: where `--help` begins.

pub(crate) const USAGE: &str = "\
Keeps the shop in this pod on the newest release that works, and tells Kubernetes and Prometheus
how it is.

Usage: longshore-agent
       longshore-agent log debug | configured [PROCESS]
                       asks the agent that runs, process 1 of its container, for more in its log,
                       or for as much as is configured
       longshore-agent --help | --version

Settings come from the environment; those of longshore-init mean the same here. A pod that follows
a channel and looks at its front page:

  LONGSHORE_STORE=s3://releases/prod LONGSHORE_CHANNEL=shops/acme LONGSHORE_ROOT=/srv/shop \\
  LONGSHORE_TRUST=/etc/longshore/1.root.json LONGSHORE_PHP=/run/php/php8.2-fpm.sock \\
  LONGSHORE_PROBE=http://127.0.0.1:8080/ longshore-agent

What it does now, and why not something newer: curl http://127.0.0.1:9808/status
Every failure ends with one line that has a reason code; /dev/termination-log gets the same if it
exists.

";
