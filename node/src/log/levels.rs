//! The level of the log, as `SIXHOP_LOG` and `ctl log-level` say.
//!
//! # Invariants
//! - A text that makes no sense is an error, never silence.
//! - The libraries of the control connection print whole requests, secrets included, at `debug` and `trace`: they never
//!   get there, whatever is asked.

use std::{fmt, str::FromStr};

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// The level if nothing is set.
const DEFAULT: &str = "info";

/// Libraries that would print secrets.
const TALKATIVE: [&str; 5] = ["jsonrpsee", "hyper", "hyper_util", "soketto", "h2"];

/// Targets that are logged less than others, whatever is said.
const QUIET: [&str; 9] = [
    "jsonrpsee=info",
    "jsonrpsee-server=info",
    "jsonrpsee_server=info",
    "jsonrpsee_core=info",
    "hyper=info",
    "hyper_util=info",
    "soketto=info",
    "h2=info",
    // It calls every failure of the network an error of ours.
    "mainline=off",
];

/// A part of a text that does not say what is logged: neither a level nor a target with one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{0}` is no level; give error, warn, info, debug or trace, or target=level, such as warn,node_core=debug"
)]
pub(crate) struct NoLevel(String);

/// The level of the log, and other levels for parts of the program.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Levels(String);

impl Levels {
    /// Returns what lets the events of these levels pass.
    pub(super) fn filter(&self) -> EnvFilter {
        QUIET
            .into_iter()
            .filter_map(|directive| directive.parse().ok())
            .fold(EnvFilter::new(&self.0), EnvFilter::add_directive)
    }
}

impl FromStr for Levels {
    type Err = NoLevel;

    fn from_str(said: &str) -> Result<Levels, NoLevel> {
        directives(said).map(Levels)
    }
}

impl fmt::Display for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads levels and targets with levels, separated by commas, as directives of a filter.
fn directives(said: &str) -> Result<String, NoLevel> {
    if said.trim().is_empty() {
        return Ok(DEFAULT.to_owned());
    }
    let parts = said.split(',').map(|part| directive(part.trim()));
    let mut parts = parts.collect::<Result<Vec<_>, _>>()?;
    // Only parts of the program are named: the rest is as if nothing were said.
    if parts.iter().all(|part| part.contains('=')) {
        parts.insert(0, DEFAULT.to_owned());
    }
    Ok(parts.join(","))
}

fn directive(part: &str) -> Result<String, NoLevel> {
    let wrong = || NoLevel(part.chars().take(80).flat_map(char::escape_debug).collect());
    let Some((target, level)) = part.split_once('=') else {
        return Ok(parse_level(part).ok_or_else(wrong)?.to_string());
    };
    let level = parse_level(level.trim()).ok_or_else(wrong)?;
    let target = target.trim();
    let is_target = |c: char| c.is_ascii_alphanumeric() || "_-:".contains(c);
    if target.is_empty() || !target.chars().all(is_target) {
        return Err(wrong());
    }
    let level = if is_talkative(target) {
        level.min(LevelFilter::INFO)
    } else {
        level
    };
    Ok(format!("{target}={level}"))
}

/// Returns one of the five levels, in any case.
fn parse_level(text: &str) -> Option<LevelFilter> {
    let is_word = text.chars().all(|c| c.is_ascii_alphabetic());
    let level = LevelFilter::from_str(text).ok()?;
    (is_word && !text.is_empty() && level != LevelFilter::OFF).then_some(level)
}

fn is_talkative(target: &str) -> bool {
    let root = target
        .split("::")
        .next()
        .unwrap_or(target)
        .replace('-', "_");
    root.starts_with("jsonrpsee") || TALKATIVE.contains(&root.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_targets_with_levels_are_understood() {
        for (said, expected) in [
            ("", "info"),
            ("  ", "info"),
            ("error", "error"),
            ("WARN", "warn"),
            ("trace", "trace"),
            (
                "node_core::transfer=debug",
                "info,node_core::transfer=debug",
            ),
            (
                "warn, node_overlay=trace,node=debug",
                "warn,node_overlay=trace,node=debug",
            ),
        ] {
            assert_eq!(directives(said).as_deref(), Ok(expected), "{said}");
        }
    }

    #[test]
    fn anything_else_is_an_error_that_names_it() {
        for said in [
            "warning",
            "verbose",
            "off",
            "3",
            "info,",
            ",",
            "node_core=",
            "=debug",
            "a=b=c",
            "node_core=loud",
            "node[span]=debug",
            "info;debug",
        ] {
            let error = directives(said);
            assert!(matches!(error, Err(NoLevel(_))), "{said}: {error:?}");
        }
    }

    #[test]
    fn no_target_makes_a_library_print_secrets() {
        for target in [
            "hyper",
            "hyper::proto",
            "jsonrpsee-server",
            "jsonrpsee_core::server",
            "h2",
        ] {
            let said = directives(&format!("{target}=trace"));
            assert_eq!(said, Ok(format!("info,{target}=info")), "{target}");
        }
    }
}
