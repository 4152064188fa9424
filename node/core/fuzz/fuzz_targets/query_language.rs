//! The language of queries: never panics, an error is inside of the query, and a quoted text comes out as it went in.

#![no_main]

use std::time::{Duration, SystemTime};

use libfuzzer_sys::fuzz_target;
use node_core::handlers::query::{
    CONTEXT_MAX, QUERY_MAX, Query, Quotes, SyntaxError, handler_of, of_names, quoted, text_of,
};

fuzz_target!(|text: &str| {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    assert!(handler_of(text).len() <= text.len() + 8);
    assert!(text_of(text).len() <= text.len());
    drop(of_names(text));
    match Query::parse(text, now) {
        Ok(query) => {
            assert!(text.len() <= QUERY_MAX);
            assert!(query.context() <= CONTEXT_MAX);
            assert!(query.text(Quotes::Keep).len() <= 2 * text.len() + 8);
            drop((query.name(), query.is_list(), query.is_file_name()));
        }
        Err(SyntaxError::Part { at, .. }) => {
            assert!((1..=text.chars().count()).contains(&at));
        }
        Err(_) => {}
    }
    if !text.is_empty() && text.len() < 1_000 {
        let asked = format!("grep:{} ext:md", quoted(text));
        let query = Query::parse(&asked, now).expect("a quoted text is a text");
        assert_eq!(query.text(Quotes::Remove), text);
    }
});
