//! What is to be verified: a copy of a bucket, or the bucket.

use std::num::NonZero;
use std::path::Path;

use anyhow::Context;
use tokio::task::JoinHandle;

use crate::config::{self, Config};
use crate::input::backfill::Named;
use crate::integrity::folder::Folder;
use crate::integrity::keys::{Keys, KnownKeys};
use crate::integrity::source::Source;

/// A source, ready to be read.
pub(in crate::cli) struct Opened<'o> {
    pub(in crate::cli) source: &'o dyn Source,
    pub(in crate::cli) keys: &'o dyn Keys,
    /// How many files are read at once.
    pub(in crate::cli) threads: usize,
}

/// Opens a source, and passes it to `work` on a blocking thread. `keys`: those of files; without, they are looked up.
///
/// # Errors
/// It cannot be opened; a copy has no keys; a bucket, and this qtrail was built without AWS.
pub(in crate::cli) async fn with<T: Send + 'static>(
    named: &Named,
    keys: Option<KnownKeys>,
    config: &Config,
    work: impl FnOnce(Opened<'_>) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<JoinHandle<anyhow::Result<T>>> {
    match named {
        Named::Path(path) => {
            let keys = keys.ok_or_else(|| {
                config::Error::of(
                    "a copy needs --public-keys FILE, the answer of `aws cloudtrail list-public-keys --start-time FROM \
                     --end-time TO` in the trail's home region"
                        .to_owned(),
                )
            })?;
            let folder = folder(path)?;
            Ok(tokio::task::spawn_blocking(move || {
                work(Opened {
                    source: &folder,
                    keys: &keys,
                    threads: std::thread::available_parallelism().map_or(1, NonZero::get),
                })
            }))
        }
        Named::Bucket { bucket, prefix } => in_bucket((bucket, prefix), keys, config, work).await,
    }
}

fn folder(path: &Path) -> anyhow::Result<Folder> {
    Folder::new(path).with_context(|| {
        format!(
            "{}: name the folder that is a copy of the trail's bucket",
            path.display()
        )
    })
}

#[cfg(not(feature = "aws"))]
#[expect(clippy::unused_async, reason = "with the feature, it awaits")]
async fn in_bucket<T>(
    (bucket, prefix): (&str, &str),
    _: Option<KnownKeys>,
    _: &Config,
    _: impl FnOnce(Opened<'_>) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<JoinHandle<anyhow::Result<T>>> {
    anyhow::bail!(
        "s3://{bucket}/{prefix} is in a bucket, and this qtrail was built without the feature `aws`: copy it first, \
         and verify the copy"
    )
}

#[cfg(feature = "aws")]
async fn in_bucket<T: Send + 'static>(
    (bucket, prefix): (&str, &str),
    keys: Option<KnownKeys>,
    config: &Config,
    work: impl FnOnce(Opened<'_>) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<JoinHandle<anyhow::Result<T>>> {
    use tokio_util::sync::CancellationToken;

    use crate::aws::Aws;
    use crate::integrity::bucket::{AskedKeys, Bucket};

    /// Objects that are read at once.
    const FETCHERS: usize = 32;

    let aws = Aws::load(&config.aws).await;
    let never = CancellationToken::new();
    let limit = config.objects.object_bytes;
    let source = Bucket::new(aws.clone(), bucket, prefix, limit, never);
    let keys: Box<dyn Keys + Send> = match keys {
        Some(keys) => Box::new(keys),
        None => Box::new(AskedKeys::new(aws)),
    };
    Ok(tokio::task::spawn_blocking(move || {
        work(Opened {
            source: &source,
            keys: &*keys,
            threads: FETCHERS,
        })
    }))
}
