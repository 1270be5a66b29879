//! Warming harms nobody: a pool whose OPcache was warmed does with every script what a pool does
//! that was not.

#![allow(
    clippy::print_stdout,
    reason = "figures for people, also from functions that are no tests themselves"
)]

mod shapes;

use e2e::{
    corpus::{self, Extent},
    interrupt::Interrupt,
    shop,
    web::Web,
};
use php::{Pool, Warmed};
use shapes::SHAPES;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const INDEX: &str = include_str!("warming/index.php");
/// How long warming may take, which is not what is tested.
const LIMIT: Duration = Duration::from_mins(5);
/// Pages that are asked for at the same time.
const THREADS: usize = 4;
/// In CI, one script of so many.
const SHARE: usize = 12;
/// What no file of an application does while it is only included.
const SETTINGS: &str = "opcache.file_update_protection = 0
opcache.memory_consumption = 1024
opcache.record_warnings = 1
display_errors = 1
log_errors = 0
allow_url_fopen = 0
disable_functions = \
                        chgrp,chmod,chown,copy,curl_exec,curl_multi_exec,dns_get_record,exec,\
                        file_put_contents,fsockopen,gethostbyname,link,mail,mkdir,opcache_reset,\
                        passthru,pfsockopen,popen,posix_kill,proc_open,rename,rmdir,shell_exec,\
                        sleep,stream_socket_client,stream_socket_server,symlink,system,\
                        time_nanosleep,time_sleep_until,touch,unlink,usleep
";

/// Two pools that serve one tree, and compile it separately.
struct Pools {
    scratch: TempDir,
    cold: Web,
    warm: Web,
}

impl Pools {
    /// `fill` writes modules below `src`.
    fn start(fill: impl FnOnce(&Path)) -> Self {
        let scratch = shop::scratch();
        let tree = scratch.path().join("releases/tree");
        fs::create_dir_all(&tree).unwrap();
        std::os::unix::fs::symlink("releases/tree", scratch.path().join("current")).unwrap();
        fill(&tree);
        fs::write(tree.join("index.php"), INDEX).unwrap();
        let temporary = scratch.path().join("tmp");
        fs::create_dir(&temporary).unwrap();
        // What runs before each script is in a scratch directory beside this one.
        let beside = scratch.path().parent().unwrap().display();
        let temporary = temporary.display();
        let settings = format!(
            "{SETTINGS}open_basedir = {beside}\nsys_temp_dir = {temporary}\nupload_tmp_dir = \
             {temporary}\n"
        );
        let [cold, warm] = [(); 2].map(|()| Web::start_with(scratch.path(), &settings));
        Self {
            scratch,
            cold,
            warm,
        }
    }

    fn tree(&self) -> PathBuf {
        self.scratch.path().join("current").canonicalize().unwrap()
    }

    fn warm(&self, scripts: &[String]) -> Warmed {
        let pool = Pool::install(
            self.warm.php.parse().unwrap(),
            &self.scratch.path().join("agent"),
        )
        .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime
            .block_on(pool.warm(&self.tree(), scripts, LIMIT))
            .unwrap()
    }

    /// What both make of each script, if they do not make the same.
    fn compare(&self, scripts: &[String]) -> BTreeMap<String, [String; 2]> {
        let (next, differ) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    while let Some(script) = scripts.get(next.fetch_add(1, Relaxed)) {
                        let [cold, warm] =
                            [&self.cold, &self.warm].map(|web| included(web, script));
                        // One that tells the time, or draws lots, does not agree with itself.
                        if cold != warm && included(&self.cold, script) == cold {
                            differ.lock().unwrap().insert(script.clone(), [cold, warm]);
                        }
                    }
                });
            }
        });
        differ.into_inner().unwrap()
    }
}

fn included(web: &Web, script: &str) -> String {
    match web.get(&format!("/?file={script}")) {
        Ok(page) => format!("{} {}", page.status, page.body),
        Err(error) => error.to_string(),
    }
}

/// Tells the autoloader in which file each class of a module is, as far as lines say it.
fn write_classes(tree: &Path, scripts: &[String]) {
    let mut classes: BTreeMap<(&str, String), &str> = BTreeMap::new();
    for script in scripts {
        let module = script.split('/').nth(1).unwrap();
        let text = String::from_utf8_lossy(&fs::read(tree.join(script)).unwrap()).into_owned();
        let mut namespace = String::new();
        for line in text.lines() {
            let mut words = line
                .split(|letter: char| {
                    !letter.is_ascii_alphanumeric() && letter != '_' && letter != '\\'
                })
                .filter(|word| !word.is_empty());
            let first = words
                .by_ref()
                .find(|word| !["abstract", "final", "readonly"].contains(word));
            match (first, words.next()) {
                (Some("namespace"), Some(name)) => namespace = format!("{name}\\").to_lowercase(),
                (Some("class" | "interface" | "trait" | "enum"), Some(name)) => {
                    for module in [module, ""] {
                        classes
                            .entry((module, format!("{namespace}{}", name.to_lowercase())))
                            .or_insert(script);
                    }
                }
                _ => {}
            }
        }
    }
    let mut text = "<?php\nreturn [".to_owned();
    let mut last = None;
    for ((module, class), script) in &classes {
        if last != Some(module) {
            write!(
                text,
                "{}'{module}' => [",
                if last.is_some() { "],\n" } else { "" }
            )
            .unwrap();
            last = Some(module);
        }
        write!(text, "'{}'=>'{script}',", class.replace('\\', "\\\\")).unwrap();
    }
    fs::write(tree.join("classes.php"), text + "]];\n").unwrap();
}

/// All scripts below `src`, in order.
fn scripts(tree: &Path) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), vec![tree.join("src")]);
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let (kind, path) = entry
                .map(|entry| (entry.file_type().unwrap(), entry.path()))
                .unwrap();
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file()
                && path.extension().is_some_and(|ending| {
                    ["php", "phtml", "inc"]
                        .iter()
                        .any(|of_php| ending == *of_php)
                })
            {
                found.push(
                    path.strip_prefix(tree)
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned(),
                );
            }
        }
    }
    found.retain(|path| {
        path.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte))
    });
    found.sort();
    found
}

/// Warms all scripts of the corpus, and includes one of `share` in both pools.
#[allow(
    clippy::print_stdout,
    reason = "what a test did is for who reads its output"
)]
fn corpus_in_both_pools(extent: Extent, share: usize) {
    let start = Instant::now();
    let pools =
        Pools::start(|tree| corpus::fill(tree, extent, &Interrupt::listen().unwrap()).unwrap());
    let all = scripts(&pools.tree());
    write_classes(&pools.tree(), &all);
    let some: Vec<_> = all.iter().step_by(share).cloned().collect();
    println!(
        "{} of {} scripts are there after {:?}",
        some.len(),
        all.len(),
        start.elapsed()
    );
    let begin = Instant::now();
    let warmed = pools.warm(&some);
    let figures = (
        warmed.compiled,
        warmed.skipped,
        warmed.failed.len(),
        warmed.left,
    );
    println!(
        "(compiled, skipped, failed, left) {figures:?} in {:?}",
        begin.elapsed()
    );
    let begin = Instant::now();
    let differ = pools.compare(&some);
    println!(
        "{} scripts included by both pools in {:?}",
        some.len(),
        begin.elapsed()
    );
    let first = differ.iter().next();
    assert!(
        differ.is_empty(),
        "{} differ: {:?}\n{}",
        differ.len(),
        differ.keys(),
        first.map_or_else(String::new, |(_, [cold, warm])| format!("{cold}\n{warm}"))
    );
    // These are no pages that both refuse.
    let page = included(&pools.warm, "src/monolog/Logger.php");
    assert!(
        page.starts_with("200 ") && page.contains(r#""Monolog\\Logger""#),
        "{page}"
    );
    // Warming warms.
    assert!(
        warmed.compiled * 10 >= some.len() * 9 && warmed.left == 0,
        "{figures:?}"
    );
}

#[test]
fn a_warmed_pool_does_what_a_cold_one_does_with_every_shape_of_script() {
    let names: Vec<_> = SHAPES
        .iter()
        .map(|(name, ..)| format!("src/shapes/{name}"))
        .collect();
    let pools = Pools::start(|tree| {
        fs::create_dir_all(tree.join("src/shapes")).unwrap();
        for ((_, source, _), name) in SHAPES.iter().zip(&names) {
            fs::write(tree.join(name), source).unwrap();
        }
        fs::write(tree.join("classes.php"), "<?php return [];").unwrap();
    });
    let warmed: Vec<_> = names
        .iter()
        .map(|name| pools.warm(std::slice::from_ref(name)))
        .collect();
    assert_eq!(pools.compare(&names), BTreeMap::new());
    for ((name, _, compiled), warmed) in SHAPES.iter().zip(warmed) {
        assert_eq!(
            (warmed.compiled, warmed.skipped),
            (usize::from(*compiled), usize::from(!*compiled)),
            "{name}: {warmed:?}"
        );
    }
    // The comparison would see it: these are pages, and not all of them errors.
    let page = included(&pools.warm, &names[0]);
    assert!(
        page.starts_with("200 ") && page.contains("\"original1\"") && page.contains("\"Mage\""),
        "{page}"
    );
}

/// About a tenth, for CI. All of it, with `MediaWiki`: `make test-warming`.
#[test]
fn a_warmed_pool_does_what_a_cold_one_does_with_scripts_of_debian() {
    corpus_in_both_pools(Extent::Shop, SHARE);
}

#[test]
#[ignore = "some minutes: 17,952 scripts in two pools: make test-warming"]
fn all_of_the_corpus() {
    corpus_in_both_pools(Extent::More, 1);
}
