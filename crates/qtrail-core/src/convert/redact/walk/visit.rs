//! Properties of a value that follow from its surroundings.

use std::cmp::Reverse;

use super::Visit;
use crate::convert::redact::fields;
use crate::convert::redact::keys::{self, Secret};
use crate::convert::redact::mask_scope::MaskScope;
use crate::convert::redact::shapes::Signs;
use crate::json::Node;

impl<'d> Visit<'d> {
    /// The signs of secrets in a field.
    pub(super) fn signs(&mut self, field: Node<'d>, filled: bool) -> Signs {
        if filled {
            return Signs::default();
        }
        if field.id() >= self.signs.0 {
            self.signs = fields::signs(self.open[0].node, field);
        }
        self.signs.1
    }

    /// Whether the value is a field of a record.
    pub(super) fn is_field(&self) -> bool {
        self.chosen.is_some() && self.open.len() == 1
    }

    /// Whether the user's pointers name this value.
    pub(super) fn is_chosen(&mut self, id: u32) -> bool {
        let Some((first, rest)) = self.chosen.and_then(<[u32]>::split_first) else {
            return false;
        };
        if *first <= id {
            self.chosen = Some(rest);
        }
        *first == id
    }

    /// Whether AWS fills this value.
    pub(super) fn is_filled(&mut self, node: Node<'_>, key: Option<&[u8]>) -> bool {
        if node.id() < self.filled || self.scope == MaskScope::Filled {
            return true;
        }
        let (Some(_), Some(key)) = (self.chosen, key) else {
            return false;
        };
        let filled = match &self.open[..] {
            [_] => fields::is_filled(key),
            [_, field] => {
                let field = field.node.raw_key();
                field.is_some_and(|field| fields::is_filled_in(field, key))
            }
            [_, field, context] => field
                .node
                .raw_key()
                .zip(context.node.raw_key())
                .is_some_and(|(field, context)| fields::is_filled_in_context(field, context, key)),
            _ => false,
        };
        if filled {
            self.filled = node.end_id();
        }
        filled
    }

    /// Whether a value is beside the name of a secret, and how far that name hides it.
    pub(super) fn beside_a_name(&mut self, id: u32) -> Option<Secret> {
        let mut found = None;
        while let Some(&Reverse((named, secret))) = self.named.peek()
            && named <= id
        {
            self.named.pop();
            found = found.or((named == id).then_some(secret));
        }
        found
    }

    /// Records that values below a node are secret, unless a label is their key or they are words.
    pub(super) fn goes_below(&mut self, node: Node<'d>, secret: Secret) {
        if secret == Secret::Scalar && node.id() >= self.below.0 {
            let cookies = self.around(node).is_some_and(keys::are_cookies);
            self.below = (node.end_id(), cookies);
        }
    }

    /// Whether a value is secret because it is below the key of a secret.
    pub(super) fn is_below_a_secret(&self, node: Node<'d>) -> bool {
        if node.id() >= self.secret.0.max(self.below.0) {
            return false;
        }
        let key = self.around(node);
        node.id() < self.secret.0
            && !key.is_some_and(keys::is_label)
            && keys::is_secret_value(self.secret.1, node)
            || node.id() < self.below.0
                && !key.is_some_and(|key| keys::is_label_below(key, self.below.1))
                && keys::is_secret_value(Secret::Below, node)
    }

    /// The value's own key, or the nearest one around it.
    pub(super) fn around(&self, node: Node<'d>) -> Option<&'d [u8]> {
        node.raw_key()
            .or(self.open.last().and_then(|open| open.key))
    }
}
