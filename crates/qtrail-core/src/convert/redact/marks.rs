//! What must not be shown of a document.

use crate::json::Document;

/// What must not be shown of a document.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Values, whole.
    pub(super) values: Vec<u32>,
    /// Texts with something else in their place.
    pub(super) texts: Vec<(u32, String)>,
    /// Values whose keys must not be shown.
    pub(super) keys: Vec<u32>,
}

impl Marks {
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.texts.is_empty() && self.keys.is_empty()
    }

    /// Puts them in the order of the document.
    pub(super) fn sort(&mut self) {
        self.values.sort_unstable();
        self.texts.sort_unstable_by_key(|(node, _)| *node);
    }

    /// Whether a value, or one around it, is marked. They must be in order.
    pub(super) fn cover(&self, document: &Document<'_>, node: u32) -> bool {
        let after = self.values.partition_point(|value| *value <= node);
        after > 0 && document.root().with_id(self.values[after - 1]).end_id() > node
    }

    /// Hides what is marked. Returns the values that read as something else now, in order.
    pub(super) fn apply(mut self, document: &mut Document<'_>) -> Vec<u32> {
        self.sort();
        let texts = self.texts.iter().map(|(node, _)| *node);
        let mut nodes: Vec<u32> = self.values.iter().copied().chain(texts).collect();
        nodes.sort_unstable();
        nodes.dedup();
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
}
