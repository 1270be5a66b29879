//! The index of a tree: which chunk made which paths, so that the next release can link what did
//! not change.
//!
//! Lines of text, as `docs/formats/release-root.md` specifies them; a [`release::RelativePath`] has
//! no line break, so a path is the rest of its line. It is streamed both ways, as a release may
//! have millions of paths.

mod reader;
mod writer;

#[cfg(test)]
use reader::IndexError;
pub(crate) use reader::{Group, Reader};
pub(crate) use writer::Writer;

use release::{Module, RelativePath, Sha256};

/// First word and version of the first line.
const MAGIC: &str = "longshore-index 3";

/// What decides the paths that a chunk makes: two groups with equal keys make the same ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    /// Digest of the compressed chunk.
    pub(crate) chunk: Sha256,
    /// Digest of the module's replaced paths, which are left out of the tree.
    pub(crate) replaced: Sha256,
    /// Where the module lands.
    pub(crate) target: Option<RelativePath>,
}

impl Key {
    /// The keys of a module's chunks, in order.
    pub(crate) fn from_module(module: &Module) -> impl Iterator<Item = Self> {
        let replaced = replaced(&module.replaced);
        module.chunks.iter().map(move |chunk| Self {
            chunk: chunk.sha256,
            replaced,
            target: module.target.clone(),
        })
    }
}

fn replaced(paths: &[RelativePath]) -> Sha256 {
    let text: String = paths
        .iter()
        .flat_map(|path| [path.as_str(), "\n"])
        .collect();
    Sha256::digest(text.as_bytes())
}

/// One path that a chunk made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where, from the top of the tree.
    pub(crate) path: RelativePath,
    /// What.
    pub(crate) kind: Kind,
}

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file.
    File {
        /// Bytes.
        size: u64,
        /// Digest of its contents.
        contents: Sha256,
    },
    /// A directory.
    Directory,
    /// A symbolic link that leads to this path.
    Link(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write as _;

    fn written(outside: &[RelativePath], groups: &[Group]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = Writer::new(
            file.reopen().unwrap(),
            file.path(),
            &Sha256::digest(b"manifest"),
            outside,
        )
        .unwrap();
        for group in groups {
            writer.group(&group.key, &group.entries).unwrap();
        }
        writer.finish().unwrap();
        file
    }

    fn read(path: &std::path::Path) -> Result<(Vec<RelativePath>, Vec<Group>), IndexError> {
        let mut reader = Reader::open(path, &Sha256::digest(b"manifest"))?;
        let groups: Result<_, _> = std::iter::from_fn(|| reader.next_group().transpose()).collect();
        Ok((reader.outside().to_vec(), groups?))
    }

    fn paths() -> impl Strategy<Value = RelativePath> {
        "[a-z ăλ]{1,8}(/[a-z#. -]{1,8}x){0,3}".prop_map(|text| text.parse().unwrap())
    }

    fn groups() -> impl Strategy<Value = Vec<Group>> {
        let file = any::<(u64, [u8; 32])>().prop_map(|(size, contents)| Kind::File {
            size,
            contents: Sha256::from_bytes(contents),
        });
        let link = "[a-z. ă/]{1,12}".prop_map(Kind::Link);
        let kind = prop_oneof![file, Just(Kind::Directory), link];
        let entries = prop::collection::vec(
            (paths(), kind).prop_map(|(path, kind)| Entry { path, kind }),
            0..6,
        );
        let group = (any::<[u8; 32]>(), prop::option::of(paths()), entries).prop_map(
            |(chunk, target, entries)| Group {
                key: Key {
                    chunk: Sha256::from_bytes(chunk),
                    replaced: replaced(&[]),
                    target,
                },
                entries,
            },
        );
        prop::collection::vec(group, 0..5)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            outside in prop::collection::vec(paths(), 0..3),
            groups in groups(),
        ) {
            let file = written(&outside, &groups);
            prop_assert_eq!(read(file.path()).unwrap(), (outside, groups));
        }

        #[test]
        fn an_index_cut_anywhere_is_refused(
            outside in prop::collection::vec(paths(), 0..3),
            groups in groups(),
            at in 0.0..1.0_f64,
        ) {
            let file = written(&outside, &groups);
            let length = file.as_file().metadata().unwrap().len();
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "any place in the file will do"
            )]
            file.as_file().set_len((length as f64 * at) as u64).unwrap();
            prop_assert!(read(file.path()).is_err());
        }
    }

    #[test]
    fn the_longest_line_is_read() {
        let path: RelativePath = vec!["d".repeat(250); 4].join("/").parse().unwrap();
        let target = "../".repeat(release::PATH_LIMIT / 3);
        let entries = vec![Entry {
            path: path.clone(),
            kind: Kind::Link(target),
        }];
        let key = Key {
            chunk: Sha256::digest(b"chunk"),
            replaced: replaced(&[]),
            target: Some(path),
        };
        let file = written(
            &[],
            &[Group {
                key: key.clone(),
                entries: entries.clone(),
            }],
        );
        assert_eq!(read(file.path()).unwrap().1, [Group { key, entries }]);
    }

    #[test]
    fn an_index_of_another_version_is_refused() {
        let file = written(&[], &[]);
        let text = std::fs::read_to_string(file.path()).unwrap();
        for version in ["2", "4", "33"] {
            let mut other = tempfile::NamedTempFile::new().unwrap();
            other
                .write_all(
                    text.replacen(
                        "longshore-index 3",
                        &format!("longshore-index {version}"),
                        1,
                    )
                    .as_bytes(),
                )
                .unwrap();
            assert!(
                matches!(read(other.path()), Err(IndexError::Line(1))),
                "{version}"
            );
        }
    }

    #[test]
    fn another_manifests_index_is_refused() {
        let file = written(&[], &[]);
        assert!(matches!(
            Reader::open(file.path(), &Sha256::digest(b"other")),
            Err(IndexError::OtherManifest)
        ));
    }
}
