//! How agents ask a shop whether a release works.

use super::{Scheme, pattern};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// How agents ask whether a release works, before a switch and after it.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// Page of the primary domain, with its query. If unset, /.
    #[schemars(length(min = 1, max = 512), regex(pattern = pattern::PAGE))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Statuses of a good answer: one, such as 200, or a range that ends with 99, such as 200-399.
    /// If unset, 200-299, so that a redirect does not count as a page.
    #[schemars(length(min = 3, max = 7), regex(pattern = pattern::STATUSES))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Protocol that visitors use. If unset: https for Magento, unless config.values sets a base
    /// URL with http; otherwise http.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// Text that the page must contain, such as the end of its footer. If unset, any page is good
    /// that is not empty.
    #[schemars(length(min = 1, max = 200), regex(pattern = pattern::PRINTABLE))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
}

impl Probe {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
