//! Reads a request's body into memory.
//!
//! Enters: a body as it arrives. Leaves: its bytes, and the memory reserved for them. What must hold: memory is
//! reserved before it is used; a body with a declared size too large for it fails before it is read; slow senders
//! reserve memory only for the bytes that have arrived; there is a time limit.

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::CONTENT_ENCODING;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;

use super::error::Error;
use crate::input::ingest::{self, Ingest, Reserved};

/// The first buffer; it grows with the bytes that arrive.
const FIRST_BYTES: usize = 64 << 10;

/// Reads a body to its end.
pub(super) async fn read(ingest: &Ingest, body: Body) -> Result<(Bytes, Reserved), Error> {
    let limit = ingest.limits().body_timeout;
    tokio::time::timeout(limit, collect(ingest, body))
        .await
        .unwrap_or_else(|_| Err(ingest::Error::TooSlow { limit }.into()))
}

async fn collect(ingest: &Ingest, mut body: Body) -> Result<(Bytes, Reserved), Error> {
    let limit = ingest.limits().request_bytes;
    let declared = body.size_hint().exact();
    let declared = declared.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let mut capacity = declared.unwrap_or(usize::MAX).min(FIRST_BYTES).min(limit);
    let mut reserved = ingest.try_reserve(declared.unwrap_or(capacity))?;
    ingest.resize(&mut reserved, capacity)?;
    let mut bytes = Vec::with_capacity(capacity);
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|e| Error::bad_request(format!("the body is incomplete: {e}")))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let length = bytes.len() + data.len();
        if length > limit {
            return Err(ingest::Error::TooLarge { limit }.into());
        }
        if length > capacity {
            capacity = length.max(2 * capacity).min(declared.unwrap_or(limit));
            ingest.resize(&mut reserved, capacity)?;
            bytes.reserve_exact(capacity - bytes.len());
        }
        bytes.extend_from_slice(&data);
    }
    Ok((bytes.into(), reserved))
}

/// Whether a body is compressed with gzip.
///
/// # Errors
/// It has another encoding.
pub(super) fn is_gzip(headers: &HeaderMap) -> Result<bool, Error> {
    let mut gzip = false;
    for value in headers.get_all(CONTENT_ENCODING) {
        match value.as_bytes().to_ascii_lowercase().as_slice() {
            b"" | b"identity" => {}
            b"gzip" | b"x-gzip" if !gzip => gzip = true,
            other => {
                let encoding = String::from_utf8_lossy(other);
                let message =
                    format!("content-encoding {encoding:?} is not supported: use gzip or none");
                return Err(Error::Invalid(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
            }
        }
    }
    Ok(gzip)
}
