//! The values that the user's rules hide: keys, pointers, addresses and people.

use super::copies::Secrets;
use super::{fields, keys};
use crate::convert::is_account;
use crate::convert::{Hide, Redaction};
use crate::event::mask::is_mask;
use crate::json::{Document, Node, Type};

/// Keys of user names and ids. An `arn` is one only for some services.
const PERSONS: &[&str] = &[
    "arn",
    "principalId",
    "roleSessionName",
    "sourceIdentity",
    "userId",
    "userName",
];

/// Pointer of an identity provider's claims about a person.
const CLAIMS: &str = "/userIdentity/sessionContext/webIdFederationData/attributes";

/// Why a value is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// The user named it.
    Named,
    /// It is the id of an access key.
    AccessKey,
    /// It may be a person's address.
    Address,
    /// It may name a person.
    Person,
}

/// Whether the rules name keys.
pub(super) fn has_keys(rules: &Redaction) -> bool {
    let hides = [&rules.access_key_id, &rules.source_ip, &rules.users];
    !rules.keys.is_empty() || hides.into_iter().any(Hide::hides)
}

/// The rule that hides a key's value.
pub(super) fn rule(key: &[u8], rules: &Redaction) -> Option<Rule> {
    let is = |name: &str| key.eq_ignore_ascii_case(name.as_bytes());
    if rules.keys.iter().any(|name| keys::same(key, name)) {
        Some(Rule::Named)
    } else if rules.access_key_id.hides() && is("accessKeyId") {
        Some(Rule::AccessKey)
    } else if rules.source_ip.hides() && is("sourceIPAddress") {
        Some(Rule::Address)
    } else if rules.users.hides() && PERSONS.iter().any(|name| is(name)) {
        Some(Rule::Person)
    } else {
        None
    }
}

/// Whether the rule is about this value, and it is not hidden already.
pub(super) fn applies(rule: Rule, node: Node<'_>) -> bool {
    let text = node.as_str().unwrap_or_default();
    let arn = || {
        node.key()
            .is_some_and(|key| key.eq_ignore_ascii_case("arn"))
    };
    is_real(node)
        && match rule {
            Rule::Named | Rule::AccessKey => true,
            // A service's name instead of an address identifies no person.
            Rule::Address => !text.ends_with(".amazonaws.com") && text != "AWS Internal",
            Rule::Person if arn() => [":iam:", ":sts:", ":identitystore:"]
                .iter()
                .any(|service| text.contains(service)),
            // The principal of a root user is the account.
            Rule::Person => !is_account(&text),
        }
}

/// The pseudonym that stands for a hidden value; `None` if none does.
pub(super) fn pseudonym(rule: Rule, node: Node<'_>, rules: &Redaction) -> Option<String> {
    let hide = match rule {
        Rule::Named => return None,
        Rule::AccessKey => &rules.access_key_id,
        Rule::Address => &rules.source_ip,
        Rule::Person => &rules.users,
    };
    let (Hide::Hash(pseudonyms), text) = (hide, node.as_str()?) else {
        return None;
    };
    Some(match rule {
        Rule::Person => pseudonyms.of_each(&text),
        _ => pseudonyms.of(&text),
    })
}

/// Ids of the values that the user's pointers lead to, in order. If a key occurs twice, of both values.
pub(super) fn pointed_at(document: &Document<'_>, rules: &Redaction) -> Vec<u32> {
    let mut found = Vec::new();
    let claims = rules.users.hides().then_some(CLAIMS);
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
        found.extend(
            nodes
                .into_iter()
                .filter(|node| is_real(*node))
                .map(Node::id),
        );
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The values that a pointer's token leads to. Names are compared without case, as everywhere.
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

/// Collects the texts of a hidden value, so that their copies are hidden too.
pub(super) fn take(node: Node<'_>, rule: Rule, secrets: &mut Secrets) {
    for (_, text) in fields::texts(node) {
        if is_mask(&text) {
            continue;
        }
        if rule == Rule::Person {
            parts(&text).for_each(|part| secrets.wanted(part));
        }
        secrets.wanted(&text);
    }
}

/// The parts of an ARN or principal id that name a person or role by themselves.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let last = text.rsplit([':', '/']).next();
    let first = text.split_once(':').map(|(first, _)| first);
    let unique = |part: &&str| !["", "arn", "root"].contains(part);
    last.into_iter().chain(first).filter(unique)
}

/// Whether the value holds anything that is not hidden already.
fn is_real(node: Node<'_>) -> bool {
    let mut below = (node.id()..node.end_id()).map(|id| node.with_id(id));
    below.any(|node| match node.kind() {
        Type::Null | Type::Array | Type::Object => false,
        Type::Bool | Type::Number => true,
        Type::String => node
            .as_str()
            .is_some_and(|text| !text.is_empty() && !is_mask(&text)),
    })
}
