//! What a program of the shop reaches of a file server, as another user than the agent, in the
//! pod's network; and what EFS would be told of the pod.

use crate::{
    agent::Agent,
    guest::{note, until},
    in_guest, network,
    server::{Server, mount_of},
    tls::{FOLDER, Front, NAME, PORT, SOON, certify, encrypted},
};
use e2e::process::Program;
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::fs::chown,
    sync::mpsc,
    thread,
    time::Duration,
};

/// Whom PHP is, and whose the other shop's file is, which nobody else may read.
const PHP: &str = "10001";
const OTHER: u32 = 20_002;
/// What is in that file.
const SECRET: &str = "the other shop's customers";

/// Reads a file by NFS 4.0 over a connection of its own, as whatever user it says that it is: `HOST
/// PORT UID PATH`. Prints what comes back.
const NFS: &str = r#"
import socket, struct, sys
host, port, uid, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
u32 = lambda number: struct.pack(">I", number)
text = lambda text: u32(len(text)) + text + b"\0" * (-len(text) % 4)
user = u32(0) + text(b"php") + u32(uid) + u32(uid) + u32(0)
steps = [u32(24)] + [u32(15) + text(name.encode()) for name in path.split("/")] + [u32(25) + b"\0" * 16 + struct.pack(">QI", 0, 4096)]
call = u32(7) + u32(0) + u32(2) + u32(100003) + u32(4) + u32(1) + u32(1) + text(user) + u32(0) + u32(0)
call += text(b"") + u32(0) + u32(len(steps)) + b"".join(steps)
server = socket.create_connection((host, port), 5)
server.settimeout(5)
server.sendall(u32(0x80000000 | len(call)) + call)
answer = server.recv(65536)
sys.stdout.write(answer.decode("latin1"))
sys.exit(0 if answer else 3)
"#;

/// As PHP does, says by NFS that it is user `uid`. Empty where it gets no answer.
fn asks(host: &str, port: u16, uid: u32, path: &str) -> String {
    let [enter, namespace] = network::in_pod();
    let as_php = [
        "setpriv",
        "--reuid",
        PHP,
        "--regid",
        PHP,
        "--clear-groups",
        "--bounding-set",
        "-all",
        "/usr/bin/python3",
        "-c",
        NFS,
    ];
    let asked = Program::new(enter)
        .arg(namespace)
        .args(as_php)
        .args([host, &port.to_string(), &uid.to_string(), path])
        .run();
    note(format!(
        "{host}:{port} as user {uid}: {:?}, {} bytes {}",
        asked.code(),
        asked.stdout.len(),
        asked.stderr.lines().last().unwrap_or_default()
    ));
    if asked.code() == Some(0) {
        asked.stdout
    } else {
        String::new()
    }
}

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn a_file_server_believes_any_user_a_tunnel_carries_nobody_and_a_mount_shows_its_own_directory() {
    in_guest(|| {
        let server = Server::start();
        for (shop, text) in [("acme", "our own"), ("other", SECRET)] {
            fs::create_dir_all(server.at("shops").join(shop)).unwrap();
            fs::write(server.at("shops").join(shop).join("file"), text).unwrap();
        }
        let secret = server.at("shops/other/file");
        chown(&secret, Some(OTHER), Some(OTHER)).unwrap();
        Program::new("chmod")
            .arg("0600")
            .arg(&secret)
            .run()
            .expect(0);
        certify("right");
        let _front = Front::start("right");
        let mut agent = Agent::start(&encrypted("shop", "subdirectory = \"shops/acme\""));
        agent.until("shop", "healthy", SOON);

        // The mount.
        let find = [
            "setpriv",
            "--reuid",
            PHP,
            "--regid",
            PHP,
            "--clear-groups",
            "find",
            "/mnt/shop",
            "-type",
            "f",
        ];
        assert_eq!(
            Program::new(find[0])
                .args(&find[1..])
                .run()
                .expect(0)
                .stdout,
            "/mnt/shop/file\n"
        );

        // The server's own port: the file's permissions count for who PHP says that it is.
        assert!(
            !asks(
                network::SERVER,
                2049,
                PHP.parse().unwrap(),
                "shops/other/file"
            )
            .contains(SECRET)
        );
        assert!(
            asks(network::SERVER, 2049, OTHER, "shops/other/file").contains(SECRET),
            "NFS believes any user"
        );

        // The tunnel, on which the kernel's own connection goes on.
        let port: u16 = crate::agent::mounted("/mnt/shop")
            .unwrap()
            .option("port")
            .unwrap()
            .parse()
            .unwrap();
        for uid in [OTHER, 0] {
            assert_eq!(asks("127.0.0.1", port, uid, "shops/other/file"), "");
        }
        assert_eq!(fs::read_to_string("/mnt/shop/file").unwrap(), "our own");
        agent.until("shop", "healthy", SOON);
        assert!(agent.terminate(SOON).success());
    });
}

/// Hands out credentials of a role on a port of the pod's loopback, as EKS Pod Identity does on its
/// address, to who shows the token.
fn pod_identity(token: &'static str, id: &'static str) -> (u16, mpsc::Receiver<bool>) {
    let listener = network::from_pod(|| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap())
                .lines()
                .map_while(Result::ok);
            // All of the question, as an answer before its end would break the connection.
            let head: Vec<_> = lines
                .take_while(|line| !line.is_empty())
                .map(|line| line.to_lowercase())
                .collect();
            let shown = head.contains(&format!("authorization: {token}"));
            let keys = format!(
                r#"{{"AccessKeyId":"{id}","SecretAccessKey":"secret-of-the-role","Token":"session-of-the-role","Expiration":"2099-01-01T00:00:00Z"}}"#
            );
            let (status, body) = if shown {
                ("200 OK", keys.as_str())
            } else {
                ("401 Unauthorized", "{}")
            };
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: \
                 {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            // Who asked may be gone.
            drop(stream.write_all((head + body).as_bytes()));
            tell.send(shown).unwrap_or_default();
        }
    });
    (port, told)
}

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn efs_is_shown_the_access_point_and_a_request_signed_by_the_identity_that_the_agent_alone_has() {
    in_guest(|| {
        certify("right");
        let (token, id) = ("of-the-service-account", "AKIDOFTHEROLE");
        let (port, asked) = pod_identity(token, id);
        let file = format!("{FOLDER}/token");
        fs::write(&file, token).unwrap();
        Program::new("chmod").args(["0400", &file]).run().expect(0);
        // In place of EFS: it prints the certificate that it is shown, and knows no NFS.
        let (certificate, key) = (format!("{FOLDER}/right.pem"), format!("{FOLDER}/right.key"));
        let accept = format!("{}:{PORT}", network::SERVER);
        let server = [
            "s_server",
            "-accept",
            &accept,
            "-cert",
            &certificate,
            "-key",
            &key,
            "-Verify",
            "1",
            "-no_ticket",
        ];
        // It ends where its input does.
        let server = Program::new("sh")
            .args(["-c", "sleep 120 | openssl s_server \"$@\"", "sh"])
            .args(&server[1..]);
        let server = server.deadline(Duration::from_mins(2)).start();

        let shop = e2e::shop::Shop::on_disk(1, 10);
        let mut variables = crate::whole::pod(&shop);
        variables.retain(|(name, _)| {
            !["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].contains(&name.as_str())
        });
        let own = [
            (
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                format!("http://127.0.0.1:{port}/v1/credentials"),
            ),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file),
        ];
        variables.extend(own.map(|(name, value)| (name.to_owned(), value.into())));
        let efs = format!(
            "file_system = \"fs-0123456789abcdef0\"\nregion = \"eu-central-1\"\naddress = \
             \"{}\"\naccess_point = \"fsap-0123456789abcdef0\"\niam = true\ntls = true\nport = \
             {PORT}\nserver_name = \"{NAME}\"\nca_file = \"{certificate}\"\n",
            network::SERVER
        );
        let mounts =
            mount_of("acme", &efs).replace(&format!("server = \"{}\"\n", network::SERVER), "");
        let agent = Agent::start_whole(&variables, &mounts);
        let begin = "-----BEGIN CERTIFICATE-----";
        let shown = until(
            "the server is shown a certificate",
            Duration::from_mins(1),
            || {
                let written = server.written();
                let (_, rest) = written.split_once(begin)?;
                let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
                Some(format!("{begin}{body}-----END CERTIFICATE-----\n"))
            },
        );
        assert!(
            asked.recv_timeout(SOON).unwrap(),
            "the agent shows the token of its service account"
        );
        let text = Program::new("openssl")
            .args(["x509", "-noout", "-text"])
            .input(shown)
            .run()
            .expect(0)
            .stdout;
        for expected in [
            "1.3.6.1.4.1.4843.7.1:",
            "fsap-0123456789abcdef0",
            "1.3.6.1.4.1.4843.7.2:",
            id,
            "session-of-the-role",
            "fs-0123456789abcdef0",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        assert!(!text.contains("secret-of-the-role"));
        agent.kill();
    });
}
