//! The worker: reads one document from an open file and gives its text on an open pipe. It has nothing else.

use std::{
    fs::File,
    io::{BufWriter, Write},
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::{
    output::{Output, ReadError},
    protocol::Frame,
    readers,
    reason::Reason,
};

/// The only argument of a program that is to be a worker.
pub const WORKER: &str = "read-document";

/// Returns true if this process was started to be a worker.
#[must_use]
pub fn is_asked() -> bool {
    let mut arguments = std::env::args_os().skip(1);
    arguments.next().is_some_and(|argument| argument == WORKER) && arguments.next().is_none()
}

/// Reads the document in `file` and writes what it finds to `output`. Returns true if the node was told how it went.
///
/// A worker calls it once its limits hold.
pub fn read(file: File, output: &mut dyn Write) -> bool {
    let mut output = BufWriter::new(output);
    // Nobody reads what a panic says; the default hook would look for debug information on the disk.
    std::panic::set_hook(Box::new(|_| ()));
    let read = catch_unwind(AssertUnwindSafe(|| {
        let mut text = Output::new(&mut output);
        let kind = readers::read(file, &mut text)?;
        text.finish(kind)
    }));
    let reason = match read {
        Ok(Ok(())) => return output.flush().is_ok(),
        Ok(Err(ReadError::Document(reason))) => reason,
        Ok(Err(ReadError::Io(_))) => Reason::Damaged,
        Err(_) => Reason::Broke,
    };
    let told = Frame::Failed(reason).write(&mut output);
    told.is_ok() && output.flush().is_ok()
}
