use super::*;
use crate::names::Alike;
use release::{Reason, Writable};

fn path(text: &str) -> RelativePath {
    text.parse().unwrap()
}

struct Module {
    name: ModuleName,
    target: Option<RelativePath>,
    overrides: BTreeSet<ModuleName>,
    entries: Vec<(&'static str, Claim<'static>)>,
}

fn module(
    name: &str,
    target: &str,
    overrides: &[&str],
    entries: &[(&'static str, Claim<'static>)],
) -> Module {
    Module {
        name: name.parse().unwrap(),
        target: (!target.is_empty()).then(|| path(target)),
        overrides: overrides.iter().map(|name| name.parse().unwrap()).collect(),
        entries: entries.to_vec(),
    }
}

fn share(modules: &[Module]) -> Result<Vec<Share>, ComposeError> {
    let kept = [Writable {
        path: path("var/session"),
        keep: true,
    }];
    let asked = RequiredDirectories {
        writable: &kept,
        ..RequiredDirectories::default()
    };
    lay_out(
        modules,
        &Layout {
            asked,
            ..Layout::default()
        },
    )
    .map(|shared| shared.modules)
}

fn lay_out(modules: &[Module], layout: &Layout<'_>) -> Result<Shared, ComposeError> {
    let claims: Vec<_> = modules
        .iter()
        .map(|module| Claims {
            module: &module.name,
            target: module.target.as_ref(),
            overrides: &module.overrides,
            entries: module
                .entries
                .iter()
                .map(|(text, claim)| (path(text), *claim))
                .collect(),
        })
        .collect();
    share_out(&claims, layout)
}

#[test]
fn directories_are_shared_and_totals_add_up() {
    let core = module(
        "core",
        "",
        &[],
        &[
            ("app", Claim::Directory),
            ("app/a.php", Claim::File(3)),
            ("app/l", Claim::Link("a.php")),
        ],
    );
    let cart = module("cart", "app", &[], &[("b.php", Claim::File(4))]);
    let shares = share(&[core, cart]).unwrap();
    assert_eq!(
        (
            shares[0].files,
            shares[0].bytes,
            shares[1].files,
            shares[1].bytes
        ),
        (1, 3, 1, 4)
    );
}

#[test]
fn a_file_in_two_modules_is_an_error_that_names_both() {
    let core = module(
        "core",
        "",
        &[],
        &[("app", Claim::Directory), ("app/a.php", Claim::File(3))],
    );
    let cart = module("cart", "app", &[], &[("a.php", Claim::File(4))]);
    let error = share(&[core, cart]).unwrap_err();
    assert_eq!(error.reason(), Reason::Duplicate);
    assert!(
        error
            .to_string()
            .starts_with("app/a.php is in module core and in module cart"),
        "{error}"
    );
}

#[test]
fn nothing_is_shipped_into_a_kept_directory() {
    let at = |name| {
        module(
            "core",
            "var",
            &[],
            &[("session", Claim::Directory), (name, Claim::File(3))],
        )
    };
    let error = share(&[at("session/sess_1")]).unwrap_err();
    assert_eq!(error.reason(), Reason::Duplicate);
    assert!(
        error
            .to_string()
            .starts_with("var/session/sess_1 is in var/session, which is kept")
            && error.to_string().ends_with("(module core)"),
        "{error}"
    );
    assert!(share(&[at("sessions")]).is_ok());
}

#[test]
fn the_module_that_overrides_wins_in_either_order() {
    let core = || {
        module(
            "core",
            "",
            &[],
            &[("app", Claim::Directory), ("app/a.php", Claim::File(3))],
        )
    };
    let cart = || module("cart", "app", &["core"], &[("a.php", Claim::File(4))]);
    for (core_at, modules) in [(0, [core(), cart()]), (1, [cart(), core()])] {
        let shares = share(&modules).unwrap();
        assert_eq!(
            shares[core_at],
            Share {
                replaced: BTreeSet::from([path("app/a.php")]),
                files: 0,
                bytes: 0
            }
        );
        assert_eq!(shares[1 - core_at].files, 1);
    }
}

#[test]
fn a_file_never_replaces_a_directory_not_even_one_of_a_target() {
    let file = || module("core", "", &["cart"], &[("app", Claim::File(3))]);
    let target = module("cart", "app/code", &[], &[("b.php", Claim::File(4))]);
    assert!(matches!(
        share(&[file(), target]),
        Err(ComposeError::FileAgainstDirectory { .. })
    ));
    let directory = module("cart", "", &["core"], &[("app", Claim::Directory)]);
    assert!(matches!(
        share(&[directory, file()]),
        Err(ComposeError::FileAgainstDirectory { .. })
    ));
}

#[test]
fn names_that_differ_in_case_are_found_across_modules() {
    let price = |name| {
        module(
            name,
            "generated/Magento/Catalog",
            &[],
            &[(
                if name == "a" {
                    "TierPrice"
                } else {
                    "Tierprice"
                },
                Claim::Directory,
            )],
        )
    };
    let error = share(&[price("a"), price("b")]).unwrap_err();
    assert_eq!(error.reason(), Reason::NameCollision);
    let says = "generated/Magento/Catalog/TierPrice of module a and \
                generated/Magento/Catalog/Tierprice of module b differ only in case: rename";
    assert!(error.to_string().starts_with(says), "{error}");
    let allowed = Layout {
        case_sensitive: true,
        ..Layout::default()
    };
    assert!(
        lay_out(&[price("a"), price("b")], &allowed)
            .unwrap()
            .case_sensitive
    );
    assert!(
        !lay_out(&[price("a")], &allowed).unwrap().case_sensitive,
        "nothing of the release asks for it"
    );
    let forms = module(
        "c",
        "",
        &[],
        &[
            ("caf\u{e9}", Claim::File(1)),
            ("cafe\u{301}", Claim::File(1)),
        ],
    );
    assert!(matches!(
        lay_out(&[forms], &allowed),
        Err(ComposeError::Collision {
            alike: Alike::Form,
            ..
        })
    ));
}

#[test]
fn directories_that_the_pod_makes_are_names_too() {
    let media = path("Media");
    let shared = [media];
    let layout = Layout {
        asked: RequiredDirectories {
            shared: &shared,
            ..RequiredDirectories::default()
        },
        ..Layout::default()
    };
    let error = lay_out(
        &[module("core", "", &[], &[("media", Claim::Directory)])],
        &layout,
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("Media and media of module core differ only in case"),
        "{error}"
    );
}
