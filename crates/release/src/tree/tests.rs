use super::*;
use std::collections::BTreeMap;

struct Made(BTreeMap<&'static str, Node>);

impl Tree for Made {
    type Error = TreeError;

    fn node(&mut self, path: &str) -> Result<Option<Node>, TreeError> {
        Ok(self.0.get(path).cloned())
    }

    fn within(&mut self, path: &str) -> Result<Option<String>, TreeError> {
        let below = |it: &&&'static str| {
            it.strip_prefix(path)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        Ok(self.0.keys().find(below).map(|it| (*it).to_owned()))
    }
}

fn path(text: &str) -> RelativePath {
    text.parse().unwrap()
}

fn check(
    files: &[&'static str],
    links: &[(&str, &str)],
    shared: &[&str],
    kept: &[&str],
    targets: &[&str],
) -> Result<(), (String, Reason)> {
    let mut made = Made(BTreeMap::new());
    for file in files {
        for above in from_the_top(file) {
            made.0.insert(above, Node::Directory);
        }
        if !file.ends_with('/') {
            made.0.insert(file, Node::File);
        }
    }
    let links: Vec<_> = links
        .iter()
        .map(|(at, to)| Link {
            path: path(at),
            target: (*to).to_owned(),
            base: String::new(),
        })
        .collect();
    let shared: Vec<_> = shared.iter().map(|it| path(it)).collect();
    let writable: Vec<_> = kept
        .iter()
        .map(|it| Writable {
            path: path(it),
            keep: true,
        })
        .collect();
    let targets: Vec<_> = targets.iter().map(|it| path(it)).collect();
    let asked = RequiredDirectories {
        shared: &shared,
        writable: &writable,
        targets: targets.iter().collect(),
    };
    check_tree(&asked, &links, &mut made).map_err(|error| (error.path.clone(), error.reason()))
}

fn refused(
    files: &[&'static str],
    links: &[(&str, &str)],
    shared: &[&str],
    kept: &[&str],
    targets: &[&str],
    (at, why): (&str, Reason),
) {
    assert_eq!(
        check(files, links, shared, kept, targets),
        Err((at.to_owned(), why)),
        "{files:?} {links:?} {shared:?} {kept:?}"
    );
}

#[test]
fn what_is_in_the_way_is_named() {
    use Reason::{Duplicate, PathUnsafe};
    refused(
        &["app/etc/local.xml"],
        &[],
        &["app/etc/local.xml"],
        &[],
        &[],
        ("app/etc/local.xml", Duplicate),
    );
    refused(
        &[],
        &[("pub", "public")],
        &["pub/media"],
        &[],
        &[],
        ("pub", Duplicate),
    );
    refused(
        &[".media.shipped"],
        &[],
        &["media"],
        &[],
        &[],
        (".media.shipped", Duplicate),
    );
    refused(
        &[],
        &[("pub/.media.shipped", "x")],
        &["pub/media"],
        &[],
        &[],
        ("pub/.media.shipped", Duplicate),
    );
    refused(
        &["var/session/x"],
        &[],
        &[],
        &["var/session"],
        &[],
        ("var/session/x", Duplicate),
    );
    refused(
        &[],
        &[("var/session/x", "y")],
        &[],
        &["var/session"],
        &[],
        ("var/session/x", Duplicate),
    );
    refused(
        &[],
        &[],
        &[],
        &["var/session"],
        &["var/session/m"],
        ("var/session/m", Duplicate),
    );
    refused(&["lib"], &[], &[], &[], &["lib/m"], ("lib", Duplicate));
    refused(
        &[],
        &[("lib", "x")],
        &[],
        &[],
        &["lib/m"],
        ("lib", PathUnsafe),
    );
    refused(&["d/f"], &[("d", "x")], &[], &[], &[], ("d", PathUnsafe));
    refused(
        &[],
        &[("d", "x"), ("d/m", "y")],
        &[],
        &[],
        &[],
        ("d", PathUnsafe),
    );
    refused(&["f"], &[("f", "x")], &[], &[], &[], ("f", Duplicate));
    refused(&["f"], &[("f/l", "x")], &[], &[], &[], ("f", Duplicate));
}

#[test]
fn a_link_that_leads_out_of_its_module_is_named() {
    use Reason::LinkEscape;
    refused(
        &[],
        &[("x", "y"), ("y", "x")],
        &[],
        &[],
        &[],
        ("x", LinkEscape),
    );
    refused(
        &[],
        &[("x", "media/../y")],
        &["media"],
        &[],
        &[],
        ("x", LinkEscape),
    );
}

#[test]
fn what_a_shop_comes_with_is_fine() {
    let links = [
        ("pub/static", "../static"),
        ("media/theme", "../skin"),
        ("logo", "media/logo.png"),
    ];
    let targets = ["vendor/acme/theme", "media/z", "var/session"];
    let files = ["media/.htaccess", "index.php", "var/log/.htaccess"];
    assert_eq!(
        check(
            &files,
            &links,
            &["media", "var/import"],
            &["var/session"],
            &targets
        ),
        Ok(())
    );
}
