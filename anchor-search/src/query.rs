//! What people write to find something: words, phrases, and what the messages are to be.
//!
//! ```text
//! query  = item *( space item )
//! item   = word / phrase / field
//! phrase = quote text quote
//! field  = ( "from:" / "in:" / "before:" / "after:" ) ( value / phrase )
//! ```
//!
//! A message matches if it has all words and phrases, is from one of the users, in one of the rooms, and within the days. Between
//! quotes a backslash takes the next character as it is. A word with a colon whose beginning is none of the fields is a word.

use std::str::Chars;

use anchor_core::id::{RoomId, UserId};
use anchor_core::limits::{SEARCH_TERMS_MAX, SEARCH_TEXT_BYTES_MAX};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use thiserror::Error;

use crate::words::words;

/// What to look for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Words that follow each other in the message; each of these is to be in it.
    pub(crate) texts: Vec<Vec<String>>,
    /// By one of these; by anybody if empty.
    pub(crate) from: Vec<UserId>,
    /// In one of these; anywhere if empty.
    pub(crate) rooms: Vec<RoomId>,
    /// Not older, in milliseconds since the Unix epoch.
    pub(crate) not_before: Option<u64>,
    /// Older, in milliseconds since the Unix epoch.
    pub(crate) before: Option<u64>,
}

/// Why a text is no query: a sentence for who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum QueryError {
    /// Nothing that could be found.
    #[error("there is no word in it, and no from:, in:, before: or after:")]
    Empty,
    /// More bytes than a query has.
    #[error("a query has at most {SEARCH_TEXT_BYTES_MAX} bytes")]
    TooLong,
    /// More words, users and rooms than a query has.
    #[error("a query has at most {SEARCH_TERMS_MAX} words, users and rooms together")]
    TooManyTerms,
    /// A quote that is not closed.
    #[error("a quote is open at the end")]
    OpenQuote,
    /// A field without a value.
    #[error("nothing stands behind {0}:")]
    NoValue(&'static str),
    /// Twice what can be said once.
    #[error("{0}: is there twice")]
    Twice(&'static str),
    /// `from:` something that is no user id.
    #[error("from: needs the id of a user: {0}")]
    User(String),
    /// `in:` something that is no room id.
    #[error("in: needs the id of a room: {0}")]
    Room(String),
    /// A day that is none.
    #[error("{0}: needs a day like 2026-05-01")]
    Day(&'static str),
}

impl Query {
    /// Reads what somebody wrote.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > SEARCH_TEXT_BYTES_MAX {
            return Err(QueryError::TooLong);
        }
        let (mut query, mut rest) = (Self::default(), text.chars());
        loop {
            rest = rest.as_str().trim_start().chars();
            if rest.as_str().is_empty() {
                break;
            }
            match field(rest.as_str()) {
                Some((field, value)) => {
                    rest = value.chars();
                    let value = value_of(&mut rest)?;
                    query.take(field, &value)?;
                }
                None => query.say(&value_of(&mut rest)?),
            }
            if query.terms() > SEARCH_TERMS_MAX {
                return Err(QueryError::TooManyTerms);
            }
        }
        match query == Self::default() {
            true => Err(QueryError::Empty),
            false => Ok(query),
        }
    }

    /// The rooms that it names; none if it is about all of them.
    #[must_use]
    pub fn rooms(&self) -> &[RoomId] {
        &self.rooms
    }

    fn say(&mut self, text: &str) {
        let words = words(text);
        if !words.is_empty() && !self.texts.contains(&words) {
            self.texts.push(words);
        }
    }

    fn take(&mut self, field: Field, value: &str) -> Result<(), QueryError> {
        let name = field.name();
        if value.is_empty() {
            return Err(QueryError::NoValue(name));
        }
        match field {
            Field::From => {
                self.from.push(UserId::new(value).map_err(|error| QueryError::User(error.to_string()))?);
            }
            Field::In => {
                self.rooms.push(RoomId::new(value).map_err(|error| QueryError::Room(error.to_string()))?);
            }
            Field::Before => set(&mut self.before, value, name)?,
            Field::After => set(&mut self.not_before, value, name)?,
        }
        Ok(())
    }

    fn terms(&self) -> usize {
        self.texts.iter().map(Vec::len).sum::<usize>() + self.from.len() + self.rooms.len()
    }
}

#[derive(Clone, Copy)]
enum Field {
    From,
    In,
    Before,
    After,
}

impl Field {
    const ALL: [Self; 4] = [Self::From, Self::In, Self::Before, Self::After];

    const fn name(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::In => "in",
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// The field that `text` begins with, and what follows its colon.
fn field(text: &str) -> Option<(Field, &str)> {
    let (name, value) = text.split_once(':')?;
    let field = Field::ALL.into_iter().find(|field| name.eq_ignore_ascii_case(field.name()))?;
    Some((field, value))
}

/// Takes what stands between quotes, or up to the next white space.
fn value_of(rest: &mut Chars<'_>) -> Result<String, QueryError> {
    let text = rest.as_str();
    if !text.starts_with(is_quote) {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        *rest = text[end..].chars();
        return Ok(text[..end].to_owned());
    }
    rest.next();
    let mut value = String::new();
    loop {
        match rest.next().ok_or(QueryError::OpenQuote)? {
            '\\' => value.push(rest.next().ok_or(QueryError::OpenQuote)?),
            c if is_quote(c) => return Ok(value),
            c => value.push(c),
        }
    }
}

/// Quotes as people type them, and as telephones make of them.
fn is_quote(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„')
}

/// Sets the beginning of a day in UTC. What lies before 1970 is the beginning of time.
fn set(day: &mut Option<u64>, value: &str, name: &'static str) -> Result<(), QueryError> {
    let bytes = value.as_bytes();
    let is_written = bytes.len() == 10
        && bytes
            .iter()
            .enumerate()
            .all(|(at, b)| if matches!(at, 4 | 7) { *b == b'-' } else { b.is_ascii_digit() });
    let date: Date = match is_written {
        true => value.parse().map_err(|_| QueryError::Day(name))?,
        false => return Err(QueryError::Day(name)),
    };
    let begins =
        date.to_zoned(TimeZone::UTC).map_err(|_| QueryError::Day(name))?.timestamp().as_millisecond();
    match day.replace(begins.max(0).unsigned_abs()) {
        None => Ok(()),
        Some(_) => Err(QueryError::Twice(name)),
    }
}

#[cfg(test)]
mod tests;
