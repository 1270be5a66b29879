//! Who asks, and the people who asked lately.

use crate::{
    rights::{Right, Rights},
    session::Session,
    view::View,
};
use client::{ApiError, Cluster, Somebody, SomebodyError};
use operations::Who;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex as AsyncMutex;
use tracing::warn;

/// How long it counts what a person sees.
const FRESH: Duration = Duration::from_secs(30);
/// How long it counts while the API server cannot be asked.
const STALE: Duration = Duration::from_mins(5);
/// People who are remembered: what is known of one is asked again anyway.
const PEOPLE: usize = 1000;

/// Who asks, and the connection that acts as that person.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// The name that the API server knows.
    pub(crate) name: String,
    /// What acts as the person.
    pub(crate) cluster: Cluster,
    rights: Rights,
    view: CachedView,
}

/// What a person sees, as of a moment.
type AsOf = Option<(Instant, Arc<View>)>;
/// People by their name and groups, and when each asked last.
type PeopleByName = HashMap<(String, Vec<String>), (Instant, Person)>;

/// What a person sees, and since when that is known. One request asks; others wait for its answer.
#[derive(Debug, Clone)]
enum CachedView {
    /// Everything is read with the person's own rights.
    All(Arc<View>),
    /// The API server is asked.
    Asked(Arc<AsyncMutex<AsOf>>),
}

impl Person {
    /// Whoever `cluster` acts as, as the API server calls that person. `namespace` is that of the
    /// scheduler.
    ///
    /// # Errors
    ///
    /// If the API server does not say it.
    pub(crate) async fn new(cluster: Cluster, namespace: &str) -> Result<Self, ApiError> {
        Ok(Self {
            name: cluster.who().await?,
            rights: Rights::new(cluster.clone(), namespace),
            view: CachedView::All(Arc::new(View::ALL)),
            cluster,
        })
    }

    /// Somebody who sees this, and does nothing.
    #[cfg(test)]
    pub(crate) fn seeing(view: View) -> Self {
        let cluster = client::scripted::Script::new([]).cluster();
        Self {
            name: "anna".to_owned(),
            rights: Rights::new(cluster.clone(), "longshore-system"),
            view: CachedView::All(Arc::new(view)),
            cluster,
        }
    }

    /// Whoever is logged in: what `own` reaches is reached as that person.
    fn logged_in(session: &Session, own: &Cluster, namespace: &str) -> Result<Self, SomebodyError> {
        let somebody = Somebody::new(&session.user, &session.groups)?;
        let cluster = own.acting_as(&somebody);
        Ok(Self {
            name: session.user.clone(),
            rights: Rights::new(cluster.clone(), namespace),
            view: CachedView::Asked(Arc::default()),
            cluster,
        })
    }

    /// What the person sees.
    ///
    /// # Errors
    ///
    /// If the API server does not say it, and said it too long ago.
    pub(crate) async fn view(&self) -> Result<Arc<View>, ApiError> {
        let asked = match &self.view {
            CachedView::All(view) => return Ok(Arc::clone(view)),
            CachedView::Asked(asked) => asked,
        };
        let mut asked = asked.lock().await;
        if let Some((at, view)) = &*asked
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(view));
        }
        match View::ask(&self.rights.sees()).await {
            Ok(view) => {
                let view = Arc::new(view);
                *asked = Some((Instant::now(), Arc::clone(&view)));
                Ok(view)
            }
            Err(error) => match &*asked {
                Some((at, view)) if at.elapsed() < STALE && error.is_transient() => {
                    warn!(error = %runtime::Chain(&error), "rights not known; those of before count");
                    Ok(Arc::clone(view))
                }
                _ => Err(error),
            },
        }
    }

    /// Whether the person may do this.
    pub(crate) async fn may(&self, right: Right, name: Option<&str>) -> bool {
        self.rights.may(right, name).await
    }

    /// The person, for the record.
    pub(crate) fn who(&self, why: &str) -> Who {
        Who {
            by: self.name.clone(),
            why: why.trim().to_owned(),
        }
    }
}

/// Who may ask.
#[derive(Debug)]
pub(crate) enum People {
    /// One person, whose kubeconfig it is.
    One(Person),
    /// Whoever is logged in.
    Many(Crowd),
}

/// The people who asked lately.
#[derive(Debug)]
pub(crate) struct Crowd {
    own: Cluster,
    namespace: String,
    known: Mutex<PeopleByName>,
}

impl Crowd {
    /// `own` is the connection of the program itself; `namespace` is that of the scheduler.
    pub(crate) fn new(own: Cluster, namespace: &str) -> Self {
        Self {
            own,
            namespace: namespace.to_owned(),
            known: Mutex::default(),
        }
    }

    /// The person of a session.
    ///
    /// # Errors
    ///
    /// If nobody can act under that name.
    pub(crate) fn person(&self, session: &Session) -> Result<Person, SomebodyError> {
        let now = Instant::now();
        let mut known = self.known.lock();
        let key = (session.user.clone(), session.groups.clone());
        if let Some((last, person)) = known.get_mut(&key) {
            *last = now;
            return Ok(person.clone());
        }
        let person = Person::logged_in(session, &self.own, &self.namespace)?;
        if known.len() >= PEOPLE {
            known.retain(|_, (last, _)| now.duration_since(*last) < STALE);
        }
        if known.len() >= PEOPLE {
            known.clear();
        }
        known.insert(key, (now, person.clone()));
        Ok(person)
    }
}
