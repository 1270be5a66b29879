//! What visitors and customers do.

use super::{KEY, PRODUCT};
use crate::magento::row::{
    Row,
    Step::{Cookie, Get, GetWith, Has, Header, Json, Lacks, Php, Post, Sql, Take},
};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "front",
        expected: "200 over https, else led there",
        who: "a visitor",
        steps: &[
            GetWith(
                302,
                "/customer/account/login/",
                "X-Forwarded-Proto: http\r\n",
            ),
            Header("location", "https://"),
            Get(200, "/"),
            Has("</html>"),
            Header("x-longshore-facts", "code=r1"),
            // A job for cron, which is looked at below.
            Sql(
                "INSERT INTO cron_schedule (job_code, status, created_at, scheduled_at) VALUES \
                 ('newsletter_send_all', 'pending', UTC_TIMESTAMP(), UTC_TIMESTAMP())",
            ),
            Get(200, "/"),
        ],
    },
    Row {
        name: "category, with cache tags of more than 1,000 bytes",
        expected: "200 with the product",
        who: "a visitor",
        steps: &[
            Get(200, "/catalog/category/view/id/3/"),
            Has("Chair"),
            Get(200, "/catalog/category/view/id/3/"),
            Has("Chair"),
        ],
    },
    Row {
        name: "product with resized image",
        expected: "200, and get.php makes the picture",
        who: "a visitor",
        steps: &[
            Get(200, PRODUCT),
            Has("Chair"),
            Take("image", "/media/catalog/product/cache/", "\""),
            Get(200, "/media/catalog/product/cache/{image}"),
            Header("content-type", "image/"),
            Php(
                1,
                "echo is_file('pub/media/catalog/product/cache/{image}') ? 'made' : 'a \
                 placeholder';",
            ),
            Has("made"),
            Get(200, "/media/catalog/product/cache/{image}"),
        ],
    },
    Row {
        name: "search",
        expected: "200 with the product",
        who: "a visitor",
        steps: &[
            Get(200, "/catalogsearch/result/?q=chair"),
            Has("Chair"),
            Get(200, "/catalogsearch/result/?q=nothing-of-this-name"),
            Lacks("Chair"),
        ],
    },
    Row {
        name: "cart",
        expected: "the product is in it, on either pod",
        who: "a visitor",
        steps: &[
            Get(200, PRODUCT),
            Take("form_key", KEY.0, KEY.1),
            Cookie("form_key", "{form_key}"),
            Post(
                302,
                "/checkout/cart/add/product/1/",
                "product=1&qty=2&form_key={form_key}",
            ),
            Get(200, "/checkout/cart/"),
            Has("Chair"),
            Get(200, "/checkout/cart/"),
            Has("Chair"),
        ],
    },
    Row {
        name: "checkout as guest",
        expected: "an order with a number",
        who: "a guest",
        steps: &[
            Json(200, "/rest/V1/guest-carts", "", "{}"),
            Take("cart", "\"", "\""),
            Json(
                200,
                "/rest/V1/guest-carts/{cart}/items",
                "",
                "{\"cartItem\":{\"quote_id\":\"{cart}\",\"sku\":\"chair\",\"qty\":1}}",
            ),
            Json(
                200,
                "/rest/V1/guest-carts/{cart}/shipping-information",
                "",
                "{\"addressInformation\":{\"shipping_address\":{\"email\":\"ion@shop.example\",\"\
                 firstname\":\"Ion\",\"lastname\":\"Pop\",\"street\":[\"Street \
                 1\"],\"city\":\"Cluj\",\"region_id\":288,\"country_id\":\"RO\",\"postcode\":\"\
                 400001\",\"telephone\":\"1\"},\"billing_address\":{\"email\":\"ion@shop.example\"\
                 ,\"firstname\":\"Ion\",\"lastname\":\"Pop\",\"street\":[\"Street \
                 1\"],\"city\":\"Cluj\",\"region_id\":288,\"country_id\":\"RO\",\"postcode\":\"\
                 400001\",\"telephone\":\"1\"},\"shipping_method_code\":\"flatrate\",\"\
                 shipping_carrier_code\":\"flatrate\"}}",
            ),
            Json(
                200,
                "/rest/V1/guest-carts/{cart}/payment-information",
                "",
                "{\"email\":\"ion@shop.example\",\"paymentMethod\":{\"method\":\"checkmo\"}}",
            ),
            Lacks("message"),
        ],
    },
    Row {
        name: "customer login",
        expected: "the account, with the name",
        who: "a customer",
        steps: &[
            Get(200, "/customer/account/login/"),
            Take("form_key", KEY.0, KEY.1),
            Post(
                302,
                "/customer/account/loginPost/",
                "login%5Busername%5D={customer}&login%5Bpassword%5D={customer_password}&\
                 form_key={form_key}",
            ),
            Get(200, "/customer/account/"),
            Has("Ana"),
        ],
    },
];
