//! `/-/…` on the server's own port: faults, counts and keys as JSON, unsigned. No bucket can be
//! called `-`.

use super::{Switches, fault::Faults};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{Method, Request, Response, StatusCode, body::Incoming};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

/// ```text
/// GET    /-/faults        the faults in force
/// PUT    /-/faults        replace them
/// DELETE /-/faults        none any more
/// GET    /-/stats         counts
/// DELETE /-/stats         start counting again
/// PUT    /-/credentials   {"access key": "secret key", …} replaces every key
/// ```
#[derive(Debug)]
pub(super) struct Control(pub(super) Arc<Switches>);

impl Control {
    pub(super) const PREFIX: &'static str = "/-/";

    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let Ok(body) = body.collect().await else {
            return text(StatusCode::BAD_REQUEST, "the body did not arrive");
        };
        let body = body.to_bytes();
        match (&parts.method, parts.uri.path()) {
            (&Method::GET, "/-/faults") => json(&self.0.faults()),
            (&Method::PUT, "/-/faults") => match serde_json::from_slice(&body) {
                Ok(faults) => self.set(faults),
                Err(error) => text(StatusCode::BAD_REQUEST, &error.to_string()),
            },
            (&Method::DELETE, "/-/faults") => self.set(Faults::default()),
            (&Method::GET, "/-/stats") => json(&self.0.stats.snapshot()),
            (&Method::DELETE, "/-/stats") => {
                self.0.stats.reset();
                json(&self.0.stats.snapshot())
            }
            (&Method::PUT, "/-/credentials") => {
                match serde_json::from_slice::<BTreeMap<String, String>>(&body) {
                    Ok(keys) => {
                        self.0.keyring.set(keys);
                        text(StatusCode::OK, "")
                    }
                    Err(error) => text(StatusCode::BAD_REQUEST, &error.to_string()),
                }
            }
            _ => text(
                StatusCode::NOT_FOUND,
                "GET, PUT or DELETE /-/faults; GET or DELETE /-/stats; PUT /-/credentials",
            ),
        }
    }

    fn set(&self, faults: Faults) -> Response<Bytes> {
        self.0.set_faults(faults);
        json(&self.0.faults())
    }
}

fn json(value: &impl Serialize) -> Response<Bytes> {
    match serde_json::to_vec_pretty(value) {
        Ok(json) => Response::new(json.into()),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn text(status: StatusCode, text: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::copy_from_slice(text.as_bytes()));
    *response.status_mut() = status;
    response
}
