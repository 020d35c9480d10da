//! A bucket to verify.

use tokio::task::JoinHandle;

use crate::cli::Exit;
use crate::cli::args::VerifyArgs;
use crate::config::Config;
use crate::integrity::coverage::Range;
use crate::integrity::keys::KnownKeys;

/// Starts to verify a bucket on a blocking thread.
///
/// # Errors
/// This qtrail was built without AWS.
#[cfg(not(feature = "aws"))]
pub(super) async fn start(
    (bucket, prefix): (&str, &str),
    _keys: Option<KnownKeys>,
    _args: VerifyArgs,
    _config: Config,
    _range: Range,
    _quiet: bool,
) -> anyhow::Result<JoinHandle<anyhow::Result<Exit>>> {
    anyhow::bail!(
        "s3://{bucket}/{prefix} is in a bucket, and this qtrail was built without the feature `aws`: copy it first, \
         and verify the copy"
    )
}

/// Starts to verify a bucket on a blocking thread.
///
/// # Errors
/// None.
#[cfg(feature = "aws")]
pub(super) async fn start(
    (bucket, prefix): (&str, &str),
    keys: Option<KnownKeys>,
    args: VerifyArgs,
    config: Config,
    range: Range,
    quiet: bool,
) -> anyhow::Result<JoinHandle<anyhow::Result<Exit>>> {
    use tokio_util::sync::CancellationToken;

    use crate::aws::Aws;
    use crate::cli::progress::Progress;
    use crate::integrity::bucket::{AskedKeys, Bucket};
    use crate::integrity::keys::Keys;
    use crate::integrity::source::Source;

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
    let progress = Progress::spinner(quiet);
    Ok(tokio::task::spawn_blocking(move || {
        let places = (&source as &dyn Source, &*keys as &dyn Keys);
        super::verify(&args, &config, range, places, FETCHERS, &progress)
    }))
}
