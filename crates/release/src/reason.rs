//! Reason codes: the stable word for every refusal, the same in errors, logs, metrics and the
//! termination message.

use std::fmt;

/// The kind of trouble, which decides the exit code of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trouble {
    /// A setting or an argument is wrong; the same call never succeeds.
    Configuration,
    /// Data is malformed, or not signed by those who must sign it.
    Untrusted,
    /// The store did not answer a request before the deadline.
    Store,
    /// A bug of Longshore.
    Bug,
    /// The local disk refused.
    Disk,
    /// Nothing is wrong but the moment: the same call may succeed later.
    TryAgain,
    /// A rollout completed, and some of its shops failed.
    Partly,
    /// A rollout stopped or was aborted.
    Failed,
}

impl Trouble {
    /// Every kind, by exit code.
    pub const ALL: &'static [Self] = &[
        Self::Configuration,
        Self::Untrusted,
        Self::Store,
        Self::Bug,
        Self::Disk,
        Self::TryAgain,
        Self::Partly,
        Self::Failed,
    ];

    /// What it means, in one sentence.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Configuration => {
                "A setting or an argument is wrong: the same call never succeeds."
            }
            Self::Untrusted => "Data is malformed, or not signed by those who must sign it.",
            Self::Store => {
                "The store, or the API server, did not give what was asked for before the deadline."
            }
            Self::Bug => "A bug of Longshore.",
            Self::Disk => "The local disk refused.",
            Self::TryAgain => "Nothing is wrong but the moment: the same call may succeed later.",
            Self::Partly => {
                "A rollout was completed, and some of its shops failed within its budget."
            }
            Self::Failed => "A rollout stopped, or was aborted.",
        }
    }

    /// The exit code, from the ranges of `sysexits.h`; codes above these are outcomes of a rollout.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Configuration => 64,
            Self::Untrusted => 65,
            Self::Store => 69,
            Self::Bug => 70,
            Self::Disk => 74,
            Self::TryAgain => 75,
            Self::Partly => 80,
            Self::Failed => 81,
        }
    }
}

macro_rules! reasons {
    ($(
        $variant:ident $code:literal $trouble:ident
        $meaning:literal,
        $hint:literal;
    )+) => {
        /// Why something was refused or failed. The code never changes once released.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Reason {
            $(#[doc = $meaning] $variant,)+
        }

        impl Reason {
            /// Every reason, in the order of the reference page.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable code, such as `rollback`.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The kind of trouble, which decides the exit code.
            #[must_use]
            pub const fn trouble(self) -> Trouble {
                match self { $(Self::$variant => Trouble::$trouble,)+ }
            }

            /// What it means, in one sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }

            /// What to do about it.
            #[must_use]
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$variant => $hint,)+ }
            }
        }
    };
}

reasons! {
    // what a person configured
    Config "config" Configuration
        "A setting or an argument is missing or malformed.",
        "correct the named setting";
    StoreMissing "store-missing" Configuration
        "The bucket or the directory of the store does not exist.",
        "check LONGSHORE_STORE and that the bucket exists in this region";
    Forbidden "forbidden" Configuration
        "The store refused the credentials or lacks a permission.",
        "check the pod's identity and that its policy allows the named action on this key";
    Region "region" Configuration
        "The bucket is in another region than the one that was asked.",
        "set AWS_REGION to the bucket's region";
    ChannelMissing "channel-missing" Configuration
        "The store holds no release for this channel.",
        "check LONGSHORE_CHANNEL, or publish a first release to it";
    Key "key" Configuration
        "A file is not the key that was expected.",
        "expected PEM: PKCS#8 for private keys, SPKI for public keys, ECDSA P-256 or Ed25519";
    Workspace "workspace" Configuration
        "The release root or the output directory cannot be used.",
        "give an absolute path of a directory that this process may write";
    CaseFolding "case-folding" Configuration
        "The release has names that differ in case only, and the disk takes them for one.",
        "put the release root on a disk that tells them apart, such as ext4 without casefold or \
         XFS; or rename the files";
    Cache "cache" Configuration
        "The node cache is a link, belongs to another user, or is open to others.",
        "name a directory that only this process's user can enter, or one that is not there yet";
    Template "template" Configuration
        "A template of the shop's configuration cannot be used.",
        "correct the file that the message names, in the ConfigMap that LONGSHORE_TEMPLATES mounts";
    Secret "secret" Configuration
        "The shop's Secret lacks a key, or does not let it be read.",
        "add the key that the message names to the Secret of the Shop's config.secretRef, and \
         start the pod again";
    // who signed what
    Signature "signature" Untrusted
        "No trusted key signed these bytes.",
        "sign with a key of the trust root, or check that the pod has the right trust root";
    Threshold "threshold" Untrusted
        "Fewer distinct trusted keys signed than the trust root asks for.",
        "add the missing signatures with `longshore release attach` or `longshore sign`";
    Channel "channel" Untrusted
        "The release was signed for another channel.",
        "publish to this channel, or correct LONGSHORE_CHANNEL";
    Rollback "rollback" Untrusted
        "The release is older than one this node has accepted, or below the floor.",
        "to go back, publish a new sequence that names the older manifest: `longshore release \
         rollback`";
    SequenceJump "sequence-jump" Untrusted
        "The sequence is further ahead of the accepted one than is plausible.",
        "check who signed it; rotating the trust root resets the limit";
    Expired "expired" Untrusted
        "The release or the trust root has expired.",
        "publish again, or rotate the trust root";
    Rejected "rejected" Untrusted
        "This node rejected the release before, because it failed here.",
        "publish a corrected release";
    RootChain "root-chain" Untrusted
        "A trust root does not follow from the one before it.",
        "rotate with `longshore trust rotate`, which signs with the keys of both versions";
    RootVersion "root-version" Untrusted
        "A newer trust root is needed than the store offers.",
        "upload the trust root that the publisher used to trust/ in the store";
    Envelope "envelope" Untrusted
        "The release object or trust root is not a well-formed envelope.",
        "check that the object was made by `longshore` and not changed since";
    Statement "statement" Untrusted
        "The signed payload is not a well-formed release or trust root.",
        "sign again with a current `longshore`";
    Manifest "manifest" Untrusted
        "The manifest is not well-formed.",
        "pack again with a current `longshore`";
    Digest "digest" Untrusted
        "The bytes are not those that were signed.",
        "the store's object is damaged or was replaced: publish again";
    TooLarge "too-large" Untrusted
        "The object is larger than its limit.",
        "check what wrote this object; limits are in docs/formats";
    // what a tarball holds
    PathUnsafe "path-unsafe" Untrusted
        "A path is absolute, empty, leaves the tree or goes through a link.",
        "pack the module again with `longshore pack`";
    LinkEscape "link-escape" Untrusted
        "A link points out of its module.",
        "replace the link by what it points to, or exclude it";
    TypeForbidden "type-forbidden" Untrusted
        "An entry is neither a file, a directory nor a symbolic link.",
        "remove it from the module, or exclude it";
    Header "header" Untrusted
        "A tar header is malformed or of a kind that is not allowed.",
        "pack the module again with `longshore pack`";
    Duplicate "duplicate" Untrusted
        "Two entries claim one path.",
        "let one module own the file, or say `overrides` in longshore.toml";
    NameCollision "name-collision" Untrusted
        "Two names differ only in case or Unicode form.",
        "rename one of them; if they differ in case only, `case_sensitive = true` in \
         longshore.toml allows it";
    NameEncoding "name-encoding" Untrusted
        "A name is not UTF-8 or has control bytes.",
        "rename the file";
    PathTooLong "path-too-long" Untrusted
        "A name is over 255 bytes, a path over 1024, or deeper than 64.",
        "shorten the path";
    Limit "limit" Untrusted
        "A chunk holds more bytes or entries than was signed.",
        "pack the module again with `longshore pack`";
    Truncated "truncated" Untrusted
        "A chunk or a body ends early.",
        "publish again";
    Window "window" Untrusted
        "A zstd frame asks for a window over 8 MiB.",
        "pack the module again with `longshore pack`";
    Trailing "trailing" Untrusted
        "A chunk has bytes after its only zstd frame, or after the archive's end.",
        "pack the module again with `longshore pack`";
    // what the world does
    Unreachable "unreachable" Store
        "The store did not answer in time.",
        "check the network, the endpoint and the store's status";
    Stalled "stalled" Store
        "The store sent bytes more slowly than the floor until the deadline.",
        "check the network and the store's status";
    Deadline "deadline" Store
        "The deadline passed.",
        "raise LONGSHORE_DEADLINE, or look for what is slow with LONGSHORE_LOG=debug";
    ObjectMissing "object-missing" Store
        "The store does not hold an object that a signed release names.",
        "publish the release again: it uploads what is missing";
    Replaced "replaced" Store
        "An object changed while it was being read.",
        "immutable objects must not be overwritten: check who writes to the bucket";
    Disk "disk" Disk
        "The local disk refused.",
        "check the named path: space, inodes, permissions, read-only mounts";
    State "state" Disk
        "The release root's state.json is damaged, or a newer Longshore wrote it.",
        "restore it; or delete it and set LONGSHORE_FLOOR, because what this root had accepted is \
         then forgotten";
    Clock "clock" TryAgain
        "The clock is behind a time that is known to have passed.",
        "correct the node's clock";
    Busy "busy" TryAgain
        "Another process holds the lock of this release root.",
        "wait for it, or look who it is: the lock names its process";
    Conflict "conflict" TryAgain
        "Another publisher moved the channel meanwhile.",
        "look at what they published with `longshore release list`, then publish again";
    Probe "probe" TryAgain
        "The shop does not work with the release that became active.",
        "look at the pod's php-fpm and nginx logs; publish a corrected release";
    Mount "mount" TryAgain
        "Storage of the shop cannot be mounted.",
        "check the server, its security group or firewall, and the mounts file";
    Threads "threads" TryAgain
        "The system gives the program too few threads.",
        "raise the limit of processes (podPidsLimit of the kubelet, ulimit -u), or look for what \
         in the pod uses it up";
    Interrupted "interrupted" TryAgain
        "The process was asked to stop.",
        "run it again";
    // what the cluster says to the scheduler
    ApiServer "api-server" Store
        "The Kubernetes API server cannot be reached, or did not answer in time.",
        "check the network, the kubeconfig's address and the API server's own health";
    ApiForbidden "api-forbidden" Configuration
        "The API server does not let this user do it.",
        "grant the verb that the message names; the Helm chart has the scheduler's own rights";
    ApiRefused "api-refused" Configuration
        "The API server refused an object.",
        "correct the field that the message names";
    Impersonation "impersonation" Configuration
        "The console's service account may not act as other people.",
        "give it the ClusterRole longshore-console-impersonate, which the Helm chart has: \
         docs/console.md";
    LoginProvider "login-provider" Store
        "The provider of logins does not answer, or not as one.",
        "look at the provider; its address is LONGSHORE_CONSOLE_OIDC_ISSUER, and what the console \
         trusts is LONGSHORE_CONSOLE_OIDC_CA_FILE";
    LoginRefused "login-refused" Configuration
        "Somebody is not logged in to the console.",
        "log in again; if that does not help, the message says what an administrator of the \
         provider or of the console has to change";
    LoginOften "login-often" TryAgain
        "There were too many logins from one address.",
        "try again in a minute";
    Owned "owned" Configuration
        "Another manager owns fields of an object.",
        "agree with its owner, or take the fields with --take-over";
    Job "job" TryAgain
        "A Job in a shop's namespace failed, or did not end in time.",
        "the message has what it wrote last; look at its pod with `kubectl`";
    Watch "watch" Store
        "longshore-watch did not answer.",
        "look at it with `kubectl -n watch get pods`; the chart installs it if watch.enabled is set";
    Definitions "definitions" Configuration
        "The cluster does not know Shops.",
        "install or upgrade the Helm chart: it brings the definitions";
    Registry "registry" Configuration
        "A shop, a class or a release cannot be used as it is written.",
        "correct the resource that the message names";
    Claimed "claimed" Configuration
        "A shop claims a host, a database, a directory or keys of a cache that another shop has.",
        "give one of the two something else: who had it first keeps it";
    Guard "guard" Configuration
        "A guard against deleting a fleet by accident holds.",
        "look why so many shops are missing; only then allow the number with --delete-at-most";
    Moved "moved" TryAgain
        "The cluster is not as the plan saw it.",
        "look at a new plan, and apply that one";
    ShopState "shop-state" TryAgain
        "The shop is in a state in which this cannot be done.",
        "do what the message says, and try again";
    Rollout "rollout" TryAgain
        "A rollout has not ended in time, and goes on.",
        "wait, or look at `longshore rollout status NAME`";
    RolloutPartly "rollout-partly" Partly
        "A rollout was completed, and some of its shops failed within its budget.",
        "look at `longshore why SHOP` for each that the message names, and start a rollout of \
         these";
    RolloutFailed "rollout-failed" Failed
        "A rollout stopped because too many of its shops failed, or all of a wave, or it was \
         aborted.",
        "look at the shops that the message names; then `longshore rollout resume` or `rollout \
         abort`";
    NotLeader "not-leader" TryAgain
        "Another process leads since.",
        "nothing: it goes on with the work";
    Bug "bug" Bug
        "Longshore is wrong.",
        "please report it with the log";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_distinct_lower_case_words() {
        let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        assert!(codes.iter().all(|code| {
            code.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        }));
    }
}
