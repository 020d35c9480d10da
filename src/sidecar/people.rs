//! The file of people is read again when it changes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::identities::{Error, read};
use crate::pipeline::Conversion;
use crate::runtime::reload::Reloaded;

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
    let read_and_use = Arc::new(move || {
        let people = read(&path)?;
        conversion.change(|converter| converter.options.identities = people);
        Ok::<_, Error>(())
    });
    let people = Arc::new(Reloaded::load("identities", files, &*read_and_use)?);
    let follow = async move {
        loop {
            tokio::time::sleep(LOOK).await;
            let (people, read_and_use) = (Arc::clone(&people), Arc::clone(&read_and_use));
            let look = move || people.current(&*read_and_use);
            // It waits for a disk.
            let _ = tokio::task::spawn_blocking(look).await;
        }
    };
    tokio::spawn(async move { stop.run_until_cancelled(follow).await });
    Ok(())
}
