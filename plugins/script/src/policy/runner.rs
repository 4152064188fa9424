//! Engines that are ready to run a policy.
//!
//! To make one takes longer than most decisions do. Each has a deadline of its own,
//! so one serves one call at a time.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use plugin_host::lock;
use rhai::{AST, Dynamic, Engine, EvalAltResult, Map, Scope};

use super::{POLICY_OPERATIONS_MAX, network};
use crate::sandbox;

/// Most engines that wait for a call.
const IDLE_MAX: usize = 4;

/// The engines of one policy that are not in use.
#[derive(Default)]
pub(super) struct Runners(Mutex<Vec<Runner>>);

struct Runner {
    engine: Engine,
    /// The time at which the running call has to end.
    until: Arc<Mutex<Instant>>,
}

/// Returns the language for compiling a policy.
pub(super) fn compiler() -> Engine {
    sandbox::compiler()
}

impl Runners {
    /// Calls a function of `ast` with one map.
    pub(super) fn call(
        &self,
        ast: &AST,
        function: &str,
        asked: Map,
        until: Instant,
    ) -> Result<Dynamic, Box<EvalAltResult>> {
        let idle = lock(&self.0).pop();
        let runner = idle.unwrap_or_else(Runner::new);
        *lock(&runner.until) = until;
        let given = runner.engine.call_fn::<Dynamic>(
            &mut Scope::new(),
            ast,
            function,
            (Dynamic::from(asked),),
        );
        let mut idle = lock(&self.0);
        if idle.len() < IDLE_MAX {
            idle.push(runner);
        }
        given
    }
}

impl Runner {
    fn new() -> Runner {
        let until = Arc::new(Mutex::new(Instant::now()));
        let watched = Arc::clone(&until);
        let mut engine = sandbox::bounded(move || Instant::now() >= *lock(&watched));
        engine.set_max_operations(POLICY_OPERATIONS_MAX);
        engine.register_fn("within", network::within);
        Runner { engine, until }
    }
}
