//! A quick check for records with nothing to hide, which nearly all are.
//!
//! What must hold: a record in which a [`Walk`] hides anything is never plain.

use super::fields;
use super::mask_scope::MaskScope;
use super::walk::Walk;
use super::work::Work;
use super::{keys, shapes};
use crate::json::{Document, Node, Type};

impl Walk<'_> {
    /// Whether a record certainly has nothing to hide, apart from what the user's rules name.
    pub(super) fn is_plain(&mut self, record: &Document<'_>) -> bool {
        self.work = Work::for_record(record.text().len());
        self.field = None;
        let root = record.root();
        let mut known = 0;
        let mut shows = false;
        root.children().all(|field| {
            let Some(key) = field.raw_key() else {
                return false;
            };
            if fields::is_filled(key) {
                // The field's own name is no secret's.
                return !may_be_json(field) && nodes(field).skip(1).all(is_plain_field);
            }
            if field.id() >= known {
                let (end, text) = fields::unfilled(root, field);
                (known, shows) = (end, shapes::may_be_in(text.as_bytes()));
            }
            nodes(field).all(|node| match shows {
                true => self.is_plain_value(node),
                false => is_quiet_value(node),
            })
        })
    }

    /// Whether a value that AWS did not fill certainly has nothing to hide.
    fn is_plain_value(&mut self, node: Node<'_>) -> bool {
        let key = node.raw_key();
        if let Some(key) = key
            && (node.has_escaped_key() || is_secret(key, true, node) || self.key_shows(key, 0))
        {
            return false;
        }
        let Some(text) = node.as_str() else {
            return true;
        };
        !is_name(key, text.as_bytes(), true) && self.hidden(&text, MaskScope::Text, 0).is_none()
    }
}

/// The same in fields that show no secret by its shape.
fn is_quiet_value(node: Node<'_>) -> bool {
    let key = node.raw_key();
    let text = match raw(node) {
        [b'"', text @ .., b'"'] => text,
        _ => &[],
    };
    let hides = key.is_none_or(keys::may_hide) && hides_by_name(key, text, node);
    !hides && !shapes::is_key_in(text)
}

/// Whether the key of a value hides it, or a value is the name of a secret beside it.
#[inline(never)]
fn hides_by_name(key: Option<&[u8]>, text: &[u8], node: Node<'_>) -> bool {
    key.is_some_and(|key| hides(key, node)) || is_name(key, text, false)
}

/// Whether a value that AWS filled certainly has nothing to hide.
fn is_plain_field(node: Node<'_>) -> bool {
    !node.has_escaped_key()
        && !node.raw_key().is_some_and(|key| hides(key, node))
        && !may_be_json(node)
}

/// Whether a text may be the name of a secret beside it.
#[inline]
fn is_name(key: Option<&[u8]>, text: &[u8], private: bool) -> bool {
    key.is_none_or(keys::is_name_key) && keys::secret_or(text, private).is_some()
}

/// Whether a value may be hidden because of its key, which does not contain `privateKey` before its end.
#[inline]
fn hides(key: &[u8], node: Node<'_>) -> bool {
    keys::may_be_secret(key) && is_secret(key, false, node)
}

/// The same of any key. `private`: whether it may contain `privateKey` before its end.
fn is_secret(key: &[u8], private: bool, node: Node<'_>) -> bool {
    keys::may_hold_secret(node)
        && keys::secret_or(key, private).is_some_and(|secret| match node.kind() {
            Type::Array | Type::Object => true,
            _ => keys::is_secret_value(secret, node),
        })
}

/// Whether a value may be a text that is JSON.
fn may_be_json(node: Node<'_>) -> bool {
    matches!(raw(node), [b'"', b'{' | b'[' | b' ' | b'\\', ..])
}

fn raw<'d>(node: Node<'d>) -> &'d [u8] {
    &node.text().as_bytes()[node.span()]
}

fn nodes<'d>(field: Node<'d>) -> impl Iterator<Item = Node<'d>> {
    (field.id()..field.end_id()).map(move |id| field.with_id(id))
}
