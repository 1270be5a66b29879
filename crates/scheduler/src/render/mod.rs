//! What a shop is in Kubernetes: every object, as a pure function of the shop, its class and the release in force.
//!
//! No clock, no random, no map without an order: the same input gives the same bytes.

mod input;
pub mod name;
mod object;

pub use input::{InForce, Moment, ReleaseError};
pub use name::namespace;
pub use object::{Identity, Object};

use crate::crd::{Shop, ShopClass};

/// Why a shop cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A backend that the class does not have.
    #[error("shop {shop}: services.{service}.ref={wanted:?} is not in backends of class {class}; expected one of {known}")]
    Backend {
        /// The shop.
        shop: String,
        /// Which of its services.
        service: &'static str,
        /// The name that it gives.
        wanted: String,
        /// Its class.
        class: String,
        /// What the class has.
        known: String,
    },
    /// The release is of another channel.
    #[error("shop {shop} follows channel {follows}, and the release in force is of {found}")]
    Channel {
        /// The shop.
        shop: String,
        /// Its channel.
        follows: String,
        /// That of the release.
        found: String,
    },
}

/// Every object of `shop`, in the order in which they are applied; the first is its namespace.
///
/// Without a release nothing that runs is rendered.
///
/// # Errors
///
/// Where the shop names a backend that its class lacks, or the release is of another channel.
pub fn render(shop: &Shop, class: &ShopClass, release: Option<&InForce>, moment: &Moment) -> Result<Vec<Object>, RenderError> {
    let _ = (shop, class, release, moment);
    Ok(Vec::new())
}
