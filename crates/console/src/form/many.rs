//! What is changed of many shops at once: fields that are empty stay as they are in each.

use super::{
    Field, Kind, field,
    sent::{Fields, Problems, lines, number, pairs},
};
use crate::text;
use api::{ShopSpec, ShopState};
use std::collections::BTreeMap;

/// The form: nothing changes until a person writes something.
pub(crate) fn fields() -> Vec<Field> {
    let mut states = vec![("", text::MANY_AS_IS)];
    states.extend(text::STATES);
    vec![
        field("state", text::MANY_STATE, String::new(), Kind::One(states)),
        field("min", text::MANY_MIN, String::new(), Kind::Number),
        field("max", text::MANY_MAX, String::new(), Kind::Number),
        field("enable", text::MANY_ENABLE, String::new(), Kind::Lines),
        field("disable", text::MANY_DISABLE, String::new(), Kind::Lines),
        field("forget", text::MANY_FORGET, String::new(), Kind::Lines),
        field("values", text::MANY_VALUES, String::new(), Kind::Lines),
        field("unset", text::MANY_UNSET, String::new(), Kind::Lines),
    ]
}

/// The form, as a person sent it.
pub(crate) fn sent(sent: &Fields, problems: &Problems) -> Vec<Field> {
    let mut fields = fields();
    for field in &mut fields {
        sent.get(field.name).clone_into(&mut field.value);
        field.problem = problems.get(field.name);
    }
    fields
}

/// What the form changes in each shop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    state: Option<ShopState>,
    min: Option<u32>,
    max: Option<u32>,
    modules: Vec<(String, Module)>,
    values: BTreeMap<String, String>,
    unset: Vec<String>,
}

/// What becomes of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Module {
    On,
    Off,
    /// As the release has it.
    Default,
}

impl Changes {
    /// Reads the form.
    ///
    /// # Errors
    ///
    /// If the text of a field cannot be read.
    pub(crate) fn read(sent: &Fields) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let state = match sent.get("state") {
            "" => Ok(None),
            "Active" => Ok(Some(ShopState::Active)),
            "Maintenance" => Ok(Some(ShopState::Maintenance)),
            "Suspended" => Ok(Some(ShopState::Suspended)),
            "Archived" => Ok(Some(ShopState::Archived)),
            _ => Err(text::CHOOSE_STATE),
        };
        let pods = |name| match sent.get(name).trim() {
            "" => Ok(None),
            some => number(some).map(Some),
        };
        let lists = [
            ("enable", Module::On),
            ("disable", Module::Off),
            ("forget", Module::Default),
        ];
        let modules = lists.into_iter().flat_map(|(name, then)| {
            lines(sent.get(name)).map(move |module| (module.to_owned(), then))
        });
        let changes = Self {
            state: problems.some("state", state),
            min: problems.some("min", pods("min")),
            max: problems.some("max", pods("max")),
            modules: modules.collect(),
            values: problems.some("values", pairs(sent.get("values"))),
            unset: lines(sent.get("unset")).map(str::to_owned).collect(),
        };
        problems.or(changes)
    }

    /// The spec that the form makes of `spec`.
    pub(crate) fn apply(&self, spec: &ShopSpec) -> ShopSpec {
        let mut spec = spec.clone();
        spec.state = self.state.unwrap_or(spec.state);
        spec.scale.min = self.min.unwrap_or(spec.scale.min);
        spec.scale.max = self.max.unwrap_or(spec.scale.max);
        let (enable, disable) = (&mut spec.modules.enable, &mut spec.modules.disable);
        for (module, then) in &self.modules {
            enable.retain(|known| known != module);
            disable.retain(|known| known != module);
            match then {
                Module::On => enable.push(module.clone()),
                Module::Off => disable.push(module.clone()),
                Module::Default => {}
            }
        }
        spec.config.values.extend(self.values.clone());
        for path in &self.unset {
            spec.config.values.remove(path);
        }
        spec
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::fixtures;
    use serde_json::json;

    fn told(all: &[(&str, &str)]) -> Fields {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Fields::from(all.iter().map(owned).collect::<Vec<_>>())
    }

    fn before() -> ShopSpec {
        let more = json!({
            "modules": { "enable": ["Acme_A"], "disable": ["Acme_B", "Acme_C"] },
            "config": { "values": { "a/b": "1", "c/d": "2" } },
        });
        fixtures::shop("acme", more).spec
    }

    #[test]
    fn what_nobody_wrote_stays() {
        let changes = Changes::read(&told(&[])).unwrap();
        assert_eq!(changes.apply(&before()), before());
    }

    #[test]
    fn each_shop_keeps_what_is_its_own() {
        let told = told(&[
            ("enable", "Acme_B\nAcme_D"),
            ("disable", "Acme_A"),
            ("forget", "Acme_C"),
            ("values", "c/d = 3"),
            ("unset", "a/b"),
            ("max", "9"),
            ("state", "Maintenance"),
        ]);
        let after = Changes::read(&told).unwrap().apply(&before());
        assert_eq!(after.modules.enable, ["Acme_B", "Acme_D"]);
        assert_eq!(after.modules.disable, ["Acme_A"]);
        assert_eq!(
            after.config.values,
            [("c/d".to_owned(), "3".to_owned())].into()
        );
        assert_eq!((after.scale.min, after.scale.max), (2, 9));
        assert_eq!(after.state, ShopState::Maintenance);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let told = told(&[("min", "two"), ("values", "x")]);
        let problems = Changes::read(&told).unwrap_err();
        assert!(problems.get("min").is_some() && problems.get("values").is_some());
    }
}
