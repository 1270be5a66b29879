//! One order, from its beginning, or from where another process left it.

use super::{Ca, identifier, refusal};
use crate::issue::{
    limits::OrderKind,
    problem::{Blame, Problem},
};
use instant_acme::{
    AuthorizationStatus, ChallengeStatus, ChallengeType, Error, Identifier, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use jiff::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// How long the CA may take to look at the host, and to issue.
const LOOK: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(500))
    .backoff(1.5)
    .timeout(Duration::from_secs(90));

/// An order on its way: what has to be known to go on with it after a restart.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::issue) struct Pending {
    /// Its URL.
    pub(in crate::issue) order: String,
    /// The account that made it.
    pub(in crate::issue) account: String,
    /// The private key, PKCS#8 in PEM.
    key: String,
}

impl fmt::Debug for Pending {
    // Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending")
            .field("order", &self.order)
            .finish_non_exhaustive()
    }
}

impl Ca {
    /// Makes an order for a host, in place of the certificate with an identifier.
    ///
    /// # Errors
    ///
    /// Where the CA refuses.
    pub(in crate::issue) async fn begin(
        &self,
        host: &str,
        replaces: Option<&str>,
    ) -> Result<Pending, Problem> {
        let identifiers = [Identifier::Dns(host.to_owned())];
        let mut new = NewOrder::new(&identifiers);
        let old = replaces.and_then(identifier);
        let kind = if old.is_some() {
            OrderKind::Renewal
        } else {
            OrderKind::New
        };
        if let Some(id) = old {
            new = new.replaces(id);
        }
        let key = key(host)?.serialize_pem();
        let order = self
            .account
            .new_order(&new)
            .await
            .map_err(|error| refusal::of_new_order(host, &error, kind, Timestamp::now()))?;
        Ok(Pending {
            order: order.url().to_owned(),
            account: self.account().to_owned(),
            key,
        })
    }

    /// Goes on with an order to its end: the private key, the leaf and the chain, as PEM.
    ///
    /// # Errors
    ///
    /// Where the CA refuses, or cannot reach the host.
    pub(in crate::issue) async fn finish(
        &self,
        host: &str,
        pending: &Pending,
    ) -> Result<String, Problem> {
        let failed = |error: Error| refusal::problem(host, &error, Timestamp::now());
        let mut order = self
            .account
            .order(pending.order.clone())
            .await
            .map_err(failed)?;
        let mut status = order.state().status;
        if status == OrderStatus::Pending {
            answer(&mut order, host).await?;
            status = match order.poll_ready(&LOOK).await {
                Ok(status) => status,
                // What the order says is short; its authorization says what the CA saw.
                Err(Error::Api(_)) => OrderStatus::Invalid,
                Err(error) => return Err(failed(error)),
            };
        }
        if status == OrderStatus::Invalid {
            return Err(invalid(&mut order, host).await);
        }
        let key = KeyPair::from_pem(&pending.key).map_err(|it| {
            Problem::us(
                "order-lost",
                format!("the key of an order for {host}: {it}"),
            )
        })?;
        if status == OrderStatus::Ready {
            let mut params =
                CertificateParams::new(vec![host.to_owned()]).map_err(|it| unusable(host, &it))?;
            params.distinguished_name = DistinguishedName::new();
            let request = params
                .serialize_request(&key)
                .map_err(|it| unusable(host, &it))?;
            order.finalize_csr(request.der()).await.map_err(failed)?;
        }
        let chain = order.poll_certificate(&LOOK).await.map_err(failed)?;
        Ok(format!("{}{chain}", pending.key))
    }
}

fn key(host: &str) -> Result<KeyPair, Problem> {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(|it| unusable(host, &it))
}

fn unusable(host: &str, error: &rcgen::Error) -> Problem {
    Problem::host(
        "host-unusable",
        format!("no certificate can be asked for {host}: {error}"),
    )
}

/// Tells the CA to look at the host. What it will find there, the edge answers for any token.
async fn answer(order: &mut Order, host: &str) -> Result<(), Problem> {
    let failed = |error: Error| refusal::problem(host, &error, Timestamp::now());
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(failed)?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let Some(mut challenge) = authorization.challenge(ChallengeType::Http01) else {
            return Err(Problem::host(
                "no-http-challenge",
                format!("the CA does not validate {host} over HTTP"),
            ));
        };
        // Another process may have told it already.
        if challenge.status == ChallengeStatus::Pending {
            challenge.set_ready().await.map_err(failed)?;
        }
    }
    Ok(())
}

/// Why an order came to nothing.
async fn invalid(order: &mut Order, host: &str) -> Problem {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        // What is known of it is from before the CA looked.
        if authorization.refresh().await.is_err() {
            break;
        }
        let mut errors = authorization
            .challenges
            .iter()
            .filter_map(|it| it.error.as_ref());
        if let Some(problem) = errors.next_back() {
            return refusal::of_validation(host, problem);
        }
    }
    let error = order.state().error.clone();
    match error {
        Some(problem) => refusal::of_validation(host, &problem),
        None => Problem::new(
            Blame::Host,
            "order-invalid",
            format!("the CA ended the order for {host} and does not say why"),
        ),
    }
}
