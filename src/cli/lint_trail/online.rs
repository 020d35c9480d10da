//! AWS's answers now.

use crate::config::Config;
use crate::lint::trail::Trail;

/// Asks AWS for the trails that are wanted.
///
/// # Errors
/// This qtrail was built without AWS.
#[cfg(not(feature = "aws"))]
pub(super) async fn ask(
    _regions: &[String],
    _config: &Config,
    _is_wanted: impl Fn(&Trail) -> bool,
) -> anyhow::Result<Learnt> {
    anyhow::bail!(
        "--online: this qtrail was built without the feature `aws`: pass AWS's answers by --from-aws"
    )
}

/// What was learnt: nothing.
#[cfg(not(feature = "aws"))]
pub(super) struct Learnt {
    pub(super) trails: Vec<Trail>,
    pub(super) errors: Vec<String>,
}

/// Asks AWS for the trails that are wanted.
///
/// # Errors
/// Trails cannot be listed.
#[cfg(feature = "aws")]
pub(super) async fn ask(
    regions: &[String],
    config: &Config,
    is_wanted: impl Fn(&Trail) -> bool,
) -> anyhow::Result<crate::lint::online::Learnt> {
    use crate::aws::Aws;
    use crate::config;
    use crate::lint::online;

    if let Some(wrong) = regions.iter().find(|region| !crate::aws::is_region(region)) {
        return Err(config::Error::of(format!("--region: {wrong:?} is no region")).into());
    }
    let aws = Aws::load(&config.aws).await;
    let now = jiff::Timestamp::now().as_second();
    online::ask(&aws, regions, now, is_wanted)
        .await
        .map_err(anyhow::Error::msg)
}
