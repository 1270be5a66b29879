//! Packs one module, or takes what an earlier run packed of it.

use super::{
    Packing,
    package::{keep, scratch},
};
use crate::{CommandError, Progress, spec::ModuleSpec};
use release::key;
use std::{num::NonZeroUsize, path::Path, thread};
use tarball::{PackError, PackOptions, Packed, Source};

/// What it takes to pack one module.
pub(super) struct Packer<'a> {
    pub(super) module: &'a ModuleSpec,
    pub(super) directory: &'a Path,
    pub(super) packing: &'a Packing,
    pub(super) progress: &'a Progress,
}

impl Packer<'_> {
    /// Gives the tarball of this source, which is in the directory then, and whether an earlier run
    /// made it.
    pub(super) fn module(
        &self,
        source: &mut Source,
        bar: &dyn Fn(u64, u64),
    ) -> Result<(Packed, bool), CommandError> {
        let Some(cache) = &self.packing.cache else {
            return Ok((self.tarball(source, bar)?, false));
        };
        let fingerprint = source
            .fingerprint(threads(), self.packing.level)
            .map_err(|error| self.failed(error))?;
        let found = cache
            .take(&fingerprint, self.directory)
            .unwrap_or_else(|unusable| {
                self.progress.warn(&format!(
                    "module {} is packed again, as what was kept of it is not usable: {unusable}",
                    self.module.name
                ));
                None
            });
        if let Some(packed) = found {
            return Ok((packed, true));
        }
        let packed = self.tarball(source, bar)?;
        if let Err(error) = cache.keep(&fingerprint, &packed, self.directory) {
            self.progress.warn(&format!(
                "module {} is packed again by the next run: {error}",
                self.module.name
            ));
        }
        Ok((packed, false))
    }

    fn tarball(&self, source: &Source, bar: &dyn Fn(u64, u64)) -> Result<Packed, CommandError> {
        let options = PackOptions {
            threads: threads(),
            level: self.packing.level,
            progress: Some(bar),
        };
        let mut scratch = scratch(self.directory)?;
        let packed = tarball::pack(source, scratch.as_file_mut(), options)
            .map_err(|error| self.failed(error))?;
        keep(scratch, &self.directory.join(key::blob(&packed.sha256)))?;
        Ok(packed)
    }

    fn failed(&self, source: PackError) -> CommandError {
        CommandError::Pack {
            module: self.module.name.clone(),
            source,
        }
    }
}

fn threads() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
