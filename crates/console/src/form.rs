//! The forms in which a Shop is changed: its fields as text, and the spec that the text makes. What
//! a Shop may be, the API server decides; here is only what it could not be asked, since the text
//! is no spec at all.

mod domains;
pub(crate) mod many;
pub(crate) mod new;
mod sent;

use crate::text::{self, Words};
use api::{Campaign, ShopSpec, ShopState, Window};
use release::TimeRange;
use sent::{Fields, lines, number, pairs};

pub(crate) use sent::{Fields as Sent, Problems};

/// A part of a Shop that is changed by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    State,
    Scale,
    Domains,
    Modules,
    Config,
    Window,
}

/// A field of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) help: &'static str,
    pub(crate) value: String,
    pub(crate) kind: Kind,
    /// What is wrong with it, if a person sent it so.
    pub(crate) problem: Option<String>,
}

/// How a field is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A few words.
    Text,
    /// A whole number.
    Number,
    /// One line for each of many.
    Lines,
    /// One of these names, or none.
    Choice(Vec<String>),
    /// One of these, each with what it means.
    One(Vec<(&'static str, &'static str)>),
}

impl Part {
    /// All of them, in the order of the page.
    pub(crate) const ALL: [Self; 6] = [
        Self::State,
        Self::Scale,
        Self::Domains,
        Self::Modules,
        Self::Config,
        Self::Window,
    ];

    /// The word for it in addresses.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Scale => "scale",
            Self::Domains => "domains",
            Self::Modules => "modules",
            Self::Config => "config",
            Self::Window => "window",
        }
    }

    /// What its page is called.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::State => text::STATE.label,
            Self::Scale => text::SCALE,
            Self::Domains => text::DOMAINS.label,
            Self::Modules => text::MODULES,
            Self::Config => text::CONFIGURATION,
            Self::Window => text::WINDOW,
        }
    }

    /// The part of this word.
    pub(crate) fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.word() == word)
    }

    /// The form, as the Shop is.
    pub(crate) fn fields(self, spec: &ShopSpec) -> Vec<Field> {
        match self {
            Self::State => vec![field(
                "state",
                text::STATE,
                format!("{:?}", spec.state),
                Kind::One(text::STATES.map(|(state, means)| (state, means)).into()),
            )],
            Self::Scale => scale(spec),
            Self::Domains => vec![field(
                "domains",
                text::DOMAINS,
                domains::text(&spec.domains),
                Kind::Lines,
            )],
            Self::Modules => vec![
                field(
                    "enable",
                    text::ENABLE,
                    spec.modules.enable.join("\n"),
                    Kind::Lines,
                ),
                field(
                    "disable",
                    text::DISABLE,
                    spec.modules.disable.join("\n"),
                    Kind::Lines,
                ),
            ],
            Self::Config => config(spec),
            Self::Window => window(spec),
        }
    }

    /// The form, as a person sent it.
    pub(crate) fn sent(self, spec: &ShopSpec, sent: &Fields, problems: &Problems) -> Vec<Field> {
        let mut fields = self.fields(spec);
        for field in &mut fields {
            sent.get(field.name).clone_into(&mut field.value);
            field.problem = problems.get(field.name);
        }
        fields
    }

    /// The spec that the form makes of `spec`.
    ///
    /// # Errors
    ///
    /// If the text of a field cannot be read.
    pub(crate) fn spec(self, spec: &ShopSpec, sent: &Fields) -> Result<ShopSpec, Problems> {
        let (mut spec, mut problems) = (spec.clone(), Problems::default());
        match self {
            Self::State => {
                let state = match sent.get("state") {
                    "Active" => Some(ShopState::Active),
                    "Maintenance" => Some(ShopState::Maintenance),
                    "Suspended" => Some(ShopState::Suspended),
                    "Archived" => Some(ShopState::Archived),
                    _ => None,
                };
                spec.state = problems.some("state", state.ok_or(text::CHOOSE_STATE));
            }
            Self::Scale => {
                spec.scale.min = problems.some("min", number(sent.get("min")));
                spec.scale.max = problems.some("max", number(sent.get("max")));
                spec.scale.target.cpu_percent = problems.some("cpu", number(sent.get("cpu")));
                spec.scale.target.busy_workers_percent = match sent.get("workers").trim() {
                    "" => None,
                    text => Some(problems.some("workers", number(text))),
                };
                let campaigns = lines(sent.get("campaigns")).map(campaign).collect();
                spec.scale.schedule = problems.some("campaigns", campaigns);
            }
            Self::Domains => {
                spec.domains = problems.some("domains", domains::read(sent.get("domains")));
            }
            Self::Modules => {
                spec.modules.enable = lines(sent.get("enable")).map(str::to_owned).collect();
                spec.modules.disable = lines(sent.get("disable")).map(str::to_owned).collect();
            }
            Self::Config => {
                let mut values = problems.some("values", pairs(sent.get("values")));
                // A value of several lines is not in the form, and stays.
                let kept = spec
                    .config
                    .values
                    .into_iter()
                    .filter(|(_, value)| !fits(value));
                values.extend(kept);
                spec.config.values = values;
                let path = sent.get("admin").trim();
                spec.config.admin_path = (!path.is_empty()).then(|| path.to_owned());
            }
            Self::Window => {
                let times: Vec<TimeRange> =
                    problems.some("times", lines(sent.get("times")).map(range).collect());
                let zone = sent.get("zone").trim().to_owned();
                spec.window = (!times.is_empty()).then_some(Window {
                    times,
                    time_zone: zone,
                });
            }
        }
        problems.or(spec)
    }
}

fn field(name: &'static str, Words { label, help }: Words, value: String, kind: Kind) -> Field {
    Field {
        name,
        label,
        help,
        value,
        kind,
        problem: None,
    }
}

fn scale(spec: &ShopSpec) -> Vec<Field> {
    let (scale, target) = (&spec.scale, &spec.scale.target);
    let campaigns: Vec<_> = scale.schedule.iter().map(campaign_text).collect();
    let workers = target.busy_workers_percent.map(|it| it.to_string());
    vec![
        field("min", text::MIN, scale.min.to_string(), Kind::Number),
        field("max", text::MAX, scale.max.to_string(), Kind::Number),
        field(
            "cpu",
            text::CPU,
            target.cpu_percent.to_string(),
            Kind::Number,
        ),
        field(
            "workers",
            text::WORKERS,
            workers.unwrap_or_default(),
            Kind::Number,
        ),
        field(
            "campaigns",
            text::CAMPAIGNS,
            campaigns.join("\n"),
            Kind::Lines,
        ),
    ]
}

fn campaign_text(campaign: &Campaign) -> String {
    let Campaign {
        cron,
        time_zone,
        duration_hours,
        min,
    } = campaign;
    format!("{cron} | {time_zone} | {duration_hours} | {min}")
}

fn campaign(line: &str) -> Result<Campaign, String> {
    let parts: Vec<_> = line.split('|').map(str::trim).collect();
    let [cron, zone, hours, pods] = parts[..] else {
        return Err(format!(
            "{line:?}: expected four parts with | between them: cron, time zone, hours, pods"
        ));
    };
    Ok(Campaign {
        cron: cron.to_owned(),
        time_zone: zone.to_owned(),
        duration_hours: number(hours)?,
        min: number(pods)?,
    })
}

/// Whether a value of the configuration is one line, without space around it.
fn fits(value: &str) -> bool {
    !value.contains(['\n', '\r']) && value.trim() == value
}

fn config(spec: &ShopSpec) -> Vec<Field> {
    let values = spec.config.values.iter().filter(|(_, value)| fits(value));
    let values: Vec<_> = values
        .map(|(path, value)| format!("{path} = {value}"))
        .collect();
    vec![
        field("values", text::VALUES, values.join("\n"), Kind::Lines),
        field(
            "admin",
            text::ADMIN,
            spec.config.admin_path.clone().unwrap_or_default(),
            Kind::Text,
        ),
    ]
}

fn window(spec: &ShopSpec) -> Vec<Field> {
    let window = spec.window.as_ref();
    let times: Vec<_> = window
        .iter()
        .flat_map(|window| &window.times)
        .map(ToString::to_string)
        .collect();
    let zone = window.map_or("Etc/UTC", |window| &window.time_zone);
    vec![
        field("times", text::TIMES, times.join("\n"), Kind::Lines),
        field("zone", text::ZONE, zone.to_owned(), Kind::Text),
    ]
}

fn range(line: &str) -> Result<TimeRange, String> {
    line.parse()
        .map_err(|error| format!("{line:?}: {}", runtime::Chain(&error)))
}

#[cfg(test)]
mod tests;
