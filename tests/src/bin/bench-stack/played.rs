//! A fleet that is played: pages of metrics with the names, labels and numbers of series of real
//! ones.

use std::{
    fmt::Write as _,
    io::{self, BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// Where a page ends.
const END: &str = "# EOF\n";
const BOUNDS: [&str; 11] = [
    "0.05", "0.1", "0.2", "0.35", "0.5", "0.75", "1", "2", "5", "10", "+Inf",
];
const SEVERITIES: [&str; 4] = ["notice", "warning", "error", "fatal"];
/// Why a newer release does not run, as far as rules read it.
const WHY: [&str; 10] = [
    "window",
    "paused",
    "control",
    "hook",
    "mounts",
    "shop",
    "migration",
    "rejected",
    "expired",
    "failed",
];

/// Serves `/watch`, of all shops, and `/agent/N`, of a pod; gives its address.
pub(crate) fn serve(shops: usize) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let (address, began) = (listener.local_addr()?, Arc::new(Instant::now()));
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let began = Arc::clone(&began);
            // Prometheus connects again.
            thread::spawn(move || answer(&client, shops, *began).ok());
        }
    });
    Ok(address)
}

fn answer(client: &TcpStream, shops: usize, began: Instant) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    loop {
        let mut path = String::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some(rest) = line.strip_prefix("GET ") {
                rest.split(' ')
                    .next()
                    .unwrap_or_default()
                    .clone_into(&mut path);
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let seconds = began.elapsed().as_secs();
        let page = if path == "/watch" {
            watch(shops, seconds)
        } else {
            agent(seconds)
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text; version=1.0.0\r\n\
             Content-Length: {}\r\n\r\n",
            page.len()
        );
        let mut client = client;
        client.write_all(head.as_bytes())?;
        client.write_all(page.as_bytes())?;
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |it| it.as_secs())
}

/// 28 series of each shop: one in 1,000 is down from inside, and from outside; all have visitors.
fn watch(shops: usize, seconds: u64) -> String {
    let mut page = String::with_capacity(shops * 2200);
    let mut each = |name: &str, of: &dyn Fn(&mut String, usize, &str) -> std::fmt::Result| {
        let kind = if name.ends_with("_total") {
            "counter"
        } else {
            "gauge"
        };
        let family = name.trim_end_matches("_total");
        writeln!(page, "# TYPE {family} {kind}").unwrap_or_default();
        for shop in 0..shops {
            // A text grows without end.
            of(&mut page, shop, name).unwrap_or_default();
        }
    };
    let vantages = ["inside", "outside"];
    let is_down = |shop: usize| shop.is_multiple_of(1000);
    each("longshore_shop_up", &|page, shop, name| {
        vantages.iter().try_for_each(|it| {
            let up = u8::from(!is_down(shop));
            writeln!(page, "{name}{{shop=\"shop-{shop}\",vantage=\"{it}\"}} {up}")
        })
    });
    each("longshore_shop_down", &|page, shop, name| {
        vantages
            .iter()
            .filter(|_| is_down(shop))
            .try_for_each(|it| {
                writeln!(
                    page,
                    "{name}{{shop=\"shop-{shop}\",vantage=\"{it}\",cause=\"status\"}} 1"
                )
            })
    });
    each("longshore_shop_probe_seconds", &|page, shop, name| {
        vantages.iter().try_for_each(|it| {
            let millis = 20 + (shop as u64 * 7 + seconds * 13) % 90;
            writeln!(
                page,
                "{name}{{shop=\"shop-{shop}\",vantage=\"{it}\"}} 0.{millis:03}"
            )
        })
    });
    let end = now() + 86_400 * 60;
    each(
        "longshore_shop_certificate_end_timestamp_seconds",
        &|page, shop, name| {
            writeln!(
                page,
                "{name}{{shop=\"shop-{shop}\"}} {}",
                end / 86_400 * 86_400
            )
        },
    );
    for name in [
        "longshore_shop_error_events_total",
        "longshore_shop_open_error_groups",
    ] {
        each(name, &|page, shop, name| {
            SEVERITIES.iter().enumerate().try_for_each(|(at, it)| {
                let grown = if name.ends_with("_total") {
                    seconds / 60
                } else {
                    3
                };
                let value = grown * (at as u64 + 1) + shop as u64 % 50;
                writeln!(
                    page,
                    "{name}{{shop=\"shop-{shop}\",severity=\"{it}\"}} {value}"
                )
            })
        });
    }
    each("longshore_shop_requests_total", &|page, shop, name| {
        BOUNDS.iter().enumerate().try_for_each(|(at, it)| {
            let value = seconds * (at as u64 + 1) * (1 + shop as u64 % 5) / 4;
            writeln!(page, "{name}{{shop=\"shop-{shop}\",le=\"{it}\"}} {value}")
        })
    });
    each(
        "longshore_shop_request_errors_total",
        &|page, shop, name| writeln!(page, "{name}{{shop=\"shop-{shop}\"}} {}", seconds / 300),
    );
    each("longshore_shop_busy_workers_ratio", &|page, shop, name| {
        let share = (shop as u64 + seconds / 15) % 60;
        writeln!(page, "{name}{{shop=\"shop-{shop}\"}} 0.{share:02}")
    });
    page + END
}

/// What rules read of an agent that is well, with two mounts.
fn agent(seconds: u64) -> String {
    let checked = now() - seconds % 60;
    let mut page = format!(
        "longshore_release_info{{channel=\"shops/a\",sequence=\"7\",manifest=\"318dc4ed80214287\"}} 1\n\
         longshore_ready 1\nlongshore_checks_total{{outcome=\"refused\"}} 0\n\
         longshore_last_success_timestamp_seconds {checked}\nlongshore_rollbacks_total 0\n\
         longshore_store_requests_total {seconds}\nlongshore_store_retries_total 0\n\
         longshore_changed_files_total 0\nlongshore_unrepaired_files 0\n\
         longshore_last_scan_timestamp_seconds {checked}\nlongshore_start_timestamp_seconds 1\n"
    );
    for why in WHY {
        page.extend(["longshore_newer_release{why=\"", why, "\"} 0\n"]);
    }
    for mount in ["media", "var"] {
        for state in ["healthy 1", "slow 0"] {
            let (state, value) = state.split_once(' ').unwrap_or_default();
            page.extend([
                "longshore_mount_state{mount=\"",
                mount,
                "\",state=\"",
                state,
                "\"} ",
                value,
                "\n",
            ]);
        }
    }
    page + END
}
