//! An NFS server and what is mounted from it: names, addresses and the options that mount(2) is
//! given. Pure.

use crate::mount_options::MountOptions;
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

/// The port of `NFSv4` (RFC 7530, section 3.1); EFS serves TLS on the same one.
pub const NFS_PORT: u16 = 2049;

/// What is mounted from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nfs {
    /// Who serves it.
    pub server: Server,
    /// Which directory of the server, `/` or a path without a slash at its end.
    pub export: String,
    /// Which directory below the export, made if it is missing.
    pub subdirectory: Option<String>,
    /// The server's port.
    pub port: u16,
    /// Whether, and how, the connection is encrypted.
    pub tls: Option<Tls>,
}

/// An NFS server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// A file system of Amazon EFS.
    Efs {
        /// Such as `fs-0123456789abcdef0`.
        file_system: String,
        /// Such as `eu-central-1`.
        region: String,
        /// The mount target's address, where DNS is not to be asked.
        address: Option<IpAddr>,
    },
    /// Any NFSv4.1 server, by name or address.
    Host(String),
}

impl Server {
    /// The name to look up and to show: for EFS, the one that AWS gives its file systems.
    #[must_use]
    pub fn host(&self) -> String {
        match self {
            Self::Efs {
                file_system,
                region,
                ..
            } => {
                let suffix = if region.starts_with("cn-") {
                    "amazonaws.com.cn"
                } else {
                    "amazonaws.com"
                };
                format!("{file_system}.efs.{region}.{suffix}")
            }
            Self::Host(host) => host.clone(),
        }
    }

    /// The address, if the file gives it.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Efs { address, .. } => *address,
            Self::Host(host) => host.parse().ok(),
        }
    }
}

/// How a connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The name that the server's certificate must be for.
    pub server_name: String,
    /// The certificates to believe, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// What EFS is told about us in a client certificate.
    pub client: Option<Box<EfsClient>>,
}

/// What EFS is told about a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EfsClient {
    /// The file system, such as `fs-0123456789abcdef0`.
    pub file_system: String,
    /// Its region, such as `eu-central-1`.
    pub region: String,
    /// Its access point, such as `fsap-0123456789abcdef0`.
    pub access_point: Option<String>,
    /// Whether the pod's identity signs, so that the server decides by IAM's policies what it may
    /// mount.
    pub iam: bool,
}

impl Nfs {
    /// What mountinfo shows as the source: `host:/export`.
    #[must_use]
    pub fn device(&self) -> String {
        match &self.subdirectory {
            Some(subdirectory) => format!(
                "{}/{subdirectory}",
                self.device_of_export().trim_end_matches('/')
            ),
            None => self.device_of_export(),
        }
    }

    /// The same without the subdirectory.
    #[must_use]
    pub fn device_of_export(&self) -> String {
        let host = self.server.host();
        if host.contains(':') {
            format!("[{host}]:{}", self.export)
        } else {
            format!("{host}:{}", self.export)
        }
    }

    /// The options for mount(2): the client in the kernel looks up no names, so it is given
    /// addresses.
    #[must_use]
    pub fn data(&self, words: &MountOptions, server: SocketAddr, client: IpAddr) -> String {
        let proto = if server.is_ipv6() { "tcp6" } else { "tcp" };
        format!(
            "{},proto={proto},port={},addr={},clientaddr={client}",
            words.for_nfs(),
            server.port(),
            server.ip()
        )
    }
}

impl fmt::Display for Nfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.device())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nfs(server: Server, export: &str, subdirectory: Option<&str>) -> Nfs {
        Nfs {
            server,
            export: export.to_owned(),
            subdirectory: subdirectory.map(str::to_owned),
            port: NFS_PORT,
            tls: None,
        }
    }

    fn efs(region: &str) -> Server {
        Server::Efs {
            file_system: "fs-0123456789abcdef0".to_owned(),
            region: region.to_owned(),
            address: None,
        }
    }

    #[test]
    fn efs_is_reached_by_the_name_that_aws_gives_it() {
        assert_eq!(
            efs("eu-central-1").host(),
            "fs-0123456789abcdef0.efs.eu-central-1.amazonaws.com"
        );
        assert_eq!(
            efs("cn-north-1").host(),
            "fs-0123456789abcdef0.efs.cn-north-1.amazonaws.com.cn"
        );
    }

    #[test]
    fn a_source_is_written_as_the_kernel_shows_it() {
        for (host, export, subdirectory, device) in [
            ("nas", "/", None, "nas:/"),
            ("nas", "/", Some("shops/acme"), "nas:/shops/acme"),
            ("10.0.0.7", "/export", None, "10.0.0.7:/export"),
            ("fd00::7", "/export", Some("a"), "[fd00::7]:/export/a"),
        ] {
            assert_eq!(
                nfs(Server::Host(host.to_owned()), export, subdirectory).device(),
                device
            );
        }
    }

    #[test]
    fn the_kernel_is_given_addresses_and_no_names() {
        let data = |server: &str| {
            let server: SocketAddr = server.parse().unwrap();
            nfs(efs("eu-central-1"), "/", None).data(
                &MountOptions::default(),
                server,
                "10.0.0.9".parse().unwrap(),
            )
        };
        let defaults = "vers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport";
        assert_eq!(
            data("10.0.0.7:2049"),
            format!("{defaults},proto=tcp,port=2049,addr=10.0.0.7,clientaddr=10.0.0.9")
        );
        assert!(data("[fd00::7]:2049").contains("proto=tcp6,port=2049,addr=fd00::7"));
    }
}
