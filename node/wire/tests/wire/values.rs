//! Strategies for values that may travel.

use node_wire::Value;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

/// Generates text of characters that XML allows.
pub(crate) fn legal_text() -> impl Strategy<Value = String> {
    let awkward = prop_oneof![
        Just('\r'),
        Just('\n'),
        Just('\t'),
        Just('<'),
        Just('>'),
        Just('&'),
        Just(']'),
        Just('"'),
        Just('é'),
        Just('\u{FFFD}'),
        Just('\u{10FFFF}'),
        any::<char>(),
        proptest::char::range(' ', '~'),
    ];
    let legal = awkward.prop_filter("legal in XML", |c| node_wire::characters::is_xml(*c));
    vec(legal, 0..24).prop_map(|characters| characters.into_iter().collect())
}

/// Generates any value that passes the recheck, dates excepted.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i32>().prop_map(Value::Int),
        any::<i64>().prop_map(Value::Int64),
        any::<bool>().prop_map(Value::Bool),
        legal_text().prop_map(Value::String),
        proptest::num::f64::NORMAL.prop_map(Value::Double),
        vec(any::<u8>(), 0..40).prop_map(Value::Base64),
        Just(Value::Nil),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::Array),
            btree_map(legal_text(), inner, 0..5).prop_map(Value::Struct),
        ]
    })
}
