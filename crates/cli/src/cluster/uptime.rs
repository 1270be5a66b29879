//! `uptime`: whether a shop's domains answer, and when they did not.

use super::{
    ClusterError,
    connection::{Connection, asked},
    errors::{ago, json},
    rollout::Form,
    show,
};
use jiff::Timestamp;
use observe::v1::{self, HostUptime, Incident, ProbeResult, Vantage};
use operations::watch::WatchRequest;

/// What `uptime` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  longshore uptime acme
  longshore uptime acme --output json | jq '.incidents[0]'

longshore-watch asks each domain of an Active shop once a minute: inside, at the edge's own address, and
outside, as visitors come. What fails inside is the shop or the edge; what fails outside alone is DNS, a
CDN or a certificate.")]
pub(crate) struct Uptime {
    /// The shop
    shop: String,
    /// For programs
    #[arg(long, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Uptime) -> Result<(), ClusterError> {
    let uptime: v1::Uptime = asked(
        &arguments.connection,
        WatchRequest::get(&arguments.shop, "uptime"),
    )?;
    match arguments.output {
        Form::Text => show(&text(&uptime, Timestamp::now())),
        Form::Json => json(&uptime),
    }
}

fn text(uptime: &v1::Uptime, now: Timestamp) -> String {
    let hosts = uptime.hosts.iter().map(|it| host(it, now));
    let incidents = uptime.incidents.iter().map(|it| incident(it, now));
    let months = uptime.months.iter().map(|month| {
        format!(
            "  {}: {:.3} % of {} probes from inside\n",
            month.month.strftime("%Y-%m"),
            month.up * 100.0,
            month.probes
        )
    });
    let part = |title: &str, lines: String| {
        if lines.is_empty() {
            String::new()
        } else {
            format!("{title}\n{lines}")
        }
    };
    let head = if uptime.hosts.is_empty() {
        format!(
            "{}: no domain is probed; a shop is probed while its state is Active and it has pods\n",
            uptime.shop
        )
    } else {
        format!("{}:\n", uptime.shop)
    };
    head + &hosts.collect::<String>()
        + &part("incidents:", incidents.collect())
        + &part("uptime:", months.collect())
}

fn host(host: &HostUptime, now: Timestamp) -> String {
    let end = host.certificate_end.map_or_else(String::new, |end| {
        let days = end.duration_since(now).as_secs() / 86_400;
        format!(", certificate ends in {days} d")
    });
    let probes = host.probes.iter().map(|probe| self::probe(probe, now));
    format!("  {}{end}\n{}", host.host, probes.collect::<String>())
}

fn probe(probe: &ProbeResult, now: Timestamp) -> String {
    let said = match (&probe.problem, probe.status, probe.seconds) {
        (Some(problem), _, _) => format!("DOWN: {problem}"),
        (None, Some(status), Some(seconds)) => format!("{status} in {seconds:.3} s"),
        (None, _, _) => "up".to_owned(),
    };
    format!(
        "    {}: {said} ({} ago)\n",
        vantage(probe.vantage),
        ago(probe.at, now)
    )
}

const fn vantage(vantage: Vantage) -> &'static str {
    match vantage {
        Vantage::Inside => "inside",
        Vantage::Outside => "outside",
    }
}

fn incident(incident: &Incident, now: Timestamp) -> String {
    let lasted = ago(incident.begin, incident.end.unwrap_or(now));
    let over = if incident.end.is_some() {
        format!("lasted {lasted}")
    } else {
        format!("goes on since {lasted}")
    };
    format!(
        "  {} {} from {}: {over}: {}\n",
        incident.begin.strftime("%F %T"),
        incident.host,
        vantage(incident.vantage),
        incident.problem
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use observe::v1::{Cause, Month};

    #[test]
    fn a_person_sees_what_is_down_since_when_and_why() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let uptime = v1::Uptime {
            shop: "acme".to_owned(),
            hosts: vec![HostUptime {
                host: "www.acme.example".to_owned(),
                probes: vec![
                    ProbeResult {
                        vantage: Vantage::Inside,
                        at: time("2026-12-01T04:04:30Z"),
                        status: Some(200),
                        seconds: Some(0.0421),
                        problem: None,
                    },
                    ProbeResult {
                        vantage: Vantage::Outside,
                        at: time("2026-12-01T04:04:40Z"),
                        status: None,
                        seconds: None,
                        problem: Some("DNS knows no address of www.acme.example".to_owned()),
                    },
                ],
                certificate_end: Some(time("2027-01-10T00:00:00Z")),
            }],
            incidents: vec![Incident {
                host: "www.acme.example".to_owned(),
                vantage: Vantage::Outside,
                cause: Cause::Dns,
                problem: "DNS knows no address of www.acme.example".to_owned(),
                begin: time("2026-12-01T04:00:00Z"),
                end: None,
            }],
            months: vec![Month {
                month: date(2026, 12, 1),
                up: 0.999_75,
                probes: 4000,
            }],
        };
        assert_eq!(
            text(&uptime, time("2026-12-01T04:05:00Z")),
            "acme:\n  www.acme.example, certificate ends in 39 d\n    \
             inside: 200 in 0.042 s (30 s ago)\n    \
             outside: DOWN: DNS knows no address of www.acme.example (20 s ago)\n\
             incidents:\n  2026-12-01 04:00:00 www.acme.example from outside: goes on since 5 min: \
             DNS knows no address of www.acme.example\n\
             uptime:\n  2026-12: 99.975 % of 4000 probes from inside\n"
        );
    }
}
