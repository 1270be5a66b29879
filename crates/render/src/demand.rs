//! How many pods a shop has: what its state, its campaigns and its idleness come to.

use super::shop_context::ShopContext;
use api::ShopState;

/// How many pods serve a shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Always so many, zero among them.
    Fixed(u32),
    /// The autoscaler decides.
    Between {
        /// At least.
        min: u32,
        /// At most.
        max: u32,
    },
}

impl Demand {
    pub(crate) fn new(context: &ShopContext<'_>) -> Self {
        let scale = &context.spec.scale;
        let without = matches!(
            context.spec.state,
            ShopState::Suspended | ShopState::Archived
        );
        // A campaign that has begun has its pods, with visitors or without.
        let asleep = context.render_context.at_zero && context.render_context.floor.is_none();
        if without || asleep {
            return Self::Fixed(0);
        }
        // One pod is enough for a shop that may be idle, until the autoscaler or a campaign finds
        // otherwise.
        let usual = if scale.idle.is_some() { 1 } else { scale.min };
        let min = usual
            .max(context.render_context.floor.unwrap_or(0))
            .min(scale.max);
        if min < scale.max {
            Self::Between {
                min,
                max: scale.max,
            }
        } else {
            Self::Fixed(min)
        }
    }

    /// The most pods that there can be.
    pub(crate) fn most(self) -> u32 {
        match self {
            Self::Fixed(pods) => pods,
            Self::Between { max, .. } => max,
        }
    }
}
