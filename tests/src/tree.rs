//! Trees of files that look like PHP modules, the same for the same seed; and what a tree holds, to
//! compare.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness makes its trees itself, and has no failpoints"
)]

mod snapshot;
mod source;

pub use snapshot::{Entry, Kind, entry, snapshot};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{
    f64::consts::TAU,
    fs, io,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

/// Half of the files are smaller, in bytes. With [`SIZE_SPREAD`] from the 25,782 files of Debian
/// 12's packages wordpress 6.1.9 and mediawiki 1.39.17, whose sizes' logarithms have this mean and
/// deviation.
const SIZE_MEDIAN: f64 = 1487.0;
/// Standard deviation of the sizes' natural logarithm.
const SIZE_SPREAD: f64 = 1.73;
/// The largest file, in bytes: 4 MiB, as in the same packages.
const SIZE_LIMIT: f64 = 4_194_304.0;
/// Files for each directory in the same packages.
const FILES_PER_DIRECTORY: usize = 18;
/// How deep directories go; 11 in the same packages.
const DEPTH: usize = 11;
/// One file in so many is an image or a font, as in the same packages.
const BINARY: u32 = 80;
/// One file in so many is empty: more often than in real trees (3 of 25,782), so that small trees
/// have one.
const EMPTY: u32 = 200;
/// One file in so many may be executed.
const EXECUTABLE: u32 = 150;
/// One file in so many has a link beside it.
const LINKED: u32 = 100;
/// Parts of names; some are not ASCII, as in real sample data.
const WORDS: [&str; 24] = [
    "Adminhtml",
    "Api",
    "Block",
    "Catalog",
    "Checkout",
    "Controller",
    "Customer",
    "Data",
    "etc",
    "Helper",
    "Index",
    "Model",
    "Observer",
    "Payment",
    "Plugin",
    "Price",
    "Quote",
    "Sales",
    "Setup",
    "Shipping",
    "Test",
    "view",
    "Über",
    "Preț",
];

/// What to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// The same seed gives the same bytes.
    pub seed: u64,
    /// Regular files.
    pub files: usize,
}

/// What was generated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Regular files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Directories, without the root.
    pub directories: u64,
    /// Symbolic links.
    pub links: u64,
}

/// Fills `root`, which is created where it is missing, with a module's tree.
///
/// Beside PHP files there are a few binary ones, empty files and directories, executable files,
/// names in UTF-8, and relative links to a file of the same directory.
///
/// # Errors
///
/// The disk refuses.
pub fn generate(root: &Path, shape: Shape) -> io::Result<Totals> {
    let mut random = StdRng::seed_from_u64(shape.seed);
    let mut totals = Totals::default();
    fs::create_dir_all(root)?;
    let directories = directories(&mut random, 1 + shape.files / FILES_PER_DIRECTORY);
    for directory in &directories {
        fs::create_dir_all(root.join(directory))?;
    }
    fs::create_dir_all(root.join("var/empty"))?;
    for number in 0..shape.files {
        let directory = root.join(&directories[random.random_range(0..directories.len())]);
        let size = size(&mut random);
        let (suffix, content) = if random.random_ratio(1, BINARY) {
            ("png", source::binary(&mut random, size))
        } else {
            ("php", source::php(&mut random, number, size))
        };
        let name = format!("{}{number}.{suffix}", word(&mut random));
        let path = directory.join(&name);
        fs::write(&path, &content)?;
        let mode = if random.random_ratio(1, EXECUTABLE) {
            0o755
        } else {
            0o644
        };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        totals.files += 1;
        totals.bytes += content.len() as u64;
        if random.random_ratio(1, LINKED) {
            symlink(&name, directory.join(format!("link{number}")))?;
            totals.links += 1;
        }
    }
    totals.directories = count_directories(root)?;
    Ok(totals)
}

/// Changes about `share` (0 to 1) of the regular files below `root`, as a new release of a module
/// would, and returns their paths.
///
/// # Errors
///
/// The disk refuses.
pub fn edit(root: &Path, seed: u64, share: f64) -> io::Result<Vec<PathBuf>> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut changed = Vec::new();
    for (path, entry) in snapshot(root)? {
        if matches!(entry.kind, Kind::File { .. }) && random.random_bool(share.clamp(0.0, 1.0)) {
            let mut content = fs::read(root.join(&path))?;
            content.extend_from_slice(
                format!("// edited {:016x}\n", random.random::<u64>()).as_bytes(),
            );
            fs::write(root.join(&path), content)?;
            changed.push(path);
        }
    }
    Ok(changed)
}

/// Directories in which each but the first few lies in one made before, so that depth grows as in
/// real trees.
fn directories(random: &mut StdRng, count: usize) -> Vec<PathBuf> {
    let mut made: Vec<PathBuf> = vec![PathBuf::new()];
    for number in 1..count {
        let parent = &made[random.random_range(0..made.len())];
        let parent = if parent.components().count() < DEPTH {
            parent.clone()
        } else {
            PathBuf::new()
        };
        made.push(parent.join(format!("{}{number}", word(random))));
    }
    made
}

fn count_directories(directory: &Path) -> io::Result<u64> {
    let mut count = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            count += 1 + count_directories(&entry.path())?;
        }
    }
    Ok(count)
}

fn word(random: &mut StdRng) -> &'static str {
    WORDS[random.random_range(0..WORDS.len())]
}

/// A size in bytes, log-normal (by Box and Muller's transform).
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value lies between 0 and 4 MiB"
)]
fn size(random: &mut StdRng) -> usize {
    if random.random_ratio(1, EMPTY) {
        return 0;
    }
    let (radius, angle): (f64, f64) = (random.random(), random.random());
    let normal = (-2.0 * (1.0 - radius).ln()).sqrt() * (TAU * angle).cos();
    (SIZE_MEDIAN * (SIZE_SPREAD * normal).exp()).clamp(16.0, SIZE_LIMIT) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(count: usize) -> Vec<usize> {
        let mut random = StdRng::seed_from_u64(1);
        let mut sizes: Vec<_> = (0..count).map(|_| size(&mut random)).collect();
        sizes.sort_unstable();
        sizes
    }

    #[test]
    fn sizes_are_those_of_real_trees() {
        let sizes = sizes(10_000);
        assert!(
            (1200..1800).contains(&sizes[5000]),
            "half are smaller than {}",
            sizes[5000]
        );
        assert!(
            (50_000..150_000).contains(&sizes[9900]),
            "one in a hundred is larger than {}",
            sizes[9900]
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_tree() {
        let (one, two, other) = (
            tempfile::tempdir().unwrap(),
            tempfile::tempdir().unwrap(),
            tempfile::tempdir().unwrap(),
        );
        let totals = generate(
            one.path(),
            Shape {
                seed: 1,
                files: 300,
            },
        )
        .unwrap();
        assert_eq!(
            totals,
            generate(
                two.path(),
                Shape {
                    seed: 1,
                    files: 300
                }
            )
            .unwrap()
        );
        let contents = |root: &Path| -> Vec<_> {
            snapshot(root)
                .unwrap()
                .into_iter()
                .map(|(path, entry)| (path, entry.kind))
                .collect()
        };
        assert_eq!(contents(one.path()), contents(two.path()));
        assert_eq!(
            contents(one.path()).len() as u64,
            totals.files + totals.directories + totals.links
        );
        generate(
            other.path(),
            Shape {
                seed: 2,
                files: 300,
            },
        )
        .unwrap();
        assert_ne!(contents(one.path()), contents(other.path()));
    }

    #[test]
    fn an_edit_changes_the_files_it_names_and_no_other() {
        let root = tempfile::tempdir().unwrap();
        generate(
            root.path(),
            Shape {
                seed: 3,
                files: 200,
            },
        )
        .unwrap();
        let before = snapshot(root.path()).unwrap();
        let edited = edit(root.path(), 1, 0.1).unwrap();
        let after = snapshot(root.path()).unwrap();
        let changed: Vec<_> = before
            .iter()
            .filter(|(path, entry)| after[*path].kind != entry.kind)
            .map(|(path, _)| path.clone())
            .collect();
        assert_eq!(changed, edited);
        assert!((5..50).contains(&edited.len()), "{}", edited.len());
    }
}
