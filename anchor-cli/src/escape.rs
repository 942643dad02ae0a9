//! What others wrote, made safe for a terminal. Every text that came over the wire passes through here before it is
//! shown to a person: bodies, names, room ids and the messages of errors.
//!
//! Invariants: the result holds no control character but the line feeds that [`paragraph`] sets itself, and no
//! bidirectional override; behind each of these line feeds stands [`INDENT`], while every line of ours begins with
//! something else than a space. So no text can move the cursor, set a title, or pass for another sender's line.

use std::fmt::{self, Write};

use anchor_core::id::is_unprintable;
use unicode_width::UnicodeWidthChar;

/// What stands before each further line of a text of several lines.
pub(crate) const INDENT: &str = "    ";

/// Shows `text` on one line, with everything unprintable as a visible escape.
pub(crate) const fn line(text: &str) -> Line<'_> {
    Line(text)
}

/// Shows `name` on one line, in quotes if it could be taken for more than a name (`ada: hello`, `ada [redacted]`).
pub(crate) const fn name(name: &str) -> Name<'_> {
    Name(name)
}

/// Shows `text`, whose further lines are indented. Where a terminal of `width` columns is known, long lines are broken
/// here, because the terminal would go on at its left edge.
pub(crate) fn paragraph(text: &str, width: Option<usize>) -> String {
    // Below this there is no room for an indented text; the terminal may break it as it likes.
    let width = width.filter(|width| *width >= 2 * INDENT.len());
    let mut shown = String::with_capacity(text.len());
    let mut column = 0;
    let mut piece = String::new();
    for c in text.chars() {
        piece.clear();
        if c != '\n' {
            write_char(&mut piece, c).expect("a String takes everything");
        }
        let columns: usize = piece.chars().map(|c| c.width().unwrap_or(0)).sum();
        if c == '\n' || width.is_some_and(|width| column + columns > width) {
            shown.push('\n');
            shown.push_str(INDENT);
            column = INDENT.len();
        }
        shown.push_str(&piece);
        column += columns;
    }
    shown
}

/// See [`line()`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a>(&'a str);

/// See [`name()`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name<'a>(&'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| write_char(f, c))
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '.' | '_' | '-' | '@' | '+' | '\'');
        if self.0.chars().all(plain) {
            return write!(f, "{}", line(self.0));
        }
        f.write_char('"')?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_char('\\')?;
            }
            write_char(f, c)?;
        }
        f.write_char('"')
    }
}

fn write_char(to: &mut impl Write, c: char) -> fmt::Result {
    match c {
        '\t' => to.write_str("\\t"),
        '\n' => to.write_str("\\n"),
        '\r' => to.write_str("\\r"),
        c if is_unprintable(c) => write!(to, "\\u{{{:x}}}", u32::from(c)),
        c => to.write_char(c),
    }
}

#[cfg(test)]
mod tests;
