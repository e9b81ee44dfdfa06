//! What a plain word of YAML is: a boolean, a number or a text, by YAML 1.1 as PyYAML reads it.
//!
//! Whole numbers may have `_`, the bases `0b`, `0x` and a leading `0` for eight, and parts of sixty (`1:30` is 90).
//! Other numbers need a point, and a sign in their exponent: `1e3` is a text. Words of infinity and of what is no number
//! are texts as Python prints them, because JSON has no such numbers.

use super::yaml::YamlNode;

/// The value of a word that stands without quotes.
pub(super) fn resolve(text: &str) -> YamlNode {
    match text {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => return YamlNode::Bool(true),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => return YamlNode::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return YamlNode::String("nan".to_owned()),
        _ => {}
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    if matches!(digits, ".inf" | ".Inf" | ".INF") {
        return YamlNode::String(format!("{sign}inf"));
    }
    let has_sign = digits.len() < text.len();
    integer(sign, digits).or_else(|| float(sign, digits, has_sign)).unwrap_or_else(|| YamlNode::String(text.to_owned()))
}

fn integer(sign: &str, digits: &str) -> Option<YamlNode> {
    let plain: String = digits.chars().filter(|character| *character != '_').collect();
    let of_base = |body: &str, base: u32| {
        let is_written = !body.is_empty() && body.chars().all(|character| character == '_' || character.is_digit(base));
        if is_written { i128::from_str_radix(&body.replace('_', ""), base).ok() } else { None }
    };
    let value = if let Some(body) = digits.strip_prefix("0b") {
        of_base(body, 2)?
    } else if let Some(body) = digits.strip_prefix("0x") {
        of_base(body, 16)?
    } else if digits == "0" {
        0
    } else if let Some(body) = digits.strip_prefix('0') {
        of_base(body, 8)?
    } else if digits.contains(':') {
        sixties(digits)?
    } else if digits.starts_with(|first: char| first.is_ascii_digit())
        && digits.chars().all(|character| character == '_' || character.is_ascii_digit())
    {
        plain.parse().ok()?
    } else {
        return None;
    };
    let value = if sign == "-" { -value } else { value };
    #[expect(clippy::cast_precision_loss, reason = "a number beyond 63 bits is kept as nearly as a float can")]
    Some(i64::try_from(value).map_or(YamlNode::Float(value as f64), YamlNode::Int))
}

/// `1:30:00`: parts of sixty behind a number without a leading zero.
fn sixties(digits: &str) -> Option<i128> {
    let mut parts = digits.split(':');
    let first = parts.next()?;
    let is_number = |text: &str| text.chars().all(|character| character == '_' || character.is_ascii_digit());
    if !first.starts_with(|first: char| matches!(first, '1'..='9')) || !is_number(first) {
        return None;
    }
    let mut value: i128 = first.replace('_', "").parse().ok()?;
    for part in parts {
        value = value.checked_mul(60)?.checked_add(sixtieth(part)?)?;
    }
    Some(value)
}

/// A part below sixty, of one digit or two.
fn sixtieth(part: &str) -> Option<i128> {
    let fits = matches!(part.len(), 1 | 2) && part.bytes().all(|byte| byte.is_ascii_digit());
    part.parse().ok().filter(|value| fits && *value < 60)
}

fn float(sign: &str, digits: &str, has_sign: bool) -> Option<YamlNode> {
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let (whole, decimals) = mantissa.split_once('.')?;
    let is_decimal = |text: &str| text.chars().all(|character| character == '_' || character.is_ascii_digit());
    if !is_decimal(decimals) {
        return None;
    }
    let value: f64 = if whole.contains(':') {
        if exponent.is_some() {
            return None;
        }
        let mut parts = whole.split(':');
        let first = parts.next().filter(|first| first.starts_with(|one: char| one.is_ascii_digit()))?;
        let mut value: f64 = first.replace('_', "").parse().ok()?;
        for part in parts {
            value = value * 60.0 + f64::from(u8::try_from(sixtieth(part)?).ok()?);
        }
        value + format!("0.{}0", decimals.replace('_', "")).parse::<f64>().ok()?
    } else {
        let starts_well = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
        // Without digits before the point there is no sign, and a digit behind it.
        if whole.is_empty() && (has_sign || !starts_well(decimals)) {
            return None;
        }
        if !(whole.is_empty() || starts_well(whole) && is_decimal(whole)) {
            return None;
        }
        if let Some(exponent) = exponent {
            let digits = exponent.strip_prefix(['+', '-'])?;
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
        }
        let exponent = exponent.map_or_else(String::new, |exponent| format!("e{exponent}"));
        format!("0{whole}.{decimals}0{exponent}").replace('_', "").parse().ok()?
    };
    Some(YamlNode::Float(if sign == "-" { -value } else { value }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match resolve(text) {
            YamlNode::Bool(value) => format!("bool {value}"),
            YamlNode::Int(value) => format!("int {value}"),
            YamlNode::Float(value) => format!("float {value}"),
            YamlNode::String(text) => format!("text {text}"),
            _ => "other".to_owned(),
        }
    }

    #[test]
    fn words_are_what_pyyaml_reads() {
        let words = [
            "007",
            "09",
            "0o17",
            "0b11",
            "0x1F",
            "1_000",
            "1:30",
            "12:30:45",
            "0:30",
            "1:60",
            "+1",
            "-12",
            "1e3",
            "1.5e3",
            "1.5e+3",
            "1.",
            ".5",
            "-.5",
            "1:30.5",
            ".inf",
            "-.inf",
            ".nan",
            "1.2.3",
            "2024-01-01",
            "y",
            "on",
            "True",
            "tRue",
            "0",
            "00",
            "_1",
            "9223372036854775808",
        ];
        let all: Vec<String> = words.iter().map(|word| shown(word)).collect();
        assert_eq!(
            all,
            [
                "int 7",
                "text 09",
                "text 0o17",
                "int 3",
                "int 31",
                "int 1000",
                "int 90",
                "int 45045",
                "text 0:30",
                "text 1:60",
                "int 1",
                "int -12",
                "text 1e3",
                "text 1.5e3",
                "float 1500",
                "float 1",
                "float 0.5",
                "text -.5",
                "float 90.5",
                "text inf",
                "text -inf",
                "text nan",
                "text 1.2.3",
                "text 2024-01-01",
                "text y",
                "bool true",
                "bool true",
                "text tRue",
                "int 0",
                "int 0",
                "text _1",
                "float 9223372036854776000",
            ]
        );
    }
}
