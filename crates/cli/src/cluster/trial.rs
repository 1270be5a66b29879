//! `try`: a rendered pod on this machine, for whoever writes a class.
//!
//! What a kubelet does is done with util-linux: namespaces of mounts and processes, the volumes,
//! each container's mounts with their flags, its user and its rights, init containers and sidecars
//! in their order, startup probes. What it does not do: limits, network policies, restarts, a
//! network of its own.

mod container;
mod node;

use super::{ClusterError, connection::wait, show};
use api::{Migrating, RenderContext};
use container::{PodDirectories, script};
use node::{Node, failed, volumes};
use render::render;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Child,
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// What `try` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
As root on Linux, with nginx's and the agent's ports (8080 and 980) free; names of servers are this
machine's.

Examples:
  longshore try class.yaml release.yaml shop.yaml --image /var/lib/rootfs --secrets secrets \\
    --store file:///tmp/store
  longshore try class.yaml release.yaml shop.yaml --image \"$(buildah mount shop)\" --part cron
  curl -H 'Host: www.acme.example' http://127.0.0.1:8080/
The directory --secrets has a file for each key: database-user, database-password, crypt-key.
Directories of the node, with media and the node cache, are below --node, which stays. Everything
else goes when it ends, by Ctrl-C or because a container ended.")]
pub(crate) struct Try {
    /// Files of a class, a release and a shop
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Which shop, if the files have several
    #[arg(long)]
    shop: Option<String>,
    /// Which of its pods: web, cron or migration
    #[arg(long, default_value = "web", value_parser = ["web", "cron", "migration"])]
    part: String,
    /// Root of the shop's image, such as `buildah mount` prints; otherwise this machine's own
    #[arg(long, value_name = "DIRECTORY", default_value = "/")]
    image: PathBuf,
    /// Directory of longshore-init and longshore-agent, if the image lacks them
    #[arg(long, value_name = "DIRECTORY")]
    programs: Option<PathBuf>,
    /// A store of files that replaces the class's
    #[arg(long, value_name = "file:///DIRECTORY", value_parser = store)]
    store: Option<PathBuf>,
    /// Directory with a file for each key of the pod's Secrets
    #[arg(long, value_name = "DIRECTORY")]
    secrets: Option<PathBuf>,
    /// Directory that replaces the node's disks, and stays; otherwise a temporary one
    #[arg(long, value_name = "DIRECTORY")]
    node: Option<PathBuf>,
    /// A variable that the image sets, which a directory cannot say (repeat for each)
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    environment: Vec<(String, String)>,
}

/// The group that volumes belong to where the pod names none.
const GROUP: i64 = 10_001;
/// How often a probe asks, and a container is looked at.
const EVERY: Duration = Duration::from_millis(200);

fn store(text: &str) -> Result<PathBuf, String> {
    text.strip_prefix("file://")
        .filter(|path| path.starts_with('/'))
        .map(PathBuf::from)
        .ok_or_else(|| format!("{text:?}: expected file:///DIRECTORY"))
}

fn variable(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("{text:?}: expected NAME=VALUE"))
}

pub(super) fn run(arguments: &Try) -> Result<(), ClusterError> {
    let objects = objects(arguments)?;
    let spec = pod(&objects, &arguments.part)?;
    let secrets = arguments
        .secrets
        .as_deref()
        .map_or_else(|| Ok(BTreeMap::new()), secrets)?;
    let base = tempfile::Builder::new()
        .prefix("longshore-try-")
        .tempdir()
        .map_err(failed("cannot make a directory"))?;
    let disks = arguments.node.clone().map_or_else(
        || base.path().join("node"),
        |node| std::path::absolute(&node).unwrap_or(node),
    );
    let group = spec["securityContext"]["fsGroup"].as_i64().unwrap_or(GROUP);
    let owner = u32::try_from(group)
        .map_err(|_| ClusterError::Argument(format!("fsGroup {group} is no group")))?;
    let volumes = volumes(&spec, &objects, &secrets, (base.path(), &disks, owner))?;
    let mut environment: BTreeMap<_, _> = arguments.environment.iter().cloned().collect();
    if let Some(store) = &arguments.store {
        environment.insert(
            "LONGSHORE_STORE".to_owned(),
            format!("file://{}", store.display()),
        );
    }
    let place = PodDirectories {
        base: base.path().to_owned(),
        image: arguments.image.clone(),
        programs: arguments.programs.clone(),
        shown: arguments.store.clone().into_iter().collect(),
        volumes,
        uid: format!("try-{}", std::process::id()),
        security: spec["securityContext"].clone(),
        environment,
        secrets,
    };
    // What agents mount on the node is seen by the containers that are started later.
    let node = Node::new(&disks)?;
    wait(pod_lives(&node, &spec, &place))
}

/// Every object of the one shop, as a cluster would have them once its database is at the release.
fn objects(arguments: &Try) -> Result<Vec<Value>, ClusterError> {
    let fleet = registry::read_fleet(&arguments.files)?;
    let missing = |what: String| ClusterError::Missing(vec![what]);
    let mut shops = fleet
        .shops
        .iter()
        .filter(|(name, _)| arguments.shop.as_ref().is_none_or(|shop| shop == *name));
    let (Some((name, shop)), None) = (shops.next(), shops.next()) else {
        return Err(missing(
            "the files have no shop, or several: say which with --shop".to_owned(),
        ));
    };
    let class = fleet.classes.get(&shop.spec.class).ok_or_else(|| {
        missing(format!(
            "shop {name}: its class {} is in none of the files",
            shop.spec.class
        ))
    })?;
    let release = fleet.newest(&shop.spec.channel);
    let release = release.ok_or_else(|| {
        missing(format!(
            "shop {name}: no release of its channel {} is in the files",
            shop.spec.channel
        ))
    })?;
    let migrates = arguments.part == "migration";
    let render_context = RenderContext {
        migrated: (!migrates).then_some(release.sequence),
        migrating: if migrates {
            Migrating::Now
        } else {
            Migrating::No
        },
        ..RenderContext::default()
    };
    let objects = render(shop, class, Some(release), &render_context)
        .map_err(|error| ClusterError::Render(vec![error]))?;
    Ok(objects.iter().map(api::Object::value).collect())
}

/// The pod of this part.
fn pod(objects: &[Value], part: &str) -> Result<Value, ClusterError> {
    let found = objects.iter().find(|object| match part {
        "migration" => object["kind"] == "Job",
        _ => object["kind"] == "Deployment" && object["metadata"]["name"] == part,
    });
    let spec = found.and_then(|object| object.pointer("/spec/template/spec").cloned());
    spec.ok_or_else(|| {
        ClusterError::Argument(format!(
            "the shop has no {part}: its release has no migration, or the shop is not served"
        ))
    })
}

fn secrets(directory: &Path) -> Result<BTreeMap<String, String>, ClusterError> {
    let what = format!("cannot read {}", directory.display());
    let mut secrets = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(failed(what.clone()))? {
        let path = entry.map_err(failed(what.clone()))?.path();
        if let Some(name) = path
            .file_name()
            .and_then(|name| name.to_str())
            .filter(|_| path.is_file())
        {
            let text = registry::read_text(&path)?;
            secrets.insert(
                name.to_owned(),
                text.strip_suffix('\n').unwrap_or(&text).to_owned(),
            );
        }
    }
    Ok(secrets)
}

/// Containers that run, with their names.
type Running = Vec<(String, Child)>;

async fn pod_lives(node: &Node, spec: &Value, place: &PodDirectories) -> Result<(), ClusterError> {
    let list = |field: &str| spec[field].as_array().cloned().unwrap_or_default();
    let mut running: Running = Vec::new();
    for container in list("initContainers") {
        let (name, sidecar) = (name(&container), container["restartPolicy"] == "Always");
        let began = Instant::now();
        running.push((
            name.clone(),
            node.start(&name, &container_script(place, &container, None)?)?,
        ));
        if !sidecar {
            let code = until_ended(&mut running, Some(&name)).await?;
            show(&format!(
                "{name} ended with {code} after {:.1?}\n",
                began.elapsed()
            ))?;
            if code != 0 {
                return Err(ClusterError::Argument(format!(
                    "init container {name} failed: the others are not started"
                )));
            }
        } else if container["startupProbe"].is_object() {
            answers(node, place, &container, "startupProbe", &mut running).await?;
            show(&format!(
                "{name} has started after {:.1?}\n",
                began.elapsed()
            ))?;
        }
    }
    for container in list("containers") {
        let name = name(&container);
        running.push((
            name.clone(),
            node.start(&name, &container_script(place, &container, None)?)?,
        ));
        for probe in ["startupProbe", "readinessProbe"] {
            if container[probe].is_object() {
                answers(node, place, &container, probe, &mut running).await?;
            }
        }
        let port = container["ports"]
            .as_array()
            .and_then(|ports| ports.iter().find(|port| port["name"] == "http"));
        let at = port.map_or_else(String::new, |port| {
            format!(": http://127.0.0.1:{}/", port["containerPort"])
        });
        show(&format!("{name} runs{at}; Ctrl-C ends it\n"))?;
    }
    tokio::select! {
        code = until_ended(&mut running, None) => {
            let code = code?;
            if code == 0 { Ok(()) } else { Err(ClusterError::Argument(format!("a container ended with {code}"))) }
        }
        stop = tokio::signal::ctrl_c() => stop.map_err(failed("cannot listen for Ctrl-C")),
    }
}

fn name(container: &Value) -> String {
    container["name"].as_str().unwrap_or_default().to_owned()
}

fn container_script(
    place: &PodDirectories,
    container: &Value,
    command: Option<&[String]>,
) -> Result<String, ClusterError> {
    script(place, container, command).map_err(ClusterError::Argument)
}

/// Waits for the end of one container, or of any, and gives its exit code. One that ends while
/// another is waited for is an error.
async fn until_ended(running: &mut Running, wanted: Option<&str>) -> Result<i32, ClusterError> {
    loop {
        if let Some((name, code)) = ended(running)? {
            return match wanted {
                Some(wanted) if wanted != name => Err(ClusterError::Argument(format!(
                    "container {name} ended with {code}"
                ))),
                _ => Ok(code),
            };
        }
        sleep(EVERY).await;
    }
}

/// A container that has ended, which is no longer in the list then.
fn ended(running: &mut Running) -> Result<Option<(String, i32)>, ClusterError> {
    for index in 0..running.len() {
        if let Some(status) = running[index]
            .1
            .try_wait()
            .map_err(failed("cannot look at a container"))?
        {
            return Ok(Some((running.remove(index).0, status.code().unwrap_or(-1))));
        }
    }
    Ok(None)
}

/// Asks until the container answers, as often as the kubelet would.
async fn answers(
    node: &Node,
    place: &PodDirectories,
    container: &Value,
    kind: &str,
    running: &mut Running,
) -> Result<(), ClusterError> {
    let (probe, name) = (&container[kind], name(container));
    let seconds = |field: &str, usual: u64| probe[field].as_u64().unwrap_or(usual);
    let within =
        Duration::from_secs(seconds("periodSeconds", 10) * seconds("failureThreshold", 3).max(12));
    let deadline = Instant::now() + within;
    loop {
        if let Some((ended, code)) = ended(running)? {
            return Err(ClusterError::Argument(format!(
                "container {ended} ended with {code}, while {name} was waited for"
            )));
        }
        let yes = if let Some(command) = probe["exec"]["command"].as_array() {
            let command: Vec<String> = command
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
            // Its mounts are made anew for it, beside those of the container.
            let beside = serde_json::json!({ "name": format!("{name}-probe") });
            let mut container = container.clone();
            container["name"] = beside["name"].clone();
            node.succeeds(&container_script(place, &container, Some(&command))?)
        } else {
            get(
                port(container, &probe["httpGet"]["port"]),
                probe["httpGet"]["path"].as_str().unwrap_or("/"),
            )
        };
        if yes {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(ClusterError::Argument(format!(
                "container {name} did not pass its {kind} within {within:?}"
            )));
        }
        sleep(EVERY).await;
    }
}

/// A port by its number, or by its name among the container's.
fn port(container: &Value, wanted: &Value) -> u16 {
    let named = || {
        container["ports"]
            .as_array()?
            .iter()
            .find(|port| port["name"] == *wanted)?["containerPort"]
            .as_u64()
    };
    wanted
        .as_u64()
        .or_else(named)
        .and_then(|port| u16::try_from(port).ok())
        .unwrap_or_default()
}

/// Whether a page of this machine is there, as the kubelet asks.
fn get(port: u16, path: &str) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(3)))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok::<_, std::io::Error>(matches!(status[9], b'2' | b'3'))
    };
    ask().unwrap_or(false)
}
