//! What must not leave the machine is marked in the document, so that no writer can read it.
//!
//! Enters: a parsed record and the user's [`Redaction`]. Leaves: the same record with its secret
//! values marked, and their JSON pointers. What must hold: a redacted value occurs nowhere else in
//! the record, be it inside another text, in JSON inside a text, or under a key that is written
//! twice. What AWS has masked already is left as it is.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use memchr::memmem::Finder;

use super::Redaction;
use crate::envelope::json::{Document, Node, REDACTED, Type};

/// Keys whose value is always masked, whatever the letters' case.
const ALWAYS: &[&str] = &[
    "accessToken",
    "authorizationToken",
    "authToken",
    "bearerToken",
    "clientSecret",
    "conversationToken",
    "idToken",
    "keyMaterial",
    "masterPassword",
    "masterUserPassword",
    "newPassword",
    "oldPassword",
    "passphrase",
    "password",
    "previousPassword",
    "privateKey",
    "proposedPassword",
    "refreshToken",
    "secretAccessKey",
    "secretBinary",
    "secretHash",
    "secretKey",
    "secretString",
    "secret_access_key",
    "securityToken",
    "sessionToken",
    "session_token",
    "tokenValue",
    "userPassword",
    "x-amz-security-token",
];

/// What stands where a value was masked before, besides `***`.
const MASKS: &[&str] = &[
    "<sensitiveDataRemoved>",
    "HIDDEN_DUE_TO_SECURITY_REASONS",
    "Value hidden due to security reasons.",
    REDACTED,
];

/// Keys of user names and ids; `arn` is looked at more closely.
const PERSONS: &[&str] = &[
    "arn",
    "principalId",
    "roleSessionName",
    "sourceIdentity",
    "userId",
    "userName",
];

/// Where an identity provider's claims about a person stand.
const CLAIMS: &str = "/userIdentity/sessionContext/webIdFederationData/attributes";

/// Levels of nesting in JSON inside a text; beyond, it is read as text.
const EMBEDDED_DEPTH: u32 = 512;

/// Levels of JSON texts inside JSON texts that are read.
const EMBEDDED_TEXTS: u32 = 8;

/// The most bytes of pointers that are listed. A record can be made so that they would take many
/// times its own size; what is not listed any more is masked all the same.
const LISTED_BYTES: usize = 64 << 10;

/// Up to this many secrets are looked for one by one.
const FEW: usize = 24;

/// A shorter value is looked for as a whole value, not inside other texts.
const SUBSTRING_CHARS: usize = 4;

/// A shorter value is not looked for inside keys, which are nearly always CloudTrail's own words.
const KEY_CHARS: usize = 8;

/// Marks every value that `rules` wants masked, and every other place that shows it. Returns their
/// JSON pointers, sorted, each once; those of the first [`LISTED_BYTES`], should they take more.
pub(crate) fn redact(document: &mut Document<'_>, rules: &Redaction) -> Vec<String> {
    let mut found = Found::default();
    found.pointed_at(document, rules);
    found.search(document, rules, 0);
    if found.nodes.is_empty() {
        return Vec::new();
    }
    let keys = found.repeats(document);
    for key in keys {
        document.redact_key(key);
    }
    let mut covered = 0;
    for &node in &found.nodes {
        if node >= covered {
            covered = document.root().with_id(node).end_id();
            document.redact(node);
        }
    }
    let mut pointers = listed(document, found.nodes);
    pointers.sort_unstable();
    pointers.dedup();
    pointers
}

/// Why a key's value is masked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    Secret,
    Address,
    Person,
}

/// What is to be masked.
#[derive(Default)]
struct Found {
    nodes: BTreeSet<u32>,
    /// The texts of the masked scalars.
    secrets: BTreeSet<String>,
}

impl Found {
    /// Follows the user's pointers; where a key occurs twice, to each of its values.
    fn pointed_at(&mut self, document: &Document<'_>, rules: &Redaction) {
        let claims = rules.users.then_some(CLAIMS);
        for pointer in rules.pointers.iter().map(String::as_str).chain(claims) {
            let mut nodes = vec![document.root()];
            let tokens = pointer
                .split('/')
                .skip(usize::from(pointer.starts_with('/')));
            for token in tokens.filter(|_| !pointer.is_empty()) {
                let token = token.replace("~1", "/").replace("~0", "~");
                nodes = nodes
                    .into_iter()
                    .flat_map(|node| step(node, &token))
                    .collect();
            }
            for node in nodes {
                if is_real(node) {
                    self.take(node, Rule::Secret);
                }
            }
        }
    }

    /// Finds keys of secret values, and texts that hold JSON with such keys.
    fn search(&mut self, document: &Document<'_>, rules: &Redaction, texts: u32) {
        let root = document.root();
        // Whether there are keys to look for beside `ALWAYS`.
        let named = !rules.keys.is_empty() || rules.access_key_id || rules.source_ip || rules.users;
        let mut id = 0;
        while id < root.end_id() {
            let node = root.with_id(id);
            let may_have_rule = |key| named || node.has_escaped_key() || may_be_secret(key);
            let rule = match node.raw_key() {
                Some(key) if may_have_rule(key) => node.key().and_then(|key| rule(&key, rules)),
                _ => None,
            };
            if let Some(rule) = rule.filter(|&rule| applies(rule, node)) {
                self.take(node, rule);
                id = node.end_id();
                continue;
            }
            if may_hold_json(node) && self.search_text(node, rules, texts) {
                self.nodes.insert(id);
            }
            id += 1;
        }
    }

    /// Whether a text is JSON with a secret in it, or the torn rest of one.
    fn search_text(&mut self, node: Node<'_>, rules: &Redaction, texts: u32) -> bool {
        let Some(text) = node.as_str() else {
            return false;
        };
        match embedded(&text) {
            Embedded::None => false,
            Embedded::Torn => text
                .split('"')
                .any(|piece| rule(piece, rules) == Some(Rule::Secret)),
            Embedded::Json(_) if texts == EMBEDDED_TEXTS => true,
            Embedded::Json(inner) => {
                let mut found = Found::default();
                found.search(&inner, rules, texts + 1);
                self.secrets.append(&mut found.secrets);
                !found.nodes.is_empty()
            }
        }
    }

    /// Takes a value, and the texts in it as secrets.
    fn take(&mut self, node: Node<'_>, rule: Rule) {
        self.nodes.insert(node.id());
        for scalar in (node.id()..node.end_id()).map(|id| node.with_id(id)) {
            let text = match scalar.kind() {
                Type::Number => scalar.raw().into(),
                Type::String if is_real(scalar) => scalar.as_str().unwrap_or_default(),
                _ => continue,
            };
            if rule == Rule::Person {
                self.secrets.extend(parts(&text).map(str::to_owned));
            }
            self.secrets.insert(text.into_owned());
        }
    }

    /// Adds every other value that shows a secret; returns the nodes whose key shows one.
    fn repeats(&mut self, document: &Document<'_>) -> Vec<u32> {
        let needles = Needles::new(&self.secrets);
        let mut keys = Vec::new();
        for node in document.nodes() {
            if node.key().is_some_and(|key| needles.are_in_key(&key)) {
                keys.push(node.id());
            }
            let shows = match node.kind() {
                Type::String => node.as_str().is_some_and(|text| needles.are_in(&text, 0)),
                Type::Number => self.secrets.contains(node.raw()),
                _ => false,
            };
            if shows {
                self.nodes.insert(node.id());
            }
        }
        keys
    }
}

/// The JSON pointers of these nodes, whose numbers must rise; those of the first [`LISTED_BYTES`],
/// should they take more. What lies below one of them is left out.
pub(super) fn listed(document: &Document<'_>, nodes: impl IntoIterator<Item = u32>) -> Vec<String> {
    let mut pointers = Vec::new();
    let mut bytes = 0;
    document.pointers(nodes, |pointer| {
        bytes += pointer.len();
        let room = bytes <= LISTED_BYTES;
        if room {
            pointers.push(pointer.to_owned());
        }
        room
    });
    pointers
}

/// The secrets to look for.
struct Needles<'s> {
    secrets: &'s BTreeSet<String>,
    /// Those that are looked for inside texts.
    substrings: Searcher<'s>,
    /// Those that are looked for inside keys.
    long: Searcher<'s>,
}

impl<'s> Needles<'s> {
    fn new(secrets: &'s BTreeSet<String>) -> Self {
        Needles {
            secrets,
            substrings: Searcher::new(secrets, SUBSTRING_CHARS),
            long: Searcher::new(secrets, KEY_CHARS),
        }
    }

    fn are_in(&self, text: &str, texts: u32) -> bool {
        self.substrings.finds_in(text)
            || text.len() < 4 * SUBSTRING_CHARS && self.secrets.contains(text)
            || match embedded(text) {
                // Escapes may hide it from the search above.
                Embedded::Json(inner) if texts < EMBEDDED_TEXTS => inner.nodes().any(|node| {
                    node.as_str()
                        .is_some_and(|text| self.are_in(&text, texts + 1))
                        || node.key().is_some_and(|key| self.are_in_key(&key))
                }),
                _ => false,
            }
    }

    fn are_in_key(&self, key: &str) -> bool {
        key.len() >= KEY_CHARS && self.long.finds_in(key)
    }
}

/// A search for any of several texts.
enum Searcher<'s> {
    /// Quick to search with.
    Few(Vec<Finder<'s>>),
    /// Takes no memory and no time to build, however many there are. Sorted, and none is another
    /// one's prefix: so the one that a text starts with, if any, is the last that is not greater.
    Many(Vec<&'s str>),
}

impl<'s> Searcher<'s> {
    /// A search for those of at least so many characters.
    fn new(secrets: &'s BTreeSet<String>, chars: usize) -> Self {
        let mut needles: Vec<&'s str> = Vec::new();
        for secret in secrets {
            let has_prefix = needles.last().is_some_and(|last| secret.starts_with(last));
            if secret.chars().count() >= chars && !has_prefix {
                needles.push(secret);
            }
        }
        if needles.len() > FEW {
            return Searcher::Many(needles);
        }
        // What holds a longer one holds the shorter one in it.
        needles.sort_by_key(|needle| needle.len());
        let mut few: Vec<Finder<'s>> = Vec::new();
        for needle in needles {
            let known = |shorter: &Finder<'_>| shorter.find(needle.as_bytes()).is_some();
            if !few.iter().any(known) {
                few.push(Finder::new(needle));
            }
        }
        Searcher::Few(few)
    }

    fn finds_in(&self, text: &str) -> bool {
        match self {
            Searcher::Few(few) => few.iter().any(|needle| {
                needle.needle().len() <= text.len() && needle.find(text.as_bytes()).is_some()
            }),
            Searcher::Many(sorted) => text.char_indices().any(|(at, _)| {
                let rest = &text[at..];
                let after = sorted.partition_point(|needle| *needle <= rest);
                after > 0 && rest.starts_with(sorted[after - 1])
            }),
        }
    }
}

/// What a pointer's token leads to; names are compared without case, as everywhere.
fn step<'d>(node: Node<'d>, token: &str) -> Vec<Node<'d>> {
    node.children()
        .enumerate()
        .filter(|(position, child)| match child.key() {
            Some(key) => key.eq_ignore_ascii_case(token),
            None => token.parse() == Ok(*position),
        })
        .map(|(_, child)| child)
        .collect()
}

/// The first letters of [`ALWAYS`] by length: a bit for each.
const FIRST_LETTERS: [u32; 32] = letters(true);

/// The last letters likewise.
const LAST_LETTERS: [u32; 32] = letters(false);

const fn letters(first: bool) -> [u32; 32] {
    let mut letters = [0; 32];
    let mut i = 0;
    while i < ALWAYS.len() {
        let name = ALWAYS[i].as_bytes();
        let at = if first { 0 } else { name.len() - 1 };
        letters[name.len()] |= letter(name[at]);
        i += 1;
    }
    letters
}

/// The same for both cases of a letter.
const fn letter(byte: u8) -> u32 {
    1 << (byte & 31)
}

/// A quick look at a key's length, first and last letter: whether it can be one of [`ALWAYS`].
fn may_be_secret(key: &[u8]) -> bool {
    let letters = |by_length: &[u32; 32]| by_length.get(key.len()).copied().unwrap_or_default();
    match (key.first(), key.last()) {
        (Some(&first), Some(&last)) => {
            letters(&FIRST_LETTERS) & letter(first) != 0
                && letters(&LAST_LETTERS) & letter(last) != 0
        }
        _ => false,
    }
}

/// The rule that masks a key's value.
fn rule(key: &str, rules: &Redaction) -> Option<Rule> {
    let is = |name: &str| name.eq_ignore_ascii_case(key);
    if may_be_secret(key.as_bytes()) && ALWAYS.iter().any(|name| is(name))
        || rules.keys.iter().any(|name| is(name))
        || rules.access_key_id && is("accessKeyId")
    {
        Some(Rule::Secret)
    } else if rules.source_ip && is("sourceIPAddress") {
        Some(Rule::Address)
    } else if rules.users && PERSONS.iter().any(|name| is(name)) {
        Some(Rule::Person)
    } else {
        None
    }
}

/// Whether the value is one that the rule is about, and not masked by AWS.
fn applies(rule: Rule, node: Node<'_>) -> bool {
    let text = node.as_str().unwrap_or_default();
    is_real(node)
        && match rule {
            Rule::Secret => true,
            // The name of an AWS service in place of an address tells of no person.
            Rule::Address => !text.ends_with(".amazonaws.com") && text != "AWS Internal",
            Rule::Person
                if node
                    .key()
                    .is_some_and(|key| key.eq_ignore_ascii_case("arn")) =>
            {
                [":iam:", ":sts:", ":identitystore:"]
                    .iter()
                    .any(|service| text.contains(service))
            }
            // The principal of a root user is the account.
            Rule::Person => !(text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())),
        }
}

/// The parts of an ARN or principal id that name a person or role by themselves.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let last = text.rsplit([':', '/']).next();
    let first = text.split_once(':').map(|(first, _)| first);
    let unique = |part: &&str| !["", "arn", "root"].contains(part);
    last.into_iter().chain(first).filter(unique)
}

/// Whether there is anything in the value that is not masked by AWS.
fn is_real(node: Node<'_>) -> bool {
    let mut below = (node.id()..node.end_id()).map(|id| node.with_id(id));
    below.any(|node| match node.kind() {
        Type::Null | Type::Array | Type::Object => false,
        Type::Bool | Type::Number => true,
        Type::String => node.as_str().is_some_and(|text| {
            text.bytes().any(|byte| byte != b'*') && !MASKS.contains(&text.as_ref())
        }),
    })
}

/// A quick look at a value's first bytes.
fn may_hold_json(node: Node<'_>) -> bool {
    matches!(
        node.raw().as_bytes(),
        [b'"', b'{' | b'[' | b' ' | b'\\', ..]
    )
}

/// JSON inside a text.
enum Embedded<'t> {
    None,
    Json(Document<'t>),
    /// It starts like JSON, but is cut or broken.
    Torn,
}

fn embedded(text: &str) -> Embedded<'_> {
    let text = text.trim();
    if !text.starts_with(['{', '[', '"']) {
        return Embedded::None;
    }
    match Document::parse(text, EMBEDDED_DEPTH) {
        Ok(document) => Embedded::Json(document),
        Err(_) => Embedded::Torn,
    }
}
