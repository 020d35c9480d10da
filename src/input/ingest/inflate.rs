//! A compressed request, inflated as a whole.
//!
//! Enters: gzip, and the room for its bytes. Leaves: what it holds, and the room for that. What must
//! hold: it inflates to no more than there is room for, on a thread that may be busy for long.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use super::{Ingest, Reserved};
use crate::input::ingest;

/// Compressed bytes get room for so many times their number at first, and at least for so many.
const INFLATION: usize = 8;
const FIRST_BYTES: usize = 4 << 10;

/// Why a request could not be inflated.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// It is no gzip, or not all of it.
    #[error("damaged gzip data: {0}")]
    Damaged(#[from] io::Error),
    /// As for any request.
    #[error(transparent)]
    Ingest(#[from] ingest::Error),
}

/// What a request may become.
pub(super) struct Bounds {
    /// Bytes, at most.
    pub(super) limit: usize,
    /// What it is beyond.
    pub(super) too_large: ingest::Error,
    /// Bytes that are held beside those.
    pub(super) beside: usize,
}

/// Inflates `compressed` within `bounds`. `reserved` is room for the compressed bytes, or more.
///
/// # Errors
/// It cannot be inflated, or there is no room.
pub(super) async fn inflate(
    ingest: &Ingest,
    compressed: Bytes,
    reserved: Reserved,
    bounds: Bounds,
) -> Result<(Bytes, Reserved), Error> {
    let ingest = ingest.clone();
    let work = move || all(&ingest, &compressed, reserved, bounds);
    let inflated = tokio::task::spawn_blocking(work).await;
    inflated.map_err(|_| ingest::Error::Stopping)?
}

fn all(
    ingest: &Ingest,
    compressed: &[u8],
    mut reserved: Reserved,
    bounds: Bounds,
) -> Result<(Bytes, Reserved), Error> {
    let limit = bounds.limit;
    let mut reader = MultiGzDecoder::new(compressed);
    let mut bytes = Vec::new();
    loop {
        let room = (2 * bytes.len())
            .max(INFLATION * compressed.len())
            .max(FIRST_BYTES);
        let step = room.min(limit) - bytes.len();
        ingest.grow(&mut reserved, bounds.beside + bytes.len() + step)?;
        bytes.reserve_exact(step);
        let part = reader.by_ref().take(step as u64).read_to_end(&mut bytes)?;
        let ended = part < step || bytes.len() == limit && reader.read(&mut [0])? == 0;
        if ended {
            ingest.resize(&mut reserved, bytes.capacity())?;
            return Ok((bytes.into(), reserved));
        }
        if bytes.len() == limit {
            return Err(bounds.too_large.into());
        }
    }
}
