//! A walk over the values of a record, or of JSON inside one of its texts.
//!
//! Enters: a document. Leaves: [`Marks`] on what must not be shown, and the secrets that were seen.
//! What must hold: each value is visited once, and once more for the secret key around it; each
//! object is looked through once for a name and a value beside it.

mod pairs;
mod visit;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use pairs::is_pair;

use super::chosen::{self, Rule};
use super::copies::{Copies, Secrets};
use super::fields;
use super::keys::{self, Secret};
use super::marks::Marks;
use super::mask_scope::{MaskScope, mask_scope};
use super::shapes::{self, Signs};
use super::text::Hidden;
use super::work::Work;
use crate::convert::Redaction;
use crate::json::{Document, Node, Type};

/// A shorter key cannot hold a secret.
const KEY_BYTES: usize = 8;
/// A longer text is not the name of a secret.
const NAME_BYTES: usize = 128;

/// State of the walks over a record and the documents inside it.
pub(super) struct Walk<'w> {
    rules: &'w Redaction,
    has_keys: bool,
    /// Searches for copies of secrets; `None` in the first walk, which finds the secrets.
    pub(super) copies: Option<&'w Copies>,
    pub(super) work: Work,
    pub(super) secrets: Secrets,
    /// Signs of secrets in the record's present field, where they are known.
    pub(super) field: Option<Signs>,
}

/// A walk over one document.
struct Visit<'d> {
    /// How many encodings surround the document.
    level: u32,
    /// The containers around the value.
    open: Vec<Open<'d>>,
    /// The scope of values without a key; of all values, if AWS fills the document.
    scope: MaskScope,
    /// Ids of the values that the user's pointers name, in order; `None` inside a text.
    chosen: Option<&'d [u32]>,
    /// The end of the value that AWS fills.
    filled: u32,
    /// The end of the value under the key of a secret, and how far that key hides it.
    secret: (u32, Secret),
    /// The end of the container under the key of a scalar secret, and whether the key is that of cookies.
    below: (u32, bool),
    /// The end of a value that the user wants hidden but that has nothing to hide.
    void: u32,
    /// The end of the fields that these signs belong to.
    signs: (u32, Signs),
    /// Ids of values beside the name of a secret.
    named: BinaryHeap<Reverse<(u32, Secret)>>,
    marks: Marks,
}

#[derive(Clone, Copy)]
struct Open<'d> {
    node: Node<'d>,
    /// Its own key, or that of an array around it.
    key: Option<&'d [u8]>,
    /// Whether the values beside a name were already collected.
    paired: bool,
}

impl<'w> Walk<'w> {
    /// A walk over one record. `copies` searches for the secrets that an earlier walk found.
    pub(super) fn new(rules: &'w Redaction, copies: Option<&'w Copies>) -> Self {
        Walk {
            rules,
            has_keys: chosen::has_keys(rules),
            copies,
            work: Work::default(),
            secrets: Secrets::default(),
            field: None,
        }
    }

    /// Walks over a record. `chosen` are the ids of the values that the user's pointers name.
    pub(super) fn record(&mut self, record: &Document<'_>, chosen: &[u32]) -> Marks {
        self.work = Work::for_record(record.text().len());
        self.walk(record, MaskScope::Text, Some(chosen), 0)
    }

    /// Walks over JSON inside a text, `level` encodings deep.
    pub(super) fn inner(&mut self, inner: &Document<'_>, scope: MaskScope, level: u32) -> Marks {
        self.walk(inner, scope, None, level)
    }

    fn walk<'d>(
        &mut self,
        document: &'d Document<'_>,
        scope: MaskScope,
        chosen: Option<&'d [u32]>,
        level: u32,
    ) -> Marks {
        let root = document.root();
        let mut visit = Visit {
            level,
            open: Vec::new(),
            scope,
            chosen,
            filled: 0,
            secret: (0, Secret::All),
            below: (0, false),
            void: 0,
            signs: (0, Signs::default()),
            named: BinaryHeap::new(),
            marks: Marks::default(),
        };
        let mut id = root.id();
        while id < root.end_id() {
            while visit
                .open
                .last()
                .is_some_and(|open| open.node.end_id() <= id)
            {
                visit.open.pop();
            }
            id = self.value(&mut visit, root.with_id(id));
        }
        visit.marks
    }

    /// Visits one value. Returns the id of the next one.
    fn value<'d>(&mut self, visit: &mut Visit<'d>, node: Node<'d>) -> u32 {
        let decoded = node.has_escaped_key().then(|| node.key()).flatten();
        let key = match &decoded {
            Some(key) => Some(key.as_bytes()),
            None => node.raw_key(),
        };
        let id = node.id();
        let filled = visit.is_filled(node, key);
        if visit.is_field() {
            self.field = Some(visit.signs(node, filled));
        }
        if !filled
            && let Some(key) = key
            && self.key_shows(key, visit.level)
        {
            visit.marks.keys.push(id);
        }
        if let Some(next) = self.chosen(visit, node, key) {
            return next;
        }
        let private = visit.level > 0 || self.field.is_some_and(|field| field.token);
        let secret = visit
            .beside_a_name(id)
            .or_else(|| keys::secret_or(key?, private));
        if let Some(secret) = secret
            && let Some(next) = self.secret(visit, node, secret)
        {
            return next;
        }
        if visit.is_below_a_secret(node) {
            return self.mark(visit, node);
        }
        match node.kind() {
            Type::String => self.text(visit, node, filled),
            Type::Array | Type::Object if node.end_id() > id + 1 => visit.open.push(Open {
                node,
                key: node
                    .raw_key()
                    .or(visit.open.last().and_then(|open| open.key)),
                paired: false,
            }),
            _ => {}
        }
        id + 1
    }

    /// Hides a value that the user wants hidden.
    fn chosen(&mut self, visit: &mut Visit<'_>, node: Node<'_>, key: Option<&[u8]>) -> Option<u32> {
        let rule = if visit.is_chosen(node.id()) {
            Some(Rule::Named)
        } else if self.has_keys && node.id() >= visit.void {
            key.and_then(|key| chosen::rule(key, self.rules))
        } else {
            None
        }?;
        if !chosen::applies(rule, node) {
            // Nothing inside it needs hiding either.
            visit.void = node.end_id();
            return None;
        }
        chosen::take(node, rule, &mut self.secrets);
        match chosen::pseudonym(rule, node, self.rules) {
            Some(pseudonym) => visit.marks.texts.push((node.id(), pseudonym)),
            None => visit.marks.values.push(node.id()),
        }
        Some(node.end_id())
    }

    /// Hides the value under the name of a secret; `None` if its content must be visited.
    fn secret<'d>(&mut self, visit: &mut Visit<'d>, node: Node<'d>, secret: Secret) -> Option<u32> {
        match (node.kind(), secret) {
            (Type::Array, Secret::Scalar | Secret::Random) => {
                let items = node.items().map(|item| Reverse((item.id(), secret)));
                visit.named.extend(items);
                visit.goes_below(node, secret);
                None
            }
            (Type::Object, Secret::Scalar | Secret::Random) => {
                let children = node.children();
                let values = children.filter(|child| child.raw_key().is_some_and(keys::is_value));
                let values = values.map(|value| Reverse((value.id(), secret)));
                visit.named.extend(values);
                visit.goes_below(node, secret);
                None
            }
            (Type::Array | Type::Object, Secret::All | Secret::Counted) => {
                if node.id() < visit.secret.0 {
                    return None;
                }
                let below = || (node.id()..node.end_id()).map(|id| node.with_id(id));
                let mut values = below().filter(|node| is_scalar(*node)).peekable();
                let is_secret = |node: Node<'_>| {
                    !node.raw_key().is_some_and(keys::is_label)
                        && keys::is_secret_value(secret, node)
                };
                if values.peek().is_some() && values.all(is_secret) {
                    return Some(self.mark(visit, node));
                }
                visit.secret = (node.end_id(), secret);
                None
            }
            _ if keys::is_secret_value(secret, node) => Some(self.mark(visit, node)),
            _ => None,
        }
    }

    /// Hides a value, and collects the secrets in it.
    fn mark(&mut self, visit: &mut Visit<'_>, node: Node<'_>) -> u32 {
        for (_, text) in fields::texts(node) {
            self.secrets.found(&text);
            if self.copies.is_none() {
                // The text may be JSON or a URL that holds a secret which occurs elsewhere too.
                let _ = self.hidden(&text, MaskScope::Text, visit.level);
            }
        }
        visit.marks.values.push(node.id());
        node.end_id()
    }

    /// Visits a text: it may name a secret beside it, and it may hold secrets.
    fn text(&mut self, visit: &mut Visit<'_>, node: Node<'_>, filled: bool) {
        let Some(text) = node.as_str() else {
            return;
        };
        let scope = if filled {
            MaskScope::Filled
        } else if self.copies.is_none() && text.len() < shapes::UNMARKED {
            MaskScope::Text
        } else {
            visit.around(node).map_or(visit.scope, mask_scope)
        };
        if scope != MaskScope::Filled && text.len() <= NAME_BYTES {
            self.names(visit, node, &text);
        }
        match self.hidden(&text, scope, visit.level) {
            Some(Hidden::Whole) => visit.marks.values.push(node.id()),
            Some(Hidden::Parts(text)) => visit.marks.texts.push((node.id(), text)),
            None => {}
        }
    }

    /// Whether a key holds a secret.
    pub(super) fn key_shows(&mut self, key: &[u8], level: u32) -> bool {
        if key.len() < KEY_BYTES {
            return false;
        }
        let Ok(key) = str::from_utf8(key) else {
            return false;
        };
        self.copies.is_some_and(|copies| copies.are_in_key(key))
            || self.hidden(key, MaskScope::Name, level).is_some()
    }

    /// If a text is the name of a secret, finds the secret beside it: `{"name":…,"value":…}`, and
    /// in arrays as [`is_pair`] decides.
    fn names(&mut self, visit: &mut Visit<'_>, node: Node<'_>, text: &str) {
        let Some(open) = visit.open.last_mut() else {
            return;
        };
        // Cheap checks first: most texts are beside nothing.
        let key = node.raw_key();
        if open.paired || key.is_some_and(|key| !keys::is_name_key(key)) {
            return;
        }
        let Some(secret) = keys::secret(text.as_bytes()) else {
            return;
        };
        let open = *open;
        let (parent, next) = (open.node, node.end_id());
        let in_names = open
            .key
            .is_some_and(|key| mask_scope(key) == MaskScope::Name);
        match parent.kind() {
            Type::Object => {
                if let Some(open) = visit.open.last_mut() {
                    open.paired = true;
                }
                for value in parent.children() {
                    if !value.raw_key().is_some_and(keys::is_value) {
                        continue;
                    }
                    if value.id() > node.id() {
                        visit.named.push(Reverse((value.id(), secret)));
                    } else {
                        self.mark_below(visit, value, secret);
                    }
                }
            }
            _ if next < parent.end_id() && !in_names && keys::is_header(text) => {
                let value = parent.with_id(next);
                if is_pair(open, node, text, value) {
                    visit.named.push(Reverse((next, secret)));
                }
            }
            _ => {}
        }
    }

    /// Hides each secret in a value that was already visited.
    fn mark_below(&mut self, visit: &mut Visit<'_>, node: Node<'_>, secret: Secret) {
        for id in node.id()..node.end_id() {
            let node = node.with_id(id);
            if !node.raw_key().is_some_and(keys::is_label) && keys::is_secret_value(secret, node) {
                self.mark(visit, node);
            }
        }
    }
}

fn is_scalar(node: Node<'_>) -> bool {
    !matches!(node.kind(), Type::Null | Type::Array | Type::Object)
}
