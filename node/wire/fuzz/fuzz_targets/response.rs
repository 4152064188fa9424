//! Small answers: what is read can be written, and what is written passes the gate.

#![no_main]

use libfuzzer_sys::fuzz_target;
use node_wire::value::recheck;
use node_wire::{gate, response};

fuzz_target!(|bytes: &[u8]| match response::read(bytes) {
    Ok(Ok(value)) => {
        assert_eq!(recheck(&value), Ok(()));
        let written = response::value(&value);
        assert!(gate::check(&written).is_ok());
        let _ = response::hello_dialect(&value);
    }
    Ok(Err(fault)) => {
        assert!(fault.message.chars().count() <= 200);
        assert!(gate::check(&response::fault(&fault)).is_ok());
    }
    Err(error) => assert!(error.to_string().chars().count() <= 300),
});
