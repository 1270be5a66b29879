use super::*;
use crate::MountsFile;

/// A pod: an emptyDir at /srv, a hostPath at /mnt that the node sees as /host/mnt, and what
/// `lines` adds.
fn planned(fields: &str, lines: &[&str]) -> Plan {
    let text = format!("[[mount]]\nname = \"a\"\n{fields}");
    let mount = MountsFile::parse(&text).unwrap().mounts.remove(0);
    let pod = "21 1 254:0 /containers/1 / rw - ext4 /dev/root rw\n30 21 254:0 \
               /kubelet/pods/1/volumes/kubernetes.io~empty-dir/data /srv rw - ext4 /dev/root \
               rw\n31 21 254:0 /host/mnt /mnt rw shared:7 - ext4 /dev/root rw\n";
    plan(
        &mount,
        &MountTable::parse(format!("{pod}{}\n", lines.join("\n")).as_bytes()).unwrap(),
    )
}

const NFS: &str = "kind = \"nfs4\"\npath = \"/mnt/a\"\nserver = \"nas\"\nexport = \"/x\"\n";
const BIND: &str = "kind = \"bind\"\npath = \"/mnt/a\"\nsource = \"/mnt/b/c\"\n";

#[test]
fn nothing_there_is_mounted() {
    assert_eq!(
        (planned(NFS, &[]), planned(BIND, &[])),
        (Plan::Mount, Plan::Mount)
    );
    assert_eq!(
        planned("kind = \"adopt\"\npath = \"/mnt/a\"", &[]),
        Plan::Wait
    );
}

#[test]
fn what_fits_is_adopted_and_nothing_else() {
    let plain = "40 31 0:50 / /mnt/a rw,nosuid - nfs4 nas:/x rw,port=2049,addr=10.0.0.7";
    let tunnelled = "40 31 0:50 / /mnt/a rw - nfs4 nas:/x rw,port=40123,addr=127.0.0.1";
    let tls = format!("{NFS}tls = true");
    for (fields, line, tunnel) in [
        (NFS, plain, Some(None)),
        (NFS, tunnelled, None),
        (&tls, tunnelled, Some(Some(40123))),
        (&tls, plain, None),
        (
            NFS,
            "40 31 0:50 / /mnt/a rw - nfs4 nas:/y rw,addr=10.0.0.7",
            None,
        ),
        (
            NFS,
            "40 31 0:50 / /mnt/a ro - nfs4 nas:/x rw,addr=10.0.0.7",
            None,
        ),
        (NFS, "40 31 0:50 / /mnt/a rw - tmpfs nas:/x rw", None),
        (
            BIND,
            "40 31 254:0 /host/mnt/b/c /mnt/a rw - ext4 /dev/root rw",
            Some(None),
        ),
        (
            BIND,
            "40 31 254:0 /host/mnt/b /mnt/a rw - ext4 /dev/root rw",
            None,
        ),
        (
            BIND,
            "40 31 254:1 /host/mnt/b/c /mnt/a rw - ext4 /dev/other rw",
            None,
        ),
        ("kind = \"adopt\"\npath = \"/mnt/a\"", plain, Some(None)),
        (
            "kind = \"adopt\"\npath = \"/mnt/a\"\nfstype = \"ext4\"",
            plain,
            None,
        ),
        (
            "kind = \"adopt\"\npath = \"/mnt/a\"\nread_only = true",
            plain,
            None,
        ),
    ] {
        match (planned(fields, &[line]), tunnel) {
            (
                Plan::Adopt {
                    id: 40,
                    tunnel: found,
                },
                Some(expected),
            ) => assert_eq!(found, expected, "{line}"),
            (Plan::Refuse(Refusal::Foreign { .. }), None) => {}
            (other, _) => panic!("{fields}\n{line}\n{other:?}"),
        }
    }
}

#[test]
fn a_refusal_says_what_is_there_and_what_should_be() {
    let Plan::Refuse(refusal) = planned(NFS, &["40 31 0:50 / /mnt/a rw - tmpfs none rw"]) else {
        panic!()
    };
    assert_eq!(
        refusal.to_string(),
        "/mnt/a has tmpfs none (directory /, read-write) mounted, but the mounts file asks \
         for nfs4 nas:/x without a tunnel (read-write): unmount it, or correct the file"
    );
}

#[test]
fn nothing_is_mounted_where_the_kubelet_deletes() {
    let refused = |fields: &str, lines: &[&str]| {
        matches!(
            planned(fields, lines),
            Plan::Refuse(Refusal::EmptyDir { .. })
        )
    };
    let at = |path: &str| NFS.replace("/mnt/a", path);
    assert!(refused(&at("/srv"), &[]) && refused(&at("/srv/a/b"), &[]));
    // Also where an earlier version mounted it, and where the source is one.
    assert!(refused(
        &at("/srv/a"),
        &["40 30 0:50 / /srv/a rw - nfs4 nas:/x rw,addr=10.0.0.7"]
    ));
    assert!(refused(&BIND.replace("/mnt/b/c", "/srv/b"), &[]));
    // The node's own view has the name in the path itself.
    assert!(refused(
        &at("/var/lib/kubelet/pods/1/volumes/kubernetes.io~empty-dir/data/a"),
        &[]
    ));
    // A hostPath that is mounted into an emptyDir is out of the kubelet's sight.
    assert_eq!(
        planned(
            &at("/srv/shop/a"),
            &["40 30 254:0 /host/x /srv/shop rw - ext4 /dev/root rw"]
        ),
        Plan::Mount
    );
    assert!(!refused(
        "kind = \"adopt\"\npath = \"/srv/a\"",
        &["40 30 0:50 / /srv/a rw - nfs4 nas:/x rw"]
    ));
}
