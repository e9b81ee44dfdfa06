//! How Python writes patterns and replacements, where Rust's regular expressions write them otherwise.

use std::iter::Peekable;
use std::str::Chars;

/// A piece of a replacement.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// As it stands.
    Text(String),
    /// A group by its number.
    Group(usize),
    /// A group by its name.
    Named(String),
}

/// A pattern as Rust reads it: a brace that begins no repetition means itself, as does a bracket among the characters of
/// a set, and `\Z` is the end of the text.
pub(super) fn translate(pattern: &str) -> String {
    let mut output = String::with_capacity(pattern.len());
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => escaped(&mut characters, &mut output),
            '{' => match repetition(characters.clone()) {
                Some(text) => output.push_str(&text),
                None => output.push_str("\\{"),
            },
            '[' => set(&mut characters, &mut output),
            other => output.push(other),
        }
    }
    output
}

fn escaped(characters: &mut Peekable<Chars<'_>>, output: &mut String) {
    match characters.next() {
        Some('Z') => output.push_str("\\z"),
        Some(other) => output.extend(['\\', other]),
        None => output.push('\\'),
    }
}

/// The beginning of a repetition such as `{2}` or `{,3}`; `None` if the brace begins none.
fn repetition(characters: Peekable<Chars<'_>>) -> Option<String> {
    let inside: String = characters.take_while(|character| *character != '}').take(24).collect();
    let (least, most) = inside.split_once(',').map_or((inside.as_str(), None), |(least, most)| (least, Some(most)));
    let is_number = |text: &str| text.chars().all(|character| character.is_ascii_digit());
    let is_repetition = is_number(least) && most.is_none_or(is_number) && !(least.is_empty() && most.is_none());
    // Python lets the smaller number out.
    is_repetition.then(|| if least.is_empty() { "{0".to_owned() } else { "{".to_owned() })
}

/// A set of characters: within it Rust has sets of sets, Python has not.
fn set(characters: &mut Peekable<Chars<'_>>, output: &mut String) {
    output.push('[');
    if characters.next_if_eq(&'^').is_some() {
        output.push('^');
    }
    // A bracket at the beginning belongs to the set.
    if characters.next_if_eq(&']').is_some() {
        output.push_str("\\]");
    }
    while let Some(character) = characters.next() {
        match character {
            ']' => {
                output.push(']');
                return;
            }
            '\\' => escaped(characters, output),
            '[' => output.push_str("\\["),
            '&' | '~' if characters.peek() == Some(&character) => output.extend(['\\', character]),
            other => output.push(other),
        }
    }
}

/// The pieces of a replacement such as `\1` or `\g<name>`.
pub(super) fn replacement(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        let piece = match characters.next() {
            Some(digit) if digit.is_ascii_digit() => {
                let mut number = digit.to_string();
                number.extend(characters.next_if(char::is_ascii_digit));
                group(&number)
            }
            Some('g') if characters.next_if_eq(&'<').is_some() => {
                let name: String = characters.by_ref().take_while(|character| *character != '>').collect();
                group(&name)
            }
            Some('n') => Piece::Text("\n".to_owned()),
            Some('t') => Piece::Text("\t".to_owned()),
            Some(other) => Piece::Text(other.to_string()),
            None => Piece::Text("\\".to_owned()),
        };
        match piece {
            Piece::Text(text) => plain.push_str(&text),
            piece => {
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(piece);
            }
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    pieces
}

fn group(text: &str) -> Piece {
    text.parse().map_or_else(|_| Piece::Named(text.to_owned()), Piece::Group)
}
