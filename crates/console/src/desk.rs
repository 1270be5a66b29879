//! What pages are made of.

use crate::{
    begun::Begun,
    guard::Guard,
    login::Login,
    metrics::Figures,
    person::People,
    registry::{Known, Registry},
    view::View,
};
use client::Cluster;
use parking_lot::RwLockReadGuard;
use std::{ops::Deref, sync::Arc};
use tokio_util::sync::CancellationToken;

/// What pages are made of.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) registry: Arc<Registry>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) people: People,
    /// How people log in, if they do.
    pub(crate) login: Option<Login>,
    /// The connection of the program itself, for what is read behind a check of what a person sees.
    pub(crate) own: Cluster,
    pub(crate) figures: Arc<Figures>,
    /// The namespace of the scheduler.
    pub(crate) namespace: String,
    pub(crate) begun: Begun,
    pub(crate) stop: CancellationToken,
}

/// What is known of the cluster, as far as a person sees it. Pages have no other way to it.
#[derive(Debug)]
pub(crate) enum Sight<'a> {
    /// Everything.
    All(RwLockReadGuard<'a, Known>),
    /// A part, which is a copy.
    Part(Box<Known>),
}

impl Deref for Sight<'_> {
    type Target = Known;

    fn deref(&self) -> &Known {
        match self {
            Self::All(known) => known,
            Self::Part(known) => known,
        }
    }
}

impl Desk {
    /// What the view leaves of what is known, once everything was read.
    pub(crate) fn sight(&self, view: &View) -> Option<Sight<'_>> {
        let known = self.registry.read();
        if !known.is_listed() {
            None
        } else if view.is_all() {
            Some(Sight::All(known))
        } else {
            Some(Sight::Part(Box::new(view.filter(&known))))
        }
    }
}
