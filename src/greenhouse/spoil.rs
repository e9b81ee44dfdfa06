//! Single values made bad: amounts, times and texts as careless sources write them.

use crate::columns;
use crate::numbers::real;
use crate::tables::Kind;
use crate::time::{Written, Zone, parse_wall};
use crate::words::ACCENTS;

/// An amount in dollars as cents.
pub fn cents(text: &str) -> Option<i64> {
    let (whole, rest) = text.split_once('.')?;
    let cents: i64 = format!("{}{rest}", whole.trim_start_matches('-')).parse().ok()?;
    Some(if whole.starts_with('-') { -cents } else { cents })
}

/// Cents as an amount in dollars.
pub fn dollars(cents: i64) -> String {
    columns::dollars(cents).to_string()
}

/// The instant of a time with its offset, or on the clock of a zone.
pub fn instant(zone: &Zone, text: &str) -> Option<i64> {
    let wall = parse_wall(text.get(..19)?)?;
    let Some(offset) = text.get(19..25) else { return Some(zone.instant(wall)) };
    let minutes = offset.get(1..3)?.parse::<i64>().ok()? * 60 + offset.get(4..6)?.parse::<i64>().ok()?;
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    Some(wall - sign * minutes * 60)
}

/// An amount or a count that no plain cast reads.
pub fn bad_cast(text: &str, variant: usize) -> String {
    match variant {
        0 if text.contains('.') => text.replace('.', ","),
        0 => format!("{text},0"),
        1 => "N/A".to_owned(),
        2 => exponent(text),
        3 => format!(" {text} "),
        _ => format!("${text}"),
    }
}

/// A number in exponent notation, such as `1e3` or `3.15e1`.
fn exponent(text: &str) -> String {
    let cents = cents(text).or_else(|| Some(text.parse::<i64>().ok()? * 100)).unwrap_or_default();
    format!("{:e}", real(cents) / 100.0)
}

/// A time in another notation, with the kind of the defect.
pub fn time_format(zone: &Zone, text: &str, kind: Kind, variant: usize) -> Option<(&'static str, String)> {
    let instant = instant(zone, text)?;
    let at = |offset: i64| Written { wall: instant + offset, offset: Some(offset) }.to_string();
    let wall = parse_wall(text.get(..19)?)?;
    Some(match variant {
        0 => ("other_offset", at(3600)),
        1 => ("other_offset", at(19_800)),
        2 => ("other_offset", Written { wall: instant, offset: None }.to_string().replace(' ', "T") + "Z"),
        3 if kind == Kind::Instant => ("no_offset", Written { wall, offset: None }.to_string()),
        4 => ("seconds", instant.to_string()),
        _ => ("swapped_day", swapped(text)?),
    })
}

/// Day and month swapped, where that makes another date.
fn swapped(text: &str) -> Option<String> {
    let (month, day) = (text.get(5..7)?, text.get(8..10)?);
    let is_month = day.parse::<u32>().is_ok_and(|day| day <= 12);
    (is_month && day != month).then(|| format!("{}{day}-{month}{}", &text[..5], &text[10..]))
}

/// A text as people type it, with the kind of the defect.
pub fn free_text(text: &str, column: &str, variant: usize) -> Option<(&'static str, String)> {
    let middle = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(place, _)| place);
    let insert = |inserted: &str| format!("{}{inserted}{}", &text[..middle], &text[middle..]);
    Some(match variant {
        0 => ("blanks", format!("  {text} ")),
        1 if column == "email" => ("case", text.to_uppercase()),
        1 | 2 => {
            let (plain, accent) = ACCENTS.into_iter().find(|(plain, _)| text.contains(*plain))?;
            ("not_ascii", text.replacen(plain, &accent.to_string(), 1))
        }
        3 => ("quotes", insert("\"")),
        4 => ("comma", insert(", ")),
        5 => ("line_break", insert("\n")),
        _ => ("tab", insert("\t")),
    })
}
