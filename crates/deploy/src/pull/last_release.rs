//! `seen.json`: which release object led to the active release, so that a start at which nothing
//! changed asks the store one question.
//!
//! It is a hint, never a proof: what it says counts only while `state.json`, the settings and the
//! disk say the same, and whatever else is found there is as if there were none. "Not modified"
//! then means that the store offers what was verified and accepted here before; a store that says
//! so of another object withholds that one, which it can do by offering the old one, too.

use super::{Settings, Source, said::Said};
use crate::{
    disk::{self, DiskError, attempt},
    layout::{LAST_RELEASE, STAGING},
    root::ReleaseRoot,
};
use release::{ChannelName, Sequence, Sha256, limits};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    path::Path,
};
use store::{Etag, ObjectStore};
use tracing::debug;

/// Version of the file that this code writes, and the only one it believes.
const SCHEMA: u32 = 1;

/// The release object that led to the active release, and under which settings it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LastRelease {
    schema: u32,
    store: String,
    channel: ChannelName,
    /// Of what the trust root that the pod was given says: its payload.
    trust: Sha256,
    /// The state of the channel's head, if it came from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    /// Of the release object's bytes.
    object: Sha256,
    pub(super) sequence: Sequence,
    pub(super) manifest: Sha256,
}

impl LastRelease {
    /// What is remembered of a release object: its digest and its place in the store, and the
    /// release that it led to.
    pub(super) fn new(
        settings: &Settings,
        store: &dyn ObjectStore,
        etag: Option<&Etag>,
        object: Sha256,
        (sequence, manifest): (Sequence, Sha256),
    ) -> Self {
        Self {
            schema: SCHEMA,
            store: store.identity(),
            channel: settings.channel.clone(),
            trust: trust(settings),
            etag: etag.map(|etag| etag.as_str().to_owned()),
            object,
            sequence,
            manifest,
        }
    }

    /// What is remembered at `root`, believed or not.
    pub(super) fn read(root: &Path) -> Option<Self> {
        let path = root.join(LAST_RELEASE);
        let read = || -> io::Result<Self> {
            let mut text = Vec::new();
            // Some hundred bytes; the limit is that of the object it is about.
            File::open(&path)?
                .take(limits::ENVELOPE_LIMIT as u64)
                .read_to_end(&mut text)?;
            Ok(serde_json::from_slice(&text)?)
        };
        read().inspect_err(|error| debug!(path = %path.display(), %error, "nothing is known of the last release object")).ok()
    }

    /// Whether the release that it is about may go on without being looked at: it is active and
    /// whole on the disk, and nobody asks for anything that it was not accepted under. If this
    /// says no, the usual way decides, and says why.
    pub(super) fn holds(
        &self,
        settings: &Settings,
        store: &dyn ObjectStore,
        root: &ReleaseRoot,
        said: &Said,
    ) -> bool {
        let state = root.state();
        let (Some(active), Some(accepted)) = (&state.active, &state.accepted) else {
            return false;
        };
        // An operator who chose an older release did so for one run: the next one asks what is in
        // force. The cluster's choice is in force.
        let gone_back = said.chosen == Some(self.sequence) && self.sequence < accepted.sequence;
        let accepted_here = (gone_back
            || (accepted.sequence, accepted.manifest) == (self.sequence, self.manifest))
            && (active.sequence, active.manifest) == (self.sequence, self.manifest)
            && active.channel == self.channel;
        let allowed = settings.floor.is_none_or(|floor| floor <= self.sequence)
            && !state.rejected.contains_key(&self.manifest)
            && settings.now >= said.passed(accepted.at);
        self.is_same_question(settings, store)
            && accepted_here
            && allowed
            && root.is_active(&self.manifest)
    }

    /// Whether it is about the store, channel and trust root that are asked now.
    pub(super) fn is_same_question(&self, settings: &Settings, store: &dyn ObjectStore) -> bool {
        self.schema == SCHEMA
            && self.store == store.identity()
            && self.channel == settings.channel
            && self.trust == trust(settings)
            && !matches!(settings.source, Source::Chosen(_))
    }

    /// The state of the channel's head that need not be sent again.
    pub(super) fn etag(&self) -> Option<Etag> {
        self.etag.as_ref().map(Etag::new)
    }

    /// Whether these bytes are the release object that it is about.
    pub(super) fn is_of(&self, object: &[u8]) -> bool {
        self.object == Sha256::digest(object)
    }

    /// Remembers it at `root`. It is not synced: what a crash makes of it is not believed, and
    /// costs one request.
    pub(super) fn write(&self, root: &Path) -> Result<(), DiskError> {
        let (temporary, path) = (
            root.join(STAGING).join(disk::random_name()),
            root.join(LAST_RELEASE),
        );
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| DiskError::new("format", &path, io::Error::from(error)))?;
        text.push(b'\n');
        let mut file = disk::create_file(&temporary)?;
        attempt("deploy.seen.write", "write", &temporary, || {
            file.write_all(&text)
        })?;
        attempt("deploy.seen.rename", "rename to", &path, || {
            rustix::fs::rename(&temporary, &path)
        })
    }
}

fn trust(settings: &Settings) -> Sha256 {
    Sha256::digest(settings.trust.to_envelope().payload())
}
