//! The public keys that CloudTrail signs with.
//!
//! Enters: the answer of `aws cloudtrail list-public-keys`:
//! `{"PublicKeyList":[{"Value":"<base64 of PKCS#1>","ValidityStartTime","ValidityEndTime","Fingerprint"}]}`. Leaves:
//! keys by their fingerprints, and whether one has signed a text.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::names::{HOUR, rfc3339, seconds};

/// A key may sign so long before and after its validity: digests come later than what they cover.
const TOLERANCE: i64 = 24 * HOUR;

/// Where keys are found.
pub(crate) trait Keys: Sync {
    /// The keys with this fingerprint. `home`: the region of the trail; `time`: when it signed.
    ///
    /// # Errors
    /// Why the keys of that time are not known.
    fn find(&self, fingerprint: &str, home: &str, time: i64)
    -> Result<Vec<Arc<PublicKey>>, String>;
}

/// A public key.
#[derive(Debug)]
pub(crate) struct PublicKey {
    pkcs1: Vec<u8>,
    from: i64,
    to: i64,
}

impl PublicKey {
    /// A key, valid between two times in seconds since 1970.
    pub(crate) fn new(pkcs1: Vec<u8>, from: Option<i64>, to: Option<i64>) -> PublicKey {
        PublicKey {
            pkcs1,
            from: from.unwrap_or(i64::MIN),
            to: to.unwrap_or(i64::MAX),
        }
    }

    /// Whether it was in use at a time.
    pub(super) fn is_valid_at(&self, time: i64) -> bool {
        let (from, to) = (
            self.from.saturating_sub(TOLERANCE),
            self.to.saturating_add(TOLERANCE),
        );
        (from..=to).contains(&time)
    }

    /// When it was in use, in words.
    pub(super) fn validity(&self) -> String {
        format!("from {} to {}", rfc3339(self.from), rfc3339(self.to))
    }

    /// Whether it has signed this text. The signature is hex.
    pub(super) fn has_signed(&self, text: &str, signature: &str) -> bool {
        let Ok(signature) = hex::decode(signature) else {
            return false;
        };
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.pkcs1);
        key.verify(text.as_bytes(), &signature).is_ok()
    }
}

/// Keys from files.
#[derive(Debug, Default)]
pub(crate) struct KnownKeys(HashMap<String, Vec<Arc<PublicKey>>>);

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "PublicKeyList")]
    list: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    value: String,
    fingerprint: String,
    validity_start_time: Option<Time>,
    validity_end_time: Option<Time>,
}

/// The tool's first version writes seconds, the second one text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Time {
    Seconds(f64),
    Text(String),
}

impl Time {
    fn seconds(&self) -> Option<i64> {
        match self {
            Time::Seconds(seconds) => Some(*seconds as i64),
            Time::Text(text) => seconds(text),
        }
    }
}

impl KnownKeys {
    /// Adds the keys of an answer.
    ///
    /// # Errors
    /// Why it is none.
    pub(crate) fn add(&mut self, answer: &[u8]) -> Result<(), String> {
        let expected = "write the answer of `aws cloudtrail list-public-keys` to it";
        let answer: Answer =
            serde_json::from_slice(answer).map_err(|error| format!("{error}: {expected}"))?;
        for (index, listed) in answer.list.iter().enumerate() {
            let pkcs1 = STANDARD.decode(listed.value.trim());
            let pkcs1 = pkcs1.map_err(|error| {
                format!("PublicKeyList[{index}].Value is no base64: {error}: {expected}")
            })?;
            let valid = |time: &Option<Time>| match time.as_ref().map(Time::seconds) {
                Some(None) => Err(format!(
                    "PublicKeyList[{index}] has a time of validity that is none: {expected}"
                )),
                time => Ok(time.flatten()),
            };
            let from = valid(&listed.validity_start_time)?;
            let key = PublicKey::new(pkcs1, from, valid(&listed.validity_end_time)?);
            self.insert(&listed.fingerprint, key);
        }
        match self.0.is_empty() {
            true => Err(format!(
                "it has no keys: give the command --start-time and --end-time of the digests; {expected}"
            )),
            false => Ok(()),
        }
    }

    /// Adds a key.
    pub(crate) fn insert(&mut self, fingerprint: &str, key: PublicKey) {
        let keys = self.0.entry(fingerprint.to_ascii_lowercase()).or_default();
        keys.push(Arc::new(key));
    }

    /// The keys with this fingerprint.
    pub(crate) fn get(&self, fingerprint: &str) -> Vec<Arc<PublicKey>> {
        let keys = self.0.get(&fingerprint.to_ascii_lowercase());
        keys.cloned().unwrap_or_default()
    }
}

impl Keys for KnownKeys {
    fn find(&self, fingerprint: &str, _: &str, _: i64) -> Result<Vec<Arc<PublicKey>>, String> {
        Ok(self.get(fingerprint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_both_versions_of_the_tool_are_read() {
        let mut keys = KnownKeys::default();
        let answer = br#"{"PublicKeyList":[
            {"Value":"AAAA","ValidityStartTime":"2026-11-01T00:00:00+01:00","ValidityEndTime":"2026-12-01T00:00:00Z","Fingerprint":"AB"},
            {"Value":"BBBB","ValidityStartTime":1793487600.0,"ValidityEndTime":1796083200,"Fingerprint":"cd"},
            {"Value":"CCCC","Fingerprint":"cd"}]}"#;
        keys.add(answer).unwrap();
        let (text, seconds) = (keys.get("ab"), keys.get("CD"));
        assert_eq!((text[0].from, text[0].to), (seconds[0].from, seconds[0].to));
        assert_eq!(seconds.len(), 2);
        assert!(seconds[1].is_valid_at(i64::MIN) && seconds[1].is_valid_at(i64::MAX));
        assert!(!text[0].is_valid_at(text[0].from - TOLERANCE - 1));
        assert!(text[0].is_valid_at(text[0].to + TOLERANCE));
    }

    #[test]
    fn what_is_no_answer_is_refused_with_the_command() {
        for answer in [
            "",
            "{}",
            "[]",
            r#"{"PublicKeyList":[]}"#,
            r#"{"PublicKeyList":[{"Value":"?","Fingerprint":"a"}]}"#,
            r#"{"PublicKeyList":[{"Fingerprint":"a"}]}"#,
            r#"{"PublicKeyList":[{"Value":"AAAA","Fingerprint":"a","ValidityEndTime":"soon"}]}"#,
        ] {
            let error = KnownKeys::default().add(answer.as_bytes()).unwrap_err();
            assert!(error.contains("list-public-keys"), "{error}");
        }
    }
}
