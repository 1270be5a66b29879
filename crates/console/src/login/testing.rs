//! An OpenID Connect provider for tests, over TLS. **A fake**: it asks nobody for a password, and
//! gives the token that a test wants. `tests/tests/cluster/scheduler/console` has a certified one.

use super::{
    LoginError,
    claims::Mapping,
    provider::{Client, Provider},
};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use parking_lot::Mutex;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use std::{convert::Infallible, io::Write as _, sync::Arc};
use tempfile::NamedTempFile;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
};

/// Our name at the provider.
pub(crate) const CLIENT: &str = "console";

/// A key of the provider.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    encoding: EncodingKey,
}

impl Key {
    pub(crate) fn new(name: &'static str) -> Self {
        let pair = KeyPair::generate().unwrap();
        Self {
            name,
            encoding: EncodingKey::from_ec_der(pair.serialized_der()),
        }
    }

    /// The half that is published.
    pub(crate) fn public(&self) -> Jwk {
        let mut jwk = Jwk::from_encoding_key(&self.encoding, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some(self.name.to_owned());
        jwk
    }

    /// What everybody can read of it.
    pub(crate) fn public_point(&self) -> String {
        serde_json::to_string(&self.public()).unwrap()
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.name.to_owned());
        encode(&header, claims, &self.encoding).unwrap()
    }
}

/// What the provider does.
pub(crate) struct Plays {
    /// Those that it publishes.
    pub(crate) keys: Vec<Key>,
    /// Which one signs.
    pub(crate) signs: Key,
    /// Claims, besides those that every token has.
    pub(crate) claims: Value,
    /// Forms that came to the endpoint of tokens, and their `Authorization`.
    pub(crate) forms: Vec<(String, Option<String>)>,
    /// How often its keys were asked for.
    pub(crate) asked: usize,
    pub(crate) nonce: String,
}

/// A provider that answers until the test ends.
pub(crate) struct Stage {
    pub(crate) issuer: String,
    pub(crate) plays: Arc<Mutex<Plays>>,
    authority: NamedTempFile,
    _serves: JoinSet<()>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let issuer = format!("https://localhost:{port}");
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let mut authority = NamedTempFile::new().unwrap();
        authority.write_all(certificate.pem().as_bytes()).unwrap();
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        let first = Key::new("first");
        let plays = Arc::new(Mutex::new(Plays {
            keys: vec![first.clone()],
            signs: first,
            claims: json!({}),
            forms: Vec::new(),
            asked: 0,
            nonce: String::new(),
        }));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (told, own) = (Arc::clone(&plays), issuer.clone());
        let mut serves = JoinSet::new();
        serves.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, plays, issuer) = (acceptor.clone(), Arc::clone(&told), own.clone());
                connections.spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let service = service_fn(move |request| {
                        answer(request, Arc::clone(&plays), issuer.clone())
                    });
                    let served = http1::Builder::new();
                    let served = served.serve_connection(TokioIo::new(stream), service);
                    // A client that goes away is no failure of the test.
                    served.await.ok();
                });
            }
        });
        Self {
            issuer,
            plays,
            authority,
            _serves: serves,
        }
    }

    /// Our end of it.
    pub(crate) fn login(&self, secret: Option<&str>) -> super::Login {
        let client = Client {
            issuer: self.issuer.clone(),
            id: CLIENT.to_owned(),
            secret: secret.map(str::to_owned),
            scopes: vec!["openid".to_owned(), "groups".to_owned()],
        };
        let keys = Arc::new(crate::session::tests::keys(&[1]));
        let origin = "https://console.example".parse().unwrap();
        super::Login::new(origin, keys, mapping(), client, Some(self.authority.path())).unwrap()
    }

    /// The same, without our CA.
    pub(crate) fn stranger(&self) -> Provider {
        let client = Client {
            issuer: self.issuer.clone(),
            id: CLIENT.to_owned(),
            secret: None,
            scopes: Vec::new(),
        };
        Provider::new(client, super::http::Http::new(None).unwrap())
    }
}

pub(crate) fn mapping() -> Mapping {
    Mapping {
        user: "sub".to_owned(),
        groups: "groups".to_owned(),
        user_prefix: "oidc:".to_owned(),
        groups_prefix: "oidc:".to_owned(),
    }
}

/// What a token has that is believed, but for what a test changes.
pub(crate) fn good(issuer: &str, nonce: &str) -> Value {
    let now = jiff::Timestamp::now().as_second();
    json!({
        "iss": issuer, "sub": "anna", "aud": CLIENT, "exp": now + 300, "iat": now,
        "nonce": nonce, "groups": ["shops"],
    })
}

async fn answer(
    request: Request<Incoming>,
    plays: Arc<Mutex<Plays>>,
    issuer: String,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let authorization = request.headers().get("authorization");
    let authorization = authorization.map(|value| value.to_str().unwrap().to_owned());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let mut plays = plays.lock();
    let said = match path.as_str() {
        "/.well-known/openid-configuration" => json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/auth?tenant=a"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "end_session_endpoint": format!("{issuer}/leave"),
        }),
        "/keys" => {
            plays.asked += 1;
            let keys: Vec<_> = plays.keys.iter().map(Key::public).collect();
            let mut keys = serde_json::to_value(keys).unwrap();
            // One of a kind that nobody knows yet.
            keys.as_array_mut()
                .unwrap()
                .push(json!({ "kty": "NEW", "kid": "new" }));
            json!({ "keys": keys })
        }
        "/token" => {
            let form = String::from_utf8(body.to_vec()).unwrap();
            plays.forms.push((form, authorization));
            let mut claims = good(&issuer, &plays.nonce);
            for (name, value) in plays.claims.as_object().unwrap() {
                claims[name] = value.clone();
            }
            json!({ "id_token": plays.signs.token(&claims), "token_type": "Bearer" })
        }
        _ => json!({}),
    };
    Ok(Response::new(Full::from(said.to_string())))
}

/// The error of a login that must not end well.
pub(crate) fn refused<T>(ended: Result<T, LoginError>) -> LoginError {
    match ended {
        Ok(_) => panic!("somebody is logged in"),
        Err(error) => error,
    }
}
