//! Names: what is accepted is a relative path of plain parts, and is accepted again.

#![no_main]

use std::path::{Component, Path};

use libfuzzer_sys::fuzz_target;
use node_wire::{Fault, ShareName, escaped};

fuzz_target!(|text: &str| {
    assert!(escaped(text).to_string().chars().count() <= 200);
    let name = match ShareName::parse(text) {
        Ok(name) => name,
        Err(error) => {
            let code = if error.leaves_share() { 200 } else { 100 };
            assert_eq!(Fault::from(error).code, code);
            return;
        }
    };
    assert_eq!(ShareName::parse(name.as_str()), Ok(name.clone()));
    let path = Path::new(name.as_str());
    assert!(
        path.components()
            .all(|part| matches!(part, Component::Normal(_)))
    );
    assert_eq!(path.components().count(), name.parts().count());
    let upper = ShareName::parse(&text.to_uppercase());
    assert!(upper.is_err() || upper.map(|upper| upper.collision_key()) == Ok(name.collision_key()));
});
