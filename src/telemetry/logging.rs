//! Log lines on standard error.

use std::io::IsTerminal;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use super::Settings;
use crate::runtime::terminal::Stderr;

/// A level, or a filter such as `info,qtrail::export=debug`.
///
/// # Errors
/// A text that is neither, with the remedy.
pub fn filter(text: &str) -> Result<EnvFilter, String> {
    // `EnvFilter` takes a misspelt level for the name of a crate, and then logs nothing.
    let is_level = |part: &str| part.trim().parse::<LevelFilter>().is_ok();
    for part in text.split(',') {
        if !part.contains(['=', ':', '[']) && !is_level(part) {
            return Err(format!(
                "{part:?} is no level: write error, warn, info, debug or trace, or a filter such as \
                 `info,qtrail::export=debug`"
            ));
        }
    }
    // What the SDK tells of its own life is of no use beside a level alone. What h2 tells of hostile
    // peers would let them fill the log; the listeners tell it themselves, log_throttle.
    let quieter = match text.trim().parse::<LevelFilter>() {
        Ok(level) if level < LevelFilter::WARN => text.to_owned(),
        Ok(LevelFilter::WARN) => format!("{text},h2=error"),
        // At trace, the AWS SDK tells what it signed and sent.
        Ok(LevelFilter::TRACE) => {
            format!("{text},opentelemetry=warn,h2=error,aws_=debug,hyper=debug")
        }
        Ok(_) => format!("{text},opentelemetry=warn,h2=error"),
        Err(_) if text.contains("h2") => text.to_owned(),
        Err(_) => format!("{text},h2=error"),
    };
    EnvFilter::builder()
        .parse(quieter)
        .map_err(|error| format!("{text:?} is no filter: {error}"))
}

/// The layer that writes to standard error: text, in colour on a terminal alone, or JSON.
pub(super) fn layer<S>(settings: &Settings) -> anyhow::Result<impl Layer<S> + use<S>>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let filter = filter(&settings.log_filter).map_err(anyhow::Error::msg)?;
    // A terminal that is gone must not end a task in the middle of its work, as a failed `eprintln!` would.
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
            .boxed()
    };
    Ok(layer.with_filter(filter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_filters_are_told_from_misspelt_ones() {
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
