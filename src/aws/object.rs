//! An S3 object as the content of a unit.
//!
//! Enters: a [`Location`]. Leaves: an [`Object`], whose bytes are read as they come. What must hold:
//! memory does not grow with the object; a connection that breaks is taken up where it broke, in
//! the same version of the object.

use std::fmt;

use super::Aws;
use super::fault::Fault;
use crate::pipeline::Content;

/// Where an object is. Its text is `s3://bucket/key`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key, decoded.
    pub key: String,
    /// The bucket's region, if it is known.
    pub region: Option<String>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// An object that was opened: S3 has answered, its bytes are still to come.
#[derive(Debug)]
pub struct Object {
    /// How many bytes it has, as it is stored.
    pub bytes: u64,
    /// When it was last modified, in nanoseconds since 1970.
    pub modified: Option<i64>,
}

impl Object {
    /// Bytes of memory that the content takes while it is read: all of a small object, a part of a
    /// large one.
    pub fn held_bytes(&self) -> usize {
        todo!()
    }

    /// The bytes: of a small object all at once, of a large one as they are read.
    ///
    /// # Errors
    /// A small object could not be read.
    pub async fn content(self) -> Result<Content, Fault> {
        todo!()
    }
}

impl Aws {
    /// Asks S3 for an object, in the region where the bucket is.
    ///
    /// # Errors
    /// Among others [`Remedy::TooLarge`](super::fault::Remedy::TooLarge), where it has more bytes
    /// than `limit`. Throttling and broken connections were retried by the SDK a few times before.
    pub async fn open(&self, _location: &Location, _limit: u64) -> Result<Object, Fault> {
        todo!()
    }
}
