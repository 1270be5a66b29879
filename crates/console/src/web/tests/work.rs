//! Many Shops at once: the page that grows.

use super::*;
use http::header::CONTENT_LENGTH;

const SHOP: &str = "/apis/longshore.dev/v1alpha1/shops/acme";

fn at(generation: i64) -> Value {
    let meta = json!({ "name": "acme", "generation": generation, "resourceVersion": "1" });
    json!({ "apiVersion": "longshore.dev/v1alpha1", "kind": "Shop", "metadata": meta })
}

#[tokio::test]
async fn a_page_of_many_tells_what_became_of_each() {
    let get = format!("GET {SHOP}");
    let console = console([
        may(), // halt
        expect(&get).answers(at(7)),
        expect(&format!("PATCH {SHOP} !dryRun")).made_of(|sent| {
            assert_eq!(sent["spec"], json!({ "scale": { "max": 9 } }));
            at(8)
        }),
        expect(&get).answers(at(8)),
    ])
    .await;
    let form = "shown=acme+7&step=apply&max=9&why=a+sale";
    let page = console.post("/many", form).await;
    assert_eq!(page.code, StatusCode::OK, "{}", page.text);
    // It grows: nobody knows how long it gets.
    assert!(!page.headers.contains_key(CONTENT_LENGTH));
    for said in ["<p>0 of 1</p>", "<p>1 of 1</p>", "1 of 1 shop is changed"] {
        assert!(page.text.contains(said), "{said}: {}", page.text);
    }
    assert!(page.text.trim_end().ends_with("</html>"), "{}", page.text);
    assert!(!page.text.contains("<!--"), "{}", page.text);

    // Sent once more, it does nothing.
    let page = console.post("/many", form).await;
    assert!(
        page.text.contains("0 of 1 shop is changed")
            && page
                .text
                .contains("Shop acme was changed since it was shown"),
        "{}",
        page.text
    );
    console.script.end();
}
