//! The stylesheet and the scripts, which are part of the binary.

use crate::{page::Failure, text};
use axum::{
    extract::Path,
    response::{IntoResponse as _, Response},
};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

const STYLE: &str = include_str!("../../assets/console.css");
const SCRIPT: &str = include_str!("../../assets/console.js");
const ICON: &str = include_str!("../../assets/icon.svg");
/// htmx 2.0.10, as npm has it; a test holds its digest.
const HTMX: &str = include_str!("../../assets/htmx.min.js");

/// One of them.
pub(super) async fn asset(Path(name): Path<String>) -> Result<Response, Failure> {
    let (kind, text) = match name.as_str() {
        "console.css" => ("text/css", STYLE),
        "console.js" => ("text/javascript", SCRIPT),
        "icon.svg" => ("image/svg+xml", ICON),
        "htmx.min.js" => ("text/javascript", HTMX),
        _ => return Err(Failure::Missing(text::none("file", &name))),
    };
    // Not for long: the next version of the console has the same names.
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "private, max-age=300"),
    ];
    Ok((headers, text).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use release::Sha256;

    #[test]
    fn htmx_is_what_was_reviewed() {
        assert_eq!(
            Sha256::digest(HTMX.as_bytes()).to_string(),
            "71ea67185bfa8c98c39d31717c6fce5d852370fcdfd129db4543774d3145c0de"
        );
    }
}
