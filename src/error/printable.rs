//! [`Printable`]: a string that a guest chose, as it may be shown.
//!
//! Invariant: what is shown has no characters that act on a terminal, change the
//! direction of what follows, or cannot be seen.

use core::fmt::{Display, Formatter, Result};

/// A string that a guest chose, such as the name of a function, for logs and
/// consoles. Shown with everything escaped (`\u{1b}`) that could pass for something
/// else: control characters (line ends and terminal sequences among them), marks
/// of direction, invisible characters, and separators of lines.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'s>(pub &'s str);

/// Whether a character is shown as it is.
fn is_plain(character: char) -> bool {
    let is_special = match character {
        // Soft hyphen; Arabic letter mark; Mongolian vowel separator.
        '\u{ad}' | '\u{61c}' | '\u{180e}' => true,
        // Of no width, and marks of direction; separators of lines and
        // paragraphs, embeddings and overrides.
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        // Invisible operators and isolates; variation selectors.
        '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' => true,
        // Byte order mark; annotations; what no character is.
        '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' => true,
        // Tags and further selectors.
        '\u{e0000}'..='\u{e0fff}' => true,
        _ => character.is_control(),
    };
    !is_special
}

impl Display for Printable<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut rest = self.0;
        // Not `split_at`, which can panic, and brings tables for its message.
        while let Some((plain, special)) =
            rest.find(|character| !is_plain(character)).and_then(|at| rest.split_at_checked(at))
        {
            f.write_str(plain)?;
            let mut characters = special.chars();
            if let Some(character) = characters.next() {
                write!(f, "{}", character.escape_unicode())?;
            }
            rest = characters.as_str();
        }
        f.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::Printable;
    use std::string::ToString;

    #[test]
    fn what_acts_on_a_terminal_is_escaped() {
        for (text, shown) in [
            ("plain ö 漢 é", "plain ö 漢 é"),
            ("\u{1b}[31mRED\u{1b}[2J\r\nnext", "\\u{1b}[31mRED\\u{1b}[2J\\u{d}\\u{a}next"),
            ("a\u{202e}b\u{2066}c\u{200b}d", "a\\u{202e}b\\u{2066}c\\u{200b}d"),
            ("C:\\\u{1b}", "C:\\\\u{1b}"),
            ("\u{9b}31m\u{7f}\0", "\\u{9b}31m\\u{7f}\\u{0}"),
            ("", ""),
        ] {
            assert_eq!(Printable(text).to_string(), shown);
        }
    }
}
