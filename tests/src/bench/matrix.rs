//! Which shops, file systems, networks and programs are measured.

use super::{contenders::Contender, place, recipe::Recipe, serve::Network};

/// What to measure. Whatever is given is taken in all combinations; if nothing is given, the
/// combinations that answer most.
#[derive(Debug, Clone, clap::Args)]
pub struct Selection {
    /// Only these shops
    #[arg(long)]
    shop: Vec<Recipe>,
    /// Only these file systems
    #[arg(long)]
    place: Vec<place::Kind>,
    /// Only these networks
    #[arg(long)]
    network: Vec<Network>,
    /// Only these programs
    #[arg(long)]
    contender: Vec<Contender>,
    /// Files of the generated shop
    #[arg(long, default_value_t = 10_000)]
    pub(super) files: usize,
}

/// Programs that are compared on one file system behind one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) shop: Recipe,
    pub(super) place: place::Kind,
    pub(super) network: Network,
    pub(super) contenders: Vec<Contender>,
}

/// Every shop on tmpfs at full speed; the large one elsewhere too.
const USUAL: [(Recipe, place::Kind, Network); 6] = [
    (Recipe::Small, place::Kind::Tmpfs, Network::Loopback),
    (Recipe::Typical, place::Kind::Tmpfs, Network::Loopback),
    (Recipe::Large, place::Kind::Tmpfs, Network::Loopback),
    (Recipe::Large, place::Kind::Tmpfs, Network::Gigabit),
    (Recipe::Large, place::Kind::Xfs, Network::Loopback),
    (Recipe::Huge, place::Kind::Tmpfs, Network::Loopback),
];
const RECIPES: [Recipe; 5] = [
    Recipe::Small,
    Recipe::Typical,
    Recipe::Large,
    Recipe::Huge,
    Recipe::Generated,
];

impl Field {
    pub(super) fn title(&self) -> String {
        format!(
            "{}, {}, {}",
            self.shop.name(),
            self.place.name(),
            self.network.name()
        )
    }
}

impl Selection {
    /// The fields of each shop.
    pub(super) fn fields(&self) -> Vec<(Recipe, Vec<Field>)> {
        let fields = RECIPES.map(|shop| (shop, self.fields_of(shop)));
        fields
            .into_iter()
            .filter(|(_, fields)| !fields.is_empty())
            .collect()
    }

    fn fields_of(&self, shop: Recipe) -> Vec<Field> {
        if !self.shop.is_empty() && !self.shop.contains(&shop) {
            return Vec::new();
        }
        let chosen = |usual: &[(Recipe, place::Kind, Network)]| {
            usual
                .iter()
                .filter(|(of, ..)| *of == shop)
                .copied()
                .collect::<Vec<_>>()
        };
        let combinations = if self.place.is_empty() && self.network.is_empty() {
            let usual = chosen(&USUAL);
            // A generated shop is measured when it is asked for.
            if usual.is_empty() && !self.shop.is_empty() {
                vec![(shop, place::Kind::Tmpfs, Network::Loopback)]
            } else {
                usual
            }
        } else if self.shop.is_empty() && shop == Recipe::Generated {
            Vec::new()
        } else {
            let places = if self.place.is_empty() {
                &[place::Kind::Tmpfs][..]
            } else {
                &self.place
            };
            let networks = if self.network.is_empty() {
                &[Network::Loopback][..]
            } else {
                &self.network
            };
            places
                .iter()
                .flat_map(|place| networks.iter().map(move |network| (shop, *place, *network)))
                .collect()
        };
        let fields = combinations.into_iter().map(|(shop, place, network)| {
            let contenders = self.contenders(network);
            Field {
                shop,
                place,
                network,
                contenders,
            }
        });
        fields
            .filter(|field| !field.contenders.is_empty())
            .collect()
    }

    fn contenders(&self, network: Network) -> Vec<Contender> {
        use clap::ValueEnum as _;
        let all = Contender::value_variants().iter().copied();
        // Git and one core against the other say nothing about a slower network.
        let usual = |contender: &Contender| {
            network == Network::Loopback
                || !(contender.is_on_one_core() || *contender == Contender::Git)
        };
        all.filter(|contender| {
            if self.contender.is_empty() {
                usual(contender)
            } else {
                self.contender.contains(contender)
            }
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Selection = Selection {
        shop: Vec::new(),
        place: Vec::new(),
        network: Vec::new(),
        contender: Vec::new(),
        files: 1,
    };

    #[test]
    fn without_a_selection_the_large_shop_is_measured_everywhere() {
        let fields = ALL.fields();
        let names: Vec<_> = fields
            .iter()
            .map(|(shop, fields)| (shop.name(), fields.len()))
            .collect();
        assert_eq!(
            names,
            [("small", 1), ("typical", 1), ("large", 3), ("huge", 1)]
        );
    }

    #[test]
    fn what_is_selected_is_combined() {
        let one = Selection {
            shop: vec![Recipe::Generated],
            place: vec![place::Kind::Xfs],
            contender: vec![Contender::Cold, Contender::Floor],
            ..ALL
        };
        let fields = one.fields();
        assert_eq!(fields.len(), 1);
        assert_eq!(fields[0].1[0].title(), "generated, XFS, loopback");
        assert_eq!(fields[0].1[0].contenders.len(), 2);
        let both = Selection {
            shop: vec![Recipe::Small],
            place: vec![place::Kind::Tmpfs, place::Kind::Xfs],
            ..ALL
        };
        assert_eq!(both.fields()[0].1.len(), 2);
    }
}
