//! Names of people, learnt from IAM Identity Center: `identitystore:DescribeUser`.
//!
//! Enters: users, as events name them. Leaves: names for the log records and reports of later events. What must hold:
//! no event waits for a name; requests keep to a rate; a user is asked for once until the answer expires, also after a
//! restart.

mod cache;
#[cfg(feature = "aws")]
mod client;
#[cfg(feature = "aws")]
mod lookup;
mod queue;
#[cfg(feature = "aws")]
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use qtrail_core::convert::Names;

#[cfg(feature = "aws")]
pub(crate) use client::IdentityCenter;
#[cfg(feature = "aws")]
pub(crate) use lookup::run;
pub(crate) use queue::Queue;

/// How names are learnt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The region of the Identity Center; `None`: the AWS client's.
    pub region: Option<String>,
    /// How long a name is kept before it is looked up again.
    pub expire: Duration,
    /// The file of names.
    pub path: PathBuf,
}

/// The names that were learnt before.
pub(crate) fn known(settings: &Settings) -> Names {
    cache::load(settings).names()
}
