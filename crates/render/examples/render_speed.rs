//! Renders a fleet as the controller does, shop after shop, and says how fast: `cargo run --release
//! -p scheduler --example render_speed 5000`.

use api::RenderContext;
use render::{check, render};
use std::{
    env,
    error::Error,
    io::{self, Write as _},
    path::Path,
    time::Instant,
};

fn main() -> Result<(), Box<dyn Error>> {
    let count: u32 = env::args().nth(1).map_or(Ok(5000), |text| text.parse())?;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests/examples/shops");
    let files = ["release.yaml", "aws/class.yaml", "aws/shop.yaml"].map(|file| examples.join(file));
    let fleet = registry::read_fleet(&files)?;
    let (shop, class) = (fleet.shops.values().next(), fleet.classes.values().next());
    let (Some(shop), Some(class)) = (shop, class) else {
        return Err("the example is not there".into());
    };
    let release = fleet.newest(&shop.spec.channel);
    let shops: Vec<_> = (0..count)
        .map(|number| {
            let mut shop = shop.clone();
            shop.metadata.name = Some(format!("shop-{number}"));
            shop.spec.domains[0].host = format!("www.shop-{number}.example");
            shop
        })
        .collect();
    let (mut objects, mut bytes) = (0, 0);
    let start = Instant::now();
    for shop in &shops {
        let rendered = render(shop, class, release, &RenderContext::default())?;
        objects += rendered.len();
        bytes += rendered
            .iter()
            .map(|object| object.json().len())
            .sum::<usize>();
    }
    let rendered = start.elapsed();
    let start = Instant::now();
    let mut findings = 0;
    for shop in shops.iter().take(500) {
        findings += check::shop(&render(shop, class, release, &RenderContext::default())?).len();
    }
    let checked = start.elapsed();
    let peak = runtime::peak_memory().unwrap_or(0) >> 20;
    writeln!(
        io::stdout(),
        "{count} shops: {objects} objects, {} MB, rendered in {:.2} s on one core; 500 shops \
         rendered and checked in {:.2} s, {findings} findings; peak memory {peak} MiB",
        bytes / 1_000_000,
        rendered.as_secs_f64(),
        checked.as_secs_f64(),
    )?;
    Ok(())
}
