//! How values become text: as Python's `str()`, `repr()`, `json.dumps()` and a YAML dump would write them.

use std::fmt::Write;

use indexmap::IndexMap;
use minijinja::Value;
use minijinja::value::{DynObject, ValueKind};
use serde_json::Value as Json;

use crate::template::values::{Dict, Set};

/// Nesting beyond which values are cut off.
const DEEPEST: usize = 100;

/// What `{{ value }}` writes.
pub fn display(value: &Value) -> String {
    match value.kind() {
        ValueKind::Undefined => String::new(),
        ValueKind::String => value.as_str().unwrap_or_default().to_owned(),
        _ => repr(value),
    }
}

/// A value as Python would show it within a list.
pub fn repr(value: &Value) -> String {
    let mut text = String::new();
    write_repr(&mut text, value, 0);
    text
}

fn write_repr(text: &mut String, value: &Value, depth: usize) {
    match value.kind() {
        ValueKind::Undefined => text.push_str("Undefined"),
        ValueKind::None => text.push_str("None"),
        ValueKind::Bool => text.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number if value.is_integer() => {
            let _ = write!(text, "{value}");
        }
        ValueKind::Number => match f64::try_from(value.clone()) {
            Ok(float) => text.push_str(&float_text(float)),
            Err(_) => {
                let _ = write!(text, "{value}");
            }
        },
        ValueKind::String => quote(text, value.as_str().unwrap_or_default()),
        _ if depth > DEEPEST => text.push_str("..."),
        ValueKind::Seq => write_items(text, value, depth, if value.is_tuple() { ['(', ')'] } else { ['[', ']'] }),
        ValueKind::Iterable if value.downcast_object_ref::<Set>().is_some() => {
            if value.len() == Some(0) {
                text.push_str("set()");
            } else {
                write_items(text, value, depth, ['{', '}']);
            }
        }
        ValueKind::Iterable if value.len().is_some() => write_items(text, value, depth, ['[', ']']),
        ValueKind::Map if value.downcast_object_ref::<Dict>().is_some() => write_pairs(text, value, depth),
        ValueKind::Map if value.downcast_object_ref::<IndexMap<Value, Value>>().is_some() => {
            write_pairs(text, value, depth);
        }
        _ => {
            let _ = write!(text, "{value}");
        }
    }
}

fn write_items(text: &mut String, value: &Value, depth: usize, brackets: [char; 2]) {
    text.push(brackets[0]);
    let mut count = 0;
    for item in value.try_iter().into_iter().flatten() {
        if count > 0 {
            text.push_str(", ");
        }
        write_repr(text, &item, depth + 1);
        count += 1;
    }
    if count == 1 && brackets[0] == '(' {
        text.push(',');
    }
    text.push(brackets[1]);
}

fn write_pairs(text: &mut String, value: &Value, depth: usize) {
    text.push('{');
    let pairs = value.as_object().and_then(DynObject::try_iter_pairs).into_iter().flatten();
    for (index, (key, value)) in pairs.enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        write_repr(text, &key, depth + 1);
        text.push_str(": ");
        write_repr(text, &value, depth + 1);
    }
    text.push('}');
}

fn quote(text: &mut String, content: &str) {
    let mark = if content.contains('\'') && !content.contains('"') { '"' } else { '\'' };
    text.push(mark);
    for character in content.chars() {
        match character {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\\' => text.push_str("\\\\"),
            other if other == mark => {
                text.push('\\');
                text.push(other);
            }
            other if other.is_control() => {
                let _ = write!(text, "\\x{:02x}", u32::from(other));
            }
            other => text.push(other),
        }
    }
    text.push(mark);
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A float as Python writes it.
pub fn float_text(float: f64) -> String {
    if float.is_nan() {
        return "nan".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let magnitude = float.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{float:e}");
        let Some((mantissa, exponent)) = text.split_once('e') else { return text };
        let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    let text = format!("{float}");
    if text.contains('.') { text } else { format!("{text}.0") }
}

/// JSON as Python's `json.dumps` writes it: a blank after `,` and `:`, other than ASCII escaped.
pub fn json_text(json: &Json, sort_keys: bool, indent: Option<usize>) -> String {
    let mut text = String::new();
    write_json(&mut text, json, sort_keys, indent, 0);
    text
}

fn write_json(text: &mut String, json: &Json, sort_keys: bool, indent: Option<usize>, depth: usize) {
    let separate = |text: &mut String, index: usize, depth: usize| match indent {
        None if index == 0 => {}
        None => text.push_str(", "),
        Some(width) => {
            text.push_str(if index == 0 { "\n" } else { ",\n" });
            text.push_str(&" ".repeat(width * depth));
        }
    };
    let finish = |text: &mut String, is_empty: bool| {
        if let (Some(width), false) = (indent, is_empty) {
            text.push('\n');
            text.push_str(&" ".repeat(width * depth));
        }
    };
    match json {
        Json::String(content) => write_json_string(text, content),
        Json::Number(number) if number.is_f64() => text.push_str(&float_text(number.as_f64().unwrap_or(f64::NAN))),
        Json::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(text, index, depth + 1);
                write_json(text, item, sort_keys, indent, depth + 1);
            }
            finish(text, items.is_empty());
            text.push(']');
        }
        Json::Object(pairs) => {
            let mut pairs: Vec<_> = pairs.iter().collect();
            if sort_keys {
                pairs.sort_by_key(|(key, _)| *key);
            }
            text.push('{');
            for (index, (key, value)) in pairs.iter().enumerate() {
                separate(text, index, depth + 1);
                write_json_string(text, key);
                text.push_str(": ");
                write_json(text, value, sort_keys, indent, depth + 1);
            }
            finish(text, pairs.is_empty());
            text.push('}');
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

fn write_json_string(text: &mut String, content: &str) {
    text.push('"');
    for character in content.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            ' '..='~' => text.push(character),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
        }
    }
    text.push('"');
}

/// YAML in block style, as dbt's `toyaml` writes it.
pub fn yaml_text(json: &Json, sort_keys: bool) -> String {
    let mut text = String::new();
    write_yaml(&mut text, json, sort_keys, 0, false);
    text
}

fn write_yaml(text: &mut String, json: &Json, sort_keys: bool, depth: usize, inline_first: bool) {
    let pad = "  ".repeat(depth);
    match json {
        Json::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 || !inline_first {
                    text.push_str(&pad);
                }
                text.push_str("- ");
                write_yaml_child(text, item, sort_keys, depth + 1);
            }
        }
        Json::Object(pairs) if !pairs.is_empty() => {
            let mut pairs: Vec<_> = pairs.iter().collect();
            if sort_keys {
                pairs.sort_by_key(|(key, _)| *key);
            }
            for (index, (key, value)) in pairs.iter().enumerate() {
                if index > 0 || !inline_first {
                    text.push_str(&pad);
                }
                text.push_str(&yaml_scalar(key));
                text.push(':');
                match value {
                    // A list in a mapping is not indented further.
                    Json::Array(items) if !items.is_empty() => {
                        text.push('\n');
                        write_yaml(text, value, sort_keys, depth, false);
                    }
                    Json::Object(inner) if !inner.is_empty() => {
                        text.push('\n');
                        write_yaml(text, value, sort_keys, depth + 1, false);
                    }
                    scalar => {
                        text.push(' ');
                        write_yaml(text, scalar, sort_keys, depth, true);
                    }
                }
            }
        }
        Json::Array(_) => text.push_str("[]\n"),
        Json::Object(_) => text.push_str("{}\n"),
        Json::String(content) => {
            text.push_str(&yaml_scalar(content));
            text.push('\n');
        }
        other => {
            text.push_str(&json_text(other, sort_keys, None));
            text.push('\n');
        }
    }
}

fn write_yaml_child(text: &mut String, json: &Json, sort_keys: bool, depth: usize) {
    write_yaml(text, json, sort_keys, depth, true);
}

fn yaml_scalar(content: &str) -> String {
    let is_plain =
        content.chars().next().is_some_and(|first| first.is_alphanumeric() || matches!(first, '_' | '/' | '.'))
            && !content.ends_with([' ', ':'])
            && !content.contains(": ")
            && !content.contains(" #")
            && !content.chars().any(char::is_control)
            && !looks_typed(content);
    if is_plain {
        return content.to_owned();
    }
    if content.chars().any(char::is_control) {
        let mut text = String::new();
        write_json_string(&mut text, content);
        return text;
    }
    format!("'{}'", content.replace('\'', "''"))
}

/// Whether a YAML reader would take the text for something other than text.
fn looks_typed(content: &str) -> bool {
    let lower = content.to_ascii_lowercase();
    matches!(lower.as_str(), "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "none" | "~" | ".nan" | ".inf")
        || content.chars().next().is_some_and(|first| first.is_ascii_digit() || first == '.')
            && content
                .chars()
                .all(|c| c.is_ascii_hexdigit() || matches!(c, '.' | '_' | '-' | ':' | 'x' | 'o' | 'T' | 'Z'))
}
