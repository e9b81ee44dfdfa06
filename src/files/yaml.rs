//! Bounded YAML: a text becomes a tree of values that know their places, or a diagnostic.
//!
//! Plain values mean what they mean to PyYAML, and so to dbt (see [`super::yaml_scalar`]); `<<` merges. Dates stay
//! texts. A key is always a text. The tree is generic: what the keys mean is decided by [`project`](super::project) and
//! [`properties`](super::properties).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::options::NonFiniteFloatPolicy;

use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::base::limits;
use crate::base::source::{Location, SourceFile};
use crate::files::yaml_scalar;

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub location: Location,
}

impl<T> Spanned<T> {
    /// A value at a place.
    pub fn new(value: T, location: Location) -> Self {
        Self { value, location }
    }
}

/// A YAML value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Yaml {
    /// The value.
    pub node: YamlNode,
    /// Where it stands; a mapping or a sequence stands where it begins.
    pub location: Location,
}

/// The shapes of a YAML value.
#[derive(Debug, Clone, PartialEq)]
pub enum YamlNode {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number of 64 bits.
    Int(i64),
    /// A number that is not an [`YamlNode::Int`].
    Float(f64),
    /// A text.
    String(String),
    /// A list.
    Sequence(Vec<Yaml>),
    /// Keys and values in the order of the text; no key occurs twice.
    Mapping(Vec<(Spanned<String>, Yaml)>),
}

impl Yaml {
    /// What the value is, for messages.
    pub fn kind(&self) -> &'static str {
        match self.node {
            YamlNode::Null => "nothing",
            YamlNode::Bool(_) => "a boolean",
            YamlNode::Int(_) | YamlNode::Float(_) => "a number",
            YamlNode::String(_) => "a text",
            YamlNode::Sequence(_) => "a list",
            YamlNode::Mapping(_) => "a mapping",
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        self.node == YamlNode::Null
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.node {
            YamlNode::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a text, number or boolean as text.
    pub fn scalar_text(&self) -> Option<String> {
        match &self.node {
            YamlNode::String(text) => Some(text.clone()),
            YamlNode::Bool(value) => Some(value.to_string()),
            YamlNode::Int(value) => Some(value.to_string()),
            YamlNode::Float(value) => Some(value.to_string()),
            YamlNode::Null | YamlNode::Sequence(_) | YamlNode::Mapping(_) => None,
        }
    }

    /// The entries, if it is a mapping.
    pub fn entries(&self) -> Option<&[(Spanned<String>, Self)]> {
        match &self.node {
            YamlNode::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn items(&self) -> Option<&[Self]> {
        match &self.node {
            YamlNode::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The value of a key, if it is a mapping that has the key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries()?.iter().find(|(name, _)| name.value == key).map(|(_, value)| value)
    }

    /// The value without its places.
    pub fn to_json(&self) -> Json {
        match &self.node {
            YamlNode::Null => Json::Null,
            YamlNode::Bool(value) => Json::Bool(*value),
            YamlNode::Int(value) => Json::from(*value),
            YamlNode::Float(value) => Json::from(*value),
            YamlNode::String(text) => Json::String(text.clone()),
            YamlNode::Sequence(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            YamlNode::Mapping(entries) => {
                Json::Object(entries.iter().map(|(key, value)| (key.value.clone(), value.to_json())).collect())
            }
        }
    }

    /// A tree for a value that was made elsewhere; every part of it stands at the same place.
    pub fn from_json(value: &Json, location: &Location) -> Self {
        let node = match value {
            Json::Null => YamlNode::Null,
            Json::Bool(value) => YamlNode::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(value) => YamlNode::Int(value),
                None => YamlNode::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => YamlNode::String(text.clone()),
            Json::Array(items) => {
                YamlNode::Sequence(items.iter().map(|item| Self::from_json(item, location)).collect())
            }
            Json::Object(entries) => YamlNode::Mapping(
                entries
                    .iter()
                    .map(|(key, value)| (Spanned::new(key.clone(), location.clone()), Self::from_json(value, location)))
                    .collect(),
            ),
        };
        Self { node, location: location.clone() }
    }
}

/// Parses a YAML text; an empty text is null. What is wrong goes to `diagnostics`; a key that occurs twice is reported
/// with both places, and the first one is kept.
pub fn parse(file: &Arc<SourceFile>, diagnostics: &mut Diagnostics) -> Option<Yaml> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: limits::YAML_NODES.saturating_mul(2),
            max_nodes: limits::YAML_NODES,
            max_depth: limits::YAML_DEPTH,
            max_aliases: limits::YAML_NODES,
            max_anchors: limits::YAML_NODES,
            max_recorded_anchor_events: limits::YAML_NODES.saturating_mul(2),
            max_merge_keys: limits::YAML_NODES,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: limits::YAML_NODES },
        // The default reports a repeated key without the place of the first one.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        ignore_binary_tag_for_string: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<Raw>(&file.text, options) {
        Ok(raw) => Some(Builder { file, diagnostics }.value(raw)),
        Err(error) => {
            diagnostics.push(describe(file, &error));
            None
        }
    }
}

/// A value as the parser gives it; its place is that of its definition, also for an alias.
type Raw = serde_saphyr::Spanned<RawNode>;

enum RawNode {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    Sequence(Vec<Raw>),
    Mapping(Vec<(serde_saphyr::Spanned<RawKey>, Raw)>),
}

struct RawKey(String);

impl<'de> Deserialize<'de> for RawNode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = RawNode;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<RawNode, E> {
        Ok(RawNode::Null)
    }

    fn visit_none<E>(self) -> Result<RawNode, E> {
        Ok(RawNode::Null)
    }

    fn visit_some<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<RawNode, D::Error> {
        RawNode::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawNode, E> {
        Ok(RawNode::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawNode, E> {
        Ok(RawNode::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<RawNode, E> {
        #[expect(clippy::cast_precision_loss, reason = "a number beyond 63 bits is kept as nearly as a float can")]
        Ok(i64::try_from(value).map_or(RawNode::Float(value as f64), RawNode::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawNode, E> {
        Ok(RawNode::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<RawNode, E> {
        Ok(RawNode::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<RawNode, E> {
        Ok(RawNode::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<RawNode, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element::<Raw>()? {
            items.push(item);
        }
        Ok(RawNode::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<RawNode, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<serde_saphyr::Spanned<RawKey>>()? {
            entries.push((key, access.next_value::<Raw>()?));
        }
        Ok(RawNode::Mapping(entries))
    }
}

impl<'de> Deserialize<'de> for RawKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = RawKey;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a plain text as key")
    }

    fn visit_unit<E>(self) -> Result<RawKey, E> {
        Ok(RawKey("null".to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawKey, E> {
        Ok(RawKey(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawKey, E> {
        Ok(RawKey(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<RawKey, E> {
        Ok(RawKey(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawKey, E> {
        Ok(RawKey(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<RawKey, E> {
        Ok(RawKey(value.to_owned()))
    }
}

/// Turns what the parser gave into the tree.
struct Builder<'a> {
    file: &'a Arc<SourceFile>,
    diagnostics: &'a mut Diagnostics,
}

impl Builder<'_> {
    fn value(&mut self, raw: Raw) -> Yaml {
        let location = self.location(raw.defined, &raw.value);
        let node = match raw.value {
            RawNode::Null => YamlNode::Null,
            RawNode::Bool(value) => YamlNode::Bool(value),
            // The parser's numbers are those of YAML 1.2; what is written is looked at again.
            RawNode::Int(value) => self.plain(&location, None).unwrap_or(YamlNode::Int(value)),
            RawNode::Float(value) => self.plain(&location, None).unwrap_or(YamlNode::Float(value)),
            RawNode::String(text) => self.plain(&location, Some(&text)).unwrap_or(YamlNode::String(text)),
            RawNode::Sequence(items) => YamlNode::Sequence(items.into_iter().map(|item| self.value(item)).collect()),
            RawNode::Mapping(entries) => self.mapping(entries),
        };
        Yaml { node, location }
    }

    /// The value of a text that is written without quotes and tags. `known` is the text as the parser read it: what
    /// stands in quotes or in a block differs from what is written.
    fn plain(&self, location: &Location, known: Option<&str>) -> Option<YamlNode> {
        let written = self.file.text.get(location.range.clone())?;
        if known.is_some_and(|known| known != written) || written.starts_with(['!', '&', '*', '"', '\'']) {
            return None;
        }
        Some(yaml_scalar::resolve(written))
    }

    fn mapping(&mut self, raw: Vec<(serde_saphyr::Spanned<RawKey>, Raw)>) -> YamlNode {
        let mut entries: Vec<(Spanned<String>, Yaml)> = Vec::with_capacity(raw.len());
        let mut places: HashMap<String, Location> = HashMap::with_capacity(raw.len());
        for (raw_key, raw_value) in raw {
            let location = self.span(raw_key.defined);
            let key = raw_key.value.0;
            if let Some(first) = places.get(&key) {
                let message = format!("the key `{key}` occurs twice in one mapping");
                self.diagnostics.push(
                    Diagnostic::error("duplicate-yaml-key", message)
                        .at(location, "again here")
                        .at(first.clone(), "first here")
                        .with_hint("remove one of the two, or join their values"),
                );
                continue;
            }
            places.insert(key.clone(), location.clone());
            let value = self.value(raw_value);
            entries.push((Spanned::new(key, location), value));
        }
        YamlNode::Mapping(entries)
    }

    /// The place of a value; a container is marked at its first character only.
    fn location(&self, place: serde_saphyr::Location, value: &RawNode) -> Location {
        let mut location = self.span(place);
        if matches!(value, RawNode::Sequence(_) | RawNode::Mapping(_)) {
            location.range.end = location.range.start;
        } else if let Some(text) = self.file.text.get(location.range.clone()) {
            // Block texts end with line breaks; pointing at them would mark the following line.
            location.range.end = location.range.start + text.trim_end().len();
        }
        location
    }

    fn span(&self, place: serde_saphyr::Location) -> Location {
        place_in(self.file, place)
    }
}

fn place_in(file: &Arc<SourceFile>, place: serde_saphyr::Location) -> Location {
    let span = place.span();
    let range = if let (Some(start), Some(len)) = (span.byte_offset(), span.byte_len()) {
        let start = usize::try_from(start).unwrap_or(0).min(file.text.len());
        let end = start.saturating_add(usize::try_from(len).unwrap_or(0)).min(file.text.len());
        start..end
    } else {
        let line = usize::try_from(place.line()).unwrap_or(1).max(1);
        let column = usize::try_from(place.column()).unwrap_or(1).max(1);
        let start = file.offset(crate::base::source::Position { line, column });
        start..start
    };
    if file.text.is_char_boundary(range.start) && file.text.is_char_boundary(range.end) {
        Location::new(file, range)
    } else {
        Location::of_file(file)
    }
}

/// The parser's error as a diagnostic; a broken budget names the limit.
fn describe(file: &Arc<SourceFile>, error: &serde_saphyr::Error) -> Diagnostic {
    use serde_saphyr::Error;
    use serde_saphyr::budget::BudgetBreach;

    let place = error.location().map_or_else(|| Location::of_file(file), |place| place_in(file, place));
    let too_much = |what: String| Diagnostic::error("yaml-too-large", format!("this file has {what}"));
    let diagnostic = match error.without_snippet() {
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            too_much(format!("more than {} levels of nesting, the limit", limits::YAML_DEPTH))
        }
        Error::Budget { .. } | Error::AliasReplayLimitExceeded { .. } => {
            too_much(format!("more than {} values with its aliases expanded, the limit", limits::YAML_NODES))
        }
        other => {
            let text = other.to_string();
            let message = text.lines().next().unwrap_or_default().trim();
            let message = strip_place(message);
            let mut diagnostic = Diagnostic::error("bad-yaml", format!("this is not YAML: {message}"));
            if file.text.contains('\t') && message.contains("tab") {
                diagnostic = diagnostic.with_hint("indent with blanks; YAML does not allow tabs");
            } else if let Some(hint) = jinja_hint(file, &place) {
                diagnostic = diagnostic.with_hint(hint);
            } else {
                diagnostic = diagnostic.with_hint(
                    "look at this line and the one above: the indentation, a blank behind `:`, quotes and brackets",
                );
            }
            diagnostic
        }
    };
    diagnostic.at(place, "")
}

/// A value that begins with `{{` is a mapping to YAML: the most common mistake in a dbt project.
fn jinja_hint(file: &SourceFile, place: &Location) -> Option<&'static str> {
    let line = file.position(place.range.start).line;
    let near = |line: usize| {
        file.text.get(file.line_range(line)).is_some_and(|text| text.contains(": {{") || text.starts_with("- {{"))
    };
    (near(line) || (line > 1 && near(line - 1))).then_some("put quotes around a value that begins with `{{`")
}

/// The parser's own words about the place: the diagnostic shows it.
fn strip_place(message: &str) -> &str {
    let message = message.find(" at line ").map_or(message, |at| message.get(..at).unwrap_or(message));
    let rest = message.strip_prefix("error: ").unwrap_or(message);
    match rest.strip_prefix("line ").and_then(|tail| tail.split_once(": ")) {
        Some((_, tail)) => tail,
        None => rest,
    }
}
