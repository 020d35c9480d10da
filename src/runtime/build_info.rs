//! What this program was built from.

/// The version, such as `0.1.0`.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The target, such as `x86_64-unknown-linux-gnu`.
pub(crate) const TARGET: &str = env!("QTRAIL_TARGET");

/// The first digits of the commit, with `-dirty` after changes; `None` where the build could not tell.
pub(crate) fn commit() -> Option<&'static str> {
    Some(env!("QTRAIL_COMMIT")).filter(|commit| !commit.is_empty())
}

/// The features, in order.
pub(crate) fn features() -> impl Iterator<Item = &'static str> {
    env!("QTRAIL_FEATURES")
        .split(',')
        .filter(|name| !name.is_empty())
}
