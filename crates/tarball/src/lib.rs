//! A module as a `.tar.zst` of chunks: packed to the same bytes anywhere, unpacked by any number of
//! threads.
//!
//! ```text
//! tarball = chunk chunk … chunk            a valid .tar.zst for every other reader
//! chunk   = one zstd frame                 the manifest has its digest, sizes and entry count
//! frame   = entry entry … [end mark]       the mark (1024 zero bytes) is in the last chunk only
//! entry   = [PAX header] ustar header [body, padded to 512 bytes]
//! ```
//!
//! `docs/formats/tarball.md` is the specification. [`scan`] and [`pack()`] write tarballs;
//! [`Unpacker`] reads chunks, in any order, and refuses whatever the packer does not write: nothing
//! is decompressed before its digest is verified, nothing is written outside the tree, and links
//! come last.
//!
//! ```
//! use std::{collections::BTreeSet, fs};
//! use tarball::{PackOptions, ChunkTarget, Unpacker};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let scratch = tempfile::tempdir()?;
//! # let (module, tree) = (scratch.path().join("module"), scratch.path().join("tree"));
//! # fs::create_dir(&module)?;
//! # fs::create_dir(&tree)?;
//! fs::write(module.join("index.php"), "<?php echo 'hello';")?;
//!
//! let mut bytes = Vec::new();
//! let source = tarball::scan(&module, &[".git".to_owned()])?;
//! let packed = tarball::pack(&source, &mut bytes, PackOptions::default())?;
//! assert_eq!((packed.files, packed.chunks.len()), (1, 1));
//!
//! let unpacker = Unpacker::new(&tree)?;
//! let place = ChunkTarget { target: Some(&"shop".parse()?), replaced: &BTreeSet::new(), last: true };
//! let entries = unpacker.worker().chunk(&bytes, &packed.chunks[0], &place)?;
//! assert_eq!(entries[0].path.as_str(), "shop/index.php");
//! assert_eq!(unpacker.finish(&release::RequiredDirectories::default())?.files, 1);
//! assert_eq!(fs::read_to_string(tree.join("shop/index.php"))?, "<?php echo 'hello';");
//! # Ok(())
//! # }
//! ```

mod entry;
mod link;
mod pack;
mod problem;
mod unpack;

pub use entry::{Kind, SPOOL_THRESHOLD, Unpacked, mtime};
pub use pack::{
    DEFAULT_LEVEL, Entry, PackError, PackOptions, Packed, ScanError, Source, pack, scan,
};
pub use unpack::{ChunkTarget, Totals, UnpackError, Unpacker, Worker};
