//! Options of a verb: those of the command of the same name.
//!
//! `search("x", #{limit: 5, sure: true})` is read as `ctl search --limit=5 --sure -- x`, so that there is one table of
//! words for the command line, the shell and scripts.

use clap::Parser;
use rhai::{Dynamic, Map};

use crate::{
    cli::{Cli, Command},
    error::CtlError,
};

/// Reads a verb with its subject and its options as a command.
pub(super) fn command(verb: &str, about: &[&str], options: &Map) -> Result<Command, CtlError> {
    let mut words = vec!["ctl".to_owned(), verb.to_owned()];
    for (name, value) in options {
        words.extend(option(name, value)?);
    }
    words.push("--".to_owned());
    words.extend(about.iter().map(|word| (*word).to_owned()));
    let cli = Cli::try_parse_from(words).map_err(|error| {
        let text = error.render().to_string();
        let first = text.lines().next().unwrap_or_default();
        let first = first.strip_prefix("error: ").unwrap_or(first);
        CtlError::usage(format!("{verb}: {first}"))
    })?;
    Ok(cli.command)
}

/// Returns the words for one option: none if it is false, one for each value of an array.
fn option(name: &str, value: &Dynamic) -> Result<Vec<String>, CtlError> {
    let flag = format!("--{}", name.replace('_', "-"));
    if let Ok(is_set) = value.as_bool() {
        return Ok(if is_set { vec![flag] } else { Vec::new() });
    }
    if let Some(values) = value.read_lock::<rhai::Array>() {
        let values = values.iter().map(|value| with_value(&flag, name, value));
        return values.collect();
    }
    Ok(vec![with_value(&flag, name, value)?])
}

fn with_value(flag: &str, name: &str, value: &Dynamic) -> Result<String, CtlError> {
    if value.is_string() || value.is_int() {
        return Ok(format!("{flag}={value}"));
    }
    let kind = value.type_name();
    Err(CtlError::usage(format!(
        "the option {name} is true, false, a number, a string, or an array of these, not of type {kind}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(options: &[(&str, Dynamic)]) -> Map {
        let options = options.iter();
        options
            .map(|(name, value)| ((*name).into(), value.clone()))
            .collect()
    }

    #[test]
    fn options_are_those_of_the_command_line() {
        let options = map(&[
            ("limit", 5.into()),
            ("sure", true.into()),
            ("quick", false.into()),
        ]);
        let Ok(Command::Search(args)) = command("search", &["--x"], &options) else {
            panic!("not a search");
        };
        assert_eq!(
            (args.words, args.limit, args.sure, args.quick),
            (vec!["--x".to_owned()], Some(5), true, false)
        );
        let globs: rhai::Array = vec!["*.rs".into(), "*.md".into()];
        let options = map(&[("glob", globs.into()), ("ignore_case", true.into())]);
        let Ok(Command::Grep(args)) = command("grep", &["x"], &options) else {
            panic!("not a grep");
        };
        assert_eq!((args.glob.len(), args.ignore_case), (2, true));
    }

    #[test]
    fn an_unknown_option_and_an_odd_value_are_refused() {
        for options in [
            map(&[("odd", true.into())]),
            map(&[("limit", "many".into())]),
            map(&[("limit", 1.5.into())]),
        ] {
            let refused = command("search", &["x"], &options).err();
            assert_eq!(
                refused.map(|error| error.exit_code()),
                Some(2),
                "{options:?}"
            );
        }
    }
}
