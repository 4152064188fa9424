//! How far something is, redrawn in place on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is shown when it is known how much there is.
const BAR: &str =
    "{msg} [{bar:24}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta} left";

/// A line that is redrawn, or nothing. It is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A line on standard error. `what` is escaped.
    pub(super) fn shown(what: &str) -> Progress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) =
            ProgressStyle::with_template("{spinner} {msg}  {binary_bytes}  {elapsed}")
        {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Progress(bar)
    }

    /// Nothing.
    pub(super) fn hidden() -> Progress {
        Progress(ProgressBar::hidden())
    }

    /// Says what is done now. `what` is escaped.
    pub(crate) fn say(&self, what: String) {
        self.0.set_message(what);
    }

    /// Says how many bytes have come.
    pub(crate) fn bytes(&self, count: u64) {
        self.0.set_position(count);
    }

    /// Says how many bytes have come of how many: from now on there is a bar.
    pub(crate) fn bytes_of(&self, count: u64, size: u64) {
        if self.0.length() != Some(size) {
            self.0.set_length(size);
            if let Ok(style) = ProgressStyle::with_template(BAR) {
                self.0.set_style(style.progress_chars("=> "));
            }
        }
        self.0.set_position(count);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
