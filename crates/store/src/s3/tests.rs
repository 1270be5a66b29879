//! The store against a server that says what a test tells it to, on a loopback socket.

mod credentials;
mod listing;
mod reading;
mod server;
mod writing;

use crate::{Credentials, Location, ObjectStore, Options, S3Settings};
use server::Server;
use std::{sync::Arc, time::Duration};

const SECRET: &str = "wJalrXUtnFEMI";

/// Options with times that a test can wait for.
fn options(endpoint: &str) -> Options {
    let credentials = Credentials {
        access_key: "AKIATEST".to_owned(),
        secret_key: SECRET.to_owned(),
        session_token: None,
    };
    Options {
        deadline: Duration::from_secs(20),
        patience: Duration::from_millis(300),
        answer_timeout: Duration::from_secs(5),
        window: Duration::from_millis(200),
        floor: 1000,
        s3: S3Settings {
            endpoint: Some(endpoint.to_owned()),
            region: Some("us-east-1".to_owned()),
            credentials: Some(credentials),
        },
        ..Options::default()
    }
}

async fn store(server: &Server) -> Arc<dyn ObjectStore> {
    let location: Location = "s3://shop/production".parse().unwrap();
    crate::open(&location, &options(&server.endpoint))
        .await
        .unwrap()
}
