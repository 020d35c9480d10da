//! A quick check whether a name can end in one of many words.

/// The last four letters of words: a bit for each four.
pub(super) struct LastLetters([u64; SLOTS / 64]);

/// So many bits that few names share one with a word.
const SLOTS: usize = 1 << 14;

impl LastLetters {
    pub(super) const NONE: LastLetters = LastLetters([0; SLOTS / 64]);

    /// Adds words in small letters, each of three bytes or more.
    pub(super) const fn and(mut self, words: &[&str]) -> Self {
        let mut word = 0;
        while word < words.len() {
            match words[word].as_bytes() {
                [.., one, two, three, four] => self.add([*one, *two, *three, *four]),
                [two, three, four] => self.add_behind_any(*two, *three, *four),
                _ => panic!("every word has three letters"),
            }
            word += 1;
        }
        self
    }

    /// Whether a name may end in one of the words, in any case and with separators in it; `false` is certain.
    #[inline]
    pub(super) fn may_end(&self, name: &[u8]) -> bool {
        let last = match (name.last_chunk(), name) {
            (Some(last), _) => u32::from_le_bytes(*last),
            // What a word of three letters may follow.
            (None, &[two, three, four]) => u32::from_le_bytes([b'a', two, three, four]),
            _ => return true,
        };
        let slot = slot(last);
        // A separator or a number may follow the word, or be in it.
        !are_letters(last) || self.0[slot / 64] >> (slot % 64) & 1 != 0
    }

    const fn add(&mut self, letters: [u8; 4]) {
        let slot = slot(u32::from_le_bytes(letters));
        self.0[slot / 64] |= 1 << (slot % 64);
    }

    const fn add_behind_any(&mut self, two: u8, three: u8, four: u8) {
        let mut one = b'a';
        while one <= b'z' {
            self.add([one, two, three, four]);
            one += 1;
        }
    }
}

/// The bit of four letters, in any case.
const fn slot(letters: u32) -> usize {
    let letters = letters & 0x1f1f_1f1f;
    (letters.wrapping_mul(0x9e37_79b1) >> (u32::BITS - SLOTS.ilog2())) as usize
}

fn are_letters(bytes: u32) -> bool {
    const HIGHS: u32 = 0x8080_8080;
    let small = bytes & !HIGHS | 0x2020_2020;
    // A byte's high bit is set from `a` on, and behind `z`.
    let (from_a, behind_z) = (small + 0x1f1f_1f1f, small + 0x0505_0505);
    from_a & !behind_z & !bytes & HIGHS == HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_told_from_other_bytes() {
        for byte in 0..=255 {
            for at in 0..4 {
                let mut bytes = *b"aZzA";
                bytes[at] = byte;
                assert_eq!(
                    are_letters(u32::from_le_bytes(bytes)),
                    byte.is_ascii_alphabetic(),
                    "{bytes:?}"
                );
            }
        }
    }

    #[test]
    fn a_word_ends_a_name_whatever_is_before_it() {
        const ENDS: LastLetters = LastLetters::NONE.and(&["pin", "token"]);
        for name in [
            "pin", "aPin", "xPIN", "-pin", "Token", "myToken", "to-ken", "token2",
        ] {
            assert!(ENDS.may_end(name.as_bytes()), "{name}");
        }
        for name in ["arn", "name", "eventName"] {
            assert!(!ENDS.may_end(name.as_bytes()), "{name}");
        }
    }
}
