//! Work in a shop's namespace.

use super::*;

const NAMESPACE: &str = "namespaces/shop-acme";

/// Its CronJob of backups, of which nobody needs more.
fn backup() -> Exchange {
    let path = format!("GET /apis/batch/v1/{NAMESPACE}/cronjobs/backup");
    expect(&path)
        .answers(json!({ "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {}, "spec": {} }))
}

#[tokio::test]
async fn a_restore_wants_the_name_typed_and_the_shop_closed() {
    let console = console([may(), may(), backup(), backup()]).await;
    for (form, said) in [
        (
            "confirmed=acm",
            "&#34;acm&#34; is not the name of the shop; type acme to overwrite",
        ),
        ("confirmed=acme", "set its state to Maintenance first"),
    ] {
        let form = format!("do=restore&secret=%3Cscript%3E&backup=%3Cscript%3E&{form}");
        let page = console.post("/shops/acme/restore", &form).await;
        assert_eq!(page.code, StatusCode::OK);
        assert!(page.text.contains(said), "{said}: {}", page.text);
        assert!(
            page.text.contains("value=\"&#60;script&#62;\""),
            "{}",
            page.text
        );
        assert_eq!(page.text.matches("<script").count(), 2, "{}", page.text);
    }
    console.script.end();
}

#[tokio::test]
async fn a_restore_of_a_closed_shop_needs_keys_that_read_backups() {
    let none = json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList", "metadata": {}, "items": [] });
    let keys = json!({ "access-key-id": "c2VjcmV0" });
    let mut closed = shop();
    closed.spec.state = api::ShopState::Maintenance;
    let console = console([
        expect(&format!("GET /api/v1/{NAMESPACE}/pods")).answers(none),
        expect(&format!("GET /api/v1/{NAMESPACE}/secrets/reader"))
            .answers(json!({ "apiVersion": "v1", "kind": "Secret", "metadata": {}, "data": keys })),
        may(),
        may(),
        backup(),
    ])
    .await;
    console.registry.all::<Shop>(vec![closed]);
    let form = "do=restore&secret=reader&confirmed=acme&why=prices";
    let page = console.post("/shops/acme/restore", form).await;
    let said = "Secret shop-acme/reader lacks secret-access-key";
    assert!(page.text.contains(said), "{}", page.text);
    assert!(!page.text.contains("c2VjcmV0"));
    assert!(page.text.contains(">Restore</button>"), "{}", page.text);
    console.script.end();
}
