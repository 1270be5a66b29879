//! The fields of a mount of kind nfs4: its server, and how the way there is encrypted.

use super::{check::Check, raw::RawMount};
use crate::nfs::{EfsClient, NFS_PORT, Nfs, Server, Tls};

impl Check {
    pub(super) fn nfs(&mut self, raw: &RawMount) -> Option<Nfs> {
        let export = raw.export.as_deref().unwrap_or("/");
        let export = self
            .absolute("export", export)
            .map(|path| path.display().to_string());
        let subdirectory = raw
            .subdirectory
            .as_ref()
            .and_then(|path| self.relative("subdirectory", path));
        let port = raw.port.unwrap_or(NFS_PORT);
        if port == 0 {
            self.say("port", "0", "expected 1 to 65535");
        }
        let server = self.server(raw);
        let tls = self.tls(raw, server.as_ref());
        Some(Nfs {
            server: server?,
            export: export?,
            subdirectory,
            port,
            tls,
        })
    }

    fn server(&mut self, raw: &RawMount) -> Option<Server> {
        match (&raw.file_system, &raw.server) {
            (Some(_), Some(_)) | (None, None) => {
                self.problems
                    .push("expected either file_system and region, or server".to_owned());
                None
            }
            (Some(file_system), None) => {
                if !is_efs_id(file_system, "fs-") {
                    self.say(
                        "file_system",
                        file_system,
                        "expected the id of an EFS file system, such as fs-0123456789abcdef0",
                    );
                }
                let region = self.required("region", raw.region.clone())?;
                if !is_region(&region) {
                    self.say(
                        "region",
                        &region,
                        "expected an AWS region, such as eu-central-1",
                    );
                }
                let address = match &raw.address {
                    None => None,
                    Some(text) => Some(self.known(
                        "address",
                        text,
                        text.parse().ok(),
                        "expected the IP address of a mount target",
                    )?),
                };
                Some(Server::Efs {
                    file_system: file_system.clone(),
                    region,
                    address,
                })
            }
            (None, Some(server)) => {
                for (field, given) in [
                    ("region", raw.region.is_some()),
                    ("address", raw.address.is_some()),
                    ("access_point", raw.access_point.is_some()),
                    ("iam", raw.iam.is_some()),
                ] {
                    if given {
                        self.problems
                            .push(format!("{field}: expected only with file_system"));
                    }
                }
                let good = is_host(server).then(|| Server::Host(server.clone()));
                self.known(
                    "server",
                    server,
                    good,
                    "expected a host name or an IP address",
                )
            }
        }
    }

    /// `None` if the connection is not encrypted.
    fn tls(&mut self, raw: &RawMount, server: Option<&Server>) -> Option<Tls> {
        if !raw.tls.unwrap_or(false) {
            let needing = [
                ("ca_file", &raw.ca_file),
                ("server_name", &raw.server_name),
                ("access_point", &raw.access_point),
            ];
            for (field, value) in needing {
                if let Some(value) = value {
                    self.say(field, value, "expected only with tls=true");
                }
            }
            if raw.iam == Some(true) {
                self.say("iam", "true", "expected only with tls=true");
            }
            return None;
        }
        let ca_file = raw
            .ca_file
            .as_ref()
            .and_then(|path| self.absolute("ca_file", path));
        if let Some(id) = raw
            .access_point
            .as_ref()
            .filter(|id| raw.file_system.is_some() && !is_efs_id(id, "fsap-"))
        {
            self.say(
                "access_point",
                id,
                "expected the id of an EFS access point, such as fsap-0123456789abcdef0",
            );
        }
        let iam = raw.iam.unwrap_or(false);
        let client = match server {
            Some(Server::Efs {
                file_system,
                region,
                ..
            }) if iam || raw.access_point.is_some() => {
                let (file_system, region) = (file_system.clone(), region.clone());
                Some(Box::new(EfsClient {
                    file_system,
                    region,
                    access_point: raw.access_point.clone(),
                    iam,
                }))
            }
            _ => None,
        };
        let server_name = raw
            .server_name
            .clone()
            .unwrap_or_else(|| server.map(Server::host).unwrap_or_default());
        if server.is_some() && !is_host(&server_name) {
            self.say(
                "server_name",
                &server_name,
                "expected the host name that the certificate is for",
            );
        }
        Some(Tls {
            server_name,
            ca_file,
            client,
        })
    }
}

/// EFS names have 8 hexadecimal digits, or 17 since 2019; up to 40 by the pattern in its API's
/// reference.
fn is_efs_id(text: &str, prefix: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.strip_prefix(prefix)
        .is_some_and(|id| (8..=40).contains(&id.len()) && id.bytes().all(hex))
}

fn is_region(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let (last, words) = parts.split_last().unwrap_or((&"", &[]));
    words.len() >= 2
        && words
            .iter()
            .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        && matches!(last.as_bytes(), [b'1'..=b'9'] | [b'1'..=b'9', b'0'..=b'9'])
}

fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.parse::<std::net::IpAddr>().is_ok() || (text.len() <= 253 && text.split('.').all(label))
}
