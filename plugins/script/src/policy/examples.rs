//! The lines of a policy that promise its decisions:
//!
//! ```text
//! //! example: {"call": "allow_fetch", "with": {"name": "private/a"}, "gives": false}
//! ```
//!
//! Properties that `with` leaves out are those of a stranger from 192.0.2.1.

use std::net::{IpAddr, Ipv4Addr};

use plugin_api::{FetchAsked, QueryAsked, RankAsked, Rule, What};
use rhai::{Map, serde::to_dynamic};
use serde::Deserialize;
use serde_json::Value;

use super::{ScriptPolicy, asked::ToMap};
use crate::header::HeaderError;

/// Most examples of a policy.
const EXAMPLES_MAX: usize = 64;

/// The address that asks if an example names none.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// The error of examples that do not hold.
#[derive(Debug, thiserror::Error)]
pub enum PolicyExampleError {
    /// A policy without examples promises nothing.
    #[error("the policy has no line `//! example: …`")]
    None,
    /// It decides something else than it promises.
    #[error("line {line}: {call} gives {given} instead of {promised}")]
    Different {
        /// Number of the line, from 1.
        line: usize,
        /// The function.
        call: String,
        /// The result.
        given: String,
        /// The promised result.
        promised: String,
    },
}

/// One promise.
#[derive(Debug)]
pub(super) struct Example {
    line: usize,
    rule: Rule,
    asked: Map,
    gives: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    call: String,
    #[serde(default)]
    with: serde_json::Map<String, Value>,
    gives: Value,
}

/// Reads the examples at the top of `source`.
pub(super) fn parse(source: &str) -> Result<Vec<Example>, HeaderError> {
    let mut examples = Vec::new();
    for (at, line) in source.lines().enumerate() {
        let Some(said) = line.strip_prefix("//!") else {
            break;
        };
        let Some(text) = said.trim_start().strip_prefix("example:") else {
            continue;
        };
        let line = at + 1;
        let example = read(line, text.trim());
        examples.push(example.map_err(|problem| HeaderError::Example { line, problem })?);
        if examples.len() > EXAMPLES_MAX {
            let problem = format!("there are more than {EXAMPLES_MAX}");
            return Err(HeaderError::Example { line, problem });
        }
    }
    Ok(examples)
}

fn read(line: usize, text: &str) -> Result<Example, String> {
    let written: Written = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let rule = Rule::ALL
        .into_iter()
        .find(|rule| rule.name() == written.call)
        .ok_or_else(|| format!("a policy has no function `{}`", written.call))?;
    let mut asked = stranger(rule);
    for (field, value) in written.with {
        let value = to_dynamic(value).map_err(|error| error.to_string())?;
        match asked.get_mut(field.as_str()) {
            Some(default) => *default = value,
            None => return Err(format!("`{}` is not told `{field}`", rule.name())),
        }
    }
    Ok(Example {
        line,
        rule,
        asked,
        gives: written.gives,
    })
}

/// Returns the argument of a function, for an example that says nothing else.
fn stranger(rule: Rule) -> Map {
    match rule {
        Rule::AllowQuery => QueryAsked {
            handler: "name".to_owned(),
            text: String::new(),
            from: STRANGER,
            id: String::new(),
            groups: Vec::new(),
            peer: String::new(),
        }
        .to_map(),
        Rule::AllowFetch => FetchAsked {
            name: String::new(),
            size: Some(0),
            digest: String::new(),
            from: STRANGER,
            id: String::new(),
            groups: Vec::new(),
            peer: String::new(),
            what: What::Content,
        }
        .to_map(),
        Rule::Rank => {
            let size = Some(0);
            let asked = RankAsked {
                size,
                ..RankAsked::default()
            };
            asked.to_map()
        }
    }
}

impl ScriptPolicy {
    /// Runs the examples and says how many hold.
    ///
    /// # Errors
    /// The first one that does not, or that there are none.
    pub fn check_examples(&self) -> Result<usize, PolicyExampleError> {
        for example in &self.examples {
            let given = self.decide(example);
            if given != shown(&example.gives) {
                return Err(PolicyExampleError::Different {
                    line: example.line,
                    call: example.rule.name().to_owned(),
                    given,
                    promised: shown(&example.gives),
                });
            }
        }
        match self.examples.len() {
            0 => Err(PolicyExampleError::None),
            many => Ok(many),
        }
    }

    fn decide(&self, example: &Example) -> String {
        let decided = match example.rule {
            Rule::Rank => self
                .worth(example.asked.clone())
                .map(|worth| worth.map_or("null".to_owned(), |worth| worth.to_string())),
            rule => self
                .allows(rule, example.asked.clone())
                .map(|allowed| allowed.to_string()),
        };
        decided.unwrap_or_else(|error| error.to_string())
    }
}

/// Returns a promise, as a decision is written: `false` of a rank is none.
fn shown(gives: &Value) -> String {
    gives
        .as_f64()
        .map_or_else(|| gives.to_string(), |number| number.to_string())
}
