//! Values of a shop's configuration, by path, as a tree.

use crate::{RenderError, shop_context::ShopContext};
use api::Engine;
use std::collections::BTreeMap;

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A text.
    Text(&'a str),
    /// What the shop's Secret has at this key; nothing if it has none.
    Secret(&'static str),
}

/// A value, or what is below a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Node<'a> {
    Value(Value<'a>),
    Below(BTreeMap<&'a str, Node<'a>>),
}

/// What Magento takes for the roots of a shop's configuration: `default/…`, `websites/CODE/…` and
/// `stores/CODE/…`.
const SCOPES: [&str; 3] = ["default", "websites", "stores"];

/// The shop's `config.values` as a tree: `default/web/cookie/cookie_lifetime` is four deep. They
/// win over what is `given`.
pub(super) fn tree<'a>(
    context: &ShopContext<'a>,
    given: impl IntoIterator<Item = (&'a str, Value<'a>)>,
) -> Result<BTreeMap<&'a str, Node<'a>>, RenderError> {
    let mut all: BTreeMap<&str, Value<'a>> = given.into_iter().collect();
    all.extend(
        context
            .spec
            .config
            .values
            .iter()
            .map(|(path, value)| (path.as_str(), Value::Text(value))),
    );
    let mut top = BTreeMap::new();
    for (path, value) in all {
        let refuse = |problem: &'static str| RenderError::Value {
            shop: context.shop.to_owned(),
            path: path.to_owned(),
            problem,
        };
        let names: Vec<&str> = path.split('/').collect();
        let good = |name: &&str| {
            name.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        };
        if names.len() < 2 || !names.iter().all(good) {
            return Err(refuse(
                "is not two or more names of letters, digits, '_' and '-', joined by '/', such as \
                 default/web/secure/base_url",
            ));
        }
        if context.class.engine == Engine::Magento1 {
            for_xml(&names, &value).map_err(refuse)?;
        }
        let mut here = &mut top;
        for name in &names[..names.len() - 1] {
            here = match here
                .entry(*name)
                .or_insert_with(|| Node::Below(BTreeMap::new()))
            {
                Node::Below(below) => below,
                Node::Value(_) => return Err(refuse("is below a path that has a value itself")),
            };
        }
        // Sorted, `a/b` comes before `a/b/c`: what is here already can only be a tree.
        here.insert(names[names.len() - 1], Node::Value(value));
    }
    Ok(top)
}

/// What an XML file can say.
fn for_xml(names: &[&str], value: &Value<'_>) -> Result<(), &'static str> {
    if names
        .iter()
        .any(|name| name.starts_with(|first: char| first.is_ascii_digit()))
    {
        return Err(
            "has a name that begins with a digit, which Magento 1, whose configuration is XML, \
             cannot have",
        );
    }
    let Value::Text(text) = value else {
        return Ok(());
    };
    if text.chars().any(|one| {
        (one < ' ' && !"\t\n\r".contains(one)) || ['\u{fffe}', '\u{ffff}'].contains(&one)
    }) {
        return Err(
            "holds a control character, which Magento 1, whose configuration is XML, cannot have",
        );
    }
    Ok(())
}

/// Those of the shop's `config.values` that have a scope, as Magento 1 has to be told them: scope,
/// code, path below these, value.
pub(super) fn scoped<'a>(context: &ShopContext<'a>) -> Vec<(&'a str, &'a str, &'a str, &'a str)> {
    let of = |(path, value): (&'a String, &'a String)| {
        let (scope, rest) = path
            .split_once('/')
            .filter(|(scope, _)| SCOPES.contains(scope))?;
        let (code, path) = if scope == "default" {
            ("", rest)
        } else {
            rest.split_once('/')?
        };
        Some((scope, code, path, value.as_str()))
    };
    let mut all: Vec<_> = context.spec.config.values.iter().filter_map(of).collect();
    // The narrower a scope, the later: what a store has wins over what all have.
    all.sort_by_key(|(scope, ..)| SCOPES.iter().position(|known| known == scope));
    all
}

/// The same as JSON, for applications that are no Magento.
pub(super) fn json(context: &ShopContext<'_>) -> Result<String, RenderError> {
    fn value(node: &Node<'_>) -> serde_json::Value {
        match node {
            Node::Value(Value::Text(text)) => (*text).into(),
            Node::Value(Value::Secret(_)) => serde_json::Value::Null,
            Node::Below(below) => below
                .iter()
                .map(|(name, node)| ((*name).to_owned(), value(node)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
    Ok(format!("{:#}\n", value(&Node::Below(tree(context, [])?))))
}
