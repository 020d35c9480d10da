//! The grammar of numbers, a byte at a time.

/// What was read of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

impl Number {
    /// The number that begins with a byte: a minus or a digit.
    pub(crate) fn begin(byte: u8) -> Self {
        match byte {
            b'-' => Number::Minus,
            b'0' => Number::Zero,
            _ => Number::Integer,
        }
    }

    /// The number with one byte more; `None` where it ended before that byte.
    ///
    /// # Errors
    /// Why no number goes on like this.
    pub(crate) fn next(self, byte: u8) -> Result<Option<Self>, &'static str> {
        use Number::{
            Exponent, ExponentDigits, ExponentSign, Fraction, Integer, Minus, Point, Zero,
        };
        Ok(Some(match (self, byte) {
            (Minus, b'0') => Zero,
            (Minus, b'1'..=b'9') | (Integer, b'0'..=b'9') => Integer,
            (Zero | Integer, b'.') => Point,
            (Point | Fraction, b'0'..=b'9') => Fraction,
            (Zero | Integer | Fraction, b'e' | b'E') => Exponent,
            (Exponent, b'+' | b'-') => ExponentSign,
            (Exponent | ExponentSign | ExponentDigits, b'0'..=b'9') => ExponentDigits,
            (Zero, b'0'..=b'9') => return Err("a number with a needless 0 before it"),
            (Minus | Point | Exponent | ExponentSign, _) => return Err("expected a digit"),
            (Zero | Integer | Fraction | ExponentDigits, _) => return Ok(None),
        }))
    }

    /// Whether it may end here.
    pub(crate) fn is_complete(self) -> bool {
        use Number::{Exponent, ExponentSign, Minus, Point};
        !matches!(self, Minus | Point | Exponent | ExponentSign)
    }
}
