//! Walks a row: does its steps on a shop that runs.

use super::{
    browser::{Answer, Body, Browser},
    picture::picture,
    row::{Row, Step},
    text::{between, filled, filled_form},
};
use crate::process::Outcome;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

/// How long cron and logs may take: cron begins once a minute.
const LATE: Duration = Duration::from_secs(90);

/// Where a shop runs.
pub trait Place {
    /// Where its pods take requests.
    fn addresses(&self) -> Vec<SocketAddr>;

    /// Runs a program in the release's directory, in pod N of those that serve.
    ///
    /// # Errors
    ///
    /// There are fewer pods.
    fn run(&self, pod: usize, program: &[&str]) -> Result<Outcome, String>;

    /// What the containers of its pods have said.
    fn logs(&self) -> String;

    /// What its database says: lines of fields with tabs between them.
    ///
    /// # Errors
    ///
    /// The statement fails.
    fn ask(&self, statement: &str) -> Result<String, String>;
}

/// A shop that runs, and who visits it.
#[derive(Debug)]
pub struct Walk<'a, P> {
    place: &'a P,
    variables: BTreeMap<String, String>,
    real: bool,
    browsers: BTreeMap<&'static str, Browser>,
}

impl<'a, P: Place> Walk<'a, P> {
    /// Of this shop, which is a real one or the stand-in; `variables` are what steps may say of it,
    /// `host` among them.
    #[must_use]
    pub fn new(place: &'a P, variables: BTreeMap<String, String>, real: bool) -> Self {
        Self {
            place,
            variables,
            real,
            browsers: BTreeMap::new(),
        }
    }

    fn browser(&self) -> Result<Browser, String> {
        let addresses = self.place.addresses();
        if addresses.is_empty() {
            Err("no pod is Ready".to_owned())
        } else {
            Ok(Browser::new(&self.variables["host"], &addresses))
        }
    }

    /// Does a row's steps. Gives what the last one brought, in few words.
    ///
    /// # Errors
    ///
    /// The first step that is not as it should be, and what came instead.
    pub fn row(&mut self, row: &Row) -> Result<String, String> {
        let mut browser = match self.browsers.remove(row.who) {
            Some(browser) => browser,
            None => self.browser()?,
        };
        let mut last = Last::default();
        self.steps(row.steps, &mut browser, &mut last)?;
        self.browsers.insert(row.who, browser);
        Ok(last.told())
    }

    fn steps(
        &mut self,
        steps: &[Step],
        browser: &mut Browser,
        last: &mut Last,
    ) -> Result<(), String> {
        steps.iter().try_for_each(|step| {
            let within = matches!(step, Step::Real(_) | Step::StandIn(_));
            self.step(step, browser, last).map_err(|problem| {
                if within {
                    problem
                } else {
                    format!("{step:?}: {problem}")
                }
            })
        })
    }

    fn step(&mut self, step: &Step, browser: &mut Browser, last: &mut Last) -> Result<(), String> {
        let fill = |template: &str| filled(template, &self.variables);
        match *step {
            Step::Cookie(name, value) => {
                browser.keep(name, &fill(value));
                Ok(())
            }
            Step::Real(steps) if self.real => self.steps(steps, browser, last),
            Step::StandIn(steps) if !self.real => self.steps(steps, browser, last),
            Step::Real(_) | Step::StandIn(_) => Ok(()),
            // An admin is led to where its dashboard begins, and from there to its own.
            Step::Follow(status) => (0..3)
                .try_fold((), |(), _| {
                    let to = last.answer.headers.get("location").cloned();
                    to.map_or(Ok(()), |to| {
                        last.ask(browser, status, &to, "", &Body::None)
                            .or_else(|problem| last.leads_on().ok_or(problem))
                    })
                })
                .and_then(|()| last.is(status)),
            Step::Has(text) => last.has(&fill(text)),
            Step::Lacks(text) => last.has(&fill(text)).map_or(Ok(()), |()| Err(last.start())),
            Step::Header(name, text) => {
                let value = last.answer.headers.get(name).cloned().unwrap_or_default();
                if value.contains(text) {
                    Ok(())
                } else {
                    Err(format!("{value:?}; {:?}", last.answer.headers))
                }
            }
            Step::Bytes(wanted) => {
                let have = last.answer.body.len();
                if have >= wanted {
                    Ok(())
                } else {
                    Err(format!("{have} bytes"))
                }
            }
            Step::Take(name, before, after) => {
                let found = between(&last.text, before, after).ok_or_else(|| last.start())?;
                self.variables.insert(name.to_owned(), found);
                Ok(())
            }
            Step::Php(pod, code) => last.ran(&self.place.run(pod, &["php8.2", "-r", &fill(code)])?),
            Step::Run(pod, program) => last.ran(&self.place.run(pod, program)?),
            Step::Sql(statement) => self
                .place
                .ask(&fill(statement))
                .map(|text| last.text = text),
            Step::Until(statement, wanted) => late(
                || {
                    self.place
                        .ask(statement)
                        .map(|text| (text.starts_with(wanted), text))
                },
                last,
            ),
            Step::Log(wanted) => late(|| Ok(self.logs(wanted)), last),
            _ => self.ask(step, browser, last),
        }
    }

    /// The steps that ask for a page.
    fn ask(&self, step: &Step, browser: &mut Browser, last: &mut Last) -> Result<(), String> {
        let fill = |template: &str| filled(template, &self.variables);
        let mut ask = |status: u16, path: &str, headers: &str, body: &Body| {
            last.ask(browser, status, path, headers, body)
        };
        match *step {
            Step::Get(status, path) => ask(status, &fill(path), "", &Body::None),
            Step::Try(path) => ask(200, path, "", &Body::None).or_else(|problem| {
                if last.answer.status == 0 {
                    Err(problem)
                } else {
                    Ok(())
                }
            }),
            Step::GetWith(status, path, headers) => {
                ask(status, &fill(path), &fill(headers), &Body::None)
            }
            Step::Hidden(path) => ask(403, path, "", &Body::None).or_else(|problem| {
                if last.answer.status == 404 {
                    Ok(())
                } else {
                    Err(problem)
                }
            }),
            Step::Post(status, path, form) => ask(
                status,
                &fill(path),
                "",
                &Body::Text(
                    "application/x-www-form-urlencoded",
                    filled_form(form, &self.variables),
                ),
            ),
            Step::Json(status, path, headers, json) => ask(
                status,
                &fill(path),
                &fill(headers),
                &Body::Text("application/json", fill(json)),
            ),
            Step::Xml(status, path, xml) => ask(
                status,
                &fill(path),
                "SOAPAction: \"\"\r\n",
                &Body::Text("text/xml", fill(xml)),
            ),
            Step::XmlWith(status, path, headers, xml) => {
                let headers = format!("SOAPAction: \"\"\r\n{}", fill(headers));
                ask(
                    status,
                    &fill(path),
                    &headers,
                    &Body::Text("text/xml", fill(xml)),
                )
            }
            Step::Upload(status, path, field) => ask(
                status,
                &fill(path),
                "",
                &Body::File(fill("{form_key}"), field, "big.png", picture()),
            ),
            _ => Ok(()),
        }
    }

    /// Whether a container has said this, and the line in which it did.
    fn logs(&self, wanted: &str) -> (bool, String) {
        let logs = self.place.logs();
        let line = logs.lines().find(|line| line.contains(wanted));
        (
            line.is_some(),
            line.unwrap_or("no container has said it").to_owned(),
        )
    }
}

/// Looks until it is so.
fn late(look: impl Fn() -> Result<(bool, String), String>, last: &mut Last) -> Result<(), String> {
    let begin = Instant::now();
    loop {
        let (good, text) = look()?;
        if good {
            last.text = text;
            return Ok(());
        }
        if begin.elapsed() > LATE {
            return Err(format!("not within {LATE:?}: {text:?}"));
        }
        thread::sleep(Duration::from_secs(1));
    }
}

/// What the last step brought.
#[derive(Debug, Default)]
struct Last {
    answer: Answer,
    text: String,
}

impl Last {
    fn ask(
        &mut self,
        browser: &mut Browser,
        status: u16,
        path: &str,
        headers: &str,
        body: &Body,
    ) -> Result<(), String> {
        self.answer = browser
            .ask(path, headers, body)
            .map_err(|error| error.to_string())?;
        self.text = self.answer.text();
        self.is(status)
            .map_err(|problem| format!("{path}: {problem}"))
    }

    fn is(&self, status: u16) -> Result<(), String> {
        if self.answer.status == status {
            Ok(())
        } else {
            Err(self.start())
        }
    }

    fn leads_on(&self) -> Option<()> {
        self.answer.headers.contains_key("location").then_some(())
    }

    fn ran(&mut self, outcome: &Outcome) -> Result<(), String> {
        self.answer = Answer::default();
        self.text = format!("{}{}", outcome.stdout, outcome.stderr);
        if outcome.code() == Some(0) {
            Ok(())
        } else {
            Err(format!("{:?}: {}", outcome.ended, self.start()))
        }
    }

    fn has(&self, text: &str) -> Result<(), String> {
        if self.text.contains(text) {
            Ok(())
        } else {
            Err(self.start())
        }
    }

    /// For messages: the status, where it leads, and how the text begins.
    fn start(&self) -> String {
        let to = self
            .answer
            .headers
            .get("location")
            .map_or_else(String::new, |to| format!("to {to} "));
        format!(
            "{} {to}{}",
            self.answer.status,
            self.text.chars().take(600).collect::<String>()
        )
    }

    /// For the table.
    fn told(&self) -> String {
        if self.answer.status == 0 {
            return self.text.lines().last().unwrap_or_default().to_owned();
        }
        format!("{}, {} bytes", self.answer.status, self.answer.body.len())
    }
}
