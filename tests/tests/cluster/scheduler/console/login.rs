//! The console for many people: a certified provider, the console as its own service account with
//! the rights of the chart, and people of four roles on a real API server.

mod people;
mod place;
mod record;
mod rights;
mod scan;

use super::{Browser, Scheduler, told};
use crate::scheduler::{LONG, release, shops};
use e2e::{
    chart,
    cluster::{Cluster, eventually},
    process::Running,
};
use place::{Place, admins, values};
use record::{audited, events, logged, nobody_forges_a_name, the_account_has_no_other_right};

const PROVIDER: &str = "https://localhost:19444";
const CONSOLE: &str = "https://console.localhost:19443";
/// The console's own account.
const ACCOUNT: &str = "longshore-console";
/// Its namespace.
const SPACE: &str = "console";
const FORM: &str = "placeholder=\"Enter any login\"";

/// Six shops of which each runs 42, a Release 43, and who may do what.
fn with_shops_and_roles(scheduler: &Scheduler<'_>) -> Running {
    scheduler.apply(&shops("c", 6));
    let running = scheduler.start();
    scheduler.converged(6);
    eventually("shops run the release of the example", LONG, || {
        (told(scheduler.cluster, "c005") == 42).then_some(())
    });
    scheduler.apply(&release(43, "none"));
    chart::install(scheduler.cluster, &values());
    scheduler.apply(&admins());
    // The chart shows the managers their shop; this is for what is in its namespace.
    labelled(scheduler, "c000", "team=own");
    let said = roles(scheduler, "own", "team=own", "oidc:shop-managers");
    assert!(said.contains("1 shop; 6 objects written, 0"), "{said}");
    running
}

fn labelled(scheduler: &Scheduler<'_>, shop: &str, label: &str) {
    let words = ["label", "shop", shop, label];
    scheduler.cluster.kubectl(words).run().expect(0);
}

/// Gives a group the shops of a label, as an admin does.
fn roles(scheduler: &Scheduler<'_>, name: &str, label: &str, group: &str) -> String {
    let words = ["shop", "roles", name, "--selector", label, "--group", group];
    let program = scheduler.program(&[&words[..], &["--apply"]].concat());
    program.run().expect(0).stdout
}

/// Who manages the shops of a label sees and changes these, and none that loses it.
fn a_label_says_whose_a_shop_is(place: &Place<'_>, scheduler: &Scheduler<'_>) {
    let renewed = || roles(scheduler, "nord", "brand=nord", "oidc:nord-managers");
    labelled(scheduler, "c001", "brand=nord");
    labelled(scheduler, "c002", "brand=nord");
    renewed();
    let mut nora = place.logged_in("nora", "/shops");
    assert!(nora.page.contains("2 of 2 shops"), "{}", nora.page);
    nora.visit("/shops/c002");
    assert!(nora.offers("Scale and campaigns"), "{}", nora.page);
    assert!(nora.offers("Back up now"), "{}", nora.page);
    assert!(!nora.page.contains("is not known"), "{}", nora.page);
    nora.visit("/shops/c000");
    assert_eq!(nora.code, 404, "{}", nora.page);

    labelled(scheduler, "c002", "brand-");
    let said = renewed();
    assert!(said.contains("2 bindings deleted"), "{said}");
    eventually("a shop is taken away", LONG, || {
        nora.visit("/shops");
        nora.page.contains("1 of 1 shop").then_some(())
    });
    nora.visit("/shops/c002");
    assert_eq!(nora.code, 404, "{}", nora.page);
}

/// A person of one shop sees that one, and changes it.
fn a_manager_has_one_shop(anna: &mut Browser<'_>, cluster: &Cluster) {
    assert_eq!(
        (anna.code, anna.path.as_str()),
        (200, "/shops"),
        "{}",
        anna.page
    );
    assert!(anna.page.contains("1 of 1 shop"), "{}", anna.page);
    assert!(
        anna.page.contains("You are <strong>oidc:anna</strong>"),
        "{}",
        anna.page
    );
    for path in [
        "/shops",
        "/shops?q=c00",
        "/releases",
        "/rollouts",
        "/fleet",
        "/audit",
        "/audit.csv",
        "/halt",
    ] {
        anna.visit(path);
        assert_eq!(anna.code, 200, "{path}: {}", anna.page);
        for other in ["c001", "c005", "for-many"] {
            assert!(
                !anna.page.contains(other),
                "{path} has {other}: {}",
                anna.page
            );
        }
    }
    for path in [
        "/shops/c001",
        "/shops/c001/watched",
        "/shops/c001/edit/scale",
        "/many?shop=c001",
        "/shops/c001/jobs/backup-1",
        "/shops/c001/move?release=shops-acme-43",
        "/rollouts/for-many",
    ] {
        anna.visit(path);
        assert_eq!(anna.code, 404, "{path}: {}", anna.page);
    }
    anna.visit("/halt");
    assert!(
        anna.page.contains("You may not halt the cluster."),
        "{}",
        anna.page
    );

    anna.visit("/shops/c000/edit/scale");
    anna.submit("Show the plan", &[("min", "2"), ("max", "6")]);
    assert!(
        anna.page.contains("<code>spec.scale.max</code>"),
        "{}",
        anna.page
    );
    assert!(
        anna.page.contains("what the scheduler would write"),
        "{}",
        anna.page
    );
    anna.submit("Apply", &[("why", "the sale")]);
    assert_eq!(anna.path, "/shops/c000", "{}", anna.page);
    assert_eq!(cluster.get(&["shop", "c000"])["spec"]["scale"]["max"], 6);

    anna.visit("/shops/c000");
    anna.click("Update to 43");
    assert!(
        anna.page.contains("ConfigMap release in shop-c000"),
        "{}",
        anna.page
    );
    anna.submit("Start", &[("why", "new checkout")]);
    assert_eq!(
        (anna.code, anna.path.as_str()),
        (200, "/rollouts/shops-acme-43-c000"),
        "{}",
        anna.page
    );
    eventually("c000 moves", LONG, || {
        (told(cluster, "c000") == 43).then_some(())
    });
    let rollout = cluster.get(&["rollout", "shops-acme-43-c000"]);
    assert_eq!(rollout["spec"]["started"]["by"], "oidc:anna");
    anna.reload();
    anna.submit("Pause", &[("why", "lunch")]);
    assert_eq!(anna.code, 200, "{}", anna.page);
}

#[test]
#[ignore = "needs Node: make test-console"]
#[expect(
    clippy::too_many_lines,
    reason = "one day of four people, in its order"
)]
fn people_log_in_and_do_what_they_may() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    let _running = with_shops_and_roles(&scheduler);
    // A rollout of shops that are not anna's.
    let many = [
        "rollout",
        "start",
        "shops-acme-43",
        "--name",
        "for-many",
        "--shop",
        "c004",
        "--shop",
        "c005",
    ];
    scheduler
        .program(&[&many[..], &["--why", "c005 first", "--wave", "100:1s"]].concat())
        .run()
        .expect(0);
    // Rollouts of one channel move shops one after the other.
    eventually("it is completed", LONG, || {
        let phase = &cluster.get(&["rollout", "for-many"])["status"]["phase"];
        (phase == "Completed").then_some(())
    });
    let before = events(&cluster).len();
    let mut place = Place::new(&scheduler);
    place.console();
    the_account_has_no_other_right(&cluster, &place.file("console").display().to_string());

    // Nobody sees anything before a login, and nothing that is forged is one.
    let mut stranger = place.browser("stranger");
    stranger.visit("/login/callback?code=a&state=b");
    assert_eq!(stranger.code, 400, "{}", stranger.page);
    assert!(stranger.page.contains("login-refused"), "{}", stranger.page);
    let mut forger = place.browser("forger");
    forger.header("Cookie: __Host-longshore=forged");
    forger.visit("/shops");
    assert!(forger.page.contains(FORM), "{}", forger.page);
    for (person, said) in [
        ("system:admin", "begins with system:"),
        ("evil", "system:masters"),
    ] {
        let browser = place.logged_in(person, "/shops");
        assert_eq!(browser.code, 403, "{}", browser.page);
        assert!(browser.page.contains(said), "{}", browser.page);
    }

    let mut anna = place.logged_in("anna", "/shops");
    a_manager_has_one_shop(&mut anna, &cluster);
    nobody_forges_a_name(&cluster);
    a_label_says_whose_a_shop_is(&place, &scheduler);

    // A viewer sees all, and changes nothing, whatever the browser sends.
    let mut boris = place.logged_in("boris", "/shops/c003");
    assert_eq!(
        (boris.code, boris.path.as_str()),
        (200, "/shops/c003"),
        "{}",
        boris.page
    );
    for text in ["Update to 43", "Scale and campaigns", "Modules"] {
        assert!(!boris.offers(text), "{text}: {}", boris.page);
    }
    boris.visit("/rollouts/for-many");
    assert!(
        boris.page.contains("c005 first") && !boris.offers("Pause"),
        "{}",
        boris.page
    );
    let token = boris.token();
    boris.post("/halt", &[("do", "halt"), ("why", "x"), ("token", &token)]);
    assert_eq!(boris.code, 403, "{}", boris.page);
    assert!(boris.page.contains("api-forbidden"), "{}", boris.page);
    // Nor with the form of somebody else.
    anna.visit("/shops");
    let of_anna = anna.token();
    boris.post(
        "/halt",
        &[("do", "halt"), ("why", "x"), ("token", &of_anna)],
    );
    assert_eq!(boris.code, 403);
    assert!(boris.page.contains("load the page again"), "{}", boris.page);

    // A release manager and an admin.
    let mut dora = place.logged_in("dora", "/halt");
    dora.submit("Halt everything", &[("why", "checkout fails")]);
    assert!(dora.page.contains("halted by oidc:dora"), "{}", dora.page);
    anna.visit("/shops");
    assert!(anna.page.contains("halted by oidc:dora"), "{}", anna.page);
    dora.submit("Let rollouts go on", &[]);
    assert!(!dora.offers("Scale and campaigns"));
    let mut clara = place.logged_in("clara", "/shops/c001/edit/scale");
    clara.submit("Show the plan", &[("min", "2"), ("max", "7")]);
    assert!(
        clara.page.contains("The API server tried this."),
        "{}",
        clara.page
    );
    clara.submit("Apply", &[("why", "more visitors")]);
    assert_eq!(clara.path, "/shops/c001", "{}", clara.page);
    rights::what_is_left_is_used(&mut clara, &cluster);

    // The console is started anew with a new key, and sessions go on; then without the old key, and
    // the provider, who knows them, says so without asking.
    place.keys(&[2, 1]);
    let mut log = place.console();
    eventually("anna is still logged in", LONG, || {
        anna.visit("/shops/c000");
        (anna.code == 200 && anna.path == "/shops/c000").then_some(())
    });
    place.keys(&[3]);
    let second = place.console();
    assert!(!second.contains("logged in"), "{second}");
    log.push_str(&second);
    eventually("anna is logged in again", LONG, || {
        anna.visit("/shops/c000");
        (anna.code == 200 && anna.path == "/shops/c000").then_some(())
    });

    // The provider has other keys, and forgot everybody. The console asks for keys once in a while.
    place.provider();
    let mut late = place.browser("late");
    eventually("the new key is known", LONG, || {
        late.visit("/shops");
        if late.page.contains(FORM) {
            late.submit("Sign-in", &[("login", "late"), ("password", "any")]);
        }
        if late.code != 200 {
            // Whoever tries more often is told to wait a minute.
            std::thread::sleep(std::time::Duration::from_secs(4));
        }
        (late.code == 200).then_some(())
    });
    assert!(late.page.contains("0 of 0 shops"), "{}", late.page);
    late.visit("/rollouts");
    assert!(!late.page.contains("for-many"), "{}", late.page);

    // Whoever logs out is logged out at the provider, too.
    late.submit("Log out", &[]);
    assert!(late.page.contains("You are logged out"), "{}", late.page);
    late.click("of its login");
    late.submit("Log out here", &[]);
    assert_eq!(late.path, "/logged-out", "{}", late.page);
    late.visit("/shops");
    assert!(late.page.contains(FORM), "{}", late.page);

    log.push_str(&place.stop());
    for person in ["oidc:anna", "oidc:boris", "oidc:clara", "oidc:dora"] {
        let (said, stored) = (logged(&log, person), audited(&cluster, before, person));
        assert_eq!(said, stored, "{person}: {log}");
        assert_eq!(said.is_empty(), person == "oidc:boris");
    }
    rights::are_those_that_are_used(&cluster);
    assert!(
        log.contains("people are impersonated, for what the role lists"),
        "{log}"
    );
}
