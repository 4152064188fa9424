//! `ctl run`: runs a script.
#![allow(
    clippy::disallowed_methods,
    reason = "reads the script that the person at the machine named"
)]

use std::{
    fs::File,
    io::{self, Read},
};

use tokio::runtime::Handle;

use super::Context;
use crate::{
    cli::RunArgs,
    error::CtlError,
    output::escaped,
    script::{self, Script},
};

/// Longest script, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// Runs the command. Blocks.
pub(crate) fn run(args: RunArgs, context: &Context, runtime: &Handle) -> Result<(), CtlError> {
    let mut words = args.script.into_iter();
    let file = words.next().unwrap_or_default();
    let script = Script {
        text: read(&file)?,
        label: file,
        args: words.collect(),
        max_time: args.max_time,
        max_operations: args.max_operations,
    };
    script::run(script, context, runtime)
}

/// The name of standard input.
const STANDARD_INPUT: &str = "-";

/// Reads the script. One that cannot be read is a mistake in the command line.
fn read(file: &str) -> Result<String, CtlError> {
    let read_error = |error: io::Error| {
        CtlError::usage(format!("cannot read the script {}: {error}", escaped(file)))
    };
    let source: Box<dyn Read> = if file == STANDARD_INPUT {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(file).map_err(read_error)?)
    };
    let mut text = String::new();
    source
        .take(LONGEST + 1)
        .read_to_string(&mut text)
        .map_err(read_error)?;
    if text.len() as u64 > LONGEST {
        let file = escaped(file);
        return Err(CtlError::failed(format!("{file} is longer than 1 MiB")));
    }
    Ok(text)
}
