//! Values as text: by a format, in other bases, and as parts of addresses.

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray as _, Float64Array, Int64Array, StringArray, StringViewArray};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{Result, exec_datafusion_err, exec_err};

use super::Entry;
use super::scalar::{Call, Function, Kernel, Remembered, integer, one_text, strict, text};

/// The functions of this family.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        Entry::scalar(
            Function::new(
                "printf",
                "printf(format, value, ...)",
                format_types,
                |_| Ok(DataType::Utf8),
                |call| formatted(call, percent_pieces),
            ),
            "printf(format, value, ...)",
            "The format with its places such as `%s`, `%05d`, `%.2f`, `%x` and `%,d` filled by the values, as in C \
             (DuckDB).",
            "select printf('%s-%05d %.2f', 'a', 42, 3.14159)",
            "a-00042 3.14",
        ),
        Entry::scalar(
            Function::new(
                "format",
                "format(format, value, ...)",
                format_types,
                |_| Ok(DataType::Utf8),
                |call| formatted(call, brace_pieces),
            ),
            "format(format, value, ...)",
            "The format with its places such as `{}`, `{0}`, `{:05d}`, `{:.2f}`, `{:>8}` and `{:,}` filled by the \
             values (DuckDB). The format of Postgres, with `%s`, is understood as well.",
            "select format('{}-{:05d} {:.2f}', 'a', 42, 3.14159)",
            "a-00042 3.14",
        ),
        Entry::scalar(
            Function::new("hex", "hex(value)", hex_types, |_| Ok(DataType::Utf8), hex),
            "hex(value)",
            "An integer, or the bytes of a text, as hexadecimal digits (DuckDB, Databricks).",
            "select hex(255)",
            "FF",
        ),
        Entry::scalar(
            Function::new(
                "bin",
                "bin(integer)",
                |types| whole(types, 1),
                |_| Ok(DataType::Utf8),
                |call| based(call, Some(2)),
            ),
            "bin(integer)",
            "An integer as binary digits.",
            "select bin(5)",
            "101",
        ),
        Entry::scalar(
            Function::new(
                "to_base",
                "to_base(integer, base)",
                |types| whole(types, 2),
                |_| Ok(DataType::Utf8),
                |call| based(call, None),
            ),
            "to_base(integer, base)",
            "An integer that is not negative in the digits of a base from 2 to 36.",
            "select to_base(35, 36)",
            "Z",
        ),
        Entry::scalar(
            Function::new(
                "url_encode",
                "url_encode(text)",
                one_text,
                |_| Ok(DataType::Utf8),
                |call| mapped(call, |_, value| Ok(url_encoded(value))),
            ),
            "url_encode(text)",
            "The text as a part of an address: all but letters, digits and `-_.~` as `%` and two digits.",
            "select url_encode('a b&c')",
            "a%20b%26c",
        ),
        Entry::scalar(
            Function::new(
                "url_decode",
                "url_decode(text)",
                one_text,
                |_| Ok(DataType::Utf8),
                |call| mapped(call, url_decoded),
            ),
            "url_decode(text)",
            "What `url_encode` has made such a part of.",
            "select url_decode('a%20b')",
            "a b",
        ),
        Entry::scalar(
            similarity("jaro_similarity", |call| compared(call, strsim::jaro)),
            "jaro_similarity(a, b)",
            "How similar two texts are, from 0 to 1 (DuckDB).",
            "select round(jaro_similarity('abc', 'abd'), 4)",
            "0.7778",
        ),
        Entry::scalar(
            similarity("jaro_winkler_similarity", |call| compared(call, strsim::jaro_winkler)),
            "jaro_winkler_similarity(a, b)",
            "The same, where a common beginning counts more.",
            "select round(jaro_winkler_similarity('abc', 'abd'), 4)",
            "0.8222",
        ),
        Entry::scalar(
            Function::new(
                "damerau_levenshtein",
                "damerau_levenshtein(a, b)",
                two_texts,
                |_| Ok(DataType::Int64),
                |call| {
                    let (left, right) = (call.text(0)?, call.text(1)?);
                    let counts: Int64Array = strict(call.rows, &[&left, &right], |row| {
                        let count = strsim::damerau_levenshtein(left.value(row), right.value(row));
                        Ok(i64::try_from(count).unwrap_or(i64::MAX))
                    })
                    .collect::<Result<_>>()?;
                    Ok(Arc::new(counts))
                },
            ),
            "damerau_levenshtein(a, b)",
            "How many letters must be added, taken away, changed or swapped with the next one to make one text of the \
             other.",
            "select damerau_levenshtein('ab', 'ba')",
            "1",
        ),
    ]
}

fn similarity(name: &'static str, kernel: Kernel) -> Function {
    Function::new(name, "a similarity of two texts", two_texts, |_| Ok(DataType::Float64), kernel)
}

fn two_texts(types: &[DataType]) -> Option<Vec<DataType>> {
    let [one, other] = types else { return None };
    Some(vec![text(one)?, text(other)?])
}

fn whole(types: &[DataType], count: usize) -> Option<Vec<DataType>> {
    (types.len() == count).then(|| types.iter().map(integer).collect())?
}

fn hex_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [value] = types else { return None };
    Some(vec![integer(value).or_else(|| text(value))?])
}

fn hex(call: &Call<'_>) -> Result<ArrayRef> {
    let array = call.array(0)?;
    if let Some(numbers) = array.as_primitive_opt::<Int64Type>() {
        let texts: StringArray =
            strict(call.rows, &[numbers], |row| Ok(format!("{:X}", numbers.value(row)))).collect::<Result<_>>()?;
        return Ok(Arc::new(texts));
    }
    mapped(call, |_, value| {
        let mut digits = String::with_capacity(value.len() * 2);
        for byte in value.bytes() {
            let _ = write!(digits, "{byte:02X}");
        }
        Ok(digits)
    })
}

fn based(call: &Call<'_>, base: Option<i64>) -> Result<ArrayRef> {
    let numbers = call.integers(0)?;
    let bases = if base.is_some() { None } else { Some(call.integers(1)?) };
    let arrays: Vec<&dyn Array> =
        [&numbers as &dyn Array].into_iter().chain(bases.as_ref().map(|bases| bases as &dyn Array)).collect();
    let texts: StringArray = strict(call.rows, &arrays, |row| {
        let base = base.or_else(|| bases.as_ref().map(|bases| bases.value(row))).unwrap_or_default();
        let number = numbers.value(row);
        if base == 2 && number >= 0 {
            return Ok(format!("{number:b}"));
        }
        if !(2..=36).contains(&base) || number < 0 {
            return exec_err!("{}: {number} has no digits to the base {base}", call.name);
        }
        let (mut rest, mut digits) = (number, Vec::new());
        loop {
            let digit = u32::try_from(rest % base).unwrap_or_default();
            digits.push(char::from_digit(digit, 36).unwrap_or('0').to_ascii_uppercase());
            rest /= base;
            if rest == 0 {
                return Ok(digits.iter().rev().collect());
            }
        }
    })
    .collect::<Result<_>>()?;
    Ok(Arc::new(texts))
}

fn mapped(call: &Call<'_>, map: fn(&'static str, &str) -> Result<String>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    let texts: StringArray =
        strict(call.rows, &[&values], |row| map(call.name, values.value(row))).collect::<Result<_>>()?;
    Ok(Arc::new(texts))
}

fn compared(call: &Call<'_>, compare: fn(&str, &str) -> f64) -> Result<ArrayRef> {
    let (left, right) = (call.text(0)?, call.text(1)?);
    let values: Float64Array =
        strict(call.rows, &[&left, &right], |row| Ok(compare(left.value(row), right.value(row))))
            .collect::<Result<_>>()?;
    Ok(Arc::new(values))
}

fn url_encoded(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn url_decoded(name: &'static str, value: &str) -> Result<String> {
    let bytes = value.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let code = value.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, code) {
            (b'%', Some(code)) => {
                decoded.push(code);
                at += 3;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).map_err(|_| exec_datafusion_err!("{name}: '{value}' does not become text"))
}

fn format_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [format, values @ ..] = types else { return None };
    let value = |found: &DataType| {
        if let Some(whole) = integer(found).filter(|_| !found.is_null()) {
            whole
        } else if found.is_numeric() {
            DataType::Float64
        } else {
            DataType::Utf8View
        }
    };
    Some([text(format)?].into_iter().chain(values.iter().map(value)).collect())
}

/// A piece of a format.
#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Place(Place),
}

/// A place for a value.
#[derive(Debug, Clone, Default, PartialEq)]
struct Place {
    /// The number of the value, if it is not the next one.
    index: Option<usize>,
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    alternate: bool,
    zero: bool,
    width: usize,
    thousands: bool,
    precision: Option<usize>,
    kind: Option<char>,
}

/// Widths and precisions beyond this are mistakes.
const WIDEST: usize = 1_000;

/// What fills a place.
enum Filled<'a> {
    Integer(i64),
    Float(f64),
    Text(&'a str),
}

fn formatted(call: &Call<'_>, pieces: fn(&'static str, &str) -> Result<Vec<Piece>>) -> Result<ArrayRef> {
    let formats = call.text(0)?;
    let arrays = call.arrays()?;
    let values = arrays.get(1..).unwrap_or_default();
    let mut remembered = Remembered::new();
    let all: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    let texts: StringArray = strict(call.rows, &all, |row| {
        let pieces = remembered.get(formats.value(row), |format| pieces(call.name, format))?;
        let (mut written, mut next) = (String::new(), 0);
        for piece in pieces {
            match piece {
                Piece::Text(text) => written.push_str(text),
                Piece::Place(place) => {
                    let index = place.index.unwrap_or(next);
                    next = index + 1;
                    let Some(value) = values.get(index) else {
                        return exec_err!(
                            "{}: the format has a place for a value {} that is not there",
                            call.name,
                            index + 1
                        );
                    };
                    written.push_str(&place.written(call.name, &value_at(call, value, row)?)?);
                }
            }
        }
        Ok(written)
    })
    .collect::<Result<_>>()?;
    Ok(Arc::new(texts))
}

fn value_at<'a>(call: &Call<'_>, value: &'a ArrayRef, row: usize) -> Result<Filled<'a>> {
    if let Some(numbers) = value.as_primitive_opt::<Int64Type>() {
        return Ok(Filled::Integer(numbers.value(row)));
    }
    if let Some(numbers) = value.as_primitive_opt::<Float64Type>() {
        return Ok(Filled::Float(numbers.value(row)));
    }
    match value.as_any().downcast_ref::<StringViewArray>() {
        Some(texts) => Ok(Filled::Text(texts.value(row))),
        None => exec_err!("{}: a value is {}", call.name, value.data_type()),
    }
}

impl Place {
    fn written(&self, name: &'static str, value: &Filled<'_>) -> Result<String> {
        let kind = self.kind.unwrap_or(match value {
            Filled::Integer(_) => 'd',
            Filled::Float(_) => ' ',
            Filled::Text(_) => 's',
        });
        let misfit = || exec_datafusion_err!("{name}: the place `{kind}` of the format does not fit its value");
        let (is_negative, digits, is_number) = match (kind, value) {
            ('d' | 'i' | 'u', Filled::Integer(number)) => (*number < 0, number.unsigned_abs().to_string(), true),
            #[expect(clippy::cast_possible_truncation, reason = "as C does")]
            ('d' | 'i' | 'u', Filled::Float(number)) => (*number < 0.0, format!("{}", number.abs() as i128), true),
            ('x', Filled::Integer(number)) => (*number < 0, format!("{:x}", number.unsigned_abs()), true),
            ('X', Filled::Integer(number)) => (*number < 0, format!("{:X}", number.unsigned_abs()), true),
            ('o', Filled::Integer(number)) => (*number < 0, format!("{:o}", number.unsigned_abs()), true),
            ('b', Filled::Integer(number)) => (*number < 0, format!("{:b}", number.unsigned_abs()), true),
            ('c', Filled::Integer(code)) => {
                let letter = u32::try_from(*code).ok().and_then(char::from_u32).ok_or_else(misfit)?;
                (false, letter.to_string(), false)
            }
            ('f' | 'F' | 'e' | 'E' | 'g' | 'G' | ' ', number @ (Filled::Integer(_) | Filled::Float(_))) => {
                #[expect(clippy::cast_precision_loss, reason = "a float has as many digits")]
                let number = match number {
                    Filled::Integer(number) => *number as f64,
                    Filled::Float(number) => *number,
                    Filled::Text(_) => return Err(misfit()),
                };
                (number.is_sign_negative(), self.float(kind, number.abs()), true)
            }
            ('s', value) => {
                let text = match value {
                    Filled::Integer(number) => number.to_string(),
                    Filled::Float(number) => shortest(*number),
                    Filled::Text(text) => (*text).to_owned(),
                };
                let cut = self.precision.filter(|_| matches!(value, Filled::Text(_))).unwrap_or(usize::MAX);
                (false, text.chars().take(cut).collect(), false)
            }
            _ => return Err(misfit()),
        };
        let digits = if self.thousands { grouped(&digits) } else { digits };
        let sign = match (is_negative, self.sign) {
            (true, _) => "-",
            (false, Some('+')) => "+",
            (false, Some(' ')) => " ",
            _ => "",
        };
        let prefix = match (self.alternate, kind) {
            (true, 'x') => "0x",
            (true, 'X') => "0X",
            (true, 'o') => "0",
            (true, 'b') => "0b",
            _ => "",
        };
        let length = sign.len() + prefix.len() + digits.chars().count();
        let missing = self.width.saturating_sub(length);
        if self.zero && is_number && self.align.is_none() {
            return Ok(format!("{sign}{prefix}{}{digits}", "0".repeat(missing)));
        }
        let body = format!("{sign}{prefix}{digits}");
        let fill = |count: usize| self.fill.unwrap_or(' ').to_string().repeat(count);
        Ok(match self.align.unwrap_or(if is_number { '>' } else { '<' }) {
            '>' => format!("{}{body}", fill(missing)),
            '^' => format!("{}{body}{}", fill(missing / 2), fill(missing - missing / 2)),
            _ => format!("{body}{}", fill(missing)),
        })
    }

    fn float(&self, kind: char, number: f64) -> String {
        match kind {
            'e' | 'E' => {
                let text = format!("{number:.*e}", self.precision.unwrap_or(6));
                let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
                let text = format!("{mantissa}e{sign}{digits:0>2}");
                if kind == 'E' { text.to_uppercase() } else { text }
            }
            'g' | 'G' => {
                let digits = self.precision.unwrap_or(6).max(1);
                let text = format!("{number:.*e}", digits - 1);
                let exponent = text.split_once('e').and_then(|(_, exponent)| exponent.parse::<i64>().ok()).unwrap_or(0);
                let precision = i64::try_from(digits).unwrap_or(6);
                if exponent < -4 || exponent >= precision {
                    let (mantissa, _) = text.split_once('e').unwrap_or((&text, ""));
                    let mantissa = without_zeros(mantissa);
                    let sign = if exponent < 0 { '-' } else { '+' };
                    return format!("{mantissa}e{sign}{:02}", exponent.abs());
                }
                let decimals = usize::try_from(precision - 1 - exponent).unwrap_or_default();
                without_zeros(&format!("{number:.decimals$}")).to_owned()
            }
            ' ' if self.precision.is_none() => shortest(number),
            _ => format!("{number:.*}", self.precision.unwrap_or(6)),
        }
    }
}

fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// A float in as few digits as tell it, with a point.
fn shortest(number: f64) -> String {
    if number.is_finite() && number.fract() == 0.0 && number.abs() < 1e15 {
        format!("{number:.1}")
    } else {
        number.to_string()
    }
}

/// Digits in groups of three.
fn grouped(digits: &str) -> String {
    let (whole, rest) = digits.find('.').map_or((digits, ""), |point| digits.split_at(point));
    let mut written = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            written.push(',');
        }
        written.push(digit);
    }
    written + rest
}

type Letters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn number(letters: &mut Letters<'_>) -> Option<usize> {
    let mut digits = String::new();
    while let Some(digit) = letters.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    digits.parse().ok()
}

fn too_wide(name: &'static str, place: &Place) -> Result<()> {
    if place.width > WIDEST || place.precision.is_some_and(|digits| digits > WIDEST) {
        return exec_err!("{name}: a width or a precision of the format is beyond {WIDEST}");
    }
    Ok(())
}

/// The pieces of a format with `%s` and the like.
fn percent_pieces(name: &'static str, format: &str) -> Result<Vec<Piece>> {
    let (mut pieces, mut plain) = (Vec::new(), String::new());
    let mut letters = format.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            plain.push(letter);
            continue;
        }
        if letters.next_if_eq(&'%').is_some() {
            plain.push('%');
            continue;
        }
        let mut place = Place { align: Some('>'), ..Place::default() };
        let mut is_left = false;
        while let Some(flag) = letters.next_if(|flag| "-+ #0,'".contains(*flag)) {
            match flag {
                '-' => is_left = true,
                '+' | ' ' => place.sign = Some(flag),
                '#' => place.alternate = true,
                '0' => place.zero = true,
                _ => place.thousands = true,
            }
        }
        place.width = number(&mut letters).unwrap_or_default();
        if letters.next_if_eq(&'.').is_some() {
            place.precision = Some(number(&mut letters).unwrap_or_default());
        }
        while letters.next_if(|size| "lhzjtL".contains(*size)).is_some() {}
        match letters.next() {
            Some(kind @ ('d' | 'i' | 'u' | 's' | 'f' | 'F' | 'e' | 'E' | 'g' | 'G' | 'x' | 'X' | 'o' | 'c')) => {
                place.kind = Some(kind);
            }
            found => {
                let found = found.map_or_else(|| "its end".to_owned(), |found| format!("`{found}`"));
                return exec_err!(
                    "{name}: the format has {found} where the kind of a place is expected, such as `s` or `d`"
                );
            }
        }
        if is_left {
            (place.align, place.zero) = (Some('<'), false);
        } else if place.zero {
            place.align = None;
        }
        too_wide(name, &place)?;
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Place(place));
    }
    pieces.push(Piece::Text(plain));
    Ok(pieces)
}

/// The pieces of a format with `{}`, as the library fmt reads it.
fn brace_pieces(name: &'static str, format: &str) -> Result<Vec<Piece>> {
    if !format.contains('{') && format.contains('%') {
        return percent_pieces(name, format);
    }
    let (mut pieces, mut plain) = (Vec::new(), String::new());
    let mut letters = format.chars().peekable();
    while let Some(letter) = letters.next() {
        if (letter == '{' || letter == '}') && letters.next_if_eq(&letter).is_some() {
            plain.push(letter);
            continue;
        }
        if letter != '{' {
            plain.push(letter);
            continue;
        }
        let mut inner = String::new();
        loop {
            match letters.next() {
                Some('}') => break,
                Some(letter) => inner.push(letter),
                None => return exec_err!("{name}: the format has `{{` without `}}`"),
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Place(brace_place(name, &inner)?));
    }
    pieces.push(Piece::Text(plain));
    Ok(pieces)
}

fn brace_place(name: &'static str, inner: &str) -> Result<Place> {
    let (index, spec) = inner.split_once(':').unwrap_or((inner, ""));
    let unknown = || exec_datafusion_err!("{name}: `{{{inner}}}` of the format is not understood");
    let mut place = Place::default();
    if !index.is_empty() {
        place.index = Some(index.trim().parse().map_err(|_| unknown())?);
    }
    let mut letters = spec.chars().peekable();
    let is_align = |letter: char| matches!(letter, '<' | '>' | '^');
    let mut ahead = spec.chars();
    match (ahead.next(), ahead.next()) {
        (Some(fill), Some(align)) if is_align(align) => {
            (place.fill, place.align) = (Some(fill), Some(align));
            letters.nth(1);
        }
        (Some(align), _) if is_align(align) => {
            place.align = Some(align);
            letters.next();
        }
        _ => {}
    }
    place.sign = letters.next_if(|sign| matches!(sign, '+' | '-' | ' '));
    place.alternate = letters.next_if_eq(&'#').is_some();
    place.zero = letters.next_if_eq(&'0').is_some();
    place.width = number(&mut letters).unwrap_or_default();
    place.thousands = letters.next_if(|mark| matches!(mark, ',' | '_' | '\'')).is_some();
    if letters.next_if_eq(&'.').is_some() {
        place.precision = Some(number(&mut letters).ok_or_else(unknown)?);
    }
    place.kind = letters.next();
    if letters.next().is_some() || place.kind.is_some_and(|kind| !"dsfFeEgGxXobc".contains(kind)) {
        return Err(unknown());
    }
    too_wide(name, &place)?;
    Ok(place)
}
