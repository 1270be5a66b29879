//! New shops: one, and a list.

use super::*;

const SHOPS: &str = "/apis/longshore.dev/v1alpha1/shops";
const EVIL: &str = "%3Cscript%3Ealert(1)%3C/script%3E";

#[tokio::test]
async fn a_new_shop_is_checked_in_every_field_while_a_person_types() {
    let console = console([may(), may()]).await;
    for (form, said) in [
        ("name=acme&class=php", "shop acme is there already"),
        (
            "name=new&class=none&domains=new.example",
            "class none does not exist; there are: php",
        ),
        ("name=New&class=php&domains=new.example", "is not a channel"),
        (
            "name=new&class=php&domains=new",
            "is not a host name in lower case",
        ),
        (
            "name=new&class=php&domains=acme.example",
            "host acme.example belongs to shop acme",
        ),
        (
            "name=new&class=php&domains=new.example&database=x",
            "expected a name of the class",
        ),
        (
            "name=new&class=php&domains=new.example&database=x/y",
            "is not in the backends of class php",
        ),
        (
            "name=new&class=php&domains=new.example&max=many",
            "expected a whole number",
        ),
        (
            "name=new&class=php&domains=new.example&min=7&max=3",
            "min is at most max",
        ),
        (
            "name=new&class=php&domains=new.example",
            "no Release of shops/new is in the cluster yet",
        ),
        (
            "name=new&class=php&domains=new.example",
            "Nothing speaks against it.",
        ),
        ("name=new&class=php", "Nothing speaks against it."),
    ] {
        let page = console.post("/new", &format!("step=check&{form}")).await;
        assert_eq!(page.code, StatusCode::OK);
        let text = page.text.replace("&#34;", "\"");
        assert!(text.contains(said), "{form}: {said}: {text}");
    }
    // Whoever sends the form without a domain is told, and nothing is asked of the API server.
    let page = console.post("/new", "step=plan&name=new&class=php").await;
    assert!(
        page.text.contains("spec.domains: has 0 items"),
        "{}",
        page.text
    );
    console.script.end();
}

#[tokio::test]
async fn nothing_that_was_typed_runs() {
    let console = console([may(), may()]).await;
    let fields = [
        "name",
        "class",
        "domains",
        "channel",
        "database",
        "cache",
        "sessions",
        "search",
        "queue",
        "media",
        "access_point",
        "min",
        "max",
        "secret",
    ];
    for field in fields {
        let others = "name=new&class=php&domains=new.example";
        let form = format!("step=check&{field}={EVIL}&{others}");
        let page = console.post("/new", &form).await;
        assert!(
            page.text.contains("&#60;script&#62;alert(1)"),
            "{field}: {}",
            page.text
        );
        assert_eq!(
            page.text.matches("<script").count(),
            2,
            "{field}: {}",
            page.text
        );
    }
    for cell in [0, 1, 2, 3] {
        let mut row = ["new", "new.example", "php", "shops/new"].map(str::to_owned);
        EVIL.clone_into(&mut row[cell]);
        let list = format!("name,domain,class,channel%0A{}", row.join(","));
        let page = console
            .post("/import", &format!("step=check&list={list}"))
            .await;
        assert!(
            page.text.contains("&#60;script&#62;alert(1)"),
            "{cell}: {}",
            page.text
        );
        assert_eq!(
            page.text.matches("<script").count(),
            2,
            "{cell}: {}",
            page.text
        );
    }
    console.script.end();
}

#[tokio::test]
async fn of_a_secret_its_keys_are_named_and_no_value() {
    let secret = "GET /api/v1/namespaces/shop-new/secrets/new-env";
    let data = json!({ "database-user": "dG9wLXNlY3JldA==" });
    let console = console([
        expect(secret)
            .answers(json!({ "apiVersion": "v1", "kind": "Secret", "metadata": {}, "data": data })),
        may(),
        may(),
        expect(secret).refuses(403, "Forbidden", "no"),
    ])
    .await;
    let server =
        json!([{ "name": "db", "host": "db.example", "port": 3306, "cidrs": ["192.0.2.0/24"] }]);
    let class = fixtures::class("php", json!({ "backends": { "databases": server } }));
    console.registry.all::<ShopClass>(vec![class]);
    let form = "step=check&name=new&class=php&domains=new.example&database=db/new";
    let page = console.post("/new", form).await;
    for said in [
        "<code>database-user</code>: is there",
        "<code>database-password</code>: missing",
        "kubectl --namespace shop-new create secret generic new-env",
    ] {
        assert!(page.text.contains(said), "{said}: {}", page.text);
    }
    assert!(!page.text.contains("dG9wLXNlY3JldA") && !page.text.contains("top-secret"));
    let page = console.post("/new", form).await;
    let said = "<code>database-user</code>: not readable for you";
    assert!(page.text.contains(said), "{}", page.text);
    console.script.end();
}

#[tokio::test]
async fn a_new_shop_is_stored_once_and_its_page_opens() {
    let path = format!("{SHOPS}/new");
    let console = console([
        expect(&format!("GET {path}")).refuses(404, "NotFound", "none"),
        expect(&format!("PATCH {path} fieldManager=kubectl !dryRun=All")).made_of(|shop| {
            assert_eq!(
                shop["spec"]["domains"][0],
                json!({ "host": "new.example", "primary": true })
            );
            shop
        }),
    ])
    .await;
    let form = "step=apply&name=new&class=php&domains=new.example&why=a+sale";
    let page = console.post("/new", form).await;
    assert_eq!(page.code, StatusCode::SEE_OTHER, "{}", page.text);
    assert_eq!(page.headers["location"], "/shops/new");
    console.script.end();
}

#[tokio::test]
async fn of_a_list_each_bad_row_is_told_and_none_is_stored() {
    let console = console([may(), may()]).await;
    let list = "name,domain,class%0D%0Aa,a.example,php%0D%0Ab,A.example,php%0D%0A\
                acme,new.example,php%0D%0Ac,acme.example,php%0D%0Ad,a.example,none";
    for step in ["check", "plan", "apply"] {
        let page = console
            .post("/import", &format!("step={step}&list={list}"))
            .await;
        let text = page.text.replace("&#34;", "\"");
        for said in [
            "line:3: b: spec.domains[0].host: \"A.example\" is not a host name",
            "line:4: acme: shop acme is there already",
            "line:5: c: host acme.example belongs to shop acme",
            "line:6: d: host a.example belongs to shop a, of line 2",
            "line:6: d: class none does not exist",
        ] {
            assert!(text.contains(said), "{step}: {said}: {text}");
        }
    }
    console.script.end();
}

#[tokio::test]
async fn a_file_is_taken_without_scripts() {
    let console = console([may(), may()]).await;
    let token = console.guard.form_token("");
    let part = |name: &str, value: &str| {
        format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let file = "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\
                content-type: text/csv\r\n\r\nname,domain\r\nnew,new.example\r\n--x--\r\n";
    let send = |token: String| {
        let request = Request::post("/import")
            .header("origin", format!("http://{HOST}"))
            .header("content-type", "multipart/form-data; boundary=x");
        let fields = [
            ("token", token.as_str()),
            ("step", "check"),
            ("class", "php"),
            ("list", ""),
        ];
        let parts: String = fields
            .iter()
            .map(|(name, value)| part(name, value))
            .collect();
        console.ask(request, parts + file)
    };
    let page = send(token).await;
    assert!(
        page.text.contains("Nothing speaks against 1 shop."),
        "{}",
        page.text
    );
    assert!(
        page.text.contains("new,new.example"),
        "it stays in the form: {}",
        page.text
    );
    let page = send("old".to_owned()).await;
    assert_eq!(page.code, StatusCode::FORBIDDEN, "{}", page.text);
    console.script.end();
}

#[tokio::test]
async fn what_the_api_server_refuses_stays_in_the_form() {
    let refused = "admission webhook \"x\" denied the request: <script>";
    let dry = expect(&format!("PATCH {SHOPS}/new dryRun=All")).refuses(422, "Invalid", refused);
    let console = console([dry, may(), may()]).await;
    let page = console
        .post("/new", "step=plan&name=new&class=php&domains=new.example")
        .await;
    assert!(
        page.text.contains("denied the request: &#60;script&#62;"),
        "{}",
        page.text
    );
    assert!(page.text.contains("value=\"new\""), "{}", page.text);
    console.script.end();
}
