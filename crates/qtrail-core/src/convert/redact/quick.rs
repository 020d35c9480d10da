//! A quick check for records with nothing to hide, which nearly all are.
//!
//! What must hold: a record in which a [`Walk`] hides anything is never plain.

use memchr::memchr;

use super::fields;
use super::mask_scope::MaskScope;
use super::walk::{KEY_BYTES, Walk};
use super::work::Work;
use super::{keys, shapes};
use crate::json::{Document, Node, Type};

impl Walk<'_> {
    /// Whether a record certainly has nothing to hide, apart from what the user's rules name.
    pub(super) fn is_plain(&mut self, record: &Document<'_>) -> bool {
        self.work = Work::for_record(record.text().len());
        let root = record.root();
        let mut known = 0;
        root.children().all(|field| {
            let Some(key) = field.raw_key() else {
                return false;
            };
            if fields::is_filled(key) {
                // The field's own name is no secret's.
                return !may_be_json(field) && nodes(field).skip(1).all(is_plain_field);
            }
            if field.id() >= known {
                (known, self.field) = fields::signs(root, field);
            }
            nodes(field).all(|node| self.is_plain_value(node))
        })
    }

    /// Whether a value that AWS did not fill certainly has nothing to hide.
    fn is_plain_value(&mut self, node: Node<'_>) -> bool {
        if let Some(key) = node.raw_key() {
            let secret = keys::secret_or(key, self.field.token);
            if node.has_escaped_key()
                || secret.is_some_and(|secret| may_hide(secret, node))
                || !self.is_plain_key(key)
            {
                return false;
            }
        }
        let Some(text) = node.as_str() else {
            return true;
        };
        let names = node.raw_key().is_none_or(keys::is_name_key);
        if names && keys::secret(text.as_bytes()).is_some() {
            return false;
        }
        let shows_nothing = self.field.is_none()
            && text.len() < shapes::UNMARKED
            && !may_be_json(node)
            && memchr(b':', text.as_bytes()).is_none();
        shows_nothing || self.hidden(&text, MaskScope::Text, 0).is_none()
    }

    fn is_plain_key(&mut self, key: &[u8]) -> bool {
        let quick = || {
            self.field.is_none()
                && memchr(b':', key).is_none()
                && !matches!(key, [b'{' | b'[' | b'"' | b' ', ..])
        };
        key.len() < KEY_BYTES || quick() || !self.key_shows(key, 0)
    }
}

/// Whether a value that AWS filled certainly has nothing to hide.
fn is_plain_field(node: Node<'_>) -> bool {
    let json = matches!(
        node.raw().as_bytes(),
        [b'"', b'{' | b'[' | b' ' | b'\\', ..]
    );
    let key = node.raw_key().and_then(|key| keys::secret_or(key, false));
    !json && !node.has_escaped_key() && !key.is_some_and(|secret| may_hide(secret, node))
}

/// Whether a text may be JSON.
fn may_be_json(node: Node<'_>) -> bool {
    matches!(
        node.raw().as_bytes(),
        [b'"', b'{' | b'[' | b' ' | b'\\', ..]
    )
}

/// Whether a value under the name of a secret may be hidden.
fn may_hide(secret: keys::Secret, node: Node<'_>) -> bool {
    match node.kind() {
        Type::Array | Type::Object => true,
        _ => keys::is_secret_value(secret, node),
    }
}

fn nodes<'d>(field: Node<'d>) -> impl Iterator<Item = Node<'d>> {
    (field.id()..field.end_id()).map(move |id| field.with_id(id))
}
