//! All shops at once: what is wrong, and where.

use super::{Answer, Desk};
use crate::{
    page::{Asked, Frame, Moment},
    registry::Known,
    shops::{Health, condition, problem, said},
    text,
};
use askama::Template;
use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use observe::v1::Shops;
use operations::watch::WatchRequest;
use std::{collections::BTreeMap, sync::Arc};

/// Lines of each list.
const SHOWN: usize = 50;
/// Certificates that end within this time are listed.
const SOON: SignedDuration = SignedDuration::from_hours(21 * 24);

#[derive(Template)]
#[template(path = "fleet.html")]
struct Page {
    frame: Frame,
    counts: Vec<(Health, usize)>,
    shops: usize,
    bad: Vec<(String, Health, String)>,
    bad_more: usize,
    certificates: Vec<Ends>,
    /// Whether the scheduler says anything of certificates.
    certified: bool,
    backups: Vec<(String, String)>,
    backups_more: usize,
    /// Shops of whose backups the scheduler says something.
    backed_up: usize,
    watched: Result<Vec<Watched>, String>,
}

struct Ends {
    shop: String,
    host: String,
    issuer: String,
    /// It has none yet, or none any more, if this is missing.
    end: Option<Moment>,
    problem: String,
}

struct Watched {
    shop: String,
    problem: String,
    errors: String,
}

pub(super) async fn show(State(desk): State<Arc<Desk>>, asked: Asked) -> Answer {
    let frame = asked.frame(&desk.registry, &desk.guard).await;
    let all = WatchRequest::shops().ask::<Shops>(&desk.own).await;
    let page = {
        let known = desk.known(&asked)?;
        let watched = all
            .map(|all| watched(all, &known))
            .map_err(|error| runtime::Chain(&error).to_string());
        page(frame, &known, watched, Timestamp::now())
    };
    Ok(asked.answer(&page))
}

fn page(
    frame: Frame,
    known: &Known,
    watched: Result<Vec<Watched>, String>,
    now: Timestamp,
) -> Page {
    let mut counts: BTreeMap<Health, usize> = BTreeMap::new();
    let (mut bad, mut certificates, mut backups) = (Vec::new(), Vec::new(), Vec::new());
    let (mut certified, mut backed_up) = (false, 0);
    for (name, shop) in &known.fleet.shops {
        let health = Health::of_shop(shop);
        *counts.entry(health).or_default() += 1;
        if matches!(health, Health::Bad | Health::Warning) {
            let why = problem(shop).unwrap_or_else(|| text::NO_MORE.to_owned());
            bad.push((name.clone(), health, why));
        }
        for certificate in shop.status.iter().flat_map(|status| &status.certificates) {
            certified = true;
            let end = certificate.not_after.as_deref();
            let end = end.and_then(|end| end.parse::<Timestamp>().ok());
            let soon = end.is_none_or(|end| end.duration_since(now) < SOON);
            if soon || certificate.problem.is_some() {
                certificates.push((end, name, certificate));
            }
        }
        backed_up += usize::from(condition(shop, "BackupFresh").is_some());
        backups.extend(said(shop, "BackupFresh").map(|why| (name.clone(), why)));
    }
    bad.sort_by_key(|(_, health, _)| *health);
    certificates.sort_by_key(|(end, name, _)| (*end, *name));
    Page {
        frame,
        counts: counts.into_iter().collect(),
        shops: known.fleet.shops.len(),
        bad_more: bad.len().saturating_sub(SHOWN),
        bad: bad.into_iter().take(SHOWN).collect(),
        certificates: certificates
            .into_iter()
            .take(SHOWN)
            .map(|(end, shop, certificate)| Ends {
                shop: shop.clone(),
                host: certificate.host.clone(),
                issuer: certificate.issuer.clone().unwrap_or_default(),
                end: end.map(Moment::new),
                problem: certificate.problem.clone().unwrap_or_default(),
            })
            .collect(),
        certified,
        backups_more: backups.len().saturating_sub(SHOWN),
        backups: backups.into_iter().take(SHOWN).collect(),
        backed_up,
        watched,
    }
}

/// Shops of the person that have open errors or domains that are down, the worst first.
fn watched(all: Shops, known: &Known) -> Vec<Watched> {
    let mut bad: Vec<_> = all
        .shops
        .into_iter()
        .filter(|shop| known.fleet.shops.contains_key(&shop.shop))
        .filter(|shop| shop.problem.is_some() || !shop.open.is_empty())
        .collect();
    bad.sort_by_key(|shop| {
        let errors: u64 = shop.open.values().sum();
        std::cmp::Reverse((shop.hosts_down, errors))
    });
    let row = |shop: observe::v1::ShopSummary| {
        let errors = shop.open.iter();
        let errors: Vec<_> = errors
            .map(|(severity, count)| format!("{count} {}", severity.word()))
            .collect();
        Watched {
            shop: shop.shop,
            problem: shop.problem.unwrap_or_default(),
            errors: errors.join(", "),
        }
    };
    bad.into_iter().take(SHOWN).map(row).collect()
}
