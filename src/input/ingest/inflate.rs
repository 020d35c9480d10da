//! Inflates a compressed request in memory.
//!
//! Enters: gzip, and the memory reserved for it. Leaves: the inflated bytes, and the memory reserved for
//! them. What must hold: memory is reserved before it is used; the work is done on a blocking thread.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use super::{Ingest, Reserved};
use crate::input::ingest;

/// The first buffer is this many times as large as the compressed bytes, and at least [`FIRST_BYTES`].
const INFLATION: usize = 8;
const FIRST_BYTES: usize = 4 << 10;

/// Why a request could not be inflated.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// It is not gzip, or incomplete.
    #[error("damaged gzip data: {0}")]
    Damaged(#[from] io::Error),
    /// A limit.
    #[error(transparent)]
    Ingest(#[from] ingest::Error),
}

/// Limits on the inflated bytes.
pub(super) struct Bounds {
    /// Inflated bytes at most.
    pub(super) limit: usize,
    /// The error beyond that.
    pub(super) too_large: ingest::Error,
    /// Bytes in memory beside the inflated ones.
    pub(super) beside: usize,
}

/// Inflates `compressed` within `bounds`. `reserved` covers at least the compressed bytes.
///
/// # Errors
/// The bytes are damaged, or a limit is exceeded.
pub(super) async fn inflate(
    ingest: &Ingest,
    compressed: Bytes,
    reserved: Reserved,
    bounds: Bounds,
) -> Result<(Bytes, Reserved), Error> {
    let ingest = ingest.clone();
    let work = move || inflate_blocking(&ingest, &compressed, reserved, bounds);
    let inflated = tokio::task::spawn_blocking(work).await;
    inflated.map_err(|_| ingest::Error::Stopping)?
}

fn inflate_blocking(
    ingest: &Ingest,
    compressed: &[u8],
    mut reserved: Reserved,
    bounds: Bounds,
) -> Result<(Bytes, Reserved), Error> {
    let limit = bounds.limit;
    let mut reader = MultiGzDecoder::new(compressed);
    let mut bytes = Vec::new();
    loop {
        let capacity = (2 * bytes.len())
            .max(INFLATION * compressed.len())
            .max(FIRST_BYTES);
        let step = capacity.min(limit) - bytes.len();
        ingest.grow(&mut reserved, bounds.beside + bytes.len() + step)?;
        bytes.reserve_exact(step);
        let read = reader.by_ref().take(step as u64).read_to_end(&mut bytes)?;
        let ended = read < step || bytes.len() == limit && reader.read(&mut [0])? == 0;
        if ended {
            ingest.resize(&mut reserved, bytes.capacity())?;
            return Ok((bytes.into(), reserved));
        }
        if bytes.len() == limit {
            return Err(bounds.too_large.into());
        }
    }
}
