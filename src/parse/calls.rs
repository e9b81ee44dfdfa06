//! Texts that hold one `ref()`, `source()`, `metric()` or `doc()` call, and Jinja literals made from values.

use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value as Json;

use crate::base::source::Location;
use crate::manifest::node::{RefCall, SourceCall};
use crate::manifest::semantic::MetricCall;
use crate::manifest::version::Version;

/// A call found in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// `ref('x')`.
    Ref(RefCall),
    /// `source('a', 'b')`.
    Source(SourceCall),
    /// `metric('x')`.
    Metric(MetricCall),
}

fn compile(pattern: &str) -> Option<Regex> {
    Regex::new(pattern).ok()
}

const ARGUMENTS: &str = r#"\(\s*(?:'([^']*)'|"([^"]*)")\s*(?:,\s*(?:'([^']*)'|"([^"]*)")\s*)?,?\s*\)"#;

/// The same for `ref`, which may name a version at its end.
const WITH_VERSION: &str = r#"\(\s*(?:'([^']*)'|"([^"]*)")\s*(?:,\s*(?:'([^']*)'|"([^"]*)")\s*)?(?:,\s*(?:v|version)\s*=\s*(?:'([^']*)'|"([^"]*)"|(-?[0-9]+(?:\.[0-9]+)?))\s*)?,?\s*\)"#;

static CALL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(&format!(r"^\s*(?:\{{\{{-?\s*)?(ref|source|metric)\s*{WITH_VERSION}\s*(?:-?\}}\}})?\s*$"))
});

static DOC: LazyLock<Option<Regex>> = LazyLock::new(|| compile(&format!(r"\{{\{{-?\s*doc\s*{ARGUMENTS}\s*-?\}}\}}")));

/// What dbt takes for an expression although it is written without braces.
static BARE: LazyLock<Option<Regex>> =
    LazyLock::new(|| compile(r"(?s)^\s*(?:env_var|ref|var|source|doc)\s*\(.+\)\s*$"));

static BRACED: LazyLock<Option<Regex>> = LazyLock::new(|| compile(r"(?s)^\s*\{\{-?(.*?)-?\}\}\s*$"));

fn arguments(found: &Captures<'_>, first: usize) -> Option<(String, Option<String>)> {
    let text = |index: usize| found.get(index).or_else(|| found.get(index + 1)).map(|part| part.as_str().to_owned());
    Some((text(first)?, text(first + 2)))
}

/// Reads a text that is one `ref()`, `source()` or `metric()` call, with or without braces.
pub fn parse_call(text: &str, location: &Location) -> Option<Call> {
    let found = CALL.as_ref()?.captures(text)?;
    let (first, second) = arguments(&found, 2)?;
    let metric = |package, name| Call::Metric(MetricCall { package, name, location: location.clone() });
    let place = Some(location.clone());
    let text = found.get(6).or_else(|| found.get(7)).map(|text| Json::from(text.as_str()));
    let number = || found.get(8).and_then(|number| serde_json::from_str(number.as_str()).ok());
    let version = text.or_else(number).as_ref().and_then(Version::new);
    match (found.get(1)?.as_str(), second) {
        ("ref", None) => Some(Call::Ref(RefCall { package: None, name: first, version, location: place })),
        ("ref", Some(name)) => Some(Call::Ref(RefCall { package: Some(first), name, version, location: place })),
        (_, _) if version.is_some() => None,
        ("metric", None) => Some(metric(None, first)),
        ("metric", Some(name)) => Some(metric(Some(first), name)),
        (_, Some(table)) => Some(Call::Source(SourceCall { source: first, table, location: place })),
        (_, None) => None,
    }
}

/// Splits a description at its `doc()` calls: plain text, and package (if given) with name of each call between.
pub fn split_docs(text: &str) -> (Vec<&str>, Vec<(Option<String>, String)>) {
    let (mut texts, mut calls, mut end) = (Vec::new(), Vec::new(), 0);
    if let Some(pattern) = DOC.as_ref() {
        for found in pattern.captures_iter(text) {
            let (Some(whole), Some((first, second))) = (found.get(0), arguments(&found, 1)) else { continue };
            texts.push(text.get(end..whole.start()).unwrap_or_default());
            end = whole.end();
            calls.push(match second {
                Some(name) => (Some(first), name),
                None => (None, first),
            });
        }
    }
    texts.push(text.get(end..).unwrap_or_default());
    (texts, calls)
}

/// A value as a Jinja expression. Texts that are expressions themselves (`ref('x')`, `{{ var('y') }}`) become those
/// expressions, as under dbt.
pub fn expression(value: &Json) -> String {
    match value {
        Json::Null => "none".to_owned(),
        Json::Bool(flag) => flag.to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => text_expression(text),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(expression).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{}: {}", literal(key), expression(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

fn text_expression(text: &str) -> String {
    if BARE.as_ref().is_some_and(|bare| bare.is_match(text)) {
        return text.trim().to_owned();
    }
    let braced = BRACED.as_ref().and_then(|braced| braced.captures(text)).and_then(|found| found.get(1));
    match braced.map(|inner| inner.as_str().trim()) {
        Some(inner) if !inner.contains("{{") && !inner.contains("}}") => format!("({inner})"),
        _ => concatenation(text),
    }
}

/// A text with Jinja within it, as the parts joined by `~`.
fn concatenation(text: &str) -> String {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((inner, tail)) = after.split_once("}}") else { break };
        if !before.is_empty() {
            parts.push(literal(before));
        }
        parts.push(format!("({})", inner.trim_matches('-').trim()));
        rest = tail;
    }
    if !rest.is_empty() || parts.is_empty() {
        parts.push(literal(rest));
    }
    parts.join(" ~ ")
}

/// A text as a Jinja string.
pub fn literal(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
