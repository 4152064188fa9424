//! This program in its other role: a worker that reads one document for a node.
//!
//! It gets an open file as standard input and a pipe as standard output, and gives everything else up before it reads the
//! first byte.

use std::{
    fs::File,
    io,
    os::fd::AsFd,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

use node_base::platform::process::{self, WorkerLimits};
use plugin_documents::{Program, limits};

use crate::{cli::ReadDocuments, sandbox};

/// True if this program is one that can be a worker: its `main` asks.
static IS_POSSIBLE: AtomicBool = AtomicBool::new(false);

/// Reads a document if this process was started for that, and returns its exit code. To be called first of all by each
/// program that runs nodes; the others read no documents.
#[must_use]
pub fn run_if_asked() -> Option<ExitCode> {
    IS_POSSIBLE.store(true, Ordering::Relaxed);
    plugin_documents::is_asked().then(run)
}

/// Returns the program that reads documents, if they are to be read and this one can.
pub(crate) fn program(wanted: ReadDocuments) -> Option<Program> {
    if wanted == ReadDocuments::Off || !IS_POSSIBLE.load(Ordering::Relaxed) {
        return None;
    }
    Program::this()
        .inspect_err(|error| tracing::warn!(%error, "documents are not read"))
        .ok()
}

fn run() -> ExitCode {
    process::close_inherited();
    process::forbid_core_dumps();
    let Ok((document, mut output)) = streams() else {
        return ExitCode::FAILURE;
    };
    let limits = WorkerLimits {
        memory: limits::MEMORY_MAX,
        addresses: limits::ADDRESSES_MAX,
        processor_seconds: limits::PROCESSOR_SECONDS_MAX,
    };
    // Without limits a document could take the machine.
    if process::limit_worker(&limits).is_err() {
        return ExitCode::FAILURE;
    }
    sandbox::confine_worker();
    match plugin_documents::read(document, &mut output) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Returns the document and the pipe.
fn streams() -> io::Result<(File, File)> {
    let document = io::stdin().as_fd().try_clone_to_owned()?;
    let output = io::stdout().as_fd().try_clone_to_owned()?;
    Ok((document.into(), output.into()))
}
