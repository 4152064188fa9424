//! The headers that nodes add to requests and answers: whatever they hold, what is understood is bounded, and says the same
//! when it is written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use node_wire::{
    About, AnswerRate, Budget, NodeId, PeerUrl, QueryId, asking::Asking,
};

fuzz_target!(|text: &str| {
    let about = About::from_header(text);
    assert_eq!(About::from_header(&about.to_string()), about);
    assert!(about.to_string().len() <= 256);
    if let Some(time) = about.time() {
        assert_eq!(About::new(Some(time), false).time(), Some(time));
    }
    if let Some(budget) = Budget::from_header(text) {
        assert!(budget.calls() <= Budget::WHOLE.calls());
    }
    if let Some(rate) = AnswerRate::from_header(text) {
        assert!(rate.bytes_a_second() > 0);
        assert!(!rate.time(u64::MAX).is_zero());
    }
    if let Ok(id) = QueryId::from_hex(text) {
        assert_eq!(id.to_hex(), text.to_ascii_lowercase());
    }
    let mut asking = Asking::from_header(text);
    assert_eq!(Asking::from_header(&asking.to_string()), asking);
    // The header `sixhop-through` is a URL of a peer, and that is all.
    if let Ok(url) = PeerUrl::parse(text) {
        asking.add(&url);
        assert_eq!(PeerUrl::parse(url.as_str()), Ok(url));
    }
    let _ = text.parse::<NodeId>();
});
