//! The file of people is read again when it changes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::identities::{Error, read};
use crate::pipeline::Conversion;
use crate::runtime::reload::Reloaded;
use qtrail_core::convert::People;

/// How often it is seen whether the file has changed.
const LOOK: Duration = Duration::from_secs(2);

/// Converts later units with the people of the file as it is then, until `stop`.
///
/// # Errors
/// The file cannot be used.
pub(super) fn follow(
    path: PathBuf,
    conversion: Conversion,
    stop: CancellationToken,
) -> Result<(), Error> {
    let files = vec![path.clone()];
    let people = Arc::new(Reloaded::load("identities", files, || read(&path))?);
    let follow = async move {
        let mut known = people.current(|| read(&path));
        let set = |known: &Arc<People>| {
            let known = known.as_ref().clone();
            conversion.change(|converter| converter.options.identities = known);
        };
        set(&known);
        loop {
            tokio::time::sleep(LOOK).await;
            let (people, path) = (Arc::clone(&people), path.clone());
            let now = tokio::task::spawn_blocking(move || people.current(|| read(&path))).await;
            if let Ok(now) = now
                && !Arc::ptr_eq(&now, &known)
            {
                set(&now);
                known = now;
            }
        }
    };
    tokio::spawn(async move { stop.run_until_cancelled(follow).await });
    Ok(())
}
