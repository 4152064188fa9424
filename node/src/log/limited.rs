//! Limits on the lines of one kind.
//!
//! Strangers cause warnings, as many as they like. So each kind of line, which is one place of the code, may be said
//! [`BURST`] times at once and then every [`PAUSE`]; the next line says how many were left out.

use std::{
    collections::HashMap,
    fmt,
    sync::Mutex,
    time::{Duration, Instant},
};

use node_base::{clock::now, sync::lock};
use serde_json::json;
use tracing::{Event, Level, Metadata, Subscriber, callsite::Identifier};
use tracing_subscriber::{
    fmt::{
        FmtContext,
        format::{FormatEvent, FormatFields, Writer},
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

use crate::cli::LogFormat;

/// Lines of a kind that are said at once.
const BURST: u32 = 10;

/// Time after which one line more may be said.
const PAUSE: Duration = Duration::from_secs(10);

/// Formats events, warnings of one kind at a limited rate.
#[derive(Debug)]
pub(super) struct Limited<F> {
    inner: F,
    format: LogFormat,
    kinds: Mutex<HashMap<Identifier, Kind>>,
}

/// The bucket of one kind of line.
#[derive(Clone, Copy, Debug)]
struct Kind {
    /// Lines that may still be said at once.
    left: u32,
    /// The time since when another one is earned.
    since: Instant,
    /// Lines that were left out since the last one.
    left_out: u64,
}

impl<F> Limited<F> {
    /// Limits what `inner` formats as `format`.
    pub(super) fn new(inner: F, format: LogFormat) -> Limited<F> {
        Limited {
            inner,
            format,
            kinds: Mutex::default(),
        }
    }
}

impl Kind {
    fn new(now: Instant) -> Kind {
        Kind {
            left: BURST,
            since: now,
            left_out: 0,
        }
    }

    /// Returns how many lines were left out before this one, or `None` if it is left out, too.
    fn say(&mut self, now: Instant) -> Option<u64> {
        while self.left < BURST && now.saturating_duration_since(self.since) >= PAUSE {
            self.left += 1;
            self.since += PAUSE;
        }
        if self.left == BURST {
            self.since = now;
        }
        if self.left == 0 {
            self.left_out += 1;
            return None;
        }
        self.left -= 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

impl<S, N, F> FormatEvent<S, N> for Limited<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        // An owner who asks for more than that wants all of it.
        if level > Level::WARN {
            return self.inner.format_event(context, writer, event);
        }
        let now = now();
        let mut kinds = lock(&self.kinds);
        let kind = kinds.entry(event.metadata().callsite());
        let said = kind.or_insert_with(|| Kind::new(now)).say(now);
        drop(kinds);
        let Some(left_out) = said else {
            return Ok(());
        };
        self.inner.format_event(context, writer.by_ref(), event)?;
        if left_out == 0 {
            return Ok(());
        }
        let text = format!("{left_out} lines of this kind were left out before this one");
        match self.format {
            LogFormat::Text => writeln!(writer, "  ({text})"),
            LogFormat::Json => writeln!(writer, "{}", object(event.metadata(), &text)),
        }
    }
}

/// Returns a line about a kind of line, with the keys of the others.
fn object(kind: &Metadata<'_>, text: &str) -> serde_json::Value {
    let mut time = String::new();
    // A clock that cannot be formatted leaves the time empty.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    json!({
        "timestamp": time,
        "level": kind.level().as_str(),
        "message": text,
        "target": kind.target(),
    })
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc};

    use super::*;

    #[test]
    fn a_kind_is_said_at_once_and_then_now_and_again() {
        let start = Instant::now();
        let mut kind = Kind::new(start);
        for _ in 0..BURST {
            assert_eq!(kind.say(start), Some(0));
        }
        for _ in 0..1_000 {
            assert_eq!(kind.say(start + PAUSE / 2), None);
        }
        assert_eq!(kind.say(start + PAUSE), Some(1_000));
        assert_eq!(kind.say(start + PAUSE), None);
        assert_eq!(kind.say(start + PAUSE * 2), Some(1));
        let later = start + PAUSE * 100;
        for _ in 0..BURST {
            assert_eq!(kind.say(later), Some(0));
        }
        assert_eq!(kind.say(later), None);
    }

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lock(&self.0).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_flood_of_one_kind_leaves_room_for_the_others() {
        let kept = Kept::default();
        let inner = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || inner.clone())
            .event_format(Limited::new(
                tracing_subscriber::fmt::format(),
                LogFormat::Text,
            ))
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            for n in 0..10_000 {
                tracing::warn!(n, "a request is refused");
            }
            tracing::warn!("the disk is full");
            for n in 0..100 {
                tracing::info!(n, "the owner asked");
            }
        });
        let text = String::from_utf8(lock(&kept.0).clone()).unwrap();
        let count = |part: &str| text.matches(part).count();
        assert_eq!(count("a request is refused"), BURST as usize);
        assert_eq!(count("the disk is full"), 1);
        assert_eq!(count("the owner asked"), 100);
    }

    #[test]
    fn left_out_lines_are_an_object_like_the_others() {
        struct Kinds(Arc<Mutex<Vec<serde_json::Value>>>);
        impl<S: Subscriber> tracing_subscriber::Layer<S> for Kinds {
            fn on_event(&self, event: &Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
                lock(&self.0).push(object(event.metadata(), "3 lines"));
            }
        }
        let kept = Arc::default();
        let layer = Kinds(Arc::clone(&kept));
        let subscriber =
            tracing_subscriber::layer::SubscriberExt::with(tracing_subscriber::registry(), layer);
        tracing::subscriber::with_default(subscriber, || tracing::warn!("a request is refused"));
        let object = lock(&kept)[0].clone();
        assert_eq!(
            (&object["level"], &object["message"]),
            (&json!("WARN"), &json!("3 lines"))
        );
        assert!(
            object["timestamp"]
                .as_str()
                .is_some_and(|time| time.starts_with("20"))
        );
        assert!(
            object["target"]
                .as_str()
                .is_some_and(|target| target.starts_with("node"))
        );
    }
}
