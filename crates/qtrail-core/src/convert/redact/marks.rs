//! The values, texts and keys of a document to hide.

use crate::json::Document;

/// The ids of values, texts and keys to hide in a document.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Values to hide entirely.
    pub(super) values: Vec<u32>,
    /// Texts, each with its replacement.
    pub(super) texts: Vec<(u32, String)>,
    /// Values whose keys to hide.
    pub(super) keys: Vec<u32>,
}

impl Marks {
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.texts.is_empty() && self.keys.is_empty()
    }

    /// Sorts them in the order of the document.
    pub(super) fn sort(&mut self) {
        self.values.sort_unstable();
        self.texts.sort_unstable_by_key(|(node, _)| *node);
        self.keys.sort_unstable();
    }

    /// Whether a value, or one around it, is marked. The marks must be sorted.
    pub(super) fn cover(&self, document: &Document<'_>, node: u32) -> bool {
        let after = self.values.partition_point(|value| *value <= node);
        after > 0 && document.root().with_id(self.values[after - 1]).end_id() > node
    }

    /// Redacts the document. Returns the ids of the values that changed, or whose keys did, in order.
    pub(super) fn apply(mut self, document: &mut Document<'_>) -> Vec<u32> {
        self.sort();
        let texts = self.texts.iter().map(|(node, _)| *node);
        let mut nodes: Vec<u32> = self.values.iter().copied().chain(texts).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let keys = self.unlisted_keys(document, &nodes);
        nodes.extend(keys);
        nodes.sort_unstable();
        document.replace(self.texts);
        for key in self.keys {
            document.redact_key(key);
        }
        let mut covered = 0;
        for node in self.values {
            if node >= covered {
                covered = document.root().with_id(node).end_id();
                document.redact(node);
            }
        }
        nodes
    }

    /// Values whose keys alone are hidden: nothing in them is listed in `nodes`, whose pointers would show it.
    fn unlisted_keys(&self, document: &Document<'_>, nodes: &[u32]) -> Vec<u32> {
        let mut unlisted: Vec<u32> = Vec::new();
        for &key in self.keys.iter().rev() {
            let end = document.root().with_id(key).end_id();
            let node = nodes.get(nodes.partition_point(|node| *node < key));
            let inside = node.into_iter().chain(unlisted.last());
            if !inside.into_iter().any(|&listed| listed < end) {
                unlisted.push(key);
            }
        }
        unlisted
    }
}
