//! Values of a shop's configuration, by path, as a tree.

use crate::render::{RenderError, frame::Frame};
use std::collections::BTreeMap;

/// A value, or what is below a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Node<'a> {
    Value(&'a str),
    Below(BTreeMap<&'a str, Node<'a>>),
}

/// The shop's `config.values` as a tree: `default/web/cookie/cookie_lifetime` is four deep.
pub(super) fn tree<'a>(frame: &Frame<'a>) -> Result<BTreeMap<&'a str, Node<'a>>, RenderError> {
    let mut top = BTreeMap::new();
    for (path, value) in &frame.spec.config.values {
        let refuse = |problem: &'static str| RenderError::Value { shop: frame.shop.to_owned(), path: path.clone(), problem };
        let names: Vec<&str> = path.split('/').collect();
        let good = |name: &&str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if names.len() < 2 || !names.iter().all(good) {
            return Err(refuse("is not two or more names of letters, digits and '_', joined by '/', such as default/web/secure/base_url"));
        }
        let mut here = &mut top;
        for name in &names[..names.len() - 1] {
            here = match here.entry(*name).or_insert_with(|| Node::Below(BTreeMap::new())) {
                Node::Below(below) => below,
                Node::Value(_) => return Err(refuse("is below a path that has a value itself")),
            };
        }
        // Sorted, `a/b` comes before `a/b/c`: what is here already can only be a tree.
        here.insert(names[names.len() - 1], Node::Value(value));
    }
    Ok(top)
}

/// The same as JSON, for applications that are no Magento.
pub(super) fn json(frame: &Frame<'_>) -> Result<String, RenderError> {
    fn value(node: &Node<'_>) -> serde_json::Value {
        match node {
            Node::Value(text) => (*text).into(),
            Node::Below(below) => {
                below.iter().map(|(name, node)| ((*name).to_owned(), value(node))).collect::<serde_json::Map<_, _>>().into()
            }
        }
    }
    Ok(format!("{:#}\n", value(&Node::Below(tree(frame)?))))
}
