//! The level of the log, as `SIXHOP_LOG` says.
//!
//! # Invariants
//! - A text that makes no sense is an error, never silence.
//! - The libraries of the control connection print whole requests, secrets included, at `debug` and `trace`: they never
//!   get there, whatever is asked.

use std::{env, io, str::FromStr};

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::log::Limited;

/// Variable that sets the log level.
const VARIABLE: &str = "SIXHOP_LOG";

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

/// The error of a text that sets no log level.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum LoggingError {
    /// A part of it is neither a level nor a target with one.
    #[error(
        "{VARIABLE}: `{0}` is no level; give error, warn, info, debug or trace, or target=level, such as warn,node_core=debug"
    )]
    Part(String),
    /// It is not text.
    #[error("{VARIABLE} is not UTF-8; give error, warn, info, debug or trace")]
    NotText,
}

/// Logs to standard error from now on.
///
/// # Errors
/// [`LoggingError`] when `SIXHOP_LOG` makes no sense.
pub(super) fn to_stderr() -> Result<(), LoggingError> {
    let said = match env::var(VARIABLE) {
        Ok(said) => said,
        Err(env::VarError::NotPresent) => String::new(),
        Err(env::VarError::NotUnicode(_)) => return Err(LoggingError::NotText),
    };
    let directives = directives(&said)?;
    let filter = QUIET
        .into_iter()
        .filter_map(|directive| directive.parse().ok())
        .fold(EnvFilter::new(directives), EnvFilter::add_directive);
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // A terminal that is gone is no reason to end otherwise than cleanly.
        .log_internal_errors(false)
        .with_ansi(false)
        .event_format(Limited::new(
            tracing_subscriber::fmt::format().with_ansi(false),
        ));
    // Somebody who embeds the node may have set up logging before.
    let _ = subscriber.try_init();
    Ok(())
}

/// Reads levels and targets with levels, separated by commas, as directives of a filter.
fn directives(said: &str) -> Result<String, LoggingError> {
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

fn directive(part: &str) -> Result<String, LoggingError> {
    let wrong = || LoggingError::Part(part.chars().take(80).flat_map(char::escape_debug).collect());
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
            assert!(
                matches!(error, Err(LoggingError::Part(_))),
                "{said}: {error:?}"
            );
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
