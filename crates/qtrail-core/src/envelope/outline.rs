//! What is known of a text up to some byte: its open brackets, and whether the byte is in a string.

/// Whether a byte is in a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    Outside,
    Inside,
    /// Inside, after a backslash.
    Escaped,
}

impl Text {
    pub(super) fn inside_out(self) -> Self {
        match self {
            Text::Outside => Text::Inside,
            Text::Inside | Text::Escaped => Text::Outside,
        }
    }
}

/// What is known of a text up to some byte.
#[derive(Debug, Clone)]
pub(super) struct Outline {
    /// The brackets that are open in the value; `true` for objects.
    pub open: Vec<bool>,
    pub text: Text,
    /// The last byte that is no white space, outside strings; 0 if none is known.
    pub before: u8,
}

impl Outline {
    /// Between two values.
    pub(super) fn between() -> Self {
        Outline {
            open: Vec::new(),
            text: Text::Outside,
            before: 0,
        }
    }

    /// The outline if a quote is missing, or one is too many. `read`: the bytes of the value before the error;
    /// `wrong`: the byte at the error.
    pub(super) fn inside_out(&self, read: &[u8], wrong: u8) -> Self {
        let mut open = self.open.clone();
        let text = self.text.inside_out();
        // Behind the missing quote, brackets were taken for text, up to the next quote.
        if let (Text::Inside, Some(read)) = (text, read.strip_suffix(b"\""))
            && wrong != b'"'
        {
            let is_text = |byte: &u8| !b"{}[],: \t\n\r".contains(byte);
            let from = read.iter().rposition(is_text).map_or(0, |at| at + 1);
            for byte in &read[from..] {
                match byte {
                    b'{' | b'[' => open.push(*byte == b'{'),
                    b'}' | b']' => drop(open.pop()),
                    _ => {}
                }
            }
        }
        Outline {
            open,
            text,
            before: 0,
        }
    }
}
