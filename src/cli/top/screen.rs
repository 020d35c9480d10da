//! The terminal as a screen that is drawn anew again and again.
//!
//! What must hold: at the end, the terminal is as it was before.

use std::io::{self, IsTerminal, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// The size of a terminal that does not tell it.
const SIZE: (usize, usize) = (80, 24);
/// The other screen, without a cursor; and back.
const BEGIN: &str = "\x1b[?1049h\x1b[?25l";
const END: &str = "\x1b[?25h\x1b[?1049l";

/// The screen; the terminal is as before once it is dropped.
pub(super) struct Screen {
    /// The modes of standard input, if that is a terminal.
    before: Option<Termios>,
}

impl Screen {
    /// Whether standard output is a terminal.
    pub(super) fn is_there() -> bool {
        io::stdout().is_terminal()
    }

    /// Begins. Keys come at once, and are not shown.
    ///
    /// # Errors
    /// The terminal cannot be written.
    pub(super) fn open() -> io::Result<Self> {
        let before = tcgetattr(io::stdin()).ok();
        if let Some(before) = &before {
            let mut modes = before.clone();
            modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
            tcsetattr(io::stdin(), OptionalActions::Now, &modes)?;
        }
        let screen = Screen { before };
        write(BEGIN)?;
        Ok(screen)
    }

    /// Its columns and rows, now.
    pub(super) fn size(&self) -> (usize, usize) {
        match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (size.ws_col.into(), size.ws_row.into())
            }
            _ => SIZE,
        }
    }

    /// Shows these lines, which fit.
    ///
    /// # Errors
    /// The terminal cannot be written.
    pub(super) fn draw(&self, lines: &[String]) -> io::Result<()> {
        // The rest of each line and of the screen is erased, so that nothing flickers.
        write(&format!("\x1b[H{}\x1b[K\x1b[J", lines.join("\x1b[K\r\n")))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The terminal may be gone.
        let _ = write(END);
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
