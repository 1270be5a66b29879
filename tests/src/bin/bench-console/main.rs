//! How fast the console is with a large fleet, on a real API server whose nodes and pods kwok
//! plays: its pages, a key stroke in a browser, plans, and 200 open pages while a rollout moves all
//! shops. Ends with 1 if a figure misses its goal. Runs inside a cluster: `cluster run --nodes 0
//! --kwok 4 -- bench-console`.

#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark makes its files itself, and has no failpoints"
)]

mod moving;
mod page;

use clap::Parser;
use e2e::{
    cluster::{Cluster, eventually},
    figures::{bytes, count, table, time},
    fleet::{
        large::{self, LONG, WHOLE, apply},
        release,
    },
    peers::required,
    process::{Program, Running, binary},
};
use page::Browser;
use serde_json::{Value, json};
use std::{
    io::{self, Write as _},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

/// Measures `longshore-console` of this profile with many shops. Needs a cluster of its own.
#[derive(Debug, Parser)]
struct Arguments {
    /// Shops of the fleet
    #[arg(
        long,
        default_value_t = 5000,
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(200..)
    )]
    shops: usize,
    /// Pages that are open while a rollout moves all shops
    #[arg(long, default_value_t = 200)]
    pages: usize,
    /// End once tables and pages were measured, of Shops that no scheduler has looked at
    #[arg(long)]
    tables: bool,
}

/// The port of the console's metrics.
const HEALTH: u16 = 19814;
/// Requests of each kind of question.
const ROUNDS: usize = 60;
/// The release that a rollout moves all shops to.
const NEXT: u64 = 43;

/// What was measured, and whether it is as it should be.
#[derive(Default)]
struct Figures {
    rows: Vec<Vec<String>>,
    missed: usize,
}

impl Figures {
    fn tell(&mut self, what: &str, goal: &str, figure: &str, good: bool) {
        let verdict = if good { "" } else { "missed" };
        writeln!(io::stderr(), "{what}: {figure} (goal: {goal}) {verdict}").unwrap_or_default();
        self.missed += usize::from(!good);
        let row = [what, goal, figure, verdict];
        self.rows.push(row.map(str::to_owned).to_vec());
    }

    /// Tells what has no goal.
    fn note(&mut self, what: &str, figure: &str) {
        writeln!(io::stderr(), "{what}: {figure}").unwrap_or_default();
        let row = [what, "", figure, ""];
        self.rows.push(row.map(str::to_owned).to_vec());
    }

    fn within(&mut self, what: &str, goal: Duration, took: Duration) {
        self.tell(
            what,
            &format!("≤ {}", time(goal)),
            &time(took),
            took <= goal,
        );
    }

    fn at_most(&mut self, what: &str, goal: u64, found: u64) {
        let text = format!("≤ {}", bytes(goal));
        self.tell(what, &text, &bytes(found), found <= goal);
    }
}

fn memory() -> u64 {
    large::metric(HEALTH, "longshore_console_resident_memory_bytes").unwrap_or(u64::MAX)
}

fn console(cluster: &Cluster, figures: &mut Figures) -> (Running, String, Browser) {
    let begin = Instant::now();
    let health = format!("127.0.0.1:{HEALTH}");
    let program = cluster
        .program(&binary("longshore-console").display().to_string())
        .args(["--port", "0", "--log", "warn", "--health", &health])
        .env("MALLOC_ARENA_MAX", "1");
    let mut running = program.deadline(WHOLE).start();
    let line = running.first_line();
    let address = line
        .strip_prefix("Open ")
        .unwrap_or(&line)
        .trim()
        .to_owned();
    let browser = Browser::open(&address);
    eventually("the registry is read", LONG, || {
        (browser.get("/shops").status == 200).then_some(())
    });
    figures.within(
        "from its start to the first table",
        Duration::from_secs(10),
        begin.elapsed(),
    );
    (running, address, browser)
}

/// The `share` of the times, of 100.
fn percentile(times: &mut [Duration], share: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * share).div_ceil(100).saturating_sub(1)]
}

/// The table, filtered, sorted and searched.
fn questions(browser: &Browser, figures: &mut Figures) {
    for (what, path) in [
        ("the table", "/shops"),
        ("a search that finds few", "/shops?q=s12"),
        ("a search that finds none", "/shops?q=nobody+at+all"),
        (
            "a filter",
            "/shops?state=Maintenance&class=php-plain&page=40",
        ),
        ("sorted by health", "/shops?sort=health&page=3"),
        ("a shop", "/shops/s0007"),
    ] {
        let mut times: Vec<_> = (0..ROUNDS).map(|_| browser.timed(path).0).collect();
        let took = percentile(&mut times, 95);
        figures.within(&format!("{what}, 95 %"), Duration::from_millis(100), took);
    }
}

/// The largest of all pages.
fn sizes(browser: &Browser, figures: &mut Figures) {
    let (mut largest, mut of) = (0, "");
    for path in [
        "/shops",
        "/shops/s0007",
        "/releases",
        "/rollouts",
        "/rollouts/new?release=shops-acme-43",
        "/fleet",
        "/audit",
        "/halt",
        "/many?all=found",
        "/shops/s0007/edit/domains",
    ] {
        let size = browser.timed(path).1.body.len();
        if size > largest {
            (largest, of) = (size, path);
        }
    }
    figures.at_most(&format!("the largest page, {of}"), 60 << 10, largest as u64);
}

/// What a person in front of Chromium waits for after a key.
fn keys(cluster: &Cluster, address: &str, figures: &mut Figures) {
    let program = required("look-at-console").with_file_name("type-into-console");
    let typed = cluster
        .program(&program.display().to_string())
        .args([address, "s12"])
        .deadline(Duration::from_mins(2))
        .run()
        .expect(0);
    let typed: Vec<u64> = serde_json::from_str(typed.stdout.trim())
        .unwrap_or_else(|error| panic!("{}: {error}", typed.stdout));
    let mut times: Vec<_> = typed.into_iter().map(Duration::from_millis).collect();
    let took = percentile(&mut times, 95);
    let what = "a key in Chromium until its rows are there, 95 %";
    figures.within(what, Duration::from_millis(300), took);
}

fn field<'a>(page: &'a str, name: &str) -> &'a str {
    let marker = format!("name=\"{name}\" value=\"");
    let rest = page.split(&marker).nth(1);
    rest.and_then(|rest| rest.split('"').next())
        .unwrap_or_else(|| panic!("no field {name}: {page}"))
}

fn plans(browser: &Browser, shops: usize, figures: &mut Figures) {
    let path = "/shops/s0007/move?release=shops-acme-43";
    let mut times: Vec<_> = (0..5).map(|_| browser.timed(path).0).collect();
    let took = percentile(&mut times, 100);
    figures.within("the plan of a shop's update", Duration::from_secs(1), took);

    // New configuration, and new objects: an autoscaler for each.
    for (what, change) in [
        ("a value in", "min=&max=&values=app/title%3DSale"),
        ("the pods of", "min=1&max=3&values="),
    ] {
        let (took, plan) = browser.post("/many", &change_of_all(browser, change, "plan"));
        assert!(
            plan.body.contains(&format!("{shops} shops")) && plan.body.contains("name=\"why\""),
            "{}",
            plan.body
        );
        let what = format!("the plan of {what} all {} shops", count(shops as u64));
        figures.within(&what, Duration::from_secs(15), took);
        figures.at_most("its page", 60 << 10, plan.body.len() as u64);
    }
}

/// The form that changes all shops.
fn change_of_all(browser: &Browser, change: &str, step: &str) -> String {
    let (_, form) = browser.timed("/many?all=found&class=php-plain");
    format!(
        "token={}&all=found&search={}&found={}&state=&{change}&enable=&disable=&forget=&unset=\
         &step={step}",
        field(&form.body, "token"),
        field(&form.body, "search").replace('=', "%3D"),
        field(&form.body, "found")
    )
}

/// A change of all shops, which the API server takes one by one.
fn applies(browser: &Browser, shops: usize, figures: &mut Figures) {
    let form = change_of_all(browser, "min=&max=&values=app/title%3DSale", "apply");
    let (took, page) = browser.post("/many", &form);
    let said = format!("{shops} of {shops} shops are changed");
    assert!(page.body.contains(&said), "{}", page.body);
    let what = format!("a change of all {} shops, applied", count(shops as u64));
    figures.note(&what, &time(took));
}

/// A rollout of all shops, while pages are open.
fn rollout(
    cluster: &Cluster,
    browser: &Browser,
    (shops, pages): (usize, usize),
    figures: &mut Figures,
) {
    let step = (shops / pages).max(1);
    let names = (0..shops).step_by(step).take(pages);
    let names: Vec<_> = names.map(|index| format!("s{index:04}")).collect();
    let open = moving::Open::pages(browser, names, NEXT);
    let begin = Instant::now();
    let rollout: Value = json!({
        "apiVersion": "longshore.dev/v1alpha1", "kind": "Rollout", "metadata": { "name": "all" },
        "spec": {
            "release": format!("shops-acme-{NEXT}"), "atOnce": 100,
            "waves": [{ "percent": 100, "soak": "5s" }],
        },
    });
    apply(cluster, &rollout.to_string());
    let mut most = 0;
    eventually("each open page shows the release", LONG, || {
        thread::sleep(Duration::from_secs(1));
        most = most.max(memory());
        open.all_show().then_some(())
    });
    let mut times = open.times();
    let what = format!("a change on one of {pages} open pages, 99 %, while a rollout moves all");
    let took = percentile(&mut times.whole, 99);
    figures.within(&what, Duration::from_secs(1), took);
    let rest = format!(
        "median {}, longest {}; until a page heard of it {}, 99 %; a fetch {}, 99 %; pages were \
         fetched {} times in {}",
        time(percentile(&mut times.whole, 50)),
        time(percentile(&mut times.whole, 100)),
        time(percentile(&mut times.heard, 99)),
        time(percentile(&mut times.fetch, 99)),
        count(open.fetched()),
        time(begin.elapsed())
    );
    figures.note("of these changes", &rest);
    figures.at_most("memory at most meanwhile", 128 << 20, most);
    drop(open);
}

/// What the API server's own list takes, below which no table can be.
fn floor(cluster: &Cluster, figures: &mut Figures) {
    let words = ["get", "shops", "--output", "name"];
    let outcome: e2e::process::Outcome = Program::run(cluster.kubectl(words)).expect(0);
    let took = time(outcome.elapsed);
    figures.note("kubectl get shops, beside it", &took);
}

fn main() -> ExitCode {
    let Arguments {
        shops,
        pages,
        tables,
    } = Arguments::parse();
    let cluster = Cluster::alone();
    let mut figures = Figures::default();
    large::install(&cluster);
    large::register(&cluster, shops);
    // Nothing tells it of errors and slow pages here.
    let running = (!tables).then(|| large::scheduler(&cluster, &["--evidence", "readiness"]));
    if running.is_some() {
        large::settled(shops);
    }
    apply(&cluster, &release(NEXT, "none"));

    let (console, address, browser) = console(&cluster, &mut figures);
    figures.at_most("memory after its start", 128 << 20, memory());
    questions(&browser, &mut figures);
    floor(&cluster, &mut figures);
    sizes(&browser, &mut figures);
    keys(&cluster, &address, &mut figures);
    if !tables {
        plans(&browser, shops, &mut figures);
        figures.at_most("memory after the plans", 128 << 20, memory());
        rollout(&cluster, &browser, (shops, pages), &mut figures);
        applies(&browser, shops, &mut figures);
    }
    drop((console, running));

    let head = [
        &format!("{} shops", count(shops as u64))[..],
        "goal",
        "measured",
        "",
    ];
    let table = table(&head, &[], &figures.rows);
    writeln!(io::stdout(), "{table}").unwrap_or_default();
    ExitCode::from(u8::from(figures.missed > 0))
}
