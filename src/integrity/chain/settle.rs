//! What a digest is worth, once the one after it is known.
//!
//! Enters: a digest, the signature beside it, the digest after it. Leaves: whether a known key has signed it, and the
//! log files that it names.

use std::sync::Arc;

use super::out::here;
use super::{Content, Found, Out, Rules};
use crate::integrity::digest::Digest;
use crate::integrity::finding::Kind;
use crate::integrity::keys::{Keys, PublicKey};
use crate::integrity::names::rfc3339;

/// What the digest after another says about it.
pub(super) struct Successor<'s> {
    pub(super) key: &'s str,
    pub(super) digest: &'s Digest,
}

/// Decides about a digest, once the one after it is known.
pub(super) fn settle(
    home: &str,
    last: Found,
    next: Option<&Successor<'_>>,
    rules: &Rules<'_>,
    out: &mut Vec<Out>,
) {
    let Ok(Content {
        mut digest,
        signature,
    }) = last.content
    else {
        return;
    };
    let of_next = next.and_then(|next| next.digest.previous_digest_signature.as_deref());
    let hash = next.and_then(|next| next.digest.previous_digest_hash_value.as_deref());
    let fits = hash.is_none_or(|hash| hash.eq_ignore_ascii_case(&digest.hash));
    let own = signature.as_ref().ok().and_then(Option::as_deref);
    let signatures = own.into_iter().chain(of_next);
    let doubt = doubt(&digest, home, signatures, rules.keys);
    let doubt = match (doubt, fits) {
        (Some(_), false) => {
            let message = "the digest after it has another hash of it: its content was changed";
            Some((Kind::Changed, message.to_owned()))
        }
        (doubt, _) => doubt,
    };
    if let Some((kind, mut message)) = doubt.clone() {
        if kind == Kind::NoSignature {
            let remedy = (rules.remedy)(
                &digest.digest_s3_bucket,
                &digest.digest_s3_object,
                &last.key,
            );
            let why = signature.err().map(|why| format!(" ({why})"));
            message = format!("{message}{}: {remedy}", why.unwrap_or_default());
        }
        out.push(here(kind, &last.key, message));
    } else if let (Some(next), false) = (next, fits) {
        let message = format!(
            "it has another hash of {}, which is signed: this one is not what CloudTrail wrote",
            last.key
        );
        out.push(here(Kind::BrokenChain, next.key, message));
    }
    // What was changed may name anything.
    let names = !matches!(doubt, Some((Kind::Changed | Kind::BadSignature, _)));
    if names {
        out.push(Out::Settled {
            key: last.key,
            doubt: doubt.map(|(kind, _)| kind),
            logs: digest.take_log_files(),
            digest: Box::new(digest),
        });
    }
}

/// Why a digest is not verified.
fn doubt<'s>(
    digest: &Digest,
    home: &str,
    signatures: impl Iterator<Item = &'s str>,
    keys: &dyn Keys,
) -> Option<(Kind, String)> {
    let signatures: Vec<_> = signatures.collect();
    if signatures.is_empty() {
        let message = "its signature is neither beside it nor in a digest after it";
        return Some((Kind::NoSignature, message.to_owned()));
    }
    if !digest.is_signed_as_known() {
        let message = "it names another algorithm of signatures than CloudTrail's SHA256withRSA";
        return Some((Kind::BadSignature, message.to_owned()));
    }
    let fingerprint = &digest.digest_public_key_fingerprint;
    let unknown = |why: String| {
        let message = format!("the public key {fingerprint} {why}");
        Some((Kind::UnknownKey, message))
    };
    let found = match keys.find(fingerprint, home, digest.end) {
        Ok(found) => found,
        Err(error) => return unknown(format!("cannot be looked up: {error}")),
    };
    if found.is_empty() {
        return unknown(format!(
            "is not among the known ones: `aws cloudtrail list-public-keys --region {home}` with --start-time and \
             --end-time around {} has it",
            rfc3339(digest.end)
        ));
    }
    let text = digest.signed_text();
    let has_signed = |key: &&Arc<PublicKey>| {
        signatures
            .iter()
            .any(|signature| key.has_signed(&text, signature))
    };
    let Some(key) = found.iter().find(has_signed) else {
        let message = format!("no signature of it is by the public key {fingerprint}");
        return Some((Kind::BadSignature, message));
    };
    // Digests of the past that are made later are signed by the key of that time.
    let is_backfill = digest.digest_s3_object.ends_with("_backfill.json.gz");
    match is_backfill || key.is_valid_at(digest.end) {
        true => None,
        false => unknown(format!(
            "was in use {}, and this digest ends at {}",
            key.validity(),
            rfc3339(digest.end)
        )),
    }
}
