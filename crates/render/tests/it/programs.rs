//! What is generated for other programs, read by those programs: nginx, PHP, sh.

mod templates;

use crate::made::{RULES, example, rendered};
use api::{Domain, Mail, Object, Relay, RenderContext, ShopState};
use proptest::prelude::*;
use render::render;
use runtime::fixtures::free_port;
use std::{
    fs::{self, File, create_dir_all},
    io::{BufRead as _, Write as _},
    path::Path,
    process::Command,
};

/// A value with all that means something to XML, to PHP, and to whoever fills templates.
const COPYRIGHT: &str = "<b>O'Neil & Söhne</b> \\ ]]> @secret:crypt-key@ @release@";

/// The files of an example whose names end like this.
fn ending(platform: &str, extension: &str) -> Vec<(String, String)> {
    let of = |name: &str| {
        Path::new(name)
            .extension()
            .is_some_and(|found| found == extension)
    };
    files(platform, ShopState::Active)
        .into_iter()
        .filter(|(name, _)| of(name))
        .collect()
}

/// The files of all ConfigMaps of an example.
fn files(platform: &str, state: ShopState) -> Vec<(String, String)> {
    let objects = rendered(platform, |shop, _, _| {
        shop.spec.state = state;
        shop.spec.domains.push(Domain {
            host: "old.example".into(),
            redirect_to: Some("www.acme.example".into()),
            ..Domain::default()
        });
        shop.spec
            .config
            .values
            .insert("default/design/copyright".into(), COPYRIGHT.into());
    });
    let maps = objects
        .iter()
        .map(Object::value)
        .filter(|object| object["kind"] == "ConfigMap");
    let entries = maps.flat_map(|map| map["data"].as_object().cloned().unwrap_or_default());
    entries
        .map(|(name, text)| (name, text.as_str().unwrap().to_owned()))
        .collect()
}

fn file(platform: &str, name: &str) -> String {
    files(platform, ShopState::Active)
        .into_iter()
        .find(|(found, _)| found == name)
        .unwrap_or_else(|| panic!("{platform} has no {name}"))
        .1
}

fn written(path: &Path, text: &str) {
    File::create(path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
}

/// A configuration whose files are below `top`, as several may run on this machine.
fn moved(text: &str, top: &Path) -> String {
    let top = format!("{}/", top.display());
    // In this order: a test's directory is below /tmp itself.
    text.replace("/tmp/", &top).replace("/var/log/shop/", &top)
}

fn succeeds(command: &mut Command, what: &str) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; on Debian: apt-get install php8.2-fpm nginx-light")
    });
    assert!(
        output.status.success(),
        "{what}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// nginx would start with this file.
fn nginx_reads(path: &Path, what: &str) {
    let mut nginx = Command::new("/usr/sbin/nginx");
    succeeds(nginx.args(["-t", "-c"]).arg(path), what);
}

#[test]
fn nginx_takes_its_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nginx.conf");
    for platform in ["aws", "azure", "plain"] {
        for state in [ShopState::Active, ShopState::Maintenance] {
            let conf = files(platform, state)
                .into_iter()
                .find(|(name, _)| name == "nginx.conf")
                .unwrap()
                .1;
            written(&path, &moved(&conf, folder.path()));
            nginx_reads(&path, platform);
        }
    }
}

/// nginx itself: a file that appears closes the shop for visitors, and not for the agent's probe,
/// which comes from the pod's own address. A visitor cannot say that it is the probe, also behind
/// an edge whose word on addresses counts.
#[test]
fn nginx_closes_while_the_file_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path();
    fs::set_permissions(top, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (root, release) = (top.join("root"), top.join("release"));
    for directory in [&root, &release] {
        create_dir_all(directory).unwrap();
    }
    written(&root.join("page.txt"), "open");
    let port = free_port();
    let objects = rendered("plain", |_, class, _| {
        class.spec.network.edge_cidrs = vec!["127.0.0.2/32".into()];
    });
    let conf = objects
        .iter()
        .map(Object::value)
        .find_map(|object| object["data"]["nginx.conf"].as_str().map(str::to_owned))
        .unwrap();
    let conf = moved(&conf, top)
        .replace("/srv/shop/current", root.to_str().unwrap())
        .replace("/etc/shop/state", release.to_str().unwrap())
        .replace("listen 8080", &format!("listen 127.0.0.1:{port}"));
    written(&top.join("nginx.conf"), &conf);
    let mut nginx = Command::new("/usr/sbin/nginx")
        .arg("-c")
        .arg(top.join("nginx.conf"))
        .args(["-g", "master_process off;"])
        .spawn()
        .unwrap();
    let status = |from: &str, path: &str| {
        let code = "import http.client, sys, time\nfor attempt in range(200):\n\x20   try:\n\x20       \
             client = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]), timeout=10, \
             source_address=(sys.argv[2], 0))\n\x20       client.request('GET', sys.argv[3], \
             headers={'X-Forwarded-For': '127.0.0.1'})\n\x20       \
             print(client.getresponse().status)\n\x20       break\n\x20   except \
             ConnectionRefusedError:\n\x20       time.sleep(0.05)\n";
        succeeds(
            Command::new("python3").args(["-c", code, &port.to_string(), from, path]),
            "python3",
        )
        .trim()
        .to_owned()
    };
    let both = || {
        (
            status("127.0.0.2", "/page.txt"),
            status("127.0.0.1", "/page.txt"),
        )
    };
    let text = |status: (&str, &str)| (status.0.to_owned(), status.1.to_owned());
    let mut found = vec![both()];
    written(&release.join("closed"), "sequence 43 changes the database");
    found.push(both());
    let alive = status("127.0.0.2", "/livez");
    fs::remove_file(release.join("closed")).unwrap();
    found.push(both());
    nginx.kill().unwrap();
    nginx.wait().unwrap();
    assert_eq!(
        found,
        [("200", "200"), ("503", "200"), ("200", "200")].map(text)
    );
    assert_eq!(alive, "204");
}

#[test]
fn php_takes_its_configuration() {
    let folder = tempfile::tempdir().unwrap();
    for platform in ["aws", "azure", "plain"] {
        for (name, text) in ending(platform, "php") {
            written(&folder.path().join(&name), &text);
            succeeds(
                Command::new("php8.2")
                    .arg("-nl")
                    .arg(folder.path().join(&name)),
                &name,
            );
        }
        let pool = moved(&file(platform, "php-fpm.conf"), folder.path());
        written(&folder.path().join("php-fpm.conf"), &pool);
        let mut check = Command::new("/usr/sbin/php-fpm8.2");
        succeeds(
            check
                .arg("-t")
                .arg("-R")
                .arg("-y")
                .arg(folder.path().join("php-fpm.conf"))
                .env("APP_ENV", "prod"),
            platform,
        );
    }
}

/// What a shop's PHP is set to, whoever configures it: the image by itself, or the scheduler.
const SETTINGS: [(&str, &str); 14] = [
    ("upload_max_filesize", "64M"),
    ("post_max_size", "64M"),
    ("max_input_vars", "10000"),
    ("max_execution_time", "600"),
    ("opcache.validate_timestamps", "0"),
    ("opcache.max_accelerated_files", "100000"),
    ("realpath_cache_ttl", "10"),
    ("session.gc_probability", "1"),
    ("session.save_path", "/tmp"),
    ("log_errors", "1"),
    ("error_log", "/var/log/shop/php.log"),
    ("display_errors", ""),
    ("user_ini.filename", ""),
    ("opcache.memory_consumption", "256"),
];

#[test]
fn php_ini_is_the_same_with_and_without_a_scheduler() {
    let image = crate::committed::top().join("images/shop/ini");
    for version in ["7.4", "8.2"] {
        let folder = tempfile::tempdir().unwrap();
        let (rendered_ini, image_ini) =
            (folder.path().join("rendered"), folder.path().join("image"));
        for directory in [&rendered_ini, &image_ini] {
            create_dir_all(directory).unwrap();
        }
        let objects = rendered("aws", |_, class, _| {
            class.spec.php.version = version.into();
            class.spec.php.opcache_mib = 256;
            class.spec.php.settings =
                [("display_errors".to_owned(), "0; \"quoted\"".to_owned())].into();
        });
        let ini = objects
            .iter()
            .map(Object::value)
            .find_map(|object| object["data"]["shop.ini"].as_str().map(str::to_owned))
            .unwrap();
        written(&rendered_ini.join("shop.ini"), &ini);
        for name in ["shop.ini".to_owned(), format!("{}.ini", &version[..1])] {
            written(
                &image_ini.join(&name),
                &fs::read_to_string(image.join(&name)).unwrap(),
            );
        }
        let names: Vec<_> = SETTINGS
            .map(|(name, _)| name)
            .into_iter()
            .chain(["short_open_tag", "error_reporting"])
            .collect();
        let code = format!(
            "echo json_encode(array_map('ini_get', json_decode('{}')));",
            serde_json::to_string(&names).unwrap()
        );
        let tags = if version == "7.4" { "1" } else { "" };
        // E_ALL without E_DEPRECATED, and for PHP 7 without E_STRICT and E_NOTICE.
        let errors = if version == "7.4" {
            32_767 - 8192 - 2048 - 8
        } else {
            32_767 - 8192
        }
        .to_string();
        for directory in [&image_ini, &rendered_ini] {
            let mut php = Command::new("php8.2");
            // The command line sets two of them itself.
            php.args(["-r", &code])
                .env("PHP_INI_SCAN_DIR", format!(":{}", directory.display()))
                .env("PHP_OPCACHE_MIB", "256");
            let found: Vec<String> = serde_json::from_str(&succeeds(&mut php, version)).unwrap();
            let expected = SETTINGS.map(|(name, value)| match name {
                "max_execution_time" => "0",
                "display_errors" if *directory == rendered_ini => "0; \"quoted\"",
                _ => value,
            });
            let expected: Vec<_> = expected.into_iter().chain([tags, &errors]).collect();
            assert_eq!(found, expected, "{version}, {}", directory.display());
        }
    }
}

/// msmtp, which is the image's sendmail, asked by PHP: the relay gets the mail, with a sender
/// whether PHP names one or not.
#[test]
fn mails_go_to_the_relay_of_the_class() {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = u32::from(listener.local_addr().unwrap().port());
    let relay = std::thread::spawn(move || {
        let mut heard = Vec::new();
        for _ in 0..2 {
            let (stream, _) = listener.accept().unwrap();
            let (mut lines, mut answers) = (
                std::io::BufReader::new(stream.try_clone().unwrap()).lines(),
                stream,
            );
            answers.write_all(b"220 relay\r\n").unwrap();
            let mut is_content = false;
            while let Some(Ok(line)) = lines.next() {
                is_content = (is_content && line != ".") || line == "DATA";
                let answer = match line.as_str() {
                    "DATA" => "354 go on\r\n",
                    "QUIT" => "221 bye\r\n",
                    _ if is_content => "",
                    _ => "250 ok\r\n",
                };
                answers.write_all(answer.as_bytes()).unwrap();
                heard.push(line);
            }
        }
        heard
    });
    let objects = rendered("azure", |_, class, _| {
        class.spec.mail = Some(Mail {
            relay: Relay {
                host: "127.0.0.1".into(),
                port,
                tls: false,
                cidrs: vec!["10.9.0.0/24".into()],
            },
        });
    });
    let text = objects
        .iter()
        .map(Object::value)
        .find_map(|object| object["data"]["msmtprc"].as_str().map(str::to_owned))
        .unwrap();
    let file = folder.path().join("msmtprc");
    written(&file, &text);
    let code = "exit(mail('a@example.com', 'One', 'first') && mail('a@example.com', 'Two', \
                'second', '', '-fbilling@vinyl.example') ? 0 : 1);";
    let sendmail = format!("sendmail_path=/usr/bin/msmtp -C {} -t -i", file.display());
    succeeds(
        Command::new("php8.2").args(["-n", "-d", &sendmail, "-r", code]),
        "mail()",
    );
    let heard = relay.join().unwrap();
    let told: Vec<_> = heard
        .iter()
        .filter(|line| {
            ["EHLO", "MAIL", "RCPT", "Subj"]
                .iter()
                .any(|start| line.starts_with(start))
        })
        .collect();
    let one = |from: &str, subject: &str| {
        [
            "EHLO www.vinyl.example".into(),
            format!("MAIL FROM:<{from}>"),
            "RCPT TO:<a@example.com>".into(),
            format!("Subject: {subject}"),
        ]
    };
    assert_eq!(
        told,
        one("shop@www.vinyl.example", "One")
            .iter()
            .chain(&one("billing@vinyl.example", "Two"))
            .collect::<Vec<_>>()
    );
    let policy = crate::made::find(&objects, "NetworkPolicy", "shop").to_string();
    assert!(
        policy.contains(r#""cidr":"10.9.0.0/24""#) && policy.contains(&format!(r#""port":{port}"#)),
        "{policy}"
    );
}

#[test]
fn sh_takes_its_scripts() {
    for platform in ["aws", "azure", "plain"] {
        for (name, text) in ending(platform, "sh") {
            assert!(
                !text.contains('@') || text.contains("\"$@\""),
                "{name} has a placeholder left"
            );
            let folder = tempfile::tempdir().unwrap();
            written(&folder.path().join(&name), &text);
            succeeds(
                Command::new("sh").arg("-n").arg(folder.path().join(&name)),
                &name,
            );
        }
    }
}
