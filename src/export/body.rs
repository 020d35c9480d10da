//! An answer's body, read within a bound and inflated.
//!
//! Enters: the body of an HTTP answer, or a message in one. Leaves: a [`Body`]. What must hold: memory
//! stays within [`ANSWER_BYTES`], whatever comes; what is not whole is never taken for what was sent.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::HeaderMap;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::connect::BoxError;

/// Bytes of an answer at most, compressed or not. A partial success may name each rejected record.
pub(super) const ANSWER_BYTES: usize = 1 << 20;

/// What gzip begins with. Neither JSON nor an answer in protobuf does.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// An answer's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// All of it, inflated.
    Whole(Bytes),
    /// It is longer than [`ANSWER_BYTES`].
    TooLong,
    /// It begins as gzip, and is none.
    NotGzip,
}

impl Body {
    /// The bytes, where all of them are there.
    pub(super) fn whole(&self) -> Option<&[u8]> {
        match self {
            Body::Whole(bytes) => Some(bytes),
            Body::TooLong | Body::NotGzip => None,
        }
    }
}

/// Reads a body to its end: as it is, and its trailers.
///
/// # Errors
/// The connection broke.
pub(super) async fn read(body: Incoming) -> Result<(Body, Option<HeaderMap>), BoxError> {
    match Limited::new(body, ANSWER_BYTES).collect().await {
        Ok(whole) => {
            let trailers = whole.trailers().cloned();
            Ok((Body::Whole(whole.to_bytes()), trailers))
        }
        Err(error) if error.is::<LengthLimitError>() => Ok((Body::TooLong, None)),
        Err(error) => Err(error),
    }
}

/// The same, inflated if it is gzip, whatever its header claims.
pub(super) fn inflated(body: Body) -> Body {
    let bytes = match body {
        Body::Whole(bytes) if bytes.starts_with(&GZIP) => bytes,
        body => return body,
    };
    let mut inflated = Vec::new();
    let limit = ANSWER_BYTES as u64 + 1;
    let read: io::Result<usize> = MultiGzDecoder::new(bytes.as_ref())
        .take(limit)
        .read_to_end(&mut inflated);
    match read {
        Ok(length) if length > ANSWER_BYTES => Body::TooLong,
        Ok(_) => Body::Whole(inflated.into()),
        Err(_) => Body::NotGzip,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn inflated(bytes: impl Into<Bytes>) -> Body {
        super::inflated(Body::Whole(bytes.into()))
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_is_inflated_by_its_bytes_and_what_is_cut_off_is_not_whole() {
        assert_eq!(inflated(Bytes::new()), Body::Whole(Bytes::new()));
        assert_eq!(inflated("{}"), Body::Whole("{}".into()));
        let zipped = gzip(b"{}");
        assert_eq!(inflated(zipped.clone()), Body::Whole("{}".into()));
        assert_eq!(inflated(gzip(b"")), Body::Whole(Bytes::new()));
        let two = [gzip(b"{"), gzip(b"}")].concat();
        assert_eq!(inflated(two), Body::Whole("{}".into()));
        for end in 2..zipped.len() {
            assert_eq!(inflated(zipped[..end].to_vec()), Body::NotGzip, "{end}");
        }
    }

    #[test]
    fn what_inflates_to_more_than_an_answer_may_have_is_too_long() {
        let most = vec![b' '; ANSWER_BYTES];
        assert_eq!(inflated(gzip(&most)), Body::Whole(most.clone().into()));
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < ANSWER_BYTES);
        assert_eq!(inflated(bomb), Body::TooLong);
    }
}
