//! The account at the CA, as somebody else uses it, and when it is gone.

use crate::{
    servers::{HMAC_KEY, Kind, Pebble},
    tls::Tls,
    world::World,
};
use edge::issue::ExternalAccount;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use instant_acme::{
    Account, AccountCredentials, BodyWrapper, BytesResponse, Error, HttpClient, RevocationRequest,
};
use std::{future::Future, pin::Pin, sync::Arc, time::Duration};
use tokio::time::sleep;
use tokio_rustls::rustls::pki_types::CertificateDer;

struct Web(Arc<Tls>);

impl HttpClient for Web {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.0.client();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let request = Request::from_parts(parts, Full::from(body));
            let response = client.request(request).await.unwrap();
            let (parts, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Ok(BytesResponse {
                parts,
                body: Box::new(body),
            })
        })
    }
}

/// Revokes a certificate, with the account that is kept.
pub async fn revoke(world: &World, pem: &str) {
    let json = world
        .api
        .data("secrets", "acme-account", "credentials.json");
    let credentials: AccountCredentials = serde_json::from_str(&json.unwrap()).unwrap();
    let web = Box::new(Web(Arc::clone(&world.tls)));
    let account = Account::builder_with_http(web)
        .from_credentials(credentials)
        .await
        .unwrap();
    let parts = pem::parse_many(pem).unwrap();
    let certificate = CertificateDer::from(parts[1].contents());
    let request = RevocationRequest {
        certificate: &certificate,
        reason: None,
    };
    account.revoke(&request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_the_ca_lost_is_made_anew() {
    let mut world = World::start().await;
    world.hosts(&["www.a.example"]);
    let issuer = world.issuer();
    world.issued("www.a.example").await;
    let thumbprint = world.api.data("configmaps", "acme", "thumbprint");
    // Pebble keeps nothing.
    let port = world.pebble.port;
    world.restart_pebble(port).await;
    world.hosts(&["www.a.example", "www.b.example"]);
    world.issued("www.b.example").await;
    assert_ne!(
        world.api.data("configmaps", "acme", "thumbprint"),
        thumbprint
    );
    let record = world.record("www.b.example").unwrap();
    assert_eq!(record.failures, 0, "the host is not to blame");
    issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_account_is_used_where_the_ca_wants_one() {
    let mut world = World::with(Kind {
        external_account: true,
        ..Kind::default()
    })
    .await;
    world.hosts(&["www.a.example"]);
    let issuer = world.issuer();
    sleep(Duration::from_secs(1)).await;
    assert!(world.proxy.asked("sign-me-up") > 0);
    assert_eq!(world.record("www.a.example"), None, "no host is to blame");
    issuer.stop().await;
    world.settings.external_account = Some(ExternalAccount {
        key_id: "key-1".to_owned(),
        hmac_key: HMAC_KEY.to_owned(),
    });
    let issuer = world.issuer();
    world.issued("www.a.example").await;
    issuer.stop().await;
}

impl World {
    async fn restart_pebble(&mut self, port: u16) {
        self.pebble.stop().await;
        self.pebble = Pebble::start_at(
            port,
            self.directory.path(),
            &self.tls,
            &self.dns,
            self.settings.http_port,
            Kind::default(),
        )
        .await;
    }
}
