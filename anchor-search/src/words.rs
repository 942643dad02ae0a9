//! What a text's words are: the same function for what is indexed and for what is looked for.
//!
//! Words are runs of letters and digits. Case, and marks on letters, are folded away: `Ærø` and `aero` are one word. Scripts that
//! are written without spaces give a word for each character, so that any part of a sentence can be found as a phrase. Nothing is
//! stemmed and nothing left out, since rooms speak all languages.

use std::ops::Range;

use tantivy::tokenizer::{AsciiFoldingFilter, LowerCaser, TextAnalyzer, Token, TokenStream, Tokenizer};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Makes words of texts.
pub(crate) fn analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(Words::default()).filter(AsciiFoldingFilter).filter(LowerCaser).build()
}

/// The words of a text, in its order.
pub(crate) fn words(text: &str) -> Vec<String> {
    let (mut analyzer, mut words) = (analyzer(), Vec::new());
    analyzer.token_stream(text).process(&mut |token| words.push(token.text.clone()));
    words
}

/// The name under which the index knows this.
pub(crate) const NAME: &str = "anchor";

#[derive(Clone, Debug, Default)]
struct Words {
    text: String,
    words: Vec<Range<usize>>,
    token: Token,
}

impl Tokenizer for Words {
    type TokenStream<'a> = Stream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Stream<'a> {
        self.text.clear();
        self.text.extend(plain(text));
        split(&self.text, &mut self.words);
        self.token.reset();
        Stream { text: &self.text, words: self.words.iter(), token: &mut self.token }
    }
}

#[derive(Debug)]
struct Stream<'a> {
    text: &'a str,
    words: std::slice::Iter<'a, Range<usize>>,
    token: &'a mut Token,
}

impl TokenStream for Stream<'_> {
    fn advance(&mut self) -> bool {
        let Some(word) = self.words.next() else { return false };
        // The first word stands at 0: the token was reset to the place before.
        self.token.position = self.token.position.wrapping_add(1);
        (self.token.offset_from, self.token.offset_to) = (word.start, word.end);
        self.token.text.clear();
        self.token.text.extend(self.text[word.clone()].chars().take(WORD_CHARS_MAX));
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

/// A text without marks that are no part of its letters, and with one way to write each letter.
fn plain(text: &str) -> impl Iterator<Item = char> + '_ {
    // The last sigma of a word is the same letter as those before it.
    text.nfkd().filter(|c| !is_left_out(*c)).nfc().map(|c| if c == 'ς' { 'σ' } else { c })
}

/// Finds the words of a plain text.
fn split(text: &str, words: &mut Vec<Range<usize>>) {
    words.clear();
    let mut open: Option<(usize, bool)> = None;
    for (at, c) in text.char_indices() {
        let (is_word, is_alone) = (c.is_alphanumeric() || is_combining_mark(c), stands_alone(c));
        let goes_on = match open {
            Some((_, was_alone)) => is_word && !(is_alone || was_alone) || is_combining_mark(c),
            None => false,
        };
        if goes_on {
            continue;
        }
        if let Some((from, _)) = open.take() {
            words.push(from..at);
        }
        open = is_word.then_some((at, is_alone));
    }
    words.extend(open.map(|(from, _)| from..text.len()));
}

/// Marks that people write or leave out, above all on Latin, Greek, Cyrillic, Hebrew and Arabic letters, and characters that are
/// not seen. Marks of other scripts are parts of their syllables, and stay.
fn is_left_out(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{0640}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{0300}'..='\u{036f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}' | '\u{0591}'..='\u{05bd}' | '\u{05bf}' | '\u{05c1}' | '\u{05c2}' | '\u{05c4}'
        | '\u{05c5}' | '\u{05c7}' | '\u{064b}'..='\u{065f}' | '\u{0670}')
}

/// Characters of scripts that are written without spaces, or that hang what is not meant onto what is (Hangul).
fn stands_alone(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Characters of a word that are looked at: longer ones are the same word if they begin alike. Source: chosen; longer than words
/// of people, shorter than what machines paste.
const WORD_CHARS_MAX: usize = 64;

#[cfg(test)]
mod tests;
