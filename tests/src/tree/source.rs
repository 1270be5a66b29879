//! What the generated files contain.

use rand::{Rng as _, RngExt as _, rngs::StdRng};

const VERBS: [&str; 16] = [
    "get", "set", "load", "save", "is", "has", "add", "remove", "validate", "render", "collect",
    "prepare", "convert", "apply", "reset", "find",
];
const NOUNS: [&str; 24] = [
    "Product",
    "Price",
    "Customer",
    "Order",
    "Item",
    "Quote",
    "Address",
    "Payment",
    "Shipment",
    "Invoice",
    "Category",
    "Attribute",
    "Store",
    "Website",
    "Config",
    "Session",
    "Cache",
    "Index",
    "Rule",
    "Tax",
    "Total",
    "Option",
    "Image",
    "Url",
];
const DOCS: [&str; 8] = [
    "Retrieve the value from storage and cast it to the declared type",
    "Do not call this from a template; the collection is not loaded there",
    "@deprecated since 2.3, the repository does the same",
    "Runs after the totals were collected for every address",
    "Returns null when the store has no such configuration",
    "@see the parent class for the order in which plugins apply",
    "Cached for the length of a request, since it is asked for in loops",
    "Throws an exception when the identifier is not numeric",
];

/// A PHP file of exactly `size` bytes, which compresses about as real sources do.
pub(super) fn php(random: &mut StdRng, number: usize, size: usize) -> Vec<u8> {
    if size == 0 {
        return Vec::new();
    }
    let mut text = format!(
        "<?php\n\ndeclare(strict_types=1);\n\nnamespace Shop\\Module\\{}{number};\n\nclass \
         Model\n{{\n",
        pick(random, &NOUNS)
    );
    while text.len() < size {
        text.push_str(&method(random));
    }
    let mut bytes = text.into_bytes();
    bytes.truncate(size);
    bytes
}

fn method(random: &mut StdRng) -> String {
    let (verb, noun, other) = (
        pick(random, &VERBS),
        pick(random, &NOUNS),
        pick(random, &NOUNS),
    );
    let (doc, value) = (pick(random, &DOCS), random.random::<u32>());
    format!(
        "    /**\n     * {doc}\n     *\n     * @param {other}Interface ${other}\n     * @return \
         {noun}|null\n     */\n    public function {verb}{noun}{other}({other}Interface \
         ${other}): ?{noun}\n    {{\n        if (${other}->getId() === {value}) {{\n            \
         return $this->{verb}{noun}(${other}->getData('{verb}_{value:x}'));\n        }}\n\n        \
         return null;\n    }}\n\n"
    )
}

/// Bytes as of an image, which do not compress.
pub(super) fn binary(random: &mut StdRng, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    random.fill_bytes(&mut bytes);
    bytes
}

fn pick<'a>(random: &mut StdRng, from: &[&'a str]) -> &'a str {
    from[random.random_range(0..from.len())]
}
