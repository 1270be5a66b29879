//! Stable words: the same in `/status`, in metrics and in logs.

macro_rules! state_enum {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable word, which never changes its meaning.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }
    };
}

state_enum! {
    /// What the agent is doing with releases right now.
    Phase {
        /// Nothing until the next check.
        Idle "idle",
        /// Asking the store, or reading the file, for a newer release.
        Checking "checking",
        /// Downloading and unpacking a newer release beside the running one.
        Staging "staging",
        /// A newer release is ready and waits; [`Why`] says for what.
        Waiting "waiting",
        /// Filling OPcache for the new tree.
        Warming "warming",
        /// Making the new tree the current one.
        Switching "switching",
        /// Asking the shop whether it still answers.
        Probing "probing",
        /// Going back to the tree before.
        RollingBack "rolling-back",
    }
}

impl Phase {
    /// The phases that may come after this one: the state diagram of `docs/release-in-a-pod.md`.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        use Phase::{Checking, Idle, Probing, RollingBack, Staging, Switching, Waiting, Warming};
        match self {
            Idle | Waiting => &[Checking],
            Checking => &[Idle, Staging, Waiting, Warming, Probing],
            Staging => &[Idle, Waiting, Warming],
            Warming => &[Idle, Waiting, Switching],
            Switching => &[Idle, Waiting, Probing],
            Probing => &[Idle, Checking, RollingBack],
            RollingBack => &[Idle, Waiting, Checking],
        }
    }
}

state_enum! {
    /// Why a newer release does not run yet.
    Why {
        /// It is being downloaded or unpacked.
        Staging "staging",
        /// The time window for switches is closed.
        Window "window",
        /// An operator paused switches.
        Paused "paused",
        /// What operators or the cluster say cannot be understood.
        Control "control",
        /// The hook before the switch failed; it runs again.
        Hook "hook",
        /// Storage that the shop requires cannot be used.
        Mounts "mounts",
        /// The shop works neither with it nor with the release that runs: what both need may be
        /// away. It is tried again.
        Shop "shop",
        /// The database is not migrated to it yet.
        Migration "migration",
        /// OPcache is being filled for it.
        Warming "warming",
        /// It was switched to, and the probe has not passed yet.
        Probing "probing",
        /// It failed here before, and is not tried again.
        Rejected "rejected",
        /// It expired before it was switched to.
        Expired "expired",
        /// It could not be accepted or staged; it is looked at again.
        Failed "failed",
    }
}

state_enum! {
    /// How a check for a newer release ended.
    CheckOutcome {
        /// There is nothing newer.
        Unchanged "unchanged",
        /// There is a newer release, and it was accepted.
        Newer "newer",
        /// There is something that the policy refuses: unsigned, older, expired.
        Refused "refused",
        /// The source did not answer.
        Failed "failed",
    }
}

impl CheckOutcome {
    /// The source gave a release that this node accepts.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Unchanged | Self::Newer)
    }
}

state_enum! {
    /// How a switch ended.
    SwitchOutcome {
        /// The new release runs, and the probe passed.
        Switched "switched",
        /// The probe or a hook failed, and the release before runs again.
        RolledBack "rolled-back",
        /// The switch failed before anything changed.
        Failed "failed",
    }
}

state_enum! {
    /// What is known of the shop's page.
    PageState {
        /// Nobody answered yet.
        Unknown "unknown",
        /// It answered as expected.
        Good "good",
        /// It did not.
        Bad "bad",
    }
}

state_enum! {
    /// How a probe of the shop ended.
    ProbeOutcome {
        /// It answered as expected.
        Passed "passed",
        /// It did not, or not in time.
        Failed "failed",
    }
}
