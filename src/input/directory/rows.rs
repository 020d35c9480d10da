//! Keys and values of the state's tables, as bytes.
//!
//! Enters: entries. Leaves: arrays of a fixed length, and back. What must hold: numbers are big
//! endian; each value begins with the mark of [`super::sweep`], which is 0 when it is written.

use super::checkpoint::{ContentEntry, FileEntry, Fingerprint, LinesEntry};
use super::file_id::{Digest, FileId, Stat};

pub(super) type FileKey = [u8; 16];
pub(super) type FileValue = [u8; 65];
pub(super) type ContentValue = [u8; 9];
pub(super) type LinesKey = [u8; 48];
pub(super) type LinesValue = [u8; 48];

impl FileId {
    pub(super) fn bytes(self) -> FileKey {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&self.dev.to_be_bytes());
        key[8..].copy_from_slice(&self.ino.to_be_bytes());
        key
    }

    fn read(key: &FileKey) -> FileId {
        FileId {
            dev: u64::from_be_bytes(part(key, 0)),
            ino: u64::from_be_bytes(part(key, 8)),
        }
    }
}

impl FileEntry {
    pub(super) fn new(stat: Stat, fingerprint: Fingerprint) -> FileEntry {
        FileEntry { stat, fingerprint }
    }

    /// Whether a file that now looks like `stat` needs no second look.
    pub(super) fn settles(&self, stat: &Stat) -> bool {
        match self.fingerprint {
            // Its bytes were never seen, so that its name or mode may change without a reading.
            Fingerprint::LeftOut(_) => {
                self.stat.size == stat.size && self.stat.modified == stat.modified
            }
            _ => self.stat == *stat,
        }
    }

    pub(super) fn bytes(&self) -> FileValue {
        let (kind, digest) = match self.fingerprint {
            Fingerprint::LeftOut(None) => (0, [0; 32]),
            Fingerprint::Whole(digest) => (1, digest),
            Fingerprint::Lines(digest) => (2, digest),
            Fingerprint::LeftOut(Some(digest)) => (3, digest),
        };
        let mut value = [0; 65];
        value[8..16].copy_from_slice(&self.stat.size.to_be_bytes());
        value[16..24].copy_from_slice(&self.stat.modified.to_be_bytes());
        value[24..32].copy_from_slice(&self.stat.changed.to_be_bytes());
        value[32] = kind;
        value[33..].copy_from_slice(&digest);
        value
    }

    pub(super) fn read(id: FileId, value: &FileValue) -> FileEntry {
        let digest = part(value, 33);
        FileEntry {
            stat: Stat {
                id,
                size: u64::from_be_bytes(part(value, 8)),
                modified: i64::from_be_bytes(part(value, 16)),
                changed: i64::from_be_bytes(part(value, 24)),
            },
            fingerprint: match value[32] {
                1 => Fingerprint::Whole(digest),
                2 => Fingerprint::Lines(digest),
                3 => Fingerprint::LeftOut(Some(digest)),
                _ => Fingerprint::LeftOut(None),
            },
        }
    }
}

impl ContentEntry {
    pub(super) fn bytes(self) -> ContentValue {
        let mut value = [0; 9];
        value[8] = u8::from(self.dead_letters);
        value
    }

    pub(super) fn read(value: &ContentValue) -> ContentEntry {
        ContentEntry {
            dead_letters: value[8] != 0,
        }
    }
}

/// Of an offset: nothing before it is in the dead letters. Earlier versions did not say so.
const CLEAN: u64 = 1 << 63;

impl LinesEntry {
    pub(super) fn bytes(&self) -> LinesValue {
        let mut value = [0; 48];
        let offset = self.offset | if self.clean { CLEAN } else { 0 };
        value[8..16].copy_from_slice(&offset.to_be_bytes());
        value[16..].copy_from_slice(&self.prefix);
        value
    }

    pub(super) fn read(value: &LinesValue) -> LinesEntry {
        let offset = u64::from_be_bytes(part(value, 8));
        LinesEntry {
            offset: offset & !CLEAN,
            prefix: part(value, 16),
            clean: offset & CLEAN != 0,
        }
    }
}

pub(super) fn lines_key(first: &Digest, id: FileId) -> LinesKey {
    let mut key = [0; 48];
    key[..32].copy_from_slice(first);
    key[32..].copy_from_slice(&id.bytes());
    key
}

/// First line and place of a key.
pub(super) fn lines_place(key: &LinesKey) -> (Digest, FileId) {
    (part(key, 0), FileId::read(&part(key, 32)))
}

/// `N` bytes of an array from `at`; the constants above keep it inside.
pub(super) fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|i| bytes[at + i])
}
