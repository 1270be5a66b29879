//! `tests/tools/tools`, which installs what is not Rust: stages of CI run it beside each other.

use e2e::process::Program;
use std::{env, ffi::OsString, fs, path::Path, thread};

#[test]
fn many_runs_at_once_fill_one_directory() {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/tools");
    let directory = tempfile::tempdir().unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            let home = ["HOME", "XDG_CACHE_HOME"]
                .into_iter()
                .filter_map(|name| Some((name, env::var_os(name)?)));
            let run = Program::new(&tools).arg(directory.path()).envs(home);
            scope.spawn(|| run.run().expect(0));
        }
    });

    let bin = directory.path().join("bin");
    Program::new(bin.join("python"))
        .args(["-c", "import kubernetes_validate"])
        .run()
        .expect(0);
    let names: Vec<OsString> = fs::read_dir(&bin)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    let unfinished = names
        .iter()
        .any(|name| name.to_string_lossy().starts_with('.'));
    assert!(!unfinished, "{names:?}");
}
