//! Two hundred shops, and everything that goes wrong around them.

use super::{LONG, Scheduler, audited, example, shops};
use e2e::{
    cluster::{Cluster, Writes, eventually},
    faults::tell,
};
use rustix::process::Signal;
use std::time::Duration;

/// Shops of the large test.
const SHOPS: usize = 200;
/// Shops of a registry that is cut.
const FEWER: usize = 30;
/// How often it is.
const CUTS: usize = 10;

#[test]
fn two_hundred_shops_converge_through_kills_and_faults_and_nothing_is_deleted() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    let registry = shops("s", SHOPS);
    scheduler.apply(&registry);

    // Killed in the middle, and the API server too.
    let running = scheduler.start();
    eventually("some of the objects", LONG, || {
        scheduler
            .metric("writes_total")
            .filter(|writes| *writes > 300)
    });
    running.signal(Signal::KILL).unwrap();
    drop(running);
    let running = scheduler.start();
    let server = cluster.component("apiserver");
    server.kill();
    // Without queues, what is over the limit is refused with 429.
    let few = [
        "--enable-priority-and-fairness=false",
        "--max-requests-inflight=40",
        "--max-mutating-requests-inflight=3",
    ];
    server.start(&few);
    cluster.etcd_writes(Writes::Refused);
    std::thread::sleep(Duration::from_secs(5));
    cluster.etcd_writes(Writes::Accepted);
    scheduler.converged(SHOPS);

    // Forgotten versions: watches begin anew.
    cluster.etcd_compact();
    // Asked to stop, it would wait for our watches to end, for a minute.
    server.kill();
    server.start(&[]);
    scheduler.converged(SHOPS);
    let (deployments, services) = (
        scheduler.objects("deployments"),
        scheduler.objects("services"),
    );
    assert_eq!((deployments, services), (2 * SHOPS, SHOPS));

    // A pass over what is as it should be writes nothing.
    assert!(running.signal(Signal::TERM).is_ok());
    let ended = running.wait().expect(0);
    // All of it was met, and not merely tried.
    for met in ["watch broken", "too old resource version"] {
        assert!(ended.stderr.contains(met), "{met} in\n{}", ended.stderr);
    }
    let refused = audited(&cluster)
        .iter()
        .filter(|event| event["responseStatus"]["code"] == 429)
        .count();
    assert!(
        refused > 0,
        "the API server refused no request for its limits"
    );
    let running = scheduler.start();
    scheduler.converged(SHOPS);
    eventually("a whole pass", LONG, || {
        scheduler
            .metric("reconciles_total")
            .filter(|looks| *looks >= SHOPS as u64)
    });
    assert_eq!(
        (
            scheduler.metric("writes_total"),
            scheduler.metric("status_writes_total")
        ),
        (Some(0), Some(0))
    );

    // Kills of both, 429, a full disk, forgotten versions, and a pass over all.
    tell(27, 6, 6).unwrap();
    running.signal(Signal::TERM).unwrap();
    running.wait().expect(0);
    a_hundred_of_those_that_change_alike_are_tried(&scheduler);
}

/// Plans a class that changes all shops in the same way; then again with one shop in which somebody
/// else has changed something.
fn a_hundred_of_those_that_change_alike_are_tried(scheduler: &Scheduler<'_>) {
    let class = scheduler
        .scratch
        .path()
        .join("class.yaml")
        .display()
        .to_string();
    let changed =
        example("plain/class.yaml").replace("cpu: 10m, memory: 16Mi", "cpu: 20m, memory: 16Mi");
    scheduler
        .cluster
        .program("tee")
        .arg(&class)
        .input(changed)
        .run()
        .expect(0);
    let plan = |words: &[&str]| {
        scheduler
            .program(&[&["plan", &class][..], words].concat())
            .run()
            .expect(0)
            .stdout
    };
    let (sampled, every) = (plan(&[]), plan(&["--every"]));
    let said = "100 shops not tried: they change as 100 others did that the API server tried \
                (--every tries all)\n";
    assert!(sampled.contains(said), "{sampled}");
    assert_eq!(sampled.replace(said, ""), every);
    // The first shop is one of those that are tried.
    let edit = [
        "--namespace",
        "shop-s000",
        "patch",
        "deployment",
        "web",
        "--field-manager=kubectl-edit",
        "--type=merge",
    ];
    scheduler.cluster.ask(
        &[
            &edit[..],
            &["--patch", r#"{"spec":{"minReadySeconds":77}}"#],
        ]
        .concat(),
    );
    let otherwise = plan(&[]);
    assert!(
        !otherwise.contains("not tried") && otherwise.contains("kubectl-edit"),
        "{otherwise}"
    );
}

#[test]
fn a_registry_that_is_cut_or_empty_takes_nothing_down() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    let registry = shops("cut", FEWER);
    scheduler.apply(&registry);
    let running = scheduler.start();
    scheduler.converged(FEWER);
    let deployments = scheduler.objects("deployments");
    // An import that was cut off ever earlier, the last time before its first line.
    for left in (0..CUTS).rev().map(|cut| cut * (FEWER - 6) / (CUTS - 1)) {
        let lost = registry.lines().skip(left).collect::<Vec<_>>().join("\n");
        cluster
            .kubectl(["delete", "--wait=false", "--filename", "-"])
            .input(lost)
            .deadline(LONG)
            .run()
            .expect(0);
        eventually("the guard", LONG, || {
            scheduler.metric("deletion_held").filter(|held| *held == 1)
        });
        std::thread::sleep(Duration::from_secs(4));
        assert_eq!(
            (
                scheduler.objects("deployments"),
                scheduler.metric("deletes_total")
            ),
            (deployments, Some(0)),
            "{left} shops were left"
        );
        scheduler.apply(&registry);
        scheduler.converged(FEWER);
        assert_eq!(
            scheduler.metric("deletes_total"),
            Some(0),
            "{left} shops were left, and the others came back"
        );
        eventually("the guard at rest", LONG, || {
            scheduler.metric("deletion_held").filter(|held| *held == 0)
        });
    }
    assert_eq!(scheduler.objects("deployments"), deployments);
    running.signal(Signal::TERM).unwrap();
    running.wait().expect(0);
    let cuts = u32::try_from(CUTS).unwrap();
    tell(28, cuts, cuts).unwrap();
}

#[test]
fn what_somebody_else_changes_is_put_back_and_told() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    scheduler.apply(&shops("drift", 2));
    let running = scheduler.start();
    scheduler.converged(2);
    let patch = [
        "--namespace",
        "shop-drift000",
        "patch",
        "deployment",
        "web",
        "--field-manager=kubectl-edit",
        "--type=merge",
    ];
    let words = [
        &patch[..],
        &["--patch", r#"{"spec":{"minReadySeconds":77}}"#],
    ]
    .concat();
    cluster.ask(&words);
    eventually(
        "the field as the class has it",
        Duration::from_secs(30),
        || {
            (cluster.get(&["deployment", "web", "--namespace", "shop-drift000"])["spec"]
                ["minReadySeconds"]
                == 5)
                .then_some(())
        },
    );
    // Kinds that count no generations: what agents are told, who pods are, and what they may have.
    let namespace = ["--namespace", "shop-drift000"];
    let change = |kind: &str, name: &str, patch: &str| {
        cluster.ask(
            &[
                &[
                    "patch",
                    kind,
                    name,
                    "--field-manager=kubectl-edit",
                    "--type=merge",
                    "--patch",
                    patch,
                ][..],
                &namespace,
            ]
            .concat(),
        );
    };
    let of = |kind: &str, name: &str| cluster.get(&[&[kind, name][..], &namespace].concat());
    let first = |kind: &str| {
        let found =
            cluster.get(&[&[kind, "--selector", "longshore.dev/shop"][..], &namespace].concat());
        found["items"][0]["metadata"]["name"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (account, limits) = (first("serviceaccounts"), first("limitranges"));
    let told = of("configmap", "release")["data"]["release.json"].clone();
    let limit = of("limitrange", &limits)["spec"]["limits"].clone();
    change("configmap", "release", r#"{"data":{"release.json":"{}"}}"#);
    change(
        "serviceaccount",
        &account,
        r#"{"automountServiceAccountToken":true}"#,
    );
    change(
        "limitrange",
        &limits,
        r#"{"spec":{"limits":[{"type":"Container","default":{"memory":"1Gi"}}]}}"#,
    );
    eventually("all three as they were", Duration::from_secs(30), || {
        let same = of("configmap", "release")["data"]["release.json"] == told
            && of("serviceaccount", &account)["automountServiceAccountToken"] == false
            && of("limitrange", &limits)["spec"]["limits"] == limit;
        same.then_some(())
    });
    let events = cluster.get(&[
        "events",
        "--namespace",
        "default",
        "--field-selector",
        "involvedObject.name=drift000,reason=TakenOver",
    ]);
    assert!(events.to_string().contains("kubectl-edit"), "{events:#}");
    // A shop that is gone from the registry is taken down, and what is data stays.
    cluster.ask(&["delete", "shop", "drift001"]);
    eventually("its workloads gone", Duration::from_mins(1), || {
        let left = cluster.get(&["deployments,services", "--namespace", "shop-drift001"]);
        left["items"]
            .as_array()
            .is_some_and(Vec::is_empty)
            .then_some(())
    });
    cluster.ask(&["get", "namespace", "shop-drift001"]);
    running.signal(Signal::TERM).unwrap();
    running.wait().expect(0);
}

#[test]
fn a_plan_is_done_as_it_was_shown_or_not_at_all() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    scheduler.apply(&shops("plan", 3));
    let applied = scheduler.program(&["apply"]).run().expect(0);
    assert!(
        applied.stdout.contains("applied: ")
            && applied
                .stdout
                .contains("3 shops: plan000, plan001, plan002"),
        "{applied:#?}"
    );
    let again = scheduler.program(&["plan"]).run().expect(0);
    assert_eq!(
        again.stdout,
        "plan: 0 objects to create, 0 to change, 0 to adopt, 0 to delete; 3 shops unchanged\n"
    );

    let scratch = tempfile::tempdir().unwrap();
    let (class, plan) = (
        scratch.path().join("class.yaml").display().to_string(),
        scratch.path().join("plan.json").display().to_string(),
    );
    let changed =
        example("plain/class.yaml").replace("cpu: 10m, memory: 16Mi", "cpu: 20m, memory: 16Mi");
    cluster
        .program("tee")
        .arg(&class)
        .input(changed)
        .run()
        .expect(0);
    let shown = scheduler
        .program(&["plan", &class, "--save", &plan])
        .run()
        .expect(0);
    assert!(
        shown
            .stdout
            .contains("3 shops: plan000, plan001, plan002\n  ~ Deployment web: ")
            && shown.stdout.contains("10m → 20m"),
        "{shown:#?}"
    );
    // Somebody is faster.
    let patch = [
        "--namespace",
        "shop-plan001",
        "patch",
        "deployment",
        "web",
        "--field-manager=kubectl-edit",
        "--type=merge",
    ];
    cluster.ask(&[&patch[..], &["--patch", r#"{"spec":{"paused":true}}"#]].concat());
    let refused = scheduler
        .program(&["apply", &class, "--plan", &plan])
        .run()
        .expect(75);
    assert!(
        refused
            .stderr
            .contains("Deployment shop-plan001/web: it was generation 1, and is generation 2"),
        "{refused:#?}"
    );
    let all = scheduler.program(&["apply", &class]).run().expect(0);
    assert!(
        all.stdout.ends_with("applied: 3 objects of 3 shops\n"),
        "{all:#?}"
    );
}
