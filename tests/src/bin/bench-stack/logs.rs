//! `VictoriaLogs` with lines as agents print them, over ten days, and a limit of its disk.

use super::{prometheus::size, usage};
use e2e::{
    figures::{bytes, count, table, time},
    peers::required,
    process::Program,
    shop::scratch,
};
use jiff::{SignedDuration, Timestamp};
use runtime::fixtures::free_port;
use std::{
    error::Error,
    fmt::Write as _,
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

/// As the chart's default memory limit gives it: 60 % of 1 GiB.
const MEMORY: &str = "-memory.allowedBytes=614MiB";
/// What lines may take.
const LIMIT: u64 = 64 << 20;
const DAYS: i64 = 10;
/// Lines in one request.
const BATCH: usize = 2000;
/// Within which it looks at its limit: 10 seconds, and some more by chance.
const LOOK: Duration = Duration::from_secs(25);
const PATH: &str = "/insert/jsonline?_stream_fields=kubernetes.pod_namespace,kubernetes.pod_name,\
                    kubernetes.container_name&_time_field=timestamp&_msg_field=message";

pub(crate) fn measure(lines: usize) -> Result<(), Box<dyn Error>> {
    let (scratch, port) = (scratch(), free_port());
    let data = scratch.path().join("data");
    let address = format!("127.0.0.1:{port}");
    let store = Program::new(required("victoria-logs"))
        .arg(format!("-storageDataPath={}", data.display()))
        .arg(format!("-retention.maxDiskSpaceUsageBytes={LIMIT}"))
        .args(["-retentionPeriod=30d", MEMORY])
        .arg(format!("-httpListenAddr={address}"))
        .deadline(Duration::from_hours(2))
        .start();
    let begin = Instant::now();
    let mut connection = loop {
        match TcpStream::connect(&address) {
            Ok(connection) => break connection,
            Err(error) if begin.elapsed() > Duration::from_mins(1) => return Err(error.into()),
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    };
    let (begin, mut most, mut sent, mut text) = (Instant::now(), 0, 0, 0);
    let first = Timestamp::now() - SignedDuration::from_hours(24 * (DAYS - 1));
    let each = SignedDuration::from_hours(24 * (DAYS - 1)) / i32::try_from(lines.max(1))?;
    for at in (0..lines).step_by(BATCH) {
        let mut body = String::with_capacity(BATCH * 1300);
        for line in at..lines.min(at + BATCH) {
            let moment = first + each * i32::try_from(line)?;
            event(&mut body, line, moment)?;
        }
        text += body.len() as u64;
        post(&mut connection, &body)?;
        sent += 1;
        if sent % 50 == 0 {
            most = most.max(size(&data)?);
        }
    }
    let took = begin.elapsed();
    thread::sleep(LOOK);
    let used = usage(store.pid())?;
    let kept = fs::read_dir(data.join("partitions"))?.count();
    let rows = [
        ("lines", count(lines as u64)),
        ("as JSON", bytes(text)),
        (
            "lines a second",
            count(lines as u64 / took.as_secs().max(1)),
        ),
        ("limit of the disk", bytes(LIMIT)),
        ("disk at most, while lines came", bytes(most)),
        ("disk at the end", bytes(size(&data)?)),
        ("days of 10 that are kept", kept.to_string()),
        ("memory at the end", bytes(used.resident)),
        ("memory at most", bytes(used.peak)),
        ("processor time", time(used.processor)),
    ];
    let rows = rows.map(|(what, value)| vec![what.to_owned(), value]);
    writeln!(
        io::stdout(),
        "VictoriaLogs\n{}",
        table(&["what", "value"], &[1], &rows)
    )?;
    Ok(())
}

/// An error of a shop, as an agent prints it, with what vlagent adds.
fn event(body: &mut String, line: usize, at: Timestamp) -> std::fmt::Result {
    let (shop, release, order) = (line % 5000, line % 7, line * 7919 % 1_000_003);
    let group = (line % 64) * 0x0001_0001_0001;
    writeln!(
        body,
        "{{\"timestamp\":\"{at}\",\"level\":\"WARN\",\"message\":\"shop error\",\"source\":\"shop\",\
         \"kind\":\"php\",\"severity\":\"fatal\",\"fingerprint\":\"{group:016x}\",\
         \"class\":\"RuntimeException\",\"shop\":\"shop-{shop}\",\"release\":{release},\"cut\":false,\
         \"text\":\"PHP Fatal error:  Uncaught RuntimeException: No order {order} of <email> in \
         /srv/shop/releases/318dc4ed80214287/app/code/core/Mage/Sales/Model/Order.php:{release}1\\nStack \
         trace:\\n#0 /srv/shop/releases/318dc4ed80214287/app/code/core/Mage/Checkout/Model/Type/Onepage.php(\
         {order}): Mage_Sales_Model_Order->place()\\n#1 /srv/shop/releases/318dc4ed80214287/app/code/core/\
         Mage/Checkout/controllers/OnepageController.php(512): Mage_Checkout_Model_Type_Onepage->saveOrder()\
         \\n#2 {{main}}\\n  thrown in Order.php on line {release}1\",\"target\":\"agent::errors\",\
         \"kubernetes.container_name\":\"agent\",\"kubernetes.pod_name\":\"web-5d9f7c6b8-{shop:05}\",\
         \"kubernetes.pod_namespace\":\"shop-shop-{shop}\",\"kubernetes.pod_node_name\":\"node-{}\"}}",
        shop % 60
    )
}

fn post(connection: &mut TcpStream, body: &str) -> Result<(), Box<dyn Error>> {
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: store\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes())?;
    connection.write_all(body.as_bytes())?;
    let mut reader = BufReader::new(connection);
    let (mut status, mut length) = (String::new(), 0);
    reader.read_line(&mut status)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut answer = vec![0; length];
    reader.read_exact(&mut answer)?;
    if status.contains(" 200 ") || status.contains(" 204 ") {
        Ok(())
    } else {
        Err(format!("{}{}", status, String::from_utf8_lossy(&answer)).into())
    }
}
