//! In which order shops are moved, and where each wave ends.

use crate::crd::RolloutSpec;
use release::Sha256;

/// The shops of a rollout: canaries in the order in which they are listed, then all others by their hashes. The same text in
/// `spec.order` gives the same order, so that two rollouts meet the same shops first, or other ones.
#[must_use]
pub fn order<'a>(name: &str, spec: &RolloutSpec, shops: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let salt = spec.order.as_deref().unwrap_or(name);
    let mut all: Vec<_> =
        shops.into_iter().filter(|shop| spec.shops.is_empty() || spec.shops.iter().any(|wanted| wanted == shop)).collect();
    all.sort_unstable();
    all.dedup();
    all.sort_by_cached_key(|shop| {
        let canary = spec.canaries.iter().position(|canary| canary == shop).unwrap_or(usize::MAX);
        (canary, Sha256::of(format!("{salt}/{shop}").as_bytes()).to_string())
    });
    all.into_iter().map(str::to_owned).collect()
}

/// How many shops of the order have moved when each wave is done; wave 0 is that of the canaries, and empty where there are none.
#[must_use]
pub fn bounds(spec: &RolloutSpec, order: &[String]) -> Vec<usize> {
    let canaries = order.iter().take_while(|shop| spec.canaries.contains(shop)).count();
    let share = |percent: u32| (order.len() * percent as usize).div_ceil(100).max(canaries).min(order.len());
    [canaries].into_iter().chain(spec.waves.iter().map(|wave| share(wave.percent))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::test::spec;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("s{index}")).collect()
    }

    #[test]
    fn the_order_is_that_of_hashes_and_can_be_had_again() {
        let shops = names(100);
        let first = order("a", &spec(), shops.iter().map(String::as_str));
        assert_eq!(first, order("a", &spec(), shops.iter().rev().map(String::as_str)));
        assert_ne!(first, order("b", &spec(), shops.iter().map(String::as_str)));
        let salted = RolloutSpec { order: Some("a".to_owned()), ..spec() };
        assert_eq!(first, order("b", &salted, shops.iter().map(String::as_str)));
    }

    #[test]
    fn canaries_are_a_wave_of_their_own() {
        let spec = RolloutSpec { canaries: vec!["s7".into(), "s3".into(), "gone".into()], ..spec() };
        let order = order("a", &spec, names(200).iter().map(String::as_str));
        assert_eq!(order[..2], ["s7", "s3"]);
        assert_eq!(bounds(&spec, &order), [2, 2, 20, 100, 200]);
    }

    #[test]
    fn a_list_of_shops_is_all_that_moves() {
        let spec = RolloutSpec { shops: vec!["s1".into(), "s2".into()], ..spec() };
        let order = order("a", &spec, names(10).iter().map(String::as_str));
        assert_eq!(order.len(), 2);
        assert_eq!(bounds(&spec, &order).last(), Some(&2));
    }
}
