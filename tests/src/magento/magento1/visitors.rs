//! What visitors and customers do.

use super::{KEY, PRODUCT};
use crate::magento::row::{
    Row,
    Step::{Get, GetWith, Has, Header, Lacks, Post, Sql, Take},
};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "front",
        expected: "200 over https, else led there",
        who: "a visitor",
        steps: &[
            GetWith(302, "/", "X-Forwarded-Proto: http\r\n"),
            Header("location", "https://"),
            Get(200, "/"),
            Has("</html>"),
            Header("x-longshore-facts", "code=r1"),
            // A job for cron, which is looked at below.
            Sql(
                "INSERT INTO cron_schedule (job_code, status, created_at, scheduled_at) VALUES ('newsletter_send_all', 'pending', UTC_TIMESTAMP(), UTC_TIMESTAMP())",
            ),
            Get(200, "/"),
        ],
    },
    Row {
        name: "category",
        expected: "200 with the product",
        who: "a visitor",
        steps: &[Get(200, "/catalog/category/view/id/3/"), Has("Chair")],
    },
    Row {
        name: "product with resized image",
        expected: "200, and a picture behind its address",
        who: "a visitor",
        steps: &[
            Get(200, PRODUCT),
            Has("Chair"),
            Take("image", "/media/catalog/product/cache/", "\""),
            Get(200, "/media/catalog/product/cache/{image}"),
            Header("content-type", "image/"),
            Get(200, "/media/catalog/product/cache/{image}"),
        ],
    },
    Row {
        name: "search",
        expected: "200 with the product",
        who: "a visitor",
        steps: &[
            Get(200, "/catalogsearch/result/?q=chair"),
            Has(">Chair</a>"),
            Get(200, "/catalogsearch/result/?q=nothing-of-this-name"),
            Lacks(">Chair</a>"),
        ],
    },
    Row {
        name: "cart",
        expected: "the product is in it, on either pod",
        who: "a visitor",
        steps: &[
            Get(200, PRODUCT),
            Take("form_key", KEY.0, KEY.1),
            Post(
                302,
                "/checkout/cart/add/product/1/form_key/{form_key}/",
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
        who: "a visitor",
        steps: &[
            Get(200, "/checkout/onepage/"),
            Post(
                200,
                "/checkout/onepage/saveMethod/",
                "method=guest&form_key={form_key}",
            ),
            Post(
                200,
                "/checkout/onepage/saveBilling/",
                "billing%5Bfirstname%5D=Ion&billing%5Blastname%5D=Pop&billing%5Bemail%5D=ion%40shop.example&billing%5Bstreet%5D%5B%5D=Street+1&billing%5Bcity%5D=Cluj\
                 &billing%5Bcountry_id%5D=FR&billing%5Bregion_id%5D=182&billing%5Bpostcode%5D=75001&billing%5Btelephone%5D=1&billing%5Buse_for_shipping%5D=1&form_key={form_key}",
            ),
            Lacks("\"error\":1"),
            Post(
                200,
                "/checkout/onepage/saveShippingMethod/",
                "shipping_method=flatrate_flatrate&form_key={form_key}",
            ),
            Lacks("\"error\""),
            Post(
                200,
                "/checkout/onepage/savePayment/",
                "payment%5Bmethod%5D=checkmo&form_key={form_key}",
            ),
            Lacks("\"error\""),
            Post(
                200,
                "/checkout/onepage/saveOrder/",
                "payment%5Bmethod%5D=checkmo&form_key={form_key}",
            ),
            Has("\"success\":true"),
            Get(200, "/checkout/onepage/success/"),
            Has("order"),
            Has("10000000"),
        ],
    },
    Row {
        name: "customer login",
        expected: "the dashboard, with the name",
        who: "a customer",
        steps: &[
            Get(200, "/customer/account/login/"),
            Take("form_key", KEY.0, KEY.1),
            Post(
                302,
                "/customer/account/loginPost/",
                "login%5Busername%5D={customer}&login%5Bpassword%5D={customer_password}&form_key={form_key}",
            ),
            Get(200, "/customer/account/"),
            Has("Hello, Ana"),
        ],
    },
];
