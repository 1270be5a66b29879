//! Finds the backends that a shop names in its class.

use crate::RenderError;

/// Who looks for a backend.
pub(super) struct BackendLookup<'a> {
    pub(super) shop: &'a str,
    pub(super) class: &'a str,
}

impl BackendLookup<'_> {
    pub(super) fn backend<'b, T>(
        &self,
        service: &'static str,
        wanted: &str,
        mut all: impl Iterator<Item = (&'b str, &'b T)> + Clone,
    ) -> Result<&'b T, RenderError> {
        let known = all.clone();
        all.find(|(name, _)| *name == wanted)
            .map(|(_, backend)| backend)
            .ok_or_else(|| RenderError::Backend {
                shop: self.shop.to_owned(),
                service,
                wanted: wanted.to_owned(),
                class: self.class.to_owned(),
                known: known.map(|(name, _)| name).collect::<Vec<_>>().join(", "),
            })
    }
}
