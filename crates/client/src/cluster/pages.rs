//! Lists, page by page.

use super::{Cluster, REQUEST};
use crate::ApiError;
use kube::api::{ListParams, ObjectList};

/// Pages of one list at most: two million objects.
const PAGES: usize = 4000;

impl Cluster {
    /// What `keep` makes of the objects of a list, of which only one page is held as it came. If
    /// the API server forgets the version of the first page (410 Gone), all is listed anew.
    ///
    /// # Errors
    ///
    /// If the API server does not do it, or the list has no end: a part of it would look like
    /// objects that were deleted.
    pub async fn pages<K: Clone, T, F>(
        &self,
        what: &str,
        mut params: ListParams,
        page: impl Fn(ListParams) -> F,
        keep: impl Fn(K) -> Option<T>,
    ) -> Result<Vec<T>, ApiError>
    where
        F: Future<Output = Result<ObjectList<K>, kube::Error>>,
    {
        let mut found = Vec::new();
        for _ in 0..PAGES {
            let answer = match self.call(what, || page(params.clone())).await {
                Err(ApiError::Refused { status, .. })
                    if status.code == 410 && params.continue_token.is_some() =>
                {
                    found.clear();
                    params.continue_token = None;
                    continue;
                }
                answer => answer?,
            };
            found.extend(answer.items.into_iter().filter_map(&keep));
            params.continue_token = answer.metadata.continue_.filter(|it| !it.is_empty());
            if params.continue_token.is_none() {
                return Ok(found);
            }
        }
        Err(ApiError::Slow {
            what: format!("{what}, whose end was not among {PAGES} pages"),
            within: REQUEST,
        })
    }
}
