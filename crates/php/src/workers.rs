//! How many of php-fpm's workers are busy.

use crate::{PhpError, Pool};
use fastcgi_client::Params;
use serde::Deserialize;
use std::time::Duration;

/// php-fpm's own page, as `pm.status_path` names it.
const STATUS: &str = "/fpm-status";

/// Of php-fpm's status page, what is looked at.
#[derive(Debug, Deserialize)]
struct Status {
    #[serde(rename = "active processes")]
    active: u32,
}

impl Pool {
    /// How many workers answer a request, beside the one that answers this question. A worker has
    /// to answer it: if none does `within` this time, all of them are busy, which is
    /// [`PhpError::Slow`].
    ///
    /// # Errors
    ///
    /// php-fpm does not answer, or not with its status.
    pub async fn busy_workers(&self, within: Duration) -> Result<u32, PhpError> {
        let params = Params::default()
            .request_method("GET")
            .script_filename(STATUS)
            .script_name(STATUS)
            .query_string("json");
        let page = self.page(params, within, &mut Vec::new()).await?;
        let status: Status =
            serde_json::from_slice(&page.body).map_err(|_| self.unexpected(&page.body))?;
        Ok(status.active.saturating_sub(1))
    }
}
