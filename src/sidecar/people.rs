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
    if !path.is_file() {
        // A pipe was read to its end with the configuration.
        return Ok(());
    }
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

#[cfg(test)]
mod tests {
    use qtrail_core::Converter;
    use qtrail_core::convert::Person;

    use super::*;

    fn conversion() -> Conversion {
        let mut converter = Converter::default();
        let mary = Person {
            id: "mary".to_owned(),
            name: None,
        };
        converter.options.identities.add(mary, &[]).unwrap();
        Conversion::new(converter)
    }

    fn has_mary(conversion: &Conversion) -> bool {
        let current = conversion.current();
        current.options.identities.find("mary").is_some()
    }

    #[tokio::test]
    async fn what_is_no_file_is_not_read_a_second_time() {
        let (conversion, stop) = (conversion(), CancellationToken::new());
        follow("/dev/null".into(), conversion.clone(), stop.clone()).unwrap();
        assert!(has_mary(&conversion));
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_owned();
        follow(path, conversion.clone(), stop).unwrap();
        assert!(!has_mary(&conversion), "an empty file was read");
    }
}
