//! The images of shops, as pods that Pod Security calls restricted.

use e2e::{
    cluster::{Cluster, Image, Level, Namespace, built, eventually},
    web::{self, Page},
};
use std::{net::IpAddr, thread, time::Duration};

const POD: Duration = Duration::from_mins(2);
const RESTRICTED: &str = "{allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, \
                          runAsNonRoot: true, capabilities: {drop: [ALL]}, seccompProfile: {type: \
                          RuntimeDefault}}";
/// A page that says what PHP is, one that takes its time, one that asks for a secret of its pod,
/// and a file.
const SOURCES: &str = "mkdir -p /srv/shop/releases/r1/pub/media /srv/shop/releases/r1/app/etc \
     /srv/shop/releases/r1/media && cd /srv/shop/releases/r1 && echo '<?php echo \"php \", \
     PHP_MAJOR_VERSION, \".\", PHP_MINOR_VERSION, \" uid \", posix_geteuid(), \" of \", __DIR__;' \
     > index.php && echo '<?php sleep(4); echo \"late\";' > get.php && echo '<?php \
     var_dump(getenv(\"AWS_SECRET_ACCESS_KEY\"), $_SERVER[\"HTTPS\"] ?? \"plain\", \
     ini_get(\"memory_limit\"));' > api.php && echo '<?php header(\"Content-Type: \
     application/json\"); echo json_encode(array_map(\"ini_get\", explode(\" \", \
     $_GET[\"names\"])));' > ini.php && echo '<?php throw new Exception(str_repeat(\"x\", \
     3000));' > throws.php && echo asset > style.css && echo secret > app/etc/local.xml && echo \
     '<?php echo 1;' > media/shell.php && cp *.php pub/ && cp -r media pub/ && mkdir -p \
     /tmp/shared && echo '<?php echo \"ran\";' > /tmp/shared/avatar.php && ln -s /tmp/shared \
     uploads && ln -s releases/r1 /srv/shop/current";
/// What PHP is set to in every image, and in the pods that the scheduler renders.
const SETTINGS: [(&str, &str); 9] = [
    ("upload_max_filesize", "64M"),
    ("post_max_size", "64M"),
    ("max_input_vars", "10000"),
    ("max_execution_time", "600"),
    ("opcache.validate_timestamps", "0"),
    ("realpath_cache_ttl", "10"),
    ("session.gc_probability", "1"),
    ("log_errors", "1"),
    ("user_ini.filename", ""),
];

/// A shop pod whose sources an init container writes, as longshore-init would; one image in three
/// roles.
fn shop(namespace: &Namespace<'_>, image: &Image, engine: &str) -> IpAddr {
    let image = image.name();
    let one = |name: &str, command: &str, rest: &str| {
        format!(
            "  - name: {name}\n    image: {image}\n    imagePullPolicy: Never\n    command: \
             {command}\n    securityContext: {RESTRICTED}\n    env: [{{name: \
             AWS_SECRET_ACCESS_KEY, value: hidden}}, {{name: PHP_WORKERS, value: '4'}}, {{name: \
             PHP_MEMORY_MIB, value: '300'}}]\n    volumeMounts: [{{name: sources, mountPath: \
             /srv/shop{}}}, {{name: tmp, mountPath: /tmp}}, {{name: socket, mountPath: \
             /run/shop{}}}, {{name: logs, mountPath: /var/log/shop}}]\n{rest}",
            if name == "pull" {
                ""
            } else {
                ", readOnly: true"
            },
            if name == "php-fpm" {
                ""
            } else {
                ", readOnly: true"
            }
        )
    };
    let pull = one("pull", &format!("[sh, -c, {SOURCES:?}]"), "");
    let started = "    restartPolicy: Always\n    startupProbe: {exec: {command: [php-fpm-ping]}, \
                   periodSeconds: 1, failureThreshold: 60}\n";
    let php = one("php-fpm", "[php-fpm]", started);
    let probes = "    readinessProbe: {httpGet: {path: /readyz, port: 8080}, periodSeconds: 1}\n    \
         livenessProbe: {httpGet: {path: /livez, port: 8080}}\n";
    let nginx = one(
        "nginx",
        &format!("[nginx, -c, /etc/shop/nginx/{engine}.conf]"),
        probes,
    );
    namespace.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {engine}}}\nspec:\n  \
         automountServiceAccountToken: false\n  enableServiceLinks: false\n  securityContext: \
         {{runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001}}\n  \
         terminationGracePeriodSeconds: 30\n  volumes: [{{name: sources, emptyDir: {{}}}}, \
         {{name: tmp, emptyDir: {{}}}}, {{name: logs, emptyDir: {{}}}}, {{name: socket, emptyDir: {{medium: Memory, sizeLimit: \
         64Ki}}}}]\n  initContainers:\n{pull}{php}  containers:\n{nginx}"
    ));
    namespace.wait("condition=Ready", &format!("pod/{engine}"), POD);
    namespace.address(engine).parse().unwrap()
}

/// A page, asked with the headers that the edge adds.
fn get(address: IpAddr, path: &str) -> Page {
    web::get_from((address, 8080).into(), path, "X-Forwarded-Proto: https\r\n").unwrap()
}

/// What every shop image does, whatever its PHP.
fn serves(name: &str, php: &str) {
    let cluster = Cluster::shared();
    let (namespace, image) = (
        cluster.namespace("image", Level::Restricted),
        built(&cluster, name),
    );
    let address = shop(&namespace, &image, "php");
    assert_eq!(get(address, "/livez").status, 204);
    assert_eq!(get(address, "/readyz").body, "pong");
    assert_eq!(
        get(address, "/any/path").body,
        format!("php {php} uid 10001 of /srv/shop/releases/r1")
    );
    let asset = get(address, "/style.css");
    assert!(
        asset.body == "asset\n" && asset.headers.contains_key("etag"),
        "{asset:?}"
    );
    assert_eq!(get(address, "/app/etc/local.xml").status, 403);
    let told = get(address, "/api.php").body;
    assert_eq!(told, "bool(false)\nstring(2) \"on\"\nstring(4) \"300M\"\n");
    // PHP 7 has templates with short tags.
    let tags = ("short_open_tag", if php == "7.4" { "1" } else { "" });
    let names = SETTINGS.map(|(name, _)| name).join("+");
    let found: Vec<String> =
        serde_json::from_str(&get(address, &format!("/ini.php?names={names}+{}", tags.0)).body)
            .unwrap();
    assert_eq!(
        found,
        SETTINGS
            .into_iter()
            .chain([tags])
            .map(|(_, value)| value)
            .collect::<Vec<_>>()
    );
    // What a shop can write to is no program, wherever its links are.
    let upload = get(address, "/uploads/avatar.php");
    assert!(
        upload.status == 403 && !upload.body.contains("ran"),
        "{upload:?}"
    );
    // An exception that nobody caught is in PHP's log, whole, where an agent would read it.
    assert_eq!(get(address, "/throws.php").status, 500);
    let log = ["exec", "php", "--container=php-fpm", "--"];
    let log = namespace.ask(&[&log[..], &["cat", "/var/log/shop/php.log"]].concat());
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("Uncaught Exception"))
        .collect();
    assert!(
        lines.len() == 1 && lines[0].contains(&"x".repeat(3000)),
        "{log}"
    );

    // A request that is being answered when the pod is deleted is answered; php-fpm and nginx end
    // by themselves.
    let late = thread::spawn(move || get(address, "/get.php"));
    thread::sleep(Duration::from_secs(1));
    namespace.ask(&["delete", "pod", "php", "--wait=false"]);
    assert_eq!(late.join().unwrap().body, "late\n".trim_end());
    namespace.wait("delete", "pod/php", Duration::from_secs(20));
}

#[test]
fn the_shop_image_of_php_8_serves_and_ends_as_a_restricted_pod() {
    serves("longshore-shop-php8.2", "8.2");
}

#[test]
fn the_shop_image_of_php_7_serves_and_ends_as_a_restricted_pod() {
    serves("longshore-shop-php7.4", "7.4");
}

#[test]
fn the_engines_of_magento_run_their_entry_points_and_nothing_else() {
    let cluster = Cluster::shared();
    let (namespace, image) = (
        cluster.namespace("magento", Level::Restricted),
        built(&cluster, "longshore-shop-php8.2"),
    );
    for (engine, root) in [
        ("magento1", "/srv/shop/releases/r1"),
        ("magento2", "/srv/shop/releases/r1/pub"),
    ] {
        let address = shop(&namespace, &image, engine);
        assert_eq!(
            get(address, "/catalog/product/view").body,
            format!("php 8.2 uid 10001 of {root}"),
            "{engine}"
        );
        for (path, status) in [
            ("/media/shell.php", 403),
            (
                "/app/etc/local.xml",
                if engine == "magento1" { 403 } else { 200 },
            ),
            ("/style.php", 403),
        ] {
            let page = get(address, path);
            assert_eq!(page.status, status, "{engine}: {path}: {page:?}");
            assert!(
                !page.body.contains("secret") && !page.body.contains("<?php"),
                "{engine}: {path}: {page:?}"
            );
        }
    }
}

#[test]
fn our_binaries_run_in_images_of_any_age() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("binaries", Level::Restricted);
    let roles = [
        ("longshore-init", "longshore-init"),
        ("longshore-agent", "longshore-agent"),
        ("longshore-agent", "longshore-init"),
    ];
    let shops = ["longshore-shop-php8.2", "longshore-shop-php7.4"]
        .map(|image| [(image, "longshore-init"), (image, "longshore-agent")]);
    for (number, (image, program)) in roles
        .into_iter()
        .chain(shops.into_iter().flatten())
        .enumerate()
    {
        let (image, name) = (built(&cluster, image), format!("pod-{number}"));
        namespace.apply(&format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  restartPolicy: \
             Never\n  containers:\n  - name: main\n    image: {}\n    imagePullPolicy: Never\n    \
             command: [{program}]\n    securityContext: {RESTRICTED}\n",
            image.name()
        ));
        // It runs, reads its settings, and finds none.
        let code = eventually("the end of the program", POD, || {
            namespace.get(&["pod", &name])["status"]["containerStatuses"][0]["state"]["terminated"]
                ["exitCode"]
                .as_i64()
        });
        let log = namespace.ask(&["logs", &name]);
        assert!(
            code == 64 && log.contains("LONGSHORE_STORE is not set"),
            "{} {program}: {code}: {log}",
            image.name()
        );
    }
}
