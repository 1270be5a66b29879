//! How hosts are, in memory: the last probes, and what is counted of them.

use super::{
    incident::{Availability, is_fleet_wide},
    verdict::{Measurement, Verdict},
};
use jiff::Timestamp;
use observe::v1::{Cause, HostUptime, ProbeResult, Vantage};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

/// Delays of probes of the last minute that are kept: of 20,000 probes.
const DELAYS: usize = 1 << 15;

/// How a host is at a vantage point.
#[derive(Debug, Clone, Default)]
struct View {
    availability: Availability,
    /// Of the last failure.
    cause: Option<Cause>,
    last: Option<ProbeResult>,
    certificate_end: Option<Timestamp>,
}

/// A host.
#[derive(Debug, Clone)]
struct Host {
    shop: String,
    views: BTreeMap<Vantage, View>,
}

/// How hosts are.
#[derive(Debug, Default)]
pub(crate) struct Board {
    hosts: BTreeMap<Arc<str>, Host>,
    delays: Vec<u32>,
    delay: Duration,
    /// Turns of hosts that were passed over, as the probe before had not ended.
    pub(crate) skipped: u64,
    /// Probes that say nothing of their host.
    pub(crate) unknown: u64,
    /// Incidents that could not be written, as too many waited.
    pub(crate) unwritten: u64,
}

/// Numbers of a shop.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ShopFigures {
    pub(crate) hosts: u64,
    pub(crate) hosts_down: u64,
    /// By vantage point: whether all hosts are up, and how long the slowest took.
    pub(crate) views: BTreeMap<Vantage, (bool, Option<f64>)>,
    /// By vantage point: what is wrong with the hosts that are down. If it is not one thing, the
    /// one that stands nearest to the shop: its own errors before its certificate, and DNS last.
    pub(crate) causes: BTreeMap<Vantage, Cause>,
    pub(crate) certificate_end: Option<Timestamp>,
    /// What is wrong with one of its hosts.
    pub(crate) problem: Option<String>,
}

impl Board {
    /// Whether a host is up at a vantage point.
    pub(crate) fn availability(&self, host: &str, vantage: Vantage) -> Availability {
        let view = self.hosts.get(host).and_then(|it| it.views.get(&vantage));
        view.map_or(Availability::Up, |it| it.availability)
    }

    /// A host is up at a vantage point, or down.
    pub(crate) fn set_availability(
        &mut self,
        host: &Arc<str>,
        shop: &str,
        vantage: Vantage,
        to: Availability,
    ) {
        self.view(host, shop, vantage).availability = to;
    }

    /// A host is down for this, as was known before this process began.
    pub(crate) fn is_down_for(
        &mut self,
        host: &Arc<str>,
        shop: &str,
        vantage: Vantage,
        cause: Cause,
    ) {
        self.view(host, shop, vantage).cause = Some(cause);
    }

    /// A probe ended at this moment.
    pub(crate) fn probed(
        &mut self,
        (host, shop, vantage): (&Arc<str>, &str, Vantage),
        measured: &Measurement,
        verdict: &Verdict,
        at: Timestamp,
    ) {
        let problem = match verdict {
            Verdict::Up => None,
            Verdict::Down(_, problem) => Some(problem.clone()),
            Verdict::Unknown(why) => {
                self.unknown += 1;
                Some(format!("not known: {why}"))
            }
        };
        let status = measured.answer.as_ref().ok().copied().flatten();
        let view = self.view(host, shop, vantage);
        if let Verdict::Down(cause, _) = verdict {
            view.cause = Some(*cause);
        }
        view.last = Some(ProbeResult {
            vantage,
            at,
            status,
            seconds: measured
                .answer
                .is_ok()
                .then_some(measured.took.as_secs_f64()),
            problem,
        });
        if let Some(certificate) = &measured.certificate {
            view.certificate_end = certificate.end;
        }
    }

    /// Forgets what is not probed any more, and gives what was down of it.
    pub(crate) fn keep(&mut self, is: impl Fn(&str, Vantage) -> bool) -> Vec<(Arc<str>, Vantage)> {
        let mut were_down = Vec::new();
        for (name, host) in &mut self.hosts {
            host.views.retain(|vantage, view| {
                let kept = is(name, *vantage);
                if !kept && view.availability != Availability::Up {
                    were_down.push((Arc::clone(name), *vantage));
                }
                kept
            });
        }
        self.hosts.retain(|_, host| !host.views.is_empty());
        were_down
    }

    /// A probe began that late.
    pub(crate) fn began(&mut self, late: Duration) {
        if self.delays.len() < DELAYS {
            self.delays
                .push(u32::try_from(late.as_millis()).unwrap_or(u32::MAX));
        }
    }

    /// A minute is over.
    pub(crate) fn minute(&mut self) {
        let mut delays = std::mem::take(&mut self.delays);
        delays.sort_unstable();
        let at = delays.len().saturating_sub(1) * 99 / 100;
        self.delay = delays
            .get(at)
            .map_or(Duration::ZERO, |it| Duration::from_millis((*it).into()));
    }

    /// Within which time 99 of 100 probes of the last minute began.
    pub(crate) const fn delay(&self) -> Duration {
        self.delay
    }

    /// By vantage point: hosts that are probed, and those of them that are down.
    pub(crate) fn counts(&self) -> BTreeMap<Vantage, (usize, usize)> {
        let mut counts = BTreeMap::<_, (usize, usize)>::new();
        for (vantage, view) in self.hosts.values().flat_map(|it| &it.views) {
            let count = counts.entry(*vantage).or_default();
            count.0 += 1;
            count.1 += usize::from(view.availability != Availability::Up);
        }
        counts
    }

    /// Whether so many hosts are down at a vantage point that it is one matter.
    pub(crate) fn fleet_down(&self) -> BTreeMap<Vantage, bool> {
        let counts = self.counts().into_iter();
        counts
            .map(|(vantage, (all, down))| (vantage, is_fleet_wide(down, all)))
            .collect()
    }

    /// The hosts of a shop.
    pub(crate) fn of_shop(&self, shop: &str) -> Vec<HostUptime> {
        let hosts = self.hosts.iter().filter(|(_, it)| it.shop == shop);
        hosts
            .map(|(name, host)| HostUptime {
                host: name.to_string(),
                probes: host
                    .views
                    .values()
                    .filter_map(|it| it.last.clone())
                    .collect(),
                certificate_end: host.certificate_end(),
            })
            .collect()
    }

    /// Numbers of all shops that have hosts.
    pub(crate) fn figures(&self) -> HashMap<&str, ShopFigures> {
        let mut shops = HashMap::<&str, ShopFigures>::new();
        for (name, host) in &self.hosts {
            let figures = shops.entry(&host.shop).or_default();
            figures.hosts += 1;
            let mut down = false;
            for (vantage, view) in &host.views {
                let up = view.availability == Availability::Up;
                let known = figures.views.entry(*vantage).or_insert((true, None));
                known.0 &= up;
                let seconds = view.last.as_ref().and_then(|it| it.seconds);
                known.1 = match (known.1, seconds) {
                    (Some(known), Some(seconds)) => Some(f64::max(known, seconds)),
                    (known, seconds) => known.or(seconds),
                };
                if !up {
                    down = true;
                    if let Some(cause) = view.cause {
                        let known = figures.causes.entry(*vantage).or_insert(cause);
                        *known = cause.max(*known);
                    }
                    let problem = view.last.as_ref().and_then(|it| it.problem.as_deref());
                    let problem = problem.unwrap_or("it does not answer as it should");
                    let vantage = vantage.word();
                    figures
                        .problem
                        .get_or_insert_with(|| format!("{name} ({vantage}): {problem}"));
                }
            }
            figures.hosts_down += u64::from(down);
            let ends = [figures.certificate_end, host.certificate_end()];
            figures.certificate_end = ends.into_iter().flatten().min();
        }
        shops
    }

    fn view(&mut self, host: &Arc<str>, shop: &str, vantage: Vantage) -> &mut View {
        let host = self.hosts.entry(Arc::clone(host)).or_insert_with(|| Host {
            shop: shop.to_owned(),
            views: BTreeMap::new(),
        });
        if host.shop != shop {
            shop.clone_into(&mut host.shop);
        }
        host.views.entry(vantage).or_default()
    }
}

impl Host {
    fn certificate_end(&self) -> Option<Timestamp> {
        self.views
            .values()
            .filter_map(|it| it.certificate_end)
            .min()
    }
}

#[cfg(test)]
mod tests;
