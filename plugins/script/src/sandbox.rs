//! The language: rhai without anything that leads out of it.

use std::{sync::Arc, time::Duration};

use rhai::{
    Dynamic, Engine, EvalAltResult, ImmutableString, Position, Shared,
    packages::{Package, StandardPackage},
};

use crate::{
    background,
    capability::{self, Call},
    memory,
};

/// Most operations of a call.
pub const OPERATIONS_MAX: u64 = 200_000;

/// Most processor time of a call, without that for files.
pub const TIME: Duration = Duration::from_millis(250);

/// Longest time of a call in all. A script that stands back hears late of it.
pub const TIME_WHOLE: Duration = Duration::from_millis(700);

/// Longest string, in bytes.
pub(crate) const STRING_MAX: usize = 16 * 1024;

/// Most elements of an array with those inside it, and most bytes of a blob.
pub(crate) const ARRAY_MAX: usize = 4 * 1024;

/// Most properties of a map with those inside it.
const MAP_MAX: usize = 256;

/// Most variables at a time.
const VARIABLES_MAX: usize = 64;

/// Most functions of a script.
const FUNCTIONS_MAX: usize = 64;

/// Deepest calls.
pub(crate) const LEVELS_MAX: usize = 32;

/// Deepest nesting of an expression.
const DEPTH_MAX: usize = 32;

/// Operations between two looks at the clock, in handlers also between two times
/// that they give way: some ten microseconds of plain work.
const LOOK_EVERY: u64 = 64;

type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// Returns the language for compiling.
pub(crate) fn compiler() -> Engine {
    let mut engine = Engine::new_raw();
    engine.register_global_module(standard());
    engine
        .set_max_operations(OPERATIONS_MAX)
        .set_max_call_levels(LEVELS_MAX)
        .set_max_expr_depths(DEPTH_MAX, DEPTH_MAX)
        .set_max_string_size(STRING_MAX)
        .set_max_array_size(ARRAY_MAX)
        .set_max_map_size(MAP_MAX)
        .set_max_variables(VARIABLES_MAX)
        .set_max_functions(FUNCTIONS_MAX)
        .set_max_modules(0)
        // A property that is misspelt is an error, and not nothing.
        .set_fail_on_invalid_map_property(true);
    engine.disable_symbol("eval").disable_symbol("import");
    engine.on_print(|_| {}).on_debug(|_, _, _| {});
    engine
}

/// Returns the language for one call of a handler.
pub(crate) fn build(call: &Arc<Call>) -> Engine {
    let watched = Arc::clone(call);
    let mut engine = bounded(move || {
        background::give_way();
        watched.is_over()
    });
    capability::register(&mut engine, call);
    engine
}

/// Returns the language without any capability, for calls that end when `is_over` says
/// so.
pub(crate) fn bounded(is_over: impl Fn() -> bool + Send + Sync + 'static) -> Engine {
    let mut engine = compiler();
    register_bounded(&mut engine);
    memory::register(&mut engine);
    engine.on_progress(move |operations| {
        let over = operations.is_multiple_of(LOOK_EVERY) && is_over();
        over.then(|| Dynamic::from("it took too long"))
    });
    engine
}

fn standard() -> Shared<rhai::Module> {
    StandardPackage::new().as_shared_module()
}

/// Hides the standard functions without a bound of their own.
fn register_bounded(engine: &mut Engine) {
    engine.register_fn(
        "replace",
        |text: &mut ImmutableString, from: &str, to: &str| replace(text, from, to),
    );
    engine.register_fn(
        "replace",
        |text: &mut ImmutableString, from: &str, to: char| {
            replace(text, from, to.encode_utf8(&mut [0; 4]))
        },
    );
    engine.register_fn(
        "replace",
        |text: &mut ImmutableString, from: char, to: &str| {
            replace(text, from.encode_utf8(&mut [0; 4]), to)
        },
    );
    engine.register_fn(
        "replace",
        |text: &mut ImmutableString, from: char, to: char| {
            replace(
                text,
                from.encode_utf8(&mut [0; 4]),
                to.encode_utf8(&mut [0; 4]),
            )
        },
    );
    engine.register_fn("sleep", |_: i64| -> Fallible<()> { Err(no_clock()) });
    engine.register_fn("sleep", |_: f64| -> Fallible<()> { Err(no_clock()) });
    engine.register_fn("timestamp", || -> Fallible<Dynamic> { Err(no_clock()) });
}

fn no_clock() -> Box<EvalAltResult> {
    "there is no clock here".into()
}

fn replace(text: &mut ImmutableString, from: &str, to: &str) -> Fallible<()> {
    let matches = text.matches(from).count();
    let grown = matches.saturating_mul(to.len().saturating_sub(from.len()));
    if text.len().saturating_add(grown) > STRING_MAX {
        let what = "Length of string".to_owned();
        return Err(EvalAltResult::ErrorDataTooLarge(what, Position::NONE).into());
    }
    *text = text.replace(from, to).into();
    Ok(())
}
