//! `longshore-agent` and the real php-fpm: OPcache before and after a switch, a reload, hooks, and
//! a release that kills its worker.

mod rejected;

use crate::{agent::Pod, ending::script};
use e2e::{
    pod::runs,
    process::Outcome,
    web::{Visitors, Web},
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime},
};

/// What every release of these tests answers besides its pages: whether a script is compiled, and
/// since when OPcache runs.
const ENTRY: &str = "if (isset($_GET['compiled'])) { echo \
                     opcache_is_script_cached($_GET['compiled']) ? 'yes' : 'no'; exit; }
if (isset($_GET['since'])) { echo opcache_get_status(false)['opcache_statistics']['start_time']; \
                     exit; }";

fn said(outcome: &Outcome, what: &str) -> Vec<Value> {
    let lines = outcome.stderr.lines().filter(|line| line.contains(what));
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A number of an event, wherever the log's format has it.
fn figure(event: &Value, name: &str) -> u64 {
    event[name]
        .as_u64()
        .or_else(|| event["fields"][name].as_u64())
        .unwrap_or_else(|| panic!("no {name} in {event}"))
}

fn is_compiled(web: &Web, script: &Path) -> bool {
    match web
        .get(&format!("/?compiled={}", script.display()))
        .unwrap()
        .body
        .as_str()
    {
        "yes" => true,
        "no" => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_the_shop_uses_is_compiled_before_the_switch_and_forgotten_after_it() {
    let mut pod = Pod::new();
    pod.release("1", ENTRY);
    pod.shop.init("pod").run().expect(0);
    let web = Web::start(&pod.root());
    let program = pod.with_shop(&web);
    pod.start(program);
    // The page is used, so that its three scripts are what is hot.
    for _ in 0..3 {
        assert!(web.get("/").unwrap().body.starts_with("entry=1 "));
    }
    let scripts = ["index.php", "lib/Widget.php", "template.php"];
    let tree = |pod: &Pod| fs::canonicalize(pod.root().join("current")).unwrap();
    let before = tree(&pod);
    assert!(
        scripts
            .iter()
            .all(|script| is_compiled(&web, &before.join(script)))
    );
    // Rehearsal and probe would compile them, too, and come later: how many warming compiled is in
    // the log.
    let sequence = pod.release("2", ENTRY);
    pod.agent.until("the release runs", runs(sequence));
    let after = tree(&pod);
    assert_ne!(before, after);
    assert!(
        scripts
            .iter()
            .all(|script| is_compiled(&web, &after.join(script)))
    );
    assert!(
        !scripts
            .iter()
            .any(|script| is_compiled(&web, &before.join(script))),
        "the tree before is forgotten"
    );
    let warmed = said(&pod.agent.end(), "warmed OPcache");
    assert_eq!(
        warmed
            .iter()
            .map(|event| figure(event, "compiled"))
            .collect::<Vec<_>>(),
        [scripts.len() as u64]
    );
}

#[test]
fn a_release_that_only_fails_with_what_was_warmed_runs_without_it() {
    let mut pod = Pod::new();
    pod.release("1", ENTRY);
    pod.shop.init("pod").run().expect(0);
    let web = Web::start(&pod.root());
    let program = pod.with_shop(&web);
    pod.start(program);
    // All three scripts of the page are used, so that they are warmed.
    assert!(web.get("/").unwrap().body.starts_with("entry=1 "));
    // Stands for whatever warming may do to a script: the rehearsal finds its class compiled, which
    // only warming can have done.
    let rehearsed = "!str_contains($_SERVER['SERVER_SOFTWARE'] ?? '', 'nginx')";
    let fails = format!(
        "{ENTRY}\nif ({rehearsed} && opcache_is_script_cached(__DIR__ . '/lib/Widget.php')) {{ \
         missing_function(); }}"
    );
    let sequence = pod.release("2", &fails);
    pod.agent.until("the release runs", runs(sequence));
    assert!(web.get("/").unwrap().body.starts_with("entry=2 "));
    let ended = pod.agent.end();
    let told = said(&ended, "the release works after OPcache forgot it");
    assert!(
        told.len() == 1 && told[0].to_string().contains("status 500"),
        "{told:?}"
    );
}

#[test]
fn a_reload_at_each_switch_fails_no_request() {
    let mut pod = Pod::new();
    pod.release("1", ENTRY);
    pod.shop.init("pod").run().expect(0);
    let web = Web::start(&pod.root());
    let program = pod
        .with_shop(&web)
        .env("LONGSHORE_PHP_RELOAD", &web.pid_file);
    pod.start(program);
    let since = || web.get("/?since").unwrap().body.parse::<u64>().unwrap();
    let first = since();
    // OPcache's own clock has whole seconds.
    while SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() <= first + 1 {
        thread::sleep(Duration::from_millis(50));
    }
    let visitors = Visitors::start(web.port, 4, Duration::from_millis(4));
    for number in 2..=4 {
        let sequence = pod.release(&number.to_string(), ENTRY);
        pod.agent.until("the release runs", runs(sequence));
        let count = visitors.count();
        while visitors.count() < count + 100 {
            thread::sleep(Duration::from_millis(10));
        }
    }
    let (_, wrong) = visitors.end();
    assert_eq!(wrong, Vec::<String>::new());
    assert!(since() > first, "php-fpm has begun anew");
    assert_eq!(
        said(&pod.agent.end(), "php-fpm was asked to reload").len(),
        3
    );
}

#[test]
fn hooks_hear_of_the_switch_and_of_nothing_else() {
    let mut pod = Pod::new();
    let (hook, heard) = (pod.shop.path("hook"), pod.shop.path("heard"));
    script(
        &hook,
        &format!(
            "env | grep -Ev '^(PWD|SHLVL|OLDPWD|_)=' | sort >{}.$LONGSHORE_HOOK",
            heard.display()
        ),
    );
    let program = pod
        .program()
        .env("LONGSHORE_HOOK_BEFORE", &hook)
        .env("LONGSHORE_HOOK_AFTER", &hook)
        .env("LONGSHORE_POLL", "1s");
    pod.start(program);
    let sequence = pod.release("2", "");
    let status = pod.agent.until("the release runs", runs(sequence));
    let manifest = status["running"]["manifest"].as_str().unwrap();
    let tree = fs::canonicalize(pod.root().join("current")).unwrap();
    pod.agent.end();
    for when in ["before", "after"] {
        let text =
            fs::read_to_string(PathBuf::from(format!("{}.{when}", heard.display()))).unwrap();
        let variables: Vec<_> = text
            .lines()
            .map(|line| line.split_once('=').unwrap())
            .collect();
        let names: Vec<_> = variables.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            [
                "LONGSHORE_HOOK",
                "LONGSHORE_MANIFEST",
                "LONGSHORE_SEQUENCE",
                "LONGSHORE_TREE",
                "PATH"
            ],
            "{when}"
        );
        assert_eq!(
            (variables[0].1, variables[1].1, variables[2].1),
            (when, manifest, sequence.to_string().as_str())
        );
        assert_eq!(fs::canonicalize(variables[3].1).unwrap(), tree);
    }
}

/// Whether the agent rejected this sequence, and why.
fn rejection(pod: &Pod, sequence: u64) -> String {
    let rejected = |status: &Value| {
        status["newer"]["sequence"] == sequence && status["newer"]["why"] == "rejected"
    };
    let status = pod.agent.until("it is rejected", rejected);
    assert_eq!(status["running"]["sequence"], 1, "{status}");
    status["newer"]["detail"].as_str().unwrap().to_owned()
}

#[test]
fn a_shop_behind_tls_is_asked_as_its_visitors_ask() {
    let mut pod = Pod::new();
    // As Magento does with a base URL that is https. What an edge sets is there before the switch
    // and after it.
    let to = "https://shop.example/";
    let secure = format!(
        "if (($_SERVER['HTTPS'] ?? '') !== 'on') {{ header('Location: {to}', true, 302); exit; \
         }}\n"
    );
    let edge = "if ($_SERVER['HTTP_X_FORWARDED_PROTO'] !== 'https' || $_SERVER['HTTP_HOST'] !== \
                'shop.example'
        || $_SERVER['SCRIPT_NAME'] !== '/index.php' || $_SERVER['DOCUMENT_URI'] !== '/index.php') \
                { missing_function(); }\n";
    let web = Web::start(&pod.root());
    let program = pod
        .with_shop(&web)
        .env("LONGSHORE_PROBE_HOST", "shop.example")
        .env("LONGSHORE_PROBE_STATUS", "200-299");
    pod.start(program);
    let redirects = pod.release("2", &secure);
    let why = rejection(&pod, redirects);
    assert!(
        why.contains(&format!("status 302 to \"{to}\", expected 200 to 299")),
        "{why}"
    );
    pod.agent.end();
    let program = pod
        .with_shop(&web)
        .env("LONGSHORE_PROBE_HOST", "shop.example")
        .env("LONGSHORE_PROBE_SCHEME", "https");
    pod.start(program);
    let sequence = pod.release("3", &(secure + edge));
    pod.agent.until("the release runs", runs(sequence));
    pod.agent.end();
}
