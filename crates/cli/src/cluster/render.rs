//! `render`: every object of the shops in files, without a cluster.

use super::{ClusterError, show};
use api::{
    Fleet, Object, RenderContext,
    claims::Claims,
    schedule::{campaign_floor, possible},
};
use jiff::Timestamp;
use registry::{Form, text, write};
use render::{assign, check, edge};
use std::path::PathBuf;

/// What `render` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The files hold ShopClass, Release and Shop resources, in any order. Of a channel the release with
the highest sequence is taken.

Examples:
  longshore render class.yaml release.yaml shop.yaml
  longshore render *.yaml --shop acme --output json | jq .kind
  longshore render *.yaml --check --out rendered     one file for each shop
  longshore render *.yaml --edge                     the maps of the edge, of all shops whose class
                                                     uses them
  longshore render *.yaml --builds                   the build of each release that shops would run")]
pub(crate) struct Render {
    /// Files of resources, or directories of them; - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only this shop
    #[arg(long)]
    shop: Option<String>,
    /// How objects are written
    #[arg(long, value_enum, default_value_t)]
    output: Form,
    /// Write one file for each shop into this directory instead
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
    /// The maps of the edge instead of shops' objects
    #[arg(long, conflicts_with_all = ["shop", "builds"])]
    edge: bool,
    /// The Jobs that build releases instead of shops' objects
    #[arg(long, conflicts_with = "shop")]
    builds: bool,
    /// Check what was generated, and print nothing if anything is wrong
    #[arg(long)]
    check: bool,
    /// Count the campaigns of this time, such as 2026-11-27T08:00:00Z; otherwise none is counted
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
}

pub(super) fn run(arguments: &Render) -> Result<(), ClusterError> {
    let fleet = registry::read_fleet(&arguments.files)?;
    let claims = Claims::new(&fleet);
    let refused = |name: &String| {
        assign::claimed(name, &claims)
            .err()
            .map(|error| error.to_string())
    };
    let claimed: Vec<_> = fleet.shops.keys().filter_map(refused).collect();
    if !claimed.is_empty() {
        return Err(ClusterError::Claimed(claimed));
    }
    let rendered = match (arguments.edge, arguments.builds) {
        (true, _) => vec![("edge", maps(&fleet, &claims)?)],
        (_, true) => vec![(
            "builds",
            assign::builds(&fleet)
                .into_iter()
                .map(|build| build.job)
                .collect(),
        )],
        _ => all(&fleet, arguments)?,
    };
    // What belongs to no shop refers to what a cluster has once, which is not among the objects.
    if arguments.check && !arguments.edge && !arguments.builds {
        let findings: Vec<_> = rendered
            .iter()
            .flat_map(|(_, objects)| check::shop(objects))
            .collect();
        if !findings.is_empty() {
            return Err(ClusterError::Check(findings));
        }
    }
    let values = |objects: &[Object]| objects.iter().map(Object::value).collect::<Vec<_>>();
    let Some(directory) = &arguments.out else {
        let objects: Vec<_> = rendered
            .into_iter()
            .flat_map(|(_, objects)| objects)
            .collect();
        return show(&text(arguments.output, values(&objects)).map_err(ClusterError::Output)?);
    };
    for (shop, objects) in rendered {
        let name = format!("{shop}.{}", arguments.output.extension());
        let failed = |source| ClusterError::Write {
            path: directory.join(&name),
            source,
        };
        write(
            directory,
            &name,
            &text(arguments.output, values(&objects)).map_err(failed)?,
        )
        .map_err(failed)?;
    }
    Ok(())
}

fn maps(fleet: &Fleet, claims: &Claims) -> Result<Vec<Object>, ClusterError> {
    let sites = edge::sites(fleet, claims);
    Ok(edge::maps(
        sites.iter().map(|(shop, site)| (shop.as_str(), site)),
        &[],
    )?)
}

/// All shops, or all that is wrong with them.
fn all<'a>(
    fleet: &'a Fleet,
    arguments: &Render,
) -> Result<Vec<(&'a str, Vec<Object>)>, ClusterError> {
    let (mut rendered, mut failed, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    let wanted = |name: &&String| arguments.shop.as_ref().is_none_or(|shop| shop == *name);
    for (name, shop) in fleet.shops.iter().filter(|(name, _)| wanted(name)) {
        let Some(class) = fleet.classes.get(&shop.spec.class) else {
            missing.push(format!(
                "shop {name}: its class {} is in none of the files",
                shop.spec.class
            ));
            continue;
        };
        let floor = arguments.at.map_or_else(
            || possible(&shop.spec.scale).map(|()| None),
            |now| campaign_floor(&shop.spec.scale, now),
        );
        let floor = match floor {
            Ok(floor) => floor,
            Err(error) => {
                missing.push(format!("shop {name}: scale.schedule: {error}"));
                continue;
            }
        };
        let render_context = RenderContext {
            floor,
            ..RenderContext::default()
        };
        match render::render(
            shop,
            class,
            fleet.newest(&shop.spec.channel),
            &render_context,
        ) {
            Ok(objects) => rendered.push((name.as_str(), objects)),
            Err(error) => failed.push(error),
        }
    }
    if let Some(shop) = arguments
        .shop
        .as_ref()
        .filter(|shop| !fleet.shops.contains_key(*shop))
    {
        missing.push(format!("shop {shop} is in none of the files"));
    }
    match (missing.is_empty(), failed.is_empty()) {
        (false, _) => Err(ClusterError::Missing(missing)),
        (true, false) => Err(ClusterError::Render(failed)),
        (true, true) => Ok(rendered),
    }
}
