//! 64 bytes at a time: where quotes, backslashes, brackets, commas and colons stand.
//!
//! What must hold: the masks are the same on every processor.

use crate::blocks::{BLOCK, Classes};

/// What a block of 64 bytes holds; bit 0 is its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Masks {
    pub quote: u64,
    pub backslash: u64,
    pub open: u64,
    pub close: u64,
    pub comma: u64,
    pub colon: u64,
    /// Whether there is a control character.
    pub has_control: bool,
}

/// A way to make the masks.
pub(super) trait Classify: Copy {
    fn masks(self, block: &[u8; BLOCK]) -> Masks;
}

/// By a table and 64-bit words, on any processor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portable;

impl Classify for Portable {
    #[inline(always)]
    fn masks(self, block: &[u8; BLOCK]) -> Masks {
        let classes = Classes::of(block, &CLASSES);
        let mask = |class| classes.mask(class);
        Masks {
            quote: mask(QUOTE),
            backslash: mask(BACKSLASH),
            open: mask(OPEN),
            close: mask(CLOSE),
            comma: mask(COMMA),
            colon: mask(COLON),
            has_control: mask(CONTROL) != 0,
        }
    }
}

const QUOTE: u8 = 1;
const BACKSLASH: u8 = 1 << 1;
const OPEN: u8 = 1 << 2;
const CLOSE: u8 = 1 << 3;
const COMMA: u8 = 1 << 4;
const COLON: u8 = 1 << 5;
const CONTROL: u8 = 1 << 6;

/// The classes of each byte.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'"' => QUOTE,
            b'\\' => BACKSLASH,
            b'{' | b'[' => OPEN,
            b'}' | b']' => CLOSE,
            b',' => COMMA,
            b':' => COLON,
            0..0x20 => CONTROL,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use pulp::x86::V3;

    use super::{BLOCK, Classify, Masks};
    use crate::blocks::avx2::{Halves, equal, halves, small};

    impl Classify for V3 {
        #[inline(always)]
        fn masks(self, block: &[u8; BLOCK]) -> Masks {
            let halves = halves(block);
            let braces = small(self, halves);
            Masks {
                quote: equal(self, halves, b'"'),
                backslash: equal(self, halves, b'\\'),
                open: equal(self, braces, b'{'),
                close: equal(self, braces, b'}'),
                comma: equal(self, halves, b','),
                colon: equal(self, halves, b':'),
                has_control: has_control(self, halves),
            }
        }
    }

    #[inline(always)]
    fn has_control(simd: V3, [low, high]: Halves) -> bool {
        let largest = simd.avx._mm256_set1_epi8(0x1f);
        let least = simd.avx2._mm256_min_epu8(low, high);
        let control = simd
            .avx2
            ._mm256_cmpeq_epi8(simd.avx2._mm256_min_epu8(least, largest), least);
        simd.avx2._mm256_movemask_epi8(control) != 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(block: &[u8; 64]) -> Masks {
        let mask =
            |is: fn(u8) -> bool| (0..64).fold(0, |mask, at| mask | u64::from(is(block[at])) << at);
        Masks {
            quote: mask(|b| b == b'"'),
            backslash: mask(|b| b == b'\\'),
            open: mask(|b| b"{[".contains(&b)),
            close: mask(|b| b"}]".contains(&b)),
            comma: mask(|b| b == b','),
            colon: mask(|b| b == b':'),
            has_control: block.iter().any(|b| *b < 0x20),
        }
    }

    fn agree(block: &[u8; 64]) {
        assert_eq!(Portable.masks(block), naive(block), "{block:?}");
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            assert_eq!(simd.masks(block), naive(block), "{block:?}");
        }
    }

    #[test]
    fn every_byte_has_its_class() {
        for byte in 0..=255 {
            agree(&[byte; 64]);
        }
    }

    proptest! {
        #[test]
        fn the_masks_are_those_of_a_slow_reader(block in prop::array::uniform32(any::<[u8; 2]>())) {
            agree(block.as_flattened().first_chunk().expect("64 bytes"));
        }
    }
}
