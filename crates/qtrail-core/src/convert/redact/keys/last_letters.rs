//! A quick check whether a name can end in one of many words.

/// The last three letters of words: by the first two of them, a bit for the third.
pub(super) struct LastLetters([u32; 32 * 32]);

impl LastLetters {
    /// Of words in small letters, each of three bytes or more.
    pub(super) const fn of(lists: &[&[&str]]) -> Self {
        let mut ends = [0; 32 * 32];
        let mut list = 0;
        while list < lists.len() {
            let mut word = 0;
            while word < lists[list].len() {
                let [.., one, two, three] = lists[list][word].as_bytes() else {
                    panic!("every word has three letters");
                };
                ends[letters(*one, *two)] |= 1 << (*three & 31);
                word += 1;
            }
            list += 1;
        }
        LastLetters(ends)
    }

    /// Whether a name may end in one of the words, in any case and with separators in it; `false` is certain.
    #[inline]
    pub(super) fn may_end(&self, name: &[u8]) -> bool {
        let [.., one, two, three] = *name else {
            return true;
        };
        // A separator or a number may follow the word.
        let are_letters =
            one.is_ascii_alphabetic() & two.is_ascii_alphabetic() & three.is_ascii_alphabetic();
        !are_letters || self.0[letters(one, two)] >> (three & 31) & 1 != 0
    }
}

const fn letters(one: u8, two: u8) -> usize {
    (one & 31) as usize * 32 + (two & 31) as usize
}
