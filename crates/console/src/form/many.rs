//! What is changed of many shops at once: fields that are empty stay as they are in each.

use super::{
    Field, Kind, field,
    sent::{Fields, Problems, lines, number, pairs},
};
use crate::text;
use api::{ShopSpec, ShopState};

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
        field.problem = problems.of(field.name);
    }
    fields
}

/// The spec that the form makes of `spec`.
///
/// # Errors
///
/// If the text of a field cannot be read.
pub(crate) fn spec(spec: &ShopSpec, sent: &Fields) -> Result<ShopSpec, Problems> {
    let (mut spec, mut problems) = (spec.clone(), Problems::default());
    match sent.get("state") {
        "" => {}
        "Active" => spec.state = ShopState::Active,
        "Maintenance" => spec.state = ShopState::Maintenance,
        "Suspended" => spec.state = ShopState::Suspended,
        "Archived" => spec.state = ShopState::Archived,
        _ => problems.some::<(), _>("state", Err(text::CHOOSE_STATE)),
    }
    for (name, pods) in [("min", &mut spec.scale.min), ("max", &mut spec.scale.max)] {
        if !sent.get(name).trim().is_empty() {
            *pods = problems.some(name, number(sent.get(name)));
        }
    }
    let (enable, disable) = (&mut spec.modules.enable, &mut spec.modules.disable);
    let lists = [
        ("enable", true, false),
        ("disable", false, true),
        ("forget", false, false),
    ];
    for (name, on, off) in lists {
        for module in lines(sent.get(name)) {
            enable.retain(|known| known != module);
            disable.retain(|known| known != module);
            if on {
                enable.push(module.to_owned());
            }
            if off {
                disable.push(module.to_owned());
            }
        }
    }
    let values = problems.some("values", pairs(sent.get("values")));
    spec.config.values.extend(values);
    for path in lines(sent.get("unset")) {
        spec.config.values.remove(path);
    }
    problems.or(spec)
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
        assert_eq!(spec(&before(), &told(&[])), Ok(before()));
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
        let after = spec(&before(), &told).unwrap();
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
        let problems = spec(&before(), &told(&[("min", "two"), ("values", "x")])).unwrap_err();
        assert!(problems.of("min").is_some() && problems.of("values").is_some());
    }
}
