//! What a shop cannot do without.

use super::ShopContext;
use crate::RenderError;
use api::{CloudIdentity, DeletionPolicy, Engine, StorageMode, Tenants};

impl ShopContext<'_> {
    /// A shop of Magento without a database or media would start, and fail at each request.
    pub(super) fn complete(self) -> Result<Self, RenderError> {
        let missing = |what: &'static str| RenderError::Missing {
            shop: self.shop.to_owned(),
            what,
            engine: self.class.engine,
        };
        if let Some(release) = self.release
            && release.channel.as_str() != self.spec.channel
        {
            return Err(RenderError::Channel {
                shop: self.shop.to_owned(),
                follows: self.spec.channel.clone(),
                found: release.channel.to_string(),
            });
        }
        if let Some((media, wanted)) = self.media
            && wanted.access_point.is_some()
            && media.efs.is_none()
        {
            let (shop, server, class) = (
                self.shop.to_owned(),
                media.name.clone(),
                self.class_name.to_owned(),
            );
            return Err(RenderError::AccessPoint {
                shop,
                server,
                class,
            });
        }
        self.reach_of_mounts()?;
        if let Some((cache, wanted)) = self
            .cache
            .filter(|(cache, _)| cache.tenants == Tenants::Separate)
        {
            if wanted.sessions.is_some() {
                let (shop, server, class) = (
                    self.shop.to_owned(),
                    cache.name.clone(),
                    self.class_name.to_owned(),
                );
                return Err(RenderError::Sessions {
                    shop,
                    server,
                    class,
                });
            }
            if self.class.engine != Engine::Php && self.spec.config.secret_ref.is_none() {
                return Err(missing(
                    "config.secretRef, which holds the password of the shop's Redis user,",
                ));
            }
        }
        // Found now, and not when the shop is deleted.
        if self.spec.deletion_policy == DeletionPolicy::Snapshot && self.class.backup.is_none() {
            return Err(missing(
                "the class's backup, which deletionPolicy: Snapshot runs,",
            ));
        }
        if self.class.engine != Engine::Php {
            if self.database.is_none() {
                return Err(missing("services.database"));
            }
            if self.media.is_none() {
                return Err(missing("services.media"));
            }
        }
        if self.queue.is_some() && self.spec.config.secret_ref.is_none() {
            return Err(missing(
                "config.secretRef, which holds the queue's user and password,",
            ));
        }
        if self.database.is_some() && self.spec.config.secret_ref.is_none() {
            return Err(missing(
                "config.secretRef, which holds the database's user and password,",
            ));
        }
        Ok(self)
    }

    /// If agents mount, the network is the pods', so that only the server can keep a shop from
    /// the files of another one.
    fn reach_of_mounts(&self) -> Result<(), RenderError> {
        let (Some((media, wanted)), StorageMode::Agent) = (self.media, self.class.storage.mode)
        else {
            return Ok(());
        };
        let (shop, server, class) = (
            self.shop.to_owned(),
            media.name.clone(),
            self.class_name.to_owned(),
        );
        let problem = match (&media.efs, &media.nfs) {
            (None, None) => return Ok(()),
            (Some(efs), _) if efs.iam && self.class.identity == CloudIdentity::default() => {
                return Err(RenderError::Nobody {
                    shop,
                    server,
                    class,
                });
            }
            _ if media.tenants == Tenants::Trusted => return Ok(()),
            (Some(_), _) if wanted.access_point.is_none() => {
                "services.media.accessPoint, by which EFS gives a shop its own directory and no \
                 other, is missing"
            }
            (Some(efs), _) if !efs.iam => {
                "without iam EFS gives every access point to whoever names it"
            }
            (Some(_), _) => return Ok(()),
            (None, Some(_)) => "NFS believes whatever user a pod says that it is",
        };
        Err(RenderError::Apart {
            shop,
            server,
            class,
            problem,
        })
    }
}
