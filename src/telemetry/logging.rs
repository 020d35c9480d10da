//! Log lines on standard error.
//!
//! Enters: events of `tracing`. Leaves: text for people, or JSON. What must hold: JSON lines have the time in
//! microseconds and the target; text has the time in seconds and only a target that was named on purpose, such
//! as `qtrail::audit`.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use super::Settings;
use crate::runtime::terminal::Stderr;

/// Parses a level, or a filter such as `info,qtrail::export=debug`.
///
/// # Errors
/// The text is neither; the message names the remedy.
pub fn filter(text: &str) -> Result<EnvFilter, String> {
    // `EnvFilter` would take a misspelt level for a crate name, and log nothing.
    let is_level = |part: &str| part.trim().parse::<LevelFilter>().is_ok();
    for part in text.split(',') {
        if !part.contains(['=', ':', '[']) && !is_level(part) {
            return Err(format!(
                "{part:?} is not a level: use error, warn, info, debug or trace, or a filter such as \
                 `info,qtrail::export=debug`"
            ));
        }
    }
    // With a plain level, the SDK's lines about itself are noise. h2's lines about hostile peers could fill the
    // log; the listeners log them themselves, rate-limited.
    let quieter = match text.trim().parse::<LevelFilter>() {
        Ok(level) if level < LevelFilter::WARN => text.to_owned(),
        Ok(LevelFilter::WARN) => format!("{text},h2=error"),
        // At trace, the AWS SDK logs what it signed and sent.
        Ok(LevelFilter::TRACE) => {
            format!("{text},opentelemetry=warn,h2=error,aws_=debug,hyper=debug")
        }
        Ok(_) => format!("{text},opentelemetry=warn,h2=error"),
        Err(_) if text.contains("h2") => text.to_owned(),
        Err(_) => format!("{text},h2=error"),
    };
    EnvFilter::builder()
        .parse(quieter)
        .map_err(|error| format!("{text:?} is not a valid filter: {error}"))
}

/// The layer that writes to standard error: JSON, or text with colours on a terminal.
pub(super) fn layer<S>(settings: &Settings) -> anyhow::Result<impl Layer<S> + use<S>>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let filter = filter(&settings.log_filter).map_err(anyhow::Error::msg)?;
    // A failed write, as to a closed terminal, must not panic in the middle of a task.
    let lines = fmt::layer()
        .with_writer(|| Stderr)
        .log_internal_errors(false);
    let layer = if settings.log_json {
        lines.json().flatten_event(true).boxed()
    } else {
        // https://no-color.org
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        lines
            .with_ansi(std::io::stderr().is_terminal() && !plain)
            .event_format(Text(Format::default().with_timer(Seconds)))
            .boxed()
    };
    Ok(layer.with_filter(filter))
}

/// Lines for people: without the target where it is only the module's path.
struct Text(Format<Full, Seconds>);

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let metadata = event.metadata();
        let is_named = metadata.module_path() != Some(metadata.target());
        let format = self.0.clone().with_target(is_named);
        format.format_event(context, writer, event)
    }
}

/// The time in UTC, in whole seconds.
#[derive(Clone)]
struct Seconds;

impl FormatTime for Seconds {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        write!(writer, "{:.0}", jiff::Timestamp::now())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Collects what is written.
    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_text_line_has_seconds_and_only_a_target_that_was_named() {
        let buffer = Buffer::default();
        let lines = buffer.clone();
        let layer = fmt::layer()
            .with_ansi(false)
            .with_writer(move || lines.clone())
            .event_format(Text(Format::default().with_timer(Seconds)));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(path = "/a", "a line of a module");
            tracing::warn!(target: "qtrail::audit", "a line of the audit");
        });
        let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = text
            .lines()
            .map(|line| line.split_once(' ').unwrap())
            .collect();
        for (time, _) in &lines {
            assert_eq!(time.len(), "2026-01-31T00:00:00Z".len(), "{time}");
            assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
        }
        let rest: Vec<_> = lines
            .into_iter()
            .map(|(_, rest)| rest.trim_start())
            .collect();
        assert_eq!(
            rest,
            [
                "WARN a line of a module path=\"/a\"",
                "WARN qtrail::audit: a line of the audit"
            ]
        );
    }

    #[test]
    fn misspelt_levels_and_filters_are_rejected() {
        for text in [
            "info",
            "WARN",
            "off",
            "info,qtrail::export=debug",
            "qtrail=trace",
        ] {
            assert!(filter(text).is_ok(), "{text}");
        }
        for text in ["inof", "loud", "info,debgu", "qtrail=loud"] {
            assert!(filter(text).is_err(), "{text}");
        }
    }
}
