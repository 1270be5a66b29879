//! A release that adds modules to the one in force, such as what was built of it, without the
//! sources of the others.

use super::Publisher;
use crate::{CommandError, packing::Package, spec::Spec, staged};
use release::{Manifest, Migration, Sequence, key};
use std::{collections::BTreeSet, fs::File};
use store::{Location, Options};
use tokio::task;

impl Publisher {
    /// The manifest of the release in force, which has to be this one; makes the description fit to
    /// it.
    ///
    /// # Errors
    ///
    /// If another release is in force, or the description says what that release says already.
    pub(super) async fn base(
        &self,
        sequence: Sequence,
        spec: &mut Spec,
    ) -> Result<Manifest, CommandError> {
        let silent = spec.shared.is_empty()
            && spec.writable.is_empty()
            && spec.migration == Migration::None
            && spec.php.is_none();
        if !silent {
            let problem = "shared, writable, migration and php are those of the release that \
                           --onto names: the description has modules only";
            return Err(CommandError::Usage(problem.to_owned()));
        }
        let head = self
            .head
            .release
            .as_ref()
            .filter(|head| head.sequence == sequence);
        // What was published meanwhile would be taken back without a word.
        let base =
            head.ok_or_else(|| self.conflict(&key::release(&self.remote.channel, sequence)))?;
        let (manifest, _) = self.remote.manifest(base).await?;
        spec.case_sensitive |= manifest.case_sensitive;
        Ok(manifest)
    }

    /// A package of these modules and of those that `base` has besides, which are copied beside
    /// them.
    ///
    /// # Errors
    ///
    /// If the store lacks a module, or pods could not stage all of them together.
    pub(super) async fn onto(
        &self,
        base: Manifest,
        package: Package,
    ) -> Result<Package, CommandError> {
        let own: BTreeSet<_> = package
            .manifest
            .modules
            .iter()
            .map(|module| module.name.clone())
            .collect();
        let kept: Vec<_> = base
            .modules
            .iter()
            .filter(|module| !own.contains(&module.name))
            .cloned()
            .collect();
        let copy = store::open(
            &Location::Directory(package.directory.clone()),
            &Options::default(),
        )
        .await?;
        for module in &kept {
            self.remote
                .copy_blob(&*copy, &module.sha256, module.size, &|_| ())
                .await?;
        }
        let mut modules = [kept, package.manifest.modules.clone()].concat();
        modules.sort_by(|one, other| one.name.cmp(&other.name));
        let case_sensitive = base.case_sensitive || package.manifest.case_sensitive;
        let manifest = Manifest {
            modules,
            case_sensitive,
            ..base
        };
        let whole = move || {
            let (files, bytes) =
                staged::content(&manifest, |digest| File::open(package.blob(digest)))?;
            package.with(Manifest {
                files,
                bytes,
                ..manifest
            })
        };
        task::spawn_blocking(whole)
            .await
            .map_err(|_| CommandError::Bug("unpacking panicked"))?
    }
}
