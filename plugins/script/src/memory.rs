//! The memory of the variables of a script.
//!
//! The language looks at the size of one value, and not at every way in which
//! it grows: `a[0] = text` and `m.key = text` pass it by. So now and then, when
//! a variable is used, all that are to be seen are added up.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use rhai::{Array, Blob, Dynamic, Engine, EvalAltResult, FnPtr, ImmutableString, Map, Scope};

use crate::sandbox::LEVELS_MAX;

/// Most that all variables of a script hold, in bytes.
const HELD_MAX: usize = 32 << 20;

/// Most that those of one level of calls hold, in bytes.
const HELD_LEVEL_MAX: usize = HELD_MAX / LEVELS_MAX;

/// Uses of variables between two looks.
const LOOK_EVERY: u64 = 32;

/// Deepest nesting that is looked into.
const DEPTH_MAX: usize = 16;

/// The cost of an element beside its content, in bytes.
const ELEMENT: usize = 32;

/// Registers the looks.
#[expect(
    deprecated,
    reason = "its only fault is that it may change with the next version of the language"
)]
pub(crate) fn register(engine: &mut Engine) {
    let uses = Arc::new(AtomicU64::new(0));
    engine.on_var(move |_, _, context| {
        let look = uses
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(LOOK_EVERY);
        if look && is_too_much(context.scope()) {
            return Err("the variables hold too much".into());
        }
        Ok::<_, Box<EvalAltResult>>(None)
    });
}

fn is_too_much(scope: &Scope<'_>) -> bool {
    let mut left = HELD_LEVEL_MAX;
    scope
        .iter_raw()
        .any(|(_, _, value)| take(value, &mut left, DEPTH_MAX).is_none())
}

/// Takes the size of `value` from `left`; nothing if that is not enough.
fn take(value: &Dynamic, left: &mut usize, depth: usize) -> Option<()> {
    *left = left.checked_sub(ELEMENT)?;
    let depth = depth.checked_sub(1)?;
    if let Some(text) = value.read_lock::<ImmutableString>() {
        *left = left.checked_sub(text.len())?;
    } else if let Some(bytes) = value.read_lock::<Blob>() {
        *left = left.checked_sub(bytes.len())?;
    } else if let Some(array) = value.read_lock::<Array>() {
        array
            .iter()
            .try_for_each(|element| take(element, left, depth))?;
    } else if let Some(map) = value.read_lock::<Map>() {
        for (key, element) in map.iter() {
            *left = left.checked_sub(key.len())?;
            take(element, left, depth)?;
        }
    } else if let Some(function) = value.read_lock::<FnPtr>() {
        let mut held = function.iter_curry();
        held.try_for_each(|element| take(element, left, depth))?;
    }
    Some(())
}
