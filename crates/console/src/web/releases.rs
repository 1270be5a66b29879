//! Releases, by channel.

use super::{Answer, Desk};
use crate::{
    page::{Asked, Frame, Moment},
    registry::Known,
    rights::Right,
    text,
};
use askama::Template;
use axum::extract::{Query, State};
use serde::Deserialize;
use std::{collections::BTreeMap, sync::Arc};

/// Channels of a page; the others are found by their name.
const CHANNELS: usize = 50;
/// Releases of a channel that are shown.
const SHOWN: usize = 5;

#[derive(Template)]
#[template(path = "releases.html")]
struct Page {
    frame: Frame,
    q: String,
    channels: Vec<Channel>,
    found: usize,
    unreadable: Vec<(String, String)>,
    may_start: bool,
}

struct Channel {
    name: String,
    shops: usize,
    releases: Vec<Row>,
    more: usize,
}

struct Row {
    name: String,
    sequence: u64,
    stored: Option<Moment>,
    migration: &'static str,
    /// Shops that are assigned it.
    shops: usize,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    /// A part of the channel's name.
    q: String,
}

pub(super) async fn list(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Query(Wanted { q }): Query<Wanted>,
) -> Answer {
    let frame = asked.frame(&desk.registry, &desk.guard).await;
    let may_start = asked.person.may(Right::StartRollout, None).await;
    let page = {
        let known = desk.known(&asked)?;
        page(frame, q, &known, may_start)
    };
    Ok(asked.answer(&page))
}

fn page(frame: Frame, q: String, known: &Known, may_start: bool) -> Page {
    let (mut members, mut running) = (BTreeMap::new(), BTreeMap::new());
    for shop in known.fleet.shops.values() {
        *members.entry(shop.spec.channel.as_str()).or_default() += 1;
        let status = shop.status.as_ref();
        if let Some(assigned) = status.and_then(|status| status.release.as_ref()) {
            *running.entry(assigned.name.as_str()).or_default() += 1;
        }
    }
    let found: Vec<_> = known
        .fleet
        .releases
        .iter()
        .filter(|(channel, releases)| channel.as_str().contains(&q) && !releases.is_empty())
        .collect();
    let channels = found
        .iter()
        .take(CHANNELS)
        .map(|(channel, releases)| Channel {
            name: channel.as_str().to_owned(),
            shops: members.get(channel.as_str()).copied().unwrap_or_default(),
            more: releases.len().saturating_sub(SHOWN),
            releases: releases
                .values()
                .rev()
                .take(SHOWN)
                .map(|release| Row {
                    name: release.name.clone(),
                    sequence: release.sequence.get(),
                    stored: known.stored_at(&release.name).map(Moment::new),
                    migration: text::migration(release.migration),
                    shops: running
                        .get(release.name.as_str())
                        .copied()
                        .unwrap_or_default(),
                })
                .collect(),
        });
    Page {
        frame,
        channels: channels.collect(),
        found: found.len(),
        unreadable: known
            .unreadable
            .iter()
            .map(|(name, why)| (name.clone(), why.clone()))
            .collect(),
        q,
        may_start,
    }
}
