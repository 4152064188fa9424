//! `ctl man`: writes the man pages, from the tables of commands.
#![allow(
    clippy::disallowed_methods,
    reason = "writes to the directory that the person at the machine gave, not below a share"
)]

use std::fs;

use clap::CommandFactory;

use crate::{
    cli::{Cli, ManArgs},
    error::CtlError,
};

/// Runs the command.
pub(crate) fn run(args: &ManArgs) -> Result<(), CtlError> {
    let failed = |error: std::io::Error| {
        CtlError::failed(format!(
            "cannot write to {}: {error}",
            args.directory.display()
        ))
    };
    fs::create_dir_all(&args.directory).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), &args.directory).map_err(failed)?;
    #[cfg(feature = "embedded")]
    clap_mangen::generate_to(node::cli::Cli::command(), &args.directory).map_err(failed)?;
    Ok(())
}
