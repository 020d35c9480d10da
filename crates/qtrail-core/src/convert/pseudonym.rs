//! Names that stand for others.
//!
//! What must hold: without the key, nobody can tell whose a pseudonym is, or test a guess; with it, the same text has the
//! same pseudonym in any file and on any machine.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::is_account;

/// Bytes of a pseudonym's hash.
const HASH: usize = 10;

/// Gives texts their pseudonyms. Cheap to clone.
#[derive(Clone)]
pub struct Pseudonyms(Hmac<Sha256>);

/// A key that could be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key for pseudonyms has {0} bytes, and needs at least {MIN}: make one with `openssl rand -hex 32`", MIN = Pseudonyms::KEY_BYTES)]
pub struct ShortKey(usize);

impl Pseudonyms {
    /// Bytes of a key, at least.
    pub const KEY_BYTES: usize = 16;

    /// Pseudonyms by this key.
    ///
    /// # Errors
    /// The key is short.
    pub fn new(key: &[u8]) -> Result<Self, ShortKey> {
        let short = ShortKey(key.len());
        match key.len() < Self::KEY_BYTES {
            true => Err(short),
            false => Hmac::new_from_slice(key).map(Pseudonyms).map_err(|_| short),
        }
    }

    /// The pseudonym of a name, an address or a key: `p-` and the first ten bytes of its HMAC-SHA-256 in hexadecimal.
    pub fn of(&self, text: &str) -> String {
        let mut hash = self.0.clone();
        hash.update(text.as_bytes());
        ["p-", &hex::encode(&hash.finalize().into_bytes()[..HASH])].concat()
    }

    /// The pseudonyms of the names in an ARN or a principal id, each in its place: `AROAEXAMPLE:mary` and
    /// `…:assumed-role/Dev/mary` have the same one for `mary`. Account numbers stay.
    pub fn of_each(&self, text: &str) -> String {
        let is_arn = text.starts_with("arn:");
        let (before, names, separator) = match text.split_once('/') {
            Some((before, names)) if is_arn => ([before, "/"].concat(), names, '/'),
            // As that of the root user.
            None if is_arn => return text.to_owned(),
            _ => (String::new(), text, ':'),
        };
        let mut out = before;
        for (at, name) in names.split(separator).enumerate() {
            if at > 0 {
                out.push(separator);
            }
            match name.is_empty() || is_account(name) {
                true => out.push_str(name),
                false => out.push_str(&self.of(name)),
            }
        }
        out
    }

    /// The pseudonym of the id that a table of people gives someone: that of the same text in an event, and never the
    /// id itself, unless it is an account.
    pub fn of_person(&self, id: &str) -> String {
        let pseudonym = self.of_each(id);
        match pseudonym == id && !is_account(id) {
            true => self.of(id),
            false => pseudonym,
        }
    }
}

impl PartialEq for Pseudonyms {
    fn eq(&self, other: &Self) -> bool {
        self.of("") == other.of("")
    }
}

impl Eq for Pseudonyms {}

/// Without the key.
impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonyms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pseudonyms() -> Pseudonyms {
        Pseudonyms::new(b"0123456789abcdef").expect("a long key")
    }

    #[test]
    fn a_pseudonym_is_the_beginning_of_an_hmac() {
        // printf mary | openssl dgst -sha256 -hmac 0123456789abcdef
        assert_eq!(pseudonyms().of("mary"), "p-5899bf1f069a497527c5");
        let other = Pseudonyms::new(b"0123456789abcdeg").expect("a long key");
        assert_ne!(pseudonyms().of("mary"), other.of("mary"));
    }

    #[test]
    fn a_person_has_one_pseudonym_wherever_the_name_stands() {
        let (given, mary) = (pseudonyms(), pseudonyms().of("mary"));
        let (dev, role) = (given.of("Dev"), given.of("AROAEXAMPLE"));
        for (text, expected) in [
            ("mary", mary.clone()),
            ("AROAEXAMPLE:mary", format!("{role}:{mary}")),
            ("111122223333:mary", format!("111122223333:{mary}")),
            (
                "arn:aws:sts::111122223333:assumed-role/Dev/mary",
                format!("arn:aws:sts::111122223333:assumed-role/{dev}/{mary}"),
            ),
            (
                "arn:aws:iam::111122223333:user/mary",
                format!("arn:aws:iam::111122223333:user/{mary}"),
            ),
            (
                "arn:aws:iam::111122223333:root",
                "arn:aws:iam::111122223333:root".to_owned(),
            ),
        ] {
            assert_eq!(given.of_each(text), expected, "{text}");
        }
    }

    #[test]
    fn a_short_key_is_an_error_and_no_key_is_shown() {
        let error = Pseudonyms::new(b"short").expect_err("too short");
        assert!(error.to_string().contains("5 bytes"), "{error}");
        assert_eq!(format!("{:?}", pseudonyms()), "Pseudonyms");
    }
}
