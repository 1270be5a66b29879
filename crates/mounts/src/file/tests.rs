use super::*;
use crate::nfs::Server;
use proptest::prelude::*;

const SHOP: &str = r#"
[[mount]]
name = "shop"
kind = "nfs4"
path = "/mnt/shop/"
file_system = "fs-0123456789abcdef0"
region = "eu-central-1"
access_point = "fsap-0123456789abcdef0"
subdirectory = "shops/acme"
tls = true
options = ["noatime", "nconnect=4"]
directories = [{ path = "media", uid = 33, gid = 33, mode = "2775" }, { path = "var/import", uid = 33, gid = 0 }]

[[mount]]
name = "feeds"
kind = "bind"
path = "/mnt/feeds"
source = "/srv/feeds"
subdirectory = "a/b"
read_only = true
required = false

[[mount]]
name = "csi"
kind = "adopt"
path = "/mnt/csi"
fstype = "nfs4"
"#;

fn problems(text: &str) -> Vec<String> {
    MountsFile::parse(text).unwrap_err().problems().to_vec()
}

fn one(fields: &str) -> String {
    format!("[[mount]]\nname = \"a\"\npath = \"/mnt/a\"\n{fields}")
}

#[test]
fn a_file_of_every_kind_is_read() {
    let file = MountsFile::parse(SHOP).unwrap();
    let [shop, feeds, csi] = &file.mounts[..] else {
        panic!("{file:?}")
    };
    let What::Nfs4(nfs) = &shop.what else {
        panic!("{shop:?}")
    };
    assert_eq!(shop.path.to_str(), Some("/mnt/shop"));
    assert_eq!(
        nfs.device(),
        "fs-0123456789abcdef0.efs.eu-central-1.amazonaws.com:/shops/acme"
    );
    let tls = nfs.tls.as_ref().unwrap();
    assert_eq!(
        tls.server_name,
        "fs-0123456789abcdef0.efs.eu-central-1.amazonaws.com"
    );
    assert_eq!(
        tls.client.as_ref().unwrap().access_point.as_deref(),
        Some("fsap-0123456789abcdef0")
    );
    assert_eq!(
        shop.directories[0],
        Directory {
            path: "media".to_owned(),
            uid: 33,
            gid: 33,
            mode: 0o2775
        }
    );
    assert_eq!(
        (shop.directories[1].mode, shop.required, feeds.required),
        (0o755, true, false)
    );
    assert_eq!(
        feeds.what,
        What::Bind {
            source: "/srv/feeds/a/b".into(),
            made: 2
        }
    );
    assert_eq!((csi.kind(), csi.read_only), (Kind::Adopt, false));
}

/// The page that specifies the file.
const PAGE: &str = include_str!("../../../../docs/formats/mounts.md");

#[test]
fn the_page_shows_a_file_that_is_read_and_every_state() {
    let (_, example) = PAGE.split_once("```toml\n").unwrap();
    let file = MountsFile::parse(example.split_once("```").unwrap().0).unwrap();
    let kinds: Vec<_> = file.mounts.iter().map(Mount::kind).collect();
    assert_eq!(kinds, [Kind::Nfs4, Kind::Nfs4, Kind::Bind, Kind::Adopt]);
    assert!(PAGE.contains(&format!("`{}`", crate::NFS_DEFAULTS.join(","))));
    for state in crate::Health::ALL {
        assert!(PAGE.contains(&format!("\n| `{state}` |")), "{state}");
    }
}

#[test]
fn json_and_toml_have_one_schema() {
    let json = r#"{"mount": [{"name": "feeds", "kind": "bind", "path": "/mnt/feeds", "source": "/srv/feeds", "subdirectory": "a/b",
        "read_only": true, "required": false}]}"#;
    assert_eq!(
        MountsFile::parse(json).unwrap().mounts[0],
        MountsFile::parse(SHOP).unwrap().mounts[1]
    );
    assert!(problems(r#"{"mounts": []}"#)[0].contains("unknown field `mounts`"));
}

#[test]
fn every_problem_is_told_at_once() {
    let text = r#"
[[mount]]
name = "Media"
kind = "nfs5"
path = "mnt/media"
readonly = true

[[mount]]
name = "a"
kind = "nfs4"
path = "/mnt/a"
file_system = "fs-1"
region = "Europe"
access_point = "fsap-0123456789abcdef0"
options = ["addr=10.0.0.1"]
port = 70000
subdirectory = "../b"
"#;
    let problems = problems(text);
    for expected in [
        "mount \"Media\": kind=\"nfs5\": unknown variant",
        "mount \"Media\": name=\"Media\": expected 1 to 32",
        "mount \"Media\": path=\"mnt/media\": expected an absolute path",
        "mount \"Media\": readonly=true: not a field; did you mean read_only?",
        "mount \"a\": file_system=\"fs-1\": expected the id",
        "mount \"a\": region=\"Europe\": expected an AWS region",
        "mount \"a\": access_point=\"fsap-0123456789abcdef0\": expected only with tls=true",
        "mount \"a\": options=\"addr=10.0.0.1\": expected one of vers=4.1",
        "mount \"a\": port=70000: invalid value",
        "mount \"a\": subdirectory=\"../b\": expected a path below",
    ] {
        assert!(
            problems.iter().any(|problem| problem.starts_with(expected)),
            "{expected}\n{problems:#?}"
        );
    }
    assert_eq!(problems.len(), 10, "{problems:#?}");
}

#[test]
fn what_a_kind_lacks_or_does_not_know_is_told() {
    for (fields, expected) in [
        ("", "kind is missing"),
        (
            "kind = \"nfs4\"",
            "expected either file_system and region, or server",
        ),
        (
            "kind = \"nfs4\"\nserver = \"nas\"\nfile_system = \"fs-01234567\"",
            "expected either file_system",
        ),
        (
            "kind = \"nfs4\"\nfile_system = \"fs-01234567\"",
            "region is missing",
        ),
        (
            "kind = \"nfs4\"\nserver = \"nas\"\naccess_point = \"x\"\ntls = true",
            "access_point: expected only with file_system",
        ),
        (
            "kind = \"nfs4\"\nserver = \"nas\"\niam = true\ntls = true",
            "iam: expected only with file_system",
        ),
        (
            "kind = \"nfs4\"\nfile_system = \"fs-01234567\"\nregion = \"eu-central-1\"\niam = true",
            "iam=\"true\": expected only with tls=true",
        ),
        (
            "kind = \"bind\"\nsource = \"/x\"\niam = true",
            "iam: not a field of kind=\"bind\"",
        ),
        (
            "kind = \"nfs4\"\nserver = \"-nas\"",
            "server=\"-nas\": expected a host name",
        ),
        (
            "kind = \"nfs4\"\nserver = \"nas\"\nsource = \"/x\"",
            "source: not a field of kind=\"nfs4\"",
        ),
        (
            "kind = \"nfs4\"\nserver = \"nas\"\nca_file = \"/ca.pem\"",
            "ca_file=\"/ca.pem\": expected only with tls=true",
        ),
        ("kind = \"bind\"", "source is missing"),
        (
            "kind = \"bind\"\nsource = \"/x\"\noptions = [\"hard\"]",
            "options=\"hard\": expected only with kind=\"nfs4\"",
        ),
        (
            "kind = \"bind\"\nsource = \"/x\"\nread_only = true\nwrite_probe = true",
            "write_probe=\"true\": expected false",
        ),
        (
            "kind = \"adopt\"\noptions = []",
            "options: not a field of kind=\"adopt\"",
        ),
        (
            "kind = \"bind\"\nsource = \"/x\"\ndirectories = [{ path = \"a\", uid = 1, gid = 1, \
             mode = \"4755\" }]",
            "directories.mode=\"4755\"",
        ),
    ] {
        let problems = problems(&one(fields));
        assert!(
            problems.len() == 1 && problems[0].starts_with(&format!("mount \"a\": {expected}")),
            "{fields}\n{problems:#?}"
        );
    }
}

#[test]
fn mounts_that_disturb_each_other_are_refused() {
    let nfs = |name: &str, path: &str, tls: bool| {
        format!(
            "[[mount]]\nname = \"{name}\"\nkind = \"nfs4\"\npath = \"{path}\"\nserver = \
             \"nas\"\ntls = {tls}\n"
        )
    };
    let two = |a: String, b: String| problems(&(a + &b));
    assert!(two(nfs("a", "/a", true), nfs("a", "/b", true))[0].contains("taken by another mount"));
    assert!(two(nfs("a", "/m", true), nfs("b", "/m/x", true))[0].contains("one inside the other"));
    assert!(two(nfs("a", "/a", true), nfs("b", "/b", false))[0].contains("expected the same as"));
    assert!(MountsFile::parse(&(nfs("a", "/m", true) + &nfs("b", "/mx", true))).is_ok());
}

#[test]
fn a_mount_target_stands_in_for_dns_but_not_for_the_name() {
    let text = one("kind = \"nfs4\"\nfile_system = \"fs-01234567\"\nregion = \
                    \"eu-west-1\"\naddress = \"10.0.0.7\"\ntls = true");
    let What::Nfs4(nfs) = MountsFile::parse(&text).unwrap().mounts.remove(0).what else {
        panic!()
    };
    assert!(
        matches!(&nfs.server, Server::Efs { address: Some(address), .. } if address.to_string() == "10.0.0.7")
    );
    assert_eq!(
        nfs.tls.unwrap().server_name,
        "fs-01234567.efs.eu-west-1.amazonaws.com"
    );
}

#[test]
fn an_endless_file_is_refused_before_it_is_parsed() {
    assert!(problems(&" ".repeat(FILE_LIMIT + 1))[0].contains("expected at most 65536"));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        drop(MountsFile::parse(&text));
    }

    #[test]
    fn an_accepted_path_leads_nowhere_else(path in "[/a.\\x00 -]{0,12}") {
        if let Ok(file) = MountsFile::parse(&format!(
            "{{\"mount\": [{{\"name\": \"a\", \"kind\": \"adopt\", \"path\": {path:?}}}]}}"
        )) {
            let path = file.mounts[0].path.to_str().unwrap();
            prop_assert!(
                path.starts_with('/')
                    && path.len() > 1
                    && path.split('/').all(|name| name != ".." && name != ".")
            );
        }
    }
}
