//! Files of the repository that are generated: compared, and written anew where `UPDATE_GOLDEN=1`
//! is set.

use std::{
    env,
    fs::{self, DirBuilder, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

/// The repository.
pub(crate) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Compares a committed file with what the code says now.
pub(crate) fn compare(path: &str, text: &str) {
    let path = top().join(path);
    if env::vars().any(|(name, value)| name == "UPDATE_GOLDEN" && value == "1") {
        DirBuilder::new()
            .recursive(true)
            .create(path.parent().unwrap())
            .unwrap();
        OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .open(&path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    if committed == text {
        return;
    }
    let line = committed
        .lines()
        .zip(text.lines())
        .take_while(|(a, b)| a == b)
        .count();
    let at = |text: &str| text.lines().nth(line).unwrap_or("(its end)").to_owned();
    panic!(
        "{} is not what the code says: UPDATE_GOLDEN=1 cargo test -p render -p cli --test \
         it\nline {}, committed: {}\n  the code says: {}",
        path.display(),
        line + 1,
        at(&committed),
        at(text)
    );
}
