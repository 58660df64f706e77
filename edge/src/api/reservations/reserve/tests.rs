//! The rules of a cart.

use super::*;

fn read_cart(body: &str) -> Result<Vec<String>, u16> {
    let cart = crate::http::body::json::<Cart>(crate::http::media_type::JSON, body.as_bytes());
    let cart = cart.map_err(|problem| Response::from(problem).status)?;
    Ok(field_errors(&cart).into_iter().map(|error| error.pointer).collect())
}

fn cart_of(items: &str) -> Result<Vec<String>, u16> {
    read_cart(&format!(r#"{{"sale_id":"spring-drop","items":{items}}}"#))
}

#[test]
fn a_value_out_of_bounds_is_named_by_its_pointer() {
    let line = |sku: usize| format!(r#"{{"sku_id":"s-{sku}","qty":1}}"#);
    let lines = |count| format!("[{}]", (0..count).map(line).collect::<Vec<_>>().join(","));
    for (items, want) in [
        (lines(1), vec![]),
        (lines(10), vec![]),
        (lines(11), vec!["/items"]),
        (lines(0), vec!["/items"]),
        (r#"[{"sku_id":"a","qty":100}]"#.into(), vec![]),
        (r#"[{"sku_id":"a","qty":1.0}]"#.into(), vec![]),
        (r#"[{"sku_id":"a","qty":0}]"#.into(), vec!["/items/0/qty"]),
        (r#"[{"sku_id":"a","qty":101}]"#.into(), vec!["/items/0/qty"]),
        (r#"[{"sku_id":"a","qty":-1}]"#.into(), vec!["/items/0/qty"]),
        (r#"[{"sku_id":"a","qty":1e9}]"#.into(), vec!["/items/0/qty"]),
        (r#"[{"sku_id":"a","qty":99999999999999999999}]"#.into(), vec!["/items/0/qty"]),
        (r#"[{"sku_id":"a\u0000","qty":1}]"#.into(), vec!["/items/0/sku_id"]),
        (r#"[{"sku_id":"a","qty":1},{"sku_id":"a","qty":2}]"#.into(), vec!["/items/1/sku_id"]),
        (
            r#"[{"sku_id":"","qty":0},{"sku_id":"B","qty":1}]"#.into(),
            vec!["/items/0/sku_id", "/items/0/qty", "/items/1/sku_id"],
        ),
    ] {
        assert_eq!(cart_of(&items), Ok(want.into_iter().map(str::to_owned).collect()), "{items}");
    }
    assert_eq!(read_cart(r#"{"sale_id":"봄","items":[]}"#), Ok(vec!["/sale_id".to_owned(), "/items".to_owned()]));
}

#[test]
fn another_shape_is_malformed() {
    for items in [
        "null",
        "{}",
        "[null]",
        "[1]",
        r#"[["a",1]]"#,
        r#"[{"sku_id":"a"}]"#,
        r#"[{"sku_id":"a","qty":1.5}]"#,
        r#"[{"sku_id":"a","qty":"1"}]"#,
        r#"[{"sku_id":1,"qty":1}]"#,
        r#"[{"sku_id":"a","qty":1,"price":0}]"#,
        r#"[{"sku_id":"a","qty":1,"qty":1}]"#,
        r#"[{"sku_id":"a","qty":null}]"#,
    ] {
        assert_eq!(cart_of(items), Err(400), "{items}");
    }
    assert_eq!(read_cart(r#"{"sale_id":"a","items":[],"user_id":"b"}"#), Err(400));
}

#[test]
fn the_same_cart_has_the_same_fingerprint_however_it_is_written() {
    let fingerprint = |body: &str| {
        let cart = crate::http::body::json::<Cart>(crate::http::media_type::JSON, body.as_bytes()).ok()?;
        idempotency::printed(&cart).ok().map(|printed| idempotency::fingerprint_of(&printed))
    };
    let one = fingerprint(r#"{"sale_id":"s","items":[{"sku_id":"a","qty":1}]}"#);
    assert_eq!(one.as_ref().map(String::len), Some(64));
    assert_eq!(fingerprint(r#" {"items" : [ {"qty":1.0,"sku_id":"\u0061"} ], "sale_id":"s"}"#), one);
    assert_ne!(fingerprint(r#"{"sale_id":"s","items":[{"sku_id":"a","qty":2}]}"#), one);
}

#[test]
fn a_user_over_the_limit_gets_a_retry_after() {
    let charge = Charge { admitted: false, remaining: 0, reset_s: 1 };
    let refused = limits(limited(charge).into(), charge, &crate::runtime::config::Config::from(|_| None));
    assert_eq!((refused.status, refused.header("Retry-After")), (429, Some("1")));
    assert_eq!(refused.header("RateLimit-Policy"), Some("\"reservations\";q=20;w=4"));
    assert_eq!(refused.header("RateLimit"), Some("\"reservations\";r=0;t=1"));
}
