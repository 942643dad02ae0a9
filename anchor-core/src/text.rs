//! What people call things and say of themselves: titles, topics, the signs of reactions, the lines of profiles.
//!
//! All of them are brought into Unicode's NFC, so that what looks the same is the same, and white space is made
//! single spaces. What could forge what a person sees (control characters, bidirectional overrides and marks) is refused.
//! Look-alike letters of different scripts are *not* told apart here: a title is no name of anything and need not be
//! unique, so whoever shows one shows the room's id beside it where that matters. Ids of rooms are ASCII, so that they have
//! no look-alikes but `0` and `o`, `1` and `l`.

use std::fmt;

use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

use crate::id::is_unprintable;
use crate::limits::{PROFILE_TEXT_BYTES_MAX, SIGN_BYTES_MAX, TITLE_BYTES_MAX, TOPIC_BYTES_MAX};

macro_rules! texts {
    ($($(#[$meta:meta])* $name:ident, $max:ident;)+) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Normalises and checks `text`.
            ///
            /// # Errors
            /// [`InvalidText`] names the rule that it breaks.
            pub fn new(text: &str) -> Result<Self, InvalidText> {
                let text = line(text);
                if text.is_empty() {
                    return Err(InvalidText::Empty);
                }
                if text.chars().any(is_unprintable) {
                    return Err(InvalidText::Character);
                }
                match text.len() > $max {
                    true => Err(InvalidText::TooLong { bytes: text.len(), max: $max }),
                    false => Ok(Self(text.into())),
                }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

texts! {
    /// What a room is called: one line of 1 to [`TITLE_BYTES_MAX`] bytes, in NFC.
    Title, TITLE_BYTES_MAX;
    /// What a room is about: one line of 1 to [`TOPIC_BYTES_MAX`] bytes, in NFC.
    Topic, TOPIC_BYTES_MAX;
    /// The sign of a reaction, an emoji as a rule: 1 to [`SIGN_BYTES_MAX`] bytes, in NFC.
    Sign, SIGN_BYTES_MAX;
    /// A line of a profile: 1 to [`PROFILE_TEXT_BYTES_MAX`] bytes, in NFC.
    ProfileText, PROFILE_TEXT_BYTES_MAX;
}

/// NFC, with single spaces between words and none at the ends.
pub(crate) fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word.nfc());
    }
    line
}

/// Why a text was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidText {
    /// Nothing was said.
    #[error("it must not be empty")]
    Empty,
    /// A control character or a bidirectional override.
    #[error("it has no control or bidirectional-override characters")]
    Character,
    /// More bytes than allowed.
    #[error("it has at most {max} bytes, this one has {bytes}")]
    TooLong {
        /// Its length, normalised, in bytes.
        bytes: usize,
        /// The longest allowed, in bytes.
        max: usize,
    },
}

#[cfg(test)]
mod tests;
