use super::*;

const REQUIRED: [(&str, &str); 4] = [
    ("LONGSHORE_STORE", "s3://releases/prod"),
    ("LONGSHORE_CHANNEL", "shops/acme"),
    ("LONGSHORE_ROOT", "/srv/shop"),
    ("LONGSHORE_TRUST", "/etc/longshore/1.root.json"),
];

fn config(more: &[(&str, &str)]) -> Result<Config, String> {
    Config::from_env(Env::new(REQUIRED.iter().chain(more).copied()))
        .map_err(|error| error.to_string())
}

#[test]
fn four_variables_are_enough() {
    let config = config(&[]).unwrap();
    assert_eq!(
        (config.sources, config.poll, config.grace),
        (
            vec![Source::Channel],
            Duration::from_secs(15),
            Duration::from_secs(25)
        )
    );
    assert_eq!((config.listen.port(), config.scan), (9808, 8 << 20));
    assert_eq!(
        (config.pod.php, config.pod.probe, config.control),
        (None, None, None)
    );
    assert_eq!(config.workers, None);
    assert_eq!(
        self::config(&[("LONGSHORE_PHP_WORKERS", "8")])
            .unwrap()
            .workers,
        Some(8)
    );
}

#[test]
fn sources_are_what_the_variables_say() {
    let sources = |more: &[(&str, &str)]| config(more).map(|config| config.sources);
    let file = ("LONGSHORE_RELEASE", "/etc/release/release.json");
    let (path, both) = (
        Source::File("/etc/release/release.json".into()),
        ("LONGSHORE_SOURCES", "both"),
    );
    assert_eq!(sources(&[file]), Ok(vec![path.clone()]));
    assert_eq!(sources(&[file, both]), Ok(vec![path, Source::Channel]));
    assert_eq!(
        sources(&[file, ("LONGSHORE_SOURCES", "channel")]),
        Ok(vec![Source::Channel])
    );
    assert!(
        sources(&[both])
            .unwrap_err()
            .contains("LONGSHORE_RELEASE is not set")
    );
}

#[test]
fn the_pods_logs_are_a_directory_and_the_shop_has_a_name() {
    let both = |logs: &str, shop: &str| {
        config(&[("LONGSHORE_POD_LOGS", logs), ("LONGSHORE_SHOP", shop)])
            .map(|config| (config.pod_logs, config.shop))
    };
    assert_eq!(
        both("/var/log/shop", "acme-1"),
        Ok((Some("/var/log/shop".into()), Some("acme-1".to_owned())))
    );
    assert!(both("log", "acme").is_err() && both("/log", "a b").is_err());
}

#[test]
fn logs_are_paths_of_a_release() {
    let logs = |text: &str| config(&[("LONGSHORE_LOGS", text)]).map(|config| config.logs);
    assert_eq!(
        logs("var/log, var/report"),
        Ok(vec![
            "var/log".parse().unwrap(),
            "var/report".parse().unwrap()
        ])
    );
    assert_eq!(config(&[]).unwrap().logs, []);
    assert!(
        logs("var/log,").is_err()
            && logs("../log").is_err()
            && logs(&["log"; 17].join(",")).is_err()
    );
}

#[test]
fn a_probe_has_all_of_its_settings() {
    let more = [
        ("LONGSHORE_PROBE", "http://127.0.0.1:8080/"),
        ("LONGSHORE_PROBE_HOST", "shop.example"),
        ("LONGSHORE_PROBE_STATUS", "200"),
        ("LONGSHORE_PROBE_HEADER", "X-Shop: acme"),
        ("LONGSHORE_PROBE_SCHEME", "https"),
        (
            "LONGSHORE_PROBE_PARAMS",
            "MAGE_RUN_CODE=ro,MAGE_RUN_TYPE=store",
        ),
        ("LONGSHORE_PROBE_CONTAINS", "</html>"),
        ("LONGSHORE_PROBE_TIMES", "5"),
    ];
    let probe = config(&more).unwrap().pod.probe.unwrap();
    assert_eq!(
        (probe.host.as_deref(), probe.times, probe.url.path()),
        (Some("shop.example"), 5, "/")
    );
    assert_eq!(probe.expect.header, Some(("X-Shop".into(), "acme".into())));
    assert_eq!(
        (probe.scheme, probe.expect.contains.as_deref()),
        (Scheme::Https, Some("</html>"))
    );
    let plain = config(&more[..1]).unwrap().pod.probe.unwrap();
    assert_eq!(
        (plain.scheme, plain.expect.status),
        (Scheme::Http, "200-299".parse().unwrap())
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    let bad = [
        ("LONGSHORE_PROBE", "https://shop.example/"),
        ("LONGSHORE_PROBE_STATUS", "2xx"),
        ("LONGSHORE_PROBE_TIMES", "0"),
        ("LONGSHORE_PROBE_SCHEME", "ftp"),
        ("LONGSHORE_PROBE_PARAMS", "PHP_VALUE=x"),
        ("LONGSHORE_PROBE_CONTAINS", ""),
        ("LONGSHORE_PHP", "9000"),
        ("LONGSHORE_LISTEN", "9808"),
        ("LONGSHORE_POLL", "15"),
        ("LONGSHORE_HOOK_BEFORE", "hook.sh"),
        ("LONGSHORE_LOGS", "var/log,/var/report"),
        ("LONGSHORE_PHP_WORKERS", "0"),
        ("LONGSHORE_PROB", "x"),
    ];
    let error = config(&bad).unwrap_err();
    for (name, _) in bad {
        assert!(
            error.contains(&format!("\n  {name}")),
            "{name} is not in {error}"
        );
    }
}
