//! The form of a new shop.

use super::{
    Field, Kind, field,
    sent::{Fields, Problems, lines, number},
};
use crate::text;
use operations::create::{NewShop, Placement, place};

/// The form; `classes` are what the cluster has.
pub(crate) fn fields(classes: Vec<String>) -> Vec<Field> {
    let one = |name, words, kind| field(name, words, String::new(), kind);
    vec![
        one("name", text::NAME, Kind::Text),
        one("class", text::CLASS, Kind::Choice(classes)),
        one("domains", text::HOSTS, Kind::Lines),
        one("channel", text::CHANNEL, Kind::Text),
        one("database", text::DATABASE, Kind::Text),
        one("cache", text::CACHE, Kind::Text),
        one("sessions", text::SESSIONS, Kind::Number),
        one("search", text::SEARCH, Kind::Text),
        one("queue", text::QUEUE, Kind::Text),
        one("media", text::MEDIA, Kind::Text),
        one("access_point", text::ACCESS_POINT, Kind::Text),
        one("min", text::MIN_NEW, Kind::Number),
        one("max", text::MAX_NEW, Kind::Number),
        one("secret", text::SECRET, Kind::Text),
    ]
}

/// The form, as a person sent it.
pub(crate) fn sent(classes: Vec<String>, sent: &Fields, problems: &Problems) -> Vec<Field> {
    let mut fields = fields(classes);
    for field in &mut fields {
        sent.get(field.name).clone_into(&mut field.value);
        field.problem = problems.get(field.name);
    }
    fields
}

/// What a person wants.
///
/// # Errors
///
/// If the text of a field cannot be read.
pub(crate) fn wanted(sent: &Fields) -> Result<NewShop, Problems> {
    let mut problems = Problems::default();
    let text = |name| Some(sent.get(name).trim().to_owned()).filter(|text| !text.is_empty());
    let mut server = |name| -> Option<Placement> {
        let given = text(name)?;
        Some(problems.some(name, place(&given)))
    };
    let mut wanted = NewShop {
        name: text("name").unwrap_or_default(),
        class: text("class").unwrap_or_default(),
        channel: text("channel"),
        domains: lines(sent.get("domains")).map(str::to_owned).collect(),
        database: server("database"),
        cache: server("cache"),
        search: server("search"),
        queue: server("queue"),
        media: server("media"),
        access_point: text("access_point"),
        has_secret: text("secret").is_some(),
        secret: text("secret"),
        ..NewShop::default()
    };
    let mut count = |name| -> Option<u32> {
        let given = text(name)?;
        Some(problems.some(name, number(&given)))
    };
    (wanted.sessions, wanted.min, wanted.max) = (count("sessions"), count("min"), count("max"));
    problems.or(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(all: &[(&str, &str)]) -> Fields {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Fields::from(all.iter().map(owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_empty_is_left_to_the_class() {
        let told = told(&[
            ("name", " acme "),
            ("class", "php"),
            ("domains", "www.acme.example\r\n\r\n acme.example "),
            ("media", "efs-1/shops/acme"),
            ("min", "3"),
        ]);
        let expected = NewShop {
            name: "acme".to_owned(),
            class: "php".to_owned(),
            domains: vec!["www.acme.example".to_owned(), "acme.example".to_owned()],
            media: Some(("efs-1".to_owned(), "shops/acme".to_owned())),
            min: Some(3),
            ..NewShop::default()
        };
        assert_eq!(wanted(&told), Ok(expected));
    }

    #[test]
    fn what_cannot_be_read_stands_at_its_field() {
        let told = told(&[("database", "shop_acme"), ("max", "many")]);
        let problems = wanted(&told).unwrap_err();
        assert!(
            problems
                .get("database")
                .unwrap()
                .contains("expected a name")
        );
        assert!(problems.get("max").is_some() && problems.get("min").is_none());
    }
}
