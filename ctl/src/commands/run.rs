//! `ctl run`: runs a script.
#![allow(
    clippy::disallowed_methods,
    reason = "reads the script that the person at the machine named"
)]

use std::{fs::File, io::Read, path::Path};

use tokio::runtime::Handle;

use super::Context;
use crate::{
    cli::RunArgs,
    error::CtlError,
    script::{self, Script},
};

/// Longest script, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// Runs the command. Blocks.
pub(crate) fn run(args: RunArgs, context: &Context, runtime: &Handle) -> Result<(), CtlError> {
    let mut words = args.script.into_iter();
    let file = words.next().unwrap_or_default();
    let script = Script {
        text: read(Path::new(&file))?,
        label: file,
        args: words.collect(),
        max_time: args.max_time,
        max_operations: args.max_operations,
    };
    script::run(script, context, runtime)
}

fn read(file: &Path) -> Result<String, CtlError> {
    let read_error = |error| CtlError::file("read the script", file, error);
    let mut text = String::new();
    File::open(file)
        .map_err(read_error)?
        .take(LONGEST + 1)
        .read_to_string(&mut text)
        .map_err(read_error)?;
    if text.len() as u64 > LONGEST {
        return Err(CtlError::failed(format!(
            "{} is longer than 1 MiB",
            file.display()
        )));
    }
    Ok(text)
}
