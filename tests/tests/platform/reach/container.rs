//! What a container shows to the programs in it.

use e2e::platform::{Pod, Tenant};

/// The sockets that a shop's PHP sees.
const SOCKETS: [&str; 2] = ["/run/shop/php-fpm.sock", "/var/log/shop/requests.sock"];

/// What its container shows it: itself, its own files and its own Secret.
#[track_caller]
pub(super) fn shows_its_own_alone(shop: &Tenant<'_>, pod: &Pod, other: &str) {
    let sh = |script: &str| {
        let outcome = shop.exec(&pod.name, "php-fpm", &["sh", "-c", script]);
        assert_eq!(
            outcome.code(),
            Some(0),
            "{}: {script}: {outcome:?}",
            shop.name
        );
        outcome.stdout
    };
    assert_eq!(
        sh("id -u; grep -E '^(CapEff|NoNewPrivs)' /proc/self/status"),
        "10001\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n"
    );
    // Processes of other containers are in no table of its own.
    let processes = sh("cat /proc/[0-9]*/comm 2>/dev/null; true");
    assert!(
        processes.contains("php-fpm")
            && !["longshore", "nginx", "pause"]
                .iter()
                .any(|one| processes.contains(one)),
        "{processes}"
    );
    // No token of Kubernetes, none for the store, and no key of it: neither as a file nor as a
    // variable.
    assert_eq!(
        sh(
            "ls -d /var/run/secrets/kubernetes.io /var/run/longshore /mnt/pods /node \
             /etc/longshore 2>/dev/null; true"
        ),
        ""
    );
    assert_eq!(
        sh(
            "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -E '^(AWS|LONGSHORE)_'; \
             true"
        ),
        ""
    );
    assert_eq!(
        sh("grep -rlsI longshore-reads /etc /srv /mnt /tmp /var /run; true"),
        ""
    );
    // Of all shops' files its own; and of sockets that of its php-fpm, and the one at which nginx
    // tells its agent of requests: not that of the agent's log level.
    let files = sh(
        "find / \\( -path /proc -o -path /sys \\) -prune -o \\( -name 'belongs-to-*' -o -type s \
         \\) -print 2>/dev/null; true",
    );
    assert!(
        files.contains(&format!("/belongs-to-{}\n", shop.name))
            && files.lines().all(|path| SOCKETS.contains(&path)
                || path.ends_with(&format!("/belongs-to-{}", shop.name))),
        "{files}"
    );
    assert!(
        shop.exec(
            &pod.name,
            "php-fpm",
            &["ls", &format!("/mnt/shop/../{other}")]
        )
        .code()
            != Some(0)
    );
}
