//! Policies: scripts that decide what others may ask and have.
//!
//! # Participants
//! - A [`ScriptPolicy`] is one script that compiled, with any of the functions
//!   `allow_query(q)`, `allow_fetch(f)` and `rank(hit)`.
//! - [`PolicyFile`] follows the file [`POLICY_FILE`] in the plugin directory and
//!   says which [`Rules`](plugin_api::Rules) hold.
//!
//! # Invariants
//! - The sandbox is that of the handlers, without files: a policy decides from
//!   its arguments alone, and keeps nothing between two calls.
//! - A decision ends: after [`POLICY_OPERATIONS_MAX`] operations or
//!   [`POLICY_TIME`].
//! - `allow_query` and `allow_fetch` guard: an error, an answer that is neither
//!   true nor false, or no decision in time is no. The caller of a [`ScriptPolicy`]
//!   gets a [`PolicyError`] and must read it so.
//! - `rank` does not guard; where it fails, nothing changes.
//!
//! # Non-goals
//! A policy does not see the content of files or who is behind an address, and
//! cannot ask anybody. It is not given what it does not name.

mod asked;
mod examples;
mod file;
mod network;
mod reads;
mod runner;

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use plugin_api::{
    FetchAsked, HitsAllowed, Policy, PolicyError, QueryAsked, RankAsked, Reads, Rule,
};
use plugin_host::{PROBLEM_MAX, lock};
use rhai::{AST, Dynamic, Map};

use self::{asked::ToMap, examples::Example, runner::Runners};
pub use self::{
    examples::PolicyExampleError,
    file::{POLICY_FILE, PolicyFile},
};
use crate::{
    ScriptError,
    header::{HeaderError, SOURCE_MAX},
};

/// Longest time of one decision.
pub const POLICY_TIME: Duration = Duration::from_millis(20);

/// Longest time of the decisions about the hits of one answer.
pub const POLICY_HITS_TIME: Duration = Duration::from_millis(250);

/// Most operations of one decision.
pub const POLICY_OPERATIONS_MAX: u64 = 50_000;

/// Failures after which the other hits of one answer are not asked about.
const HITS_FAILURES_MAX: usize = 3;

/// The start of the names of functions that guard. Others that begin so are taken for
/// misspelt.
const GUARD: &str = "allow";

/// A policy that compiled.
pub struct ScriptPolicy {
    ast: AST,
    rules: Vec<Rule>,
    reads: Reads,
    examples: Vec<Example>,
    runners: Runners,
    last_failure: Mutex<Option<String>>,
}

impl ScriptPolicy {
    /// Compiles `source`.
    ///
    /// # Errors
    /// [`ScriptError`], with the line where there is one.
    pub fn compile(source: &str) -> Result<ScriptPolicy, ScriptError> {
        if source.len() > SOURCE_MAX {
            return Err(HeaderError::TooLong.into());
        }
        let examples = examples::parse(source)?;
        let ast = runner::compiler()
            .compile(source)
            .map_err(|error| ScriptError::Compile(error.to_string()))?;
        let rules = rules(&ast)?;
        Ok(ScriptPolicy {
            ast,
            rules,
            reads: reads::reads(source),
            examples,
            runners: Runners::default(),
            last_failure: Mutex::default(),
        })
    }

    /// Returns the functions that it has.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Returns the reason of the last decision that failed.
    #[must_use]
    pub fn last_failure(&self) -> Option<String> {
        lock(&self.last_failure).clone()
    }

    fn allows(&self, rule: Rule, mut asked: Map) -> Result<bool, PolicyError> {
        if !self.has(rule) {
            return Ok(true);
        }
        reads::withhold(self.reads, &mut asked);
        let given = self.call(rule, asked).and_then(|given| {
            given.as_bool().map_err(|kind| {
                let problem = format!("it gives a value of type {kind} and not true or false");
                error(rule, &problem)
            })
        });
        self.noted(given)
    }

    fn worth(&self, asked: Map) -> Result<Option<f64>, PolicyError> {
        worth(&self.call(Rule::Rank, asked)?)
    }

    /// Keeps the failure, if it is one, for the owner.
    fn noted<T>(&self, decided: Result<T, PolicyError>) -> Result<T, PolicyError> {
        if let Err(error) = &decided {
            *lock(&self.last_failure) = Some(error.to_string());
        }
        decided
    }

    fn call(&self, rule: Rule, asked: Map) -> Result<Dynamic, PolicyError> {
        let until = Instant::now() + POLICY_TIME;
        self.runners
            .call(&self.ast, rule.name(), asked, until)
            .map_err(|failure| error(rule, &failure.to_string()))
    }
}

impl Policy for ScriptPolicy {
    fn has(&self, rule: Rule) -> bool {
        self.rules.contains(&rule)
    }

    fn reads(&self) -> Reads {
        self.reads
    }

    /// Blocks for at most [`POLICY_TIME`].
    fn allows_query(&self, asked: &QueryAsked) -> Result<bool, PolicyError> {
        self.allows(Rule::AllowQuery, asked.to_map())
    }

    /// Blocks for at most [`POLICY_TIME`].
    fn allows_fetch(&self, asked: &FetchAsked) -> Result<bool, PolicyError> {
        self.allows(Rule::AllowFetch, asked.to_map())
    }

    /// Blocks for little more than [`POLICY_HITS_TIME`].
    fn allows_hits(&self, hits: &mut dyn Iterator<Item = FetchAsked>, most: usize) -> HitsAllowed {
        let until = Instant::now() + POLICY_HITS_TIME;
        let mut asked = HitsAllowed::default();
        let (mut allowed, mut failures) = (0, 0);
        for hit in hits {
            if allowed >= most || failures >= HITS_FAILURES_MAX || Instant::now() >= until {
                break;
            }
            let decided = self.allows_fetch(&hit);
            let is_allowed = *decided.as_ref().unwrap_or(&false);
            allowed += usize::from(is_allowed);
            if let Err(error) = decided {
                failures += 1;
                asked.failure = Some(error);
            }
            asked.allowed.push(is_allowed);
        }
        asked
    }

    /// Blocks for little more than [`POLICY_HITS_TIME`].
    fn rank(&self, hits: &[RankAsked]) -> Result<Vec<Option<f64>>, PolicyError> {
        let until = Instant::now() + POLICY_HITS_TIME;
        let rank = |hit: &RankAsked| {
            if Instant::now() >= until {
                return Err(error(Rule::Rank, "there are too many hits for the time"));
            }
            self.worth(hit.to_map())
        };
        self.noted(hits.iter().map(rank).collect())
    }
}

impl std::fmt::Debug for ScriptPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptPolicy")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// Returns the functions of a policy that the node calls.
fn rules(ast: &AST) -> Result<Vec<Rule>, ScriptError> {
    for function in ast.iter_functions() {
        let known = Rule::ALL.iter().find(|rule| rule.name() == function.name);
        match known {
            Some(_) if function.params.len() == 1 => {}
            Some(rule) => return Err(ScriptError::Parameters(rule.name())),
            None if function.name.starts_with(GUARD) => {
                return Err(ScriptError::Misspelt(function.name.to_owned()));
            }
            None => {}
        }
    }
    let is_there = |rule: &Rule| {
        ast.iter_functions()
            .any(|function| function.name == rule.name())
    };
    let rules: Vec<_> = Rule::ALL.into_iter().filter(is_there).collect();
    if rules.is_empty() {
        return Err(ScriptError::NoRule);
    }
    Ok(rules)
}

/// Returns the worth of a hit; nothing if it is not wanted.
fn worth(given: &Dynamic) -> Result<Option<f64>, PolicyError> {
    #[allow(
        clippy::cast_precision_loss,
        reason = "an order among hits needs no more"
    )]
    let number = given
        .as_float()
        .or_else(|_| given.as_int().map(|whole| whole as f64));
    match number {
        Ok(number) if number.is_finite() => Ok(Some(number)),
        Err(_) if given.is_unit() || given.as_bool() == Ok(false) => Ok(None),
        _ => {
            let problem = "it gives neither a number, nor () or false to leave a hit out";
            Err(error(Rule::Rank, problem))
        }
    }
}

fn error(rule: Rule, problem: &str) -> PolicyError {
    PolicyError {
        rule,
        // The language puts each call on a line of its own.
        problem: problem
            .replace('\n', ", ")
            .chars()
            .take(PROBLEM_MAX)
            .collect(),
    }
}

#[cfg(test)]
mod tests;
