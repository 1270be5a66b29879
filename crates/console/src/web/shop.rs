//! A shop: how it is and why, what it runs, and what a person can do about it.

use super::{Answer, Desk, pods::Pods};
use crate::{
    form::Part,
    page::{self, Asked, Failure, Frame, Moment},
    registry::Known,
    rights::Right,
    shops::{Health, said},
    text,
};
use api::{DomainCertificate, Fleet, Phase, Rollout, Shop};
use askama::Template;
use axum::extract::{Path, State};
use client::Cluster;
use futures_util::future::join;
use http::HeaderMap;
use jiff::Timestamp;
use operations::{backups, jobs};
use plan::{
    rollout::over,
    why::{self, Explanation},
};
use release::Migration;
use std::{collections::BTreeMap, sync::Arc};

/// The part of the page that follows changes.
const LIVE: &str = "shop";
/// Releases of the channel that are offered.
const RELEASES: usize = 8;

#[derive(Template)]
#[template(path = "shop.html")]
struct Page {
    frame: Frame,
    name: String,
    health: Health,
    why: Explanation,
    /// What is wrong with the pods and the Secret.
    ailing: Explanation,
    pods: Pods,
    /// How many pods are ready, of how many.
    ready: String,
    spec: api::ShopSpec,
    schedule: &'static str,
    backups: Result<Backups, String>,
    /// What the scheduler says of them, if they are not as they should be.
    late: Option<String>,
    domains: Vec<DomainRow>,
    assigned: Option<Assigned>,
    releases: Vec<ReleaseRow>,
    rollouts: Vec<RolloutRow>,
    back: Option<Back>,
    may_change: bool,
    may_move: bool,
    /// Whether the person sees all shops, and so those of a node.
    sees_all: bool,
    /// What the person may have done in the shop's namespace: the word for it, and its button.
    work: Vec<(&'static str, &'static str)>,
    parts: [Part; 6],
}

struct DomainRow {
    host: String,
    what: String,
    issuer: String,
    end: Option<Moment>,
    problem: Option<String>,
    /// Why nothing is known.
    unknown: Option<&'static str>,
}

/// How the backups are.
struct Backups {
    /// When the last one ended, and how long ago that is.
    last: Option<(Moment, String)>,
    failed: Option<Moment>,
    runs: bool,
    suspended: bool,
}

struct Assigned {
    name: String,
    sequence: i64,
    since: Option<Moment>,
    from: Option<i64>,
}

struct ReleaseRow {
    name: String,
    sequence: u64,
    stored: Option<Moment>,
    migration: &'static str,
    newer: bool,
    current: bool,
}

struct RolloutRow {
    name: String,
    release: String,
    phase: String,
}

/// How the shop gets back to the release before.
struct Back {
    rollout: String,
    sequence: i64,
    /// Whether other shops go back with it.
    others: bool,
}

pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Answer {
    let frame = asked.frame(&desk.registry, &desk.guard).await;
    let may_change = asked.person.may(Right::ChangeShop, Some(&name)).await;
    let may_move = asked.person.may(Right::StartRollout, None).await;
    let may_work = asked.person.may(Right::StartJobs, Some(&name)).await;
    let (mut page, fleet) = {
        let known = desk.known(&asked)?;
        let shop = found(&known, &name)?;
        let page = page(frame, &name, shop, &known);
        (page, one(&known.fleet, &name, shop))
    };
    (page.may_change, page.may_move) = (may_change, may_move);
    page.sees_all = asked.view.is_all();
    if !may_work {
        page.work.clear();
    }
    // What changes is known here. The rest is in parts that a browser keeps, and fetches by
    // themselves: a rollout would otherwise have each open page ask the API server at each step.
    if !page::is_for(&headers, LIVE) {
        ask(&asked.person.cluster, &fleet, &mut page).await;
    }
    Ok(asked.answer(&page))
}

/// Asks the API server what nobody watches.
async fn ask(cluster: &Cluster, fleet: &Fleet, page: &mut Page) {
    let ailing = operations::why::complete(cluster, fleet, &mut page.ailing);
    let (known, pods) = join(backups::backups(cluster, &page.name), ailing).await;
    page.pods = Pods::new(pods);
    page.backups = match known {
        Ok(Some(known)) => Ok(backups(&known, Timestamp::now())),
        Ok(None) => Err(text::NO_BACKUPS.to_owned()),
        Err(error) => Err(text::backups_unknown(&runtime::Chain(&error))),
    };
}

/// A fleet of this shop and its class.
fn one(fleet: &Fleet, name: &str, shop: &Shop) -> Fleet {
    let class = &shop.spec.class;
    let known = fleet.classes.get(class);
    Fleet {
        shops: [(name.to_owned(), shop.clone())].into(),
        classes: known
            .map(|it| (class.clone(), it.clone()))
            .into_iter()
            .collect(),
        ..Fleet::default()
    }
}

fn backups(known: &backups::Backups, now: Timestamp) -> Backups {
    let ago = |at: Timestamp| text::days(now.duration_since(at).as_hours());
    Backups {
        last: known.last.map(|at| (Moment::new(at), ago(at))),
        failed: known.failed.map(Moment::new),
        runs: known.runs,
        suspended: known.suspended,
    }
}

/// The Shop of this name.
///
/// # Errors
///
/// If there is none.
pub(super) fn found<'a>(known: &'a Known, name: &str) -> Result<&'a Shop, Failure> {
    let shop = known.fleet.shops.get(name);
    shop.ok_or_else(|| Failure::Missing(text::none("shop", name)))
}

fn page(frame: Frame, name: &str, shop: &Shop, known: &Known) -> Page {
    let halted = known.halt.as_ref().map(operations::halt::Halt::line);
    let now = Timestamp::now();
    let why = why::why(
        name,
        shop,
        (&known.fleet, &known.claims),
        halted.as_deref(),
        now,
    );
    let status = shop.status.as_ref();
    let assigned = status
        .and_then(|status| status.release.as_ref())
        .map(|release| Assigned {
            name: release.name.clone(),
            sequence: release.sequence,
            since: release.since.as_deref().map(Moment::read),
            from: release.returned_from,
        });
    Page {
        frame,
        name: name.to_owned(),
        health: Health::of_shop(shop),
        ailing: Explanation {
            facts: Vec::new(),
            advice: Vec::new(),
            ..why.clone()
        },
        why,
        pods: Pods::default(),
        ready: status
            .and_then(|status| status.pods.clone())
            .unwrap_or_else(|| text::NOT_KNOWN.to_owned()),
        domains: domains(shop),
        releases: releases(shop, known, assigned.as_ref()),
        rollouts: rollouts(name, known),
        back: back(name, shop, known),
        assigned,
        schedule: text::schedule(shop.spec.backup.schedule),
        // It is asked for then.
        backups: Err(String::new()),
        late: said(shop, "BackupFresh"),
        spec: shop.spec.clone(),
        may_change: false,
        may_move: false,
        sees_all: false,
        work: work(&shop.spec.class, known),
        parts: Part::ALL,
    }
}

/// The caches, and cron where the engine lets it be run by hand.
fn work(class: &str, known: &Known) -> Vec<(&'static str, &'static str)> {
    let class = known.fleet.classes.get(class);
    let cron = class.is_some_and(|class| jobs::can_run_cron(class.spec.engine));
    let mut work = vec![("clean", text::CLEAN_CACHES)];
    work.extend(cron.then_some(("cron", text::RUN_CRON)));
    work
}

fn domains(shop: &Shop) -> Vec<DomainRow> {
    let certificates: BTreeMap<&str, &DomainCertificate> = shop
        .status
        .iter()
        .flat_map(|status| &status.certificates)
        .map(|certificate| (certificate.host.as_str(), certificate))
        .collect();
    let row = |domain: &api::Domain| {
        let certificate = certificates.get(domain.host.as_str());
        let mut what = Vec::new();
        if domain.primary {
            what.push(text::PRIMARY.to_owned());
        }
        if let Some(to) = &domain.redirect_to {
            what.push(text::redirects(to));
        }
        if let Some(code) = &domain.store_code {
            what.push(text::store(code));
        }
        DomainRow {
            host: domain.host.clone(),
            what: what.join(", "),
            issuer: certificate
                .and_then(|it| it.issuer.clone())
                .unwrap_or_default(),
            end: certificate
                .and_then(|it| it.not_after.as_deref())
                .map(Moment::read),
            problem: certificate.and_then(|it| it.problem.clone()),
            unknown: certificate.is_none().then_some(text::NO_CERTIFICATE),
        }
    };
    shop.spec.domains.iter().map(row).collect()
}

fn releases(shop: &Shop, known: &Known, assigned: Option<&Assigned>) -> Vec<ReleaseRow> {
    let Ok(channel) = shop.spec.channel.parse() else {
        return Vec::new();
    };
    let all = known.fleet.releases.get(&channel);
    let rows = all.into_iter().flat_map(BTreeMap::values).rev();
    rows.take(RELEASES)
        .map(|release| {
            let sequence = release.sequence.get().cast_signed();
            ReleaseRow {
                name: release.name.clone(),
                sequence: release.sequence.get(),
                stored: known.stored_at(&release.name).map(Moment::new),
                migration: text::migration(release.migration),
                newer: assigned.is_none_or(|assigned| sequence > assigned.sequence),
                current: assigned.is_some_and(|assigned| sequence == assigned.sequence),
            }
        })
        .collect()
}

/// The phase of a rollout.
pub(super) fn phase(rollout: &Rollout) -> Phase {
    let status = rollout.status.as_ref();
    status
        .and_then(|status| status.phase)
        .unwrap_or(Phase::Pending)
}

fn moves(rollout: &Rollout, shop: &str) -> bool {
    rollout.spec.shops.is_empty() || rollout.spec.shops.iter().any(|name| name == shop)
}

/// Rollouts that move the shop and are not over.
fn rollouts(name: &str, known: &Known) -> Vec<RolloutRow> {
    let channel = known.fleet.shops.get(name).map(|shop| &shop.spec.channel);
    let of_channel = |rollout: &Rollout| {
        let release = known.release(&rollout.spec.release);
        release.map(|release| release.channel.as_str()) == channel.map(String::as_str)
    };
    known
        .fleet
        .rollouts
        .iter()
        .filter(|(_, rollout)| !over(&rollout.spec, Some(phase(rollout))))
        .filter(|(_, rollout)| moves(rollout, name) && of_channel(rollout))
        .map(|(rollout, it)| RolloutRow {
            name: rollout.clone(),
            release: it.spec.release.clone(),
            phase: format!("{:?}", phase(it)),
        })
        .collect()
}

/// The rollout that brought the shop its release goes back, if there is a release before it. One
/// that changed the database so that the release before cannot run does not.
fn back(name: &str, shop: &Shop, known: &Known) -> Option<Back> {
    let status = shop.status.as_ref()?;
    let (assigned, before) = (status.release.as_ref()?, status.previous.as_ref()?);
    let release = known.release(&assigned.name)?;
    if release.migration == Migration::Breaking || before.sequence >= assigned.sequence {
        return None;
    }
    let created = |rollout: &Rollout| rollout.metadata.creation_timestamp.as_ref().map(|at| at.0);
    let (rollout, found) = known
        .fleet
        .rollouts
        .iter()
        .filter(|(_, it)| it.spec.release == assigned.name && moves(it, name))
        .filter(|(_, it)| !it.spec.aborted)
        .max_by_key(|(_, it)| created(it))?;
    Some(Back {
        rollout: rollout.clone(),
        sequence: before.sequence,
        others: found.spec.shops.len() != 1,
    })
}
