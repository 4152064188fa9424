//! The progress of a job, redrawn in place on a terminal.
//!
//! # Invariants
//! - The line is never wider than the window: a line that wraps cannot be redrawn.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{bytes, window};

/// Width of the bar.
const BAR: usize = 16;

/// Width that is left for the task, as far as it needs it.
const NAME: usize = 20;

/// Width of the window if the terminal does not say it.
const WINDOW: usize = 80;

/// Columns that the spinner takes, and one at the edge that stays free.
const MARGIN: usize = 3;

/// The sign for the part of a text that does not fit.
const CUT: char = '…';

/// A line that is redrawn, or nothing. It is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    begun: Instant,
    state: RefCell<State>,
}

/// The content of the line.
#[derive(Clone, Debug, Default)]
struct State {
    what: String,
    here: u64,
    size: Option<u64>,
}

impl Progress {
    /// Creates a line on standard error. `what` is escaped.
    pub(super) fn shown(what: &str) -> Progress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        let progress = Progress::on(bar);
        progress.say(what.to_owned());
        progress
    }

    /// Creates a progress that shows nothing.
    pub(super) fn hidden() -> Progress {
        Progress::on(ProgressBar::hidden())
    }

    fn on(bar: ProgressBar) -> Progress {
        Progress {
            bar,
            begun: Instant::now(),
            state: RefCell::default(),
        }
    }

    /// Sets the current task. `what` is escaped.
    pub(crate) fn say(&self, what: String) {
        self.change(|state| state.what = what);
    }

    /// Says how many bytes have come.
    pub(crate) fn bytes(&self, count: u64) {
        self.change(|state| state.here = count);
    }

    /// Says how many bytes have come of how many: from now on there is a bar.
    pub(crate) fn bytes_of(&self, count: u64, size: u64) {
        self.change(|state| (state.here, state.size) = (count, Some(size)));
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.borrow_mut();
        change(&mut state);
        if !self.bar.is_hidden() {
            let window = window(&std::io::stderr()).unwrap_or(WINDOW);
            let line = line(&state, self.begun.elapsed(), window.saturating_sub(MARGIN));
            self.bar.set_message(line);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Returns the line, no wider than `width`: the task, and as much of the progress as fits.
fn line(state: &State, time: Duration, width: usize) -> String {
    let wanted = state.what.width().min(NAME);
    let fits = |far: &String| wanted + far.width() <= width;
    let far = how_far(state, time).into_iter().find(fits);
    let far = far.unwrap_or_default();
    format!("{}{far}", cut(&state.what, width - far.width()))
}

/// Returns descriptions of the progress, from the longest to the shortest.
fn how_far(state: &State, time: Duration) -> Vec<String> {
    let State { here, size, .. } = *state;
    let Some(size) = size else {
        return (here > 0)
            .then(|| format!("  {}", bytes(here)))
            .into_iter()
            .collect();
    };
    let done = here.min(size);
    let part = |of: usize| {
        let part = u128::from(done) * of as u128 / u128::from(size.max(1));
        usize::try_from(part).unwrap_or(of)
    };
    let (filled, rest) = ("=".repeat(part(BAR)), " ".repeat(BAR - part(BAR)));
    let sizes = format!("{}/{}", bytes(here), bytes(size));
    let percent = format!("{}%", part(100));
    let rate = rate(here, time).filter(|rate| *rate > 0);
    let speed = rate.map_or_else(String::new, |rate| {
        let left = short_time((size - done) / rate);
        format!(" {}/s, {left} left", bytes(rate))
    });
    vec![
        format!("  [{filled}{rest}] {sizes}{speed}"),
        format!("  {sizes}{speed}"),
        format!("  {percent}{speed}"),
        format!("  {percent}"),
    ]
}

/// Returns the bytes a second since the start, once there is enough to tell.
fn rate(here: u64, time: Duration) -> Option<u64> {
    let milliseconds = time.as_millis().max(1);
    (milliseconds >= 500)
        .then(|| u64::try_from(u128::from(here) * 1000 / milliseconds).unwrap_or(u64::MAX))
}

/// Formats a time in its two largest units: `3m 20s`.
fn short_time(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Returns the text, its middle left out if it is wider than `width`.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let begin = taken(text.chars(), room / 2);
    let end = taken(text.chars().rev(), room - room / 2);
    let end: String = end.chars().rev().collect();
    if width == 0 {
        String::new()
    } else {
        format!("{begin}{CUT}{end}")
    }
}

fn taken(letters: impl Iterator<Item = char>, width: usize) -> String {
    let mut used = 0;
    letters
        .take_while(|letter| {
            used += letter.width().unwrap_or(0);
            used <= width
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(what: &str, here: u64, size: Option<u64>) -> State {
        State {
            what: what.to_owned(),
            here,
            size,
        }
    }

    #[test]
    fn the_line_says_what_and_how_far() {
        let time = Duration::from_secs(2);
        assert_eq!(
            line(&state("a.bin from x", 1 << 20, Some(4 << 20)), time, 90),
            "a.bin from x  [====            ] 1.0 MiB/4.0 MiB 512.0 KiB/s, 6s left"
        );
        assert_eq!(
            line(&state("a.bin: 2 peers asked", 0, None), time, 90),
            "a.bin: 2 peers asked"
        );
        assert_eq!(line(&state("a", 1536, None), time, 90), "a  1.5 KiB");
    }

    #[test]
    fn a_narrow_window_keeps_the_name_and_leaves_out_the_rest() {
        let time = Duration::from_secs(2);
        let state = state("holiday photos.zip", 1 << 20, Some(4 << 20));
        assert_eq!(
            line(&state, time, 58),
            "holiday photos.zip  1.0 MiB/4.0 MiB 512.0 KiB/s, 6s left"
        );
        assert_eq!(line(&state, time, 30), "holiday photos.zip  25%");
        assert_eq!(line(&state, time, 10), "holi…s.zip");
    }

    #[test]
    fn the_line_is_never_wider_than_the_window() {
        let long = "photos/夏休み/".repeat(30);
        let states = [
            state(&long, 0, None),
            state(&long, u64::MAX, None),
            state(&long, u64::MAX / 2, Some(u64::MAX)),
            state("a", 5, Some(0)),
        ];
        for state in states {
            for width in [0, 1, 5, 20, 40, 77, 200] {
                let line = line(&state, Duration::from_secs(90_000), width);
                assert!(line.width() <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn a_cut_text_keeps_its_begin_and_its_end() {
        assert_eq!(cut("abcdefghij.txt", 9), "abcd….txt");
        assert_eq!(cut("日本語日本語", 6), "日…語");
        assert_eq!(cut("abc", 3), "abc");
    }
}
