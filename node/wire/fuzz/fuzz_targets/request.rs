//! Requests: what is read can be written and reads back the same; its parameters are judged without panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use node_wire::value::recheck;
use node_wire::{Fetch, Hello, Multicall, Query, request};

fuzz_target!(|bytes: &[u8]| {
    let Ok(call) = request::read(bytes) else {
        return;
    };
    assert!(call.params.iter().all(|value| recheck(value).is_ok()));
    assert_eq!(request::read(&request::write(&call)).as_ref(), Ok(&call));
    let _ = Hello::from_params(&call.params);
    let _ = Query::from_params(&call.params);
    let _ = Fetch::from_params(&call.params);
    let _ = Multicall::from_params(&call.params);
});
