//! `make test-magento`: tries a complete Magento on the cluster in which it runs, and prints a
//! table of what works.
//!
//! ```text
//!  test-magento ENGINE [TREE] [SWITCHES]      ENGINE is magento1 or magento2; without a TREE, our stand-in is tried. A Magento 2 that is not
//!                                             compiled is built by a Job in the cluster
//! ```

#![allow(
    clippy::disallowed_methods,
    reason = "the harness is told by its command line what to try"
)]

use e2e::{
    cluster::Cluster,
    magento::{self, Extent, magento1, magento2},
};
use std::{
    env,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    time::Duration,
};

/// A real one begins a release with a cold configuration cache.
const SWITCH: Duration = Duration::from_mins(1);

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match tried(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            writeln!(io::stderr(), "test-magento: {error}").unwrap_or_default();
            ExitCode::from(64)
        }
    }
}

/// Whether every row is as expected.
fn tried(arguments: &[String]) -> io::Result<bool> {
    let engine = arguments.first().map_or("", String::as_str);
    let kind = match engine {
        "magento1" => &magento1::KIND,
        "magento2" => &magento2::KIND,
        _ => {
            return Err(io::Error::other(format!(
                "ENGINE={engine:?}: expected magento1 or magento2"
            )));
        }
    };
    let tree = arguments
        .get(1)
        .filter(|tree| !tree.is_empty())
        .map(Path::new);
    if let Some(tree) = tree
        && !tree.join("app/etc").is_dir()
    {
        return Err(io::Error::other(format!(
            "TREE={}: expected the directory of a Magento, which has app/etc",
            tree.display()
        )));
    }
    let number = |text: &String| {
        text.parse()
            .map_err(|_| io::Error::other(format!("SWITCHES={text:?}: expected a number")))
    };
    let switches = arguments.get(2).map_or(Ok(20), number)?;
    let cluster = Cluster::alone();
    let table = magento::tried(
        &cluster,
        kind,
        tree,
        Extent {
            switches,
            switch: SWITCH,
            slow: true,
        },
    );
    writeln!(io::stdout(), "{}", table.text())?;
    let bad = table.bad();
    if !bad.is_empty() {
        writeln!(
            io::stderr(),
            "{}\n{} rows are not as expected: {}",
            table.problems(),
            bad.len(),
            bad.join("; ")
        )?;
    }
    Ok(bad.is_empty())
}
