//! JSON pointers (RFC 6901) of many values in one walk.

use std::fmt::Write;

use memchr::memchr2;

use super::Node;

/// Bytes of the first allocation for a pointer; most are shorter.
const PATH: usize = 128;

/// Calls `each` with the pointer of each of these nodes, whose numbers must rise. Omits a node below one
/// that came before. Stops when `each` returns `false`.
///
/// One walk over the text at most, however many nodes there are.
pub(super) fn for_each(
    root: Node<'_>,
    nodes: impl IntoIterator<Item = u32>,
    mut each: impl FnMut(&str) -> bool,
) {
    let mut path = String::with_capacity(PATH);
    let mut open: Vec<Level> = Vec::new();
    let mut next = 0;
    for wanted in nodes {
        if wanted < next {
            continue;
        }
        if wanted == root.id() {
            each(&path);
            return;
        }
        while open.last().is_some_and(|level| level.end <= wanted) {
            open.pop();
        }
        let mut level = open.pop().unwrap_or_else(|| Level::of(root, 0));
        loop {
            path.truncate(level.path);
            let child = level.child_around(root, wanted);
            push_token(&mut path, child, level.position);
            if child.id() >= wanted {
                break;
            }
            let inner = Level::of(child, path.len());
            open.push(std::mem::replace(&mut level, inner));
        }
        open.push(level);
        next = root.with_id(wanted).end_id();
        if !each(&path) {
            return;
        }
    }
}

/// A container on the way to a value.
struct Level {
    /// The child that was looked at last, and its place among its siblings.
    child: u32,
    position: usize,
    /// The first node after the container.
    end: u32,
    /// The length of the container's own pointer.
    path: usize,
}

impl Level {
    fn of(container: Node<'_>, path: usize) -> Self {
        Level {
            child: container.id() + 1,
            position: 0,
            end: container.end_id(),
            path,
        }
    }

    /// The child that is a node or has it below; none before the last one that was asked for.
    fn child_around<'d>(&mut self, root: Node<'d>, wanted: u32) -> Node<'d> {
        loop {
            let child = root.with_id(self.child);
            if child.end_id() > wanted {
                return child;
            }
            self.child = child.end_id();
            self.position += 1;
        }
    }
}

fn push_token(path: &mut String, node: Node<'_>, position: usize) {
    path.push('/');
    match node.key() {
        Some(key) if memchr2(b'~', b'/', key.as_bytes()).is_some() => {
            path.push_str(&key.replace('~', "~0").replace('/', "~1"));
        }
        Some(key) => path.push_str(&key),
        // Writing to a string cannot fail.
        None => {
            let _ = write!(path, "{position}");
        }
    }
}
