//! What an error of Amazon's services asks for.
//!
//! Enters: an SDK's error. Leaves: a [`Fault`]. What must hold: no error that may pass is told as
//! one that will not.

use std::fmt;

/// What an error asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// Another try: throttled, a server's error, a connection that broke.
    Retry,
    /// Another try after the set-up was mended: credentials, signature, clock. Nothing is wrong with
    /// what was asked for.
    Mend,
    /// The same in this region, if it said which.
    Region(Option<String>),
    /// Nothing: there is no such object, bucket or queue.
    Gone,
    /// Nothing, unless a policy is changed: this object, or its key, is not for us.
    Denied,
    /// Nothing: it is larger than allowed.
    TooLarge,
}

/// An error of one of Amazon's services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What it asks for.
    pub remedy: Remedy,
    /// The service's own words, with its error code and request id; no secrets.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}
