//! The language: rhai with the functions of a session. The only place that configures it.
//!
//! # Invariants
//! - Nothing that a script may do is registered anywhere else.
//! - A string, array or map that grows beyond its limit ends the script where rhai looks at sizes: at operators,
//!   literals and calls. A map that grows by `map[key] = value` alone is seen at the next call that takes it; so this
//!   keeps the owner from an accident, not the machine from an attacker.

use std::sync::Arc;

use rhai::{
    Dynamic, Engine, EvalAltResult, Module, ModuleResolver, Position, Shared,
    packages::{Package, StandardPackage},
};

use super::{Script, bounded, calling, hooks, session::Session, values, verbs};
use crate::output::{complain, escaped_lines};

/// Deepest calls of functions of the script.
const CALL_LEVELS: usize = 64;

/// Deepest nesting of an expression, outside and inside of functions.
const EXPRESSION_DEPTH: usize = 64;

/// Longest string, in bytes.
const STRING_MAX: usize = 16 * 1024 * 1024;

/// Most elements of an array with all arrays inside it.
const ARRAY_MAX: usize = 1_000_000;

/// Most properties of an object map with all maps inside it.
const MAP_MAX: usize = 1_000_000;

/// Most variables at a time.
const VARIABLES_MAX: usize = 10_000;

/// Most functions of a script.
const FUNCTIONS_MAX: usize = 1_000;

/// Operations between two looks at the clock.
const OPERATIONS_BETWEEN_CHECKS: u64 = 64;

/// Returns the language for one run of a script.
pub(super) fn build(session: &Arc<Session>, script: &Script) -> Engine {
    let mut engine = Engine::new_raw();
    engine.register_global_module(StandardPackage::new().as_shared_module());
    limit(&mut engine, script.max_operations);
    engine.set_module_resolver(NoImports);
    engine.disable_symbol("eval");
    register_outlets(&mut engine, session);
    register_stop(&mut engine, session);
    bounded::register(&mut engine, STRING_MAX, session);
    values::register(&mut engine, session);
    verbs::register(&mut engine, session);
    hooks::register(&mut engine, session);
    #[cfg(feature = "embedded")]
    super::nodes::register(&mut engine, session);
    calling::register(&mut engine);
    register_args(&mut engine, &script.args);
    engine
}

fn limit(engine: &mut Engine, max_operations: Option<u64>) {
    engine
        .set_max_operations(max_operations.unwrap_or(0)) // 0 is no limit
        .set_max_call_levels(CALL_LEVELS)
        .set_max_expr_depths(EXPRESSION_DEPTH, EXPRESSION_DEPTH)
        .set_max_string_size(STRING_MAX)
        .set_max_array_size(ARRAY_MAX)
        .set_max_map_size(MAP_MAX)
        // A property that is misspelt is an error, and not nothing.
        .set_fail_on_invalid_map_property(true)
        .set_max_variables(VARIABLES_MAX)
        .set_max_functions(FUNCTIONS_MAX);
}

/// Registers `print` to standard output, `debug` to standard error.
fn register_outlets(engine: &mut Engine, session: &Arc<Session>) {
    let printing = Arc::clone(session);
    engine.on_print(move |text| printing.print(&escaped_lines(text)));
    engine.on_debug(|text, _, position| complain(&format!("{position}: {}", escaped_lines(text))));
}

fn register_stop(engine: &mut Engine, session: &Arc<Session>) {
    let session = Arc::clone(session);
    engine.on_progress(move |operations| {
        if operations % OPERATIONS_BETWEEN_CHECKS != 0 {
            return None;
        }
        session.check().err().map(|stop| {
            session.remember_stop(stop);
            Dynamic::UNIT
        })
    });
}

/// Registers `args`, seen from everywhere in the script.
fn register_args(engine: &mut Engine, args: &[String]) {
    let args: rhai::Array = args.iter().cloned().map(Dynamic::from).collect();
    let mut module = Module::new();
    module.set_var("args", args);
    engine.register_global_module(module.into());
}

/// Refuses every `import`.
struct NoImports;

impl ModuleResolver for NoImports {
    fn resolve(
        &self,
        _engine: &Engine,
        _source: Option<&str>,
        path: &str,
        position: Position,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        let message = format!("cannot import {path}: a script is one file");
        Err(EvalAltResult::ErrorRuntime(message.into(), position).into())
    }
}
