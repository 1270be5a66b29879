//! All shops at once: what is wrong, and where.

use super::{Answer, Desk};
use crate::{
    page::{Asked, Frame, Moment},
    registry::Known,
    shops::{Health, problem},
};
use askama::Template;
use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use observe::v1::Shops;
use operations::watch::Question;
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
    watched: Result<Vec<Watched>, String>,
}

struct Ends {
    shop: String,
    host: String,
    end: Moment,
    problem: String,
}

struct Watched {
    shop: String,
    problem: String,
    errors: String,
}

pub(super) async fn show(State(desk): State<Arc<Desk>>, asked: Asked) -> Answer {
    let frame = asked.frame(&desk.registry, &desk.guard).await;
    let all = Question::shops().ask::<Shops>(&desk.own).await;
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
    let (mut bad, mut certificates) = (Vec::new(), Vec::new());
    for (name, shop) in &known.fleet.shops {
        let health = Health::of(shop);
        *counts.entry(health).or_default() += 1;
        if matches!(health, Health::Bad | Health::Warning) {
            let why = problem(shop).unwrap_or_else(|| "it says no more".to_owned());
            bad.push((name.clone(), health, why));
        }
        for certificate in shop.status.iter().flat_map(|status| &status.certificates) {
            let end = certificate.not_after.as_deref();
            let Some(end) = end.and_then(|end| end.parse::<Timestamp>().ok()) else {
                continue;
            };
            if end.duration_since(now) < SOON {
                let problem = certificate.problem.clone().unwrap_or_default();
                certificates.push((end, name.clone(), certificate.host.clone(), problem));
            }
        }
    }
    bad.sort_by_key(|(_, health, _)| *health);
    certificates.sort();
    Page {
        frame,
        counts: counts.into_iter().collect(),
        shops: known.fleet.shops.len(),
        bad_more: bad.len().saturating_sub(SHOWN),
        bad: bad.into_iter().take(SHOWN).collect(),
        certificates: certificates
            .into_iter()
            .take(SHOWN)
            .map(|(end, shop, host, problem)| Ends {
                shop,
                host,
                end: Moment::of(end),
                problem,
            })
            .collect(),
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
