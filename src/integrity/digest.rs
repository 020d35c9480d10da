//! A digest file.
//!
//! Enters: its inflated bytes. Leaves: what it says, and the text that CloudTrail signed.

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;

use super::names::seconds;

/// The only algorithm that CloudTrail signs with.
const SIGNATURE_ALGORITHM: &str = "SHA256withRSA";
/// The only algorithm that it hashes with.
const HASH_ALGORITHM: &str = "SHA-256";

/// What a digest says. A field that is not needed to verify it is not here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Digest {
    digest_start_time: String,
    /// As it is written: this is signed.
    digest_end_time: String,
    pub(super) digest_s3_bucket: String,
    pub(super) digest_s3_object: String,
    pub(super) digest_public_key_fingerprint: String,
    digest_signature_algorithm: Option<String>,
    pub(super) previous_digest_s3_bucket: Option<String>,
    /// `None`: the trail, or its validation, was started.
    pub(super) previous_digest_s3_object: Option<String>,
    pub(super) previous_digest_hash_value: Option<String>,
    pub(super) previous_digest_signature: Option<String>,
    log_files: Option<Vec<LogFile>>,
    /// When the first and the last of its log files were delivered.
    #[serde(skip)]
    pub(super) start: i64,
    #[serde(skip)]
    pub(super) end: i64,
    /// The SHA-256 of its inflated bytes, as hex.
    #[serde(skip)]
    pub(super) hash: String,
}

/// A log file that a digest names.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogFile {
    pub(super) s3_bucket: String,
    pub(super) s3_object: String,
    pub(super) hash_value: String,
    hash_algorithm: Option<String>,
}

impl Digest {
    /// Reads a digest.
    ///
    /// # Errors
    /// Why the bytes are none.
    pub(super) fn parse(bytes: &[u8]) -> Result<Digest, String> {
        let mut read: Digest =
            serde_json::from_slice(bytes).map_err(|error| format!("no digest: {error}"))?;
        let time =
            |text: &str| seconds(text).ok_or_else(|| format!("no digest: {text:?} is no time"));
        read.start = time(&read.digest_start_time)?;
        read.end = time(&read.digest_end_time)?;
        read.hash = hex::encode(digest(&SHA256, bytes));
        Ok(read)
    }

    /// Takes its log files out.
    pub(super) fn take_log_files(&mut self) -> Vec<LogFile> {
        self.log_files.take().unwrap_or_default()
    }

    /// Whether it is signed in the only way that is known.
    pub(super) fn is_signed_as_known(&self) -> bool {
        let algorithm = self.digest_signature_algorithm.as_deref();
        algorithm.is_none_or(|algorithm| algorithm.eq_ignore_ascii_case(SIGNATURE_ALGORITHM))
    }

    /// The text that CloudTrail signed.
    pub(super) fn signed_text(&self) -> String {
        let previous = self.previous_digest_signature.as_deref();
        format!(
            "{}\n{}/{}\n{}\n{}",
            self.digest_end_time,
            self.digest_s3_bucket,
            self.digest_s3_object,
            self.hash,
            previous.unwrap_or("null")
        )
    }
}

impl LogFile {
    /// Whether it is hashed in the only way that is known.
    pub(super) fn is_hashed_as_known(&self) -> bool {
        let algorithm = self.hash_algorithm.as_deref();
        algorithm.is_none_or(|algorithm| algorithm.eq_ignore_ascii_case(HASH_ALGORITHM))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTING: &str = r#"{"awsAccountId":"111122223333","digestStartTime":"2020-04-21T12:28:23Z",
        "digestEndTime":"2020-04-21T13:28:23Z","digestS3Bucket":"b","digestS3Object":"k",
        "digestPublicKeyFingerprint":"f0","digestSignatureAlgorithm":"SHA256withRSA",
        "newestEventTime":null,"oldestEventTime":null,"previousDigestS3Bucket":null,
        "previousDigestS3Object":null,"previousDigestHashValue":null,"previousDigestHashAlgorithm":null,
        "previousDigestSignature":null,"logFiles":[]}"#;

    #[test]
    fn the_signed_text_has_the_word_null_for_no_signature() {
        let digest = Digest::parse(STARTING.as_bytes()).unwrap();
        let lines: Vec<_> = digest.signed_text().lines().map(str::to_owned).collect();
        assert_eq!(lines, ["2020-04-21T13:28:23Z", "b/k", &digest.hash, "null"]);
        assert_eq!(digest.end - digest.start, 3600);
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_no_digest() {
        let twice = STARTING.replace(r#""logFiles":[]"#, r#""logFiles":[],"logFiles":[]"#);
        assert!(Digest::parse(twice.as_bytes()).is_err());
        let trailing = format!("{STARTING} {{}}");
        assert!(Digest::parse(trailing.as_bytes()).is_err());
        for text in ["", "null", "[]", "{}", "\u{0}"] {
            assert!(Digest::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
