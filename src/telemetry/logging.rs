//! What is logged, as a filter.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

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
    EnvFilter::builder()
        .parse(text)
        .map_err(|error| format!("{text:?} is no filter: {error}"))
}
