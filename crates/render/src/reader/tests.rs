//! What the readers of objects take.

use super::*;

#[test]
fn a_range_of_addresses_is_what_its_readers_take() {
    assert!(
        [
            "10.0.0.0/8",
            "2001:db8::/32",
            "192.0.2.1/32",
            "0.0.0.0/0",
            "::ffff:10.0.0.0/104"
        ]
        .into_iter()
        .all(is_cidr)
    );
    for wrong in [
        "10.0.0.0",
        "10.0.0.0/33",
        "300.0.0.0/8",
        "::/129",
        "10.0.0.0/",
        "x/8",
        "10.0.0.0/+8",
        "10.0.0.0/08",
        "010.0.0.0/8",
        ":::/64",
        "10.0.0/8",
        "fe80::1%eth0/64",
    ] {
        assert!(!is_cidr(wrong), "{wrong}");
    }
}

#[test]
fn labels_and_keys_are_kubernetes_own() {
    for (value, good) in [
        ("", true),
        ("ssd", true),
        ("a.b_c-d", true),
        ("shop team", false),
        ("-a", false),
        ("a-", false),
        ("ä", false),
        (&"a".repeat(63), true),
        (&"a".repeat(64), false),
    ] {
        assert_eq!(is_label(value), good, "{value}");
    }
    for (key, good) in [
        ("team", true),
        ("example.com/team", true),
        ("Team", true),
        ("Example.com/team", false),
        ("", false),
        ("/team", false),
        ("a/b/c", false),
        ("a b", false),
    ] {
        assert_eq!(is_key(key), good, "{key}");
    }
}

#[test]
fn amounts_are_whole_and_within_their_limits() {
    let of = |cpu: &str, memory: &str, memory_limit: Option<&str>, cpu_limit: Option<&str>| {
        let size = Size {
            cpu: cpu.into(),
            memory: memory.into(),
            memory_limit: memory_limit.map(Into::into),
            cpu_limit: cpu_limit.map(Into::into),
        };
        self::size("s", &size).join("; ")
    };
    assert_eq!(of("0.5", "1.5Gi", Some("1536Mi"), Some("500m")), "");
    for (said, says) in [
        (
            of("500m", "512m", None, None),
            "s.memory: \"512m\" is in thousandths of a byte; say Mi for mebibytes",
        ),
        (
            of("500m", "1.5", None, None),
            "s.memory: \"1.5\" is no whole number of bytes",
        ),
        (
            of("500m", "2Gi", Some("1Gi"), None),
            "s.memoryLimit: \"1Gi\" is below memory, which is \"2Gi\"",
        ),
        (
            of("500m", "1Gi", Some("1G"), None),
            "s.memoryLimit: \"1G\" is below memory, which is \"1Gi\"",
        ),
        (
            of("2", "1Gi", None, Some("500m")),
            "s.cpuLimit: \"500m\" is below cpu, which is \"2\"",
        ),
        (
            of("0.0001", "1Gi", None, None),
            "s.cpu: \"0.0001\" is not a number of processors of at least 1m, in whole \
             thousandths",
        ),
        (
            of("0", "1Gi", None, None),
            "s.cpu: \"0\" is not a number of processors of at least 1m, in whole thousandths",
        ),
    ] {
        assert_eq!(said, says);
    }
}
