//! `import` and `export`: a table or a list, and back.

use crate::{
    command::{printed, refused},
    committed::compare,
};
use std::io::Write as _;

const TABLE: &str = "\
name,domain,aliases,min,max,database,media,secret
acme,www.acme.example,acme.example acme.test,2,12,db-1,efs-1,acme-env
vinyl,vinyl.example,,,,db-2,efs-1,vinyl-env
";

#[test]
fn a_table_becomes_shops_and_a_table_again() {
    let shops = printed(&["import", "-", "--class", "m2", "--expect", "2"], TABLE);
    compare("crates/render/tests/golden/imported.yaml", &shops);
    let table = printed(&["export", "-"], &shops);
    assert_eq!(
        printed(&["export", "-"], &printed(&["import", "-"], &table)),
        table,
        "another round changes nothing"
    );
}

#[test]
fn an_export_loses_nothing_without_saying_so() {
    let shop = "manifests/examples/shops/aws/shop.yaml";
    let error = refused(&["export", shop], "");
    for field in [
        "acme: ",
        "spec.domains",
        "spec.modules",
        "spec.config.values",
        "spec.scale.schedule",
        "spec.scale.idle",
        "spec.window",
    ] {
        assert!(error.contains(field), "{field}\n{error}");
    }
    assert!(printed(&["export", shop, "--lossy"], "").contains("acme,www.acme.example,"));
    let folder = tempfile::tempdir().unwrap();
    for form in ["json", "yaml"] {
        let path = folder.path().join(format!("shops.{form}"));
        let first = printed(&["export", shop, "--output", form], "");
        std::fs::File::create(&path)
            .unwrap()
            .write_all(first.as_bytes())
            .unwrap();
        let back = printed(&["import", path.to_str().unwrap(), "--expect", "1"], "");
        assert_eq!(printed(&["export", "-", "--output", form], &back), first);
    }
}

#[test]
fn a_list_of_objects_is_imported_likewise() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crm.json");
    let list = r#"[{"name": "acme", "domain": "www.acme.example", "aliases": ["acme.example"], "max": 3, "media": "efs-1"}]"#;
    std::fs::File::create(&path)
        .unwrap()
        .write_all(list.as_bytes())
        .unwrap();
    let shops = printed(
        &[
            "import",
            path.to_str().unwrap(),
            "--class",
            "m2",
            "--channel",
            "stable",
        ],
        "",
    );
    assert!(
        shops.contains("channel: stable") && shops.contains("redirectTo: www.acme.example"),
        "{shops}"
    );
}

#[test]
fn an_import_tells_every_problem_and_prints_nothing() {
    let bad = "\
name,domain,clas,min
acme,www.acme.example,,2
Acme,shop,,two
acme,www.acme.example,,1
short
";
    let error = refused(&["import", "-", "--class", "m2"], bad);
    for expected in [
        "-:1: \"clas\" is no column; did you mean class?",
        "-:3: min=\"two\": expected a whole number",
        "-:5: has 1 cells, and the header 4",
    ] {
        assert!(error.contains(expected), "{expected}\n{error}");
    }
    for (table, says) in [
        (
            "name;domain\nacme;www.acme.example\n",
            "-:1: \"name;domain\" is one cell: cells are separated by semicolons",
        ),
        (
            "name,domain,aliases\nacme,www.acme.example,\"acme.example, shop.acme.example\"\n",
            "aliases=\"acme.example, shop.acme.example\": separate hosts by spaces",
        ),
        (
            "name,domain,media,media_path\nb,b.example,efs,/shops\na,a.example,efs,/shops/a\n",
            "-:3: a: directory efs of class m2: /shops/a: directory efs of class m2: /shops, \
             which is in it or around it, belongs to shop b, of line 2",
        ),
    ] {
        let error = refused(&["import", "-", "--class", "m2"], table);
        assert!(error.contains(says), "{error}");
    }
    let error = refused(
        &["import", "-", "--class", "m2"],
        "name,domain\nacme,www.acme.example\nAcme,www.acme.example\nacme,x.example\n",
    );
    for expected in [
        "-:3: Acme: ",
        "-:4: acme: is in line 2 already",
        "-:3: Acme: host www.acme.example belongs to shop acme, of line 2",
    ] {
        assert!(error.contains(expected), "{expected}\n{error}");
    }
}

#[test]
fn search_and_queue_are_the_shops_own_unless_the_table_says_more() {
    let table = "name,domain,search,search_prefix,queue,virtual_host\n\
                 acme,a.example,os,,rabbit,\nvinyl,v.example,os,records,rabbit,/records\n";
    let shops = printed(&["import", "-", "--class", "m2"], table);
    for text in [
        "prefix: acme",
        "virtualHost: acme",
        "prefix: records",
        "virtualHost: /records",
    ] {
        assert!(shops.contains(text), "{text}\n{shops}");
    }
}

#[test]
fn the_help_names_each_column() {
    let help = printed(&["import", "--help"], "");
    for column in registry::list::COLUMNS {
        assert!(help.contains(column), "{column}");
    }
}

#[test]
fn a_list_that_may_have_been_cut_off_is_refused() {
    let cut = &TABLE[..TABLE.len() - 5];
    assert!(
        refused(&["import", "-", "--class", "m2"], cut).contains("-:3: the last line has no end")
    );
    let few: String = TABLE.split_inclusive('\n').take(2).collect();
    assert!(
        refused(&["import", "-", "--class", "m2", "--expect", "2"], &few)
            .contains("has 1 shops, and --expect says 2")
    );
    assert!(refused(&["import", "-", "--class", "m2"], "name,domain\n").contains("has no shops"));
    let quoted = "name,domain\nacme,\"www.acme.exam\n";
    assert!(
        refused(&["import", "-", "--class", "m2"], quoted).contains("-:2: a quote is never closed")
    );
}
