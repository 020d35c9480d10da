//! A request's body, whole, in memory.
//!
//! Enters: a body as it arrives. Leaves: its bytes and the room that they take. What must hold: no
//! byte is held without room for it; a body that says how large it is, is refused before it is read
//! where there is no room, and holds only the room for what has come, so that slow senders keep
//! nobody out; it arrives in time or not at all.

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::CONTENT_ENCODING;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;

use super::answer::Error;
use crate::input::ingest::{self, Ingest, Reserved};

/// Room that is made at first; it grows with what comes.
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
    let announced = body.size_hint().exact();
    let announced = announced.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let mut room = announced.unwrap_or(usize::MAX).min(FIRST_BYTES).min(limit);
    let mut reserved = ingest.try_reserve(announced.unwrap_or(room))?;
    ingest.resize(&mut reserved, room)?;
    let mut bytes = Vec::with_capacity(room);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| Error::bad_request(format!("the body broke off: {e}")))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let length = bytes.len() + data.len();
        if length > limit {
            return Err(ingest::Error::TooLarge { limit }.into());
        }
        if length > room {
            room = length.max(2 * room).min(announced.unwrap_or(limit));
            ingest.resize(&mut reserved, room)?;
            bytes.reserve_exact(room - bytes.len());
        }
        bytes.extend_from_slice(&data);
    }
    Ok((bytes.into(), reserved))
}

/// Whether a body is compressed with gzip.
///
/// # Errors
/// It is encoded in another way.
pub(super) fn is_gzip(headers: &HeaderMap) -> Result<bool, Error> {
    let mut gzip = false;
    for value in headers.get_all(CONTENT_ENCODING) {
        match value.as_bytes().to_ascii_lowercase().as_slice() {
            b"" | b"identity" => {}
            b"gzip" | b"x-gzip" if !gzip => gzip = true,
            other => {
                let encoding = String::from_utf8_lossy(other);
                let message =
                    format!("content-encoding {encoding:?} is not understood: send gzip, or none");
                return Err(Error::Invalid(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
            }
        }
    }
    Ok(gzip)
}
