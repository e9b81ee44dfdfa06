//! Reading a YAML mapping key by key: typed values, and a report of every key that nobody asked for.

use crate::base::diagnostic::{Diagnostic, Diagnostics, Severity, did_you_mean};
use crate::base::source::Location;
use crate::files::yaml::{Spanned, Yaml, YamlNode};

/// The keys of one mapping, each to be taken once.
#[derive(Debug)]
pub struct Fields<'a> {
    /// What the mapping describes, such as "model `orders`", for messages.
    owner: String,
    entries: Vec<Option<&'a (Spanned<String>, Yaml)>>,
    /// Every key that was asked for: the candidates of "did you mean".
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The keys of a mapping; anything else is reported, null counts as an empty mapping.
    pub fn new(owner: impl Into<String>, yaml: &'a Yaml, diagnostics: &mut Diagnostics) -> Option<Self> {
        let owner = owner.into();
        match &yaml.node {
            YamlNode::Mapping(entries) => {
                Some(Self { owner, entries: entries.iter().map(Some).collect(), known: Vec::new() })
            }
            YamlNode::Null => Some(Self { owner, entries: Vec::new(), known: Vec::new() }),
            _ => {
                diagnostics.push(wrong_type(&owner, yaml, "a mapping"));
                None
            }
        }
    }

    /// Renames the owner once its name is known.
    pub fn set_owner(&mut self, owner: impl Into<String>) {
        self.owner = owner.into();
    }

    /// Takes a key with its value.
    pub fn take_entry(&mut self, key: &'static str) -> Option<(&'a Spanned<String>, &'a Yaml)> {
        self.known.push(key);
        let slot = self.entries.iter_mut().find(|slot| slot.is_some_and(|(name, _)| name.value == key))?;
        slot.take().map(|(name, value)| (name, value))
    }

    /// Takes the value of a key; null counts as absent.
    pub fn take(&mut self, key: &'static str) -> Option<&'a Yaml> {
        self.take_entry(key).map(|(_, value)| value).filter(|value| !value.is_null())
    }

    /// Takes all keys that are left, whatever they are.
    pub fn take_rest(&mut self) -> Vec<&'a (Spanned<String>, Yaml)> {
        self.entries.iter_mut().filter_map(Option::take).collect()
    }

    /// A text; numbers and booleans are taken as written.
    pub fn text(&mut self, key: &'static str, diagnostics: &mut Diagnostics) -> Option<Spanned<String>> {
        let value = self.take(key)?;
        let Some(text) = value.scalar_text() else {
            diagnostics.push(self.wrong(key, value, "a text"));
            return None;
        };
        Some(Spanned::new(text, value.location.clone()))
    }

    /// A boolean.
    pub fn boolean(&mut self, key: &'static str, diagnostics: &mut Diagnostics) -> Option<bool> {
        let value = self.take(key)?;
        if let YamlNode::Bool(flag) = value.node {
            return Some(flag);
        }
        diagnostics.push(self.wrong(key, value, "true or false"));
        None
    }

    /// The items of a list; a single value that is not a list counts as a list of one if `single` allows it.
    pub fn list(&mut self, key: &'static str, single: Single, diagnostics: &mut Diagnostics) -> Vec<&'a Yaml> {
        let Some(value) = self.take(key) else { return Vec::new() };
        match (&value.node, single) {
            (YamlNode::Sequence(items), _) => items.iter().collect(),
            (YamlNode::Mapping(_), _) | (_, Single::Refused) => {
                diagnostics.push(self.wrong(key, value, "a list"));
                Vec::new()
            }
            (_, Single::Allowed) => vec![value],
        }
    }

    /// A list of texts; a single text counts as a list of one.
    pub fn texts(&mut self, key: &'static str, diagnostics: &mut Diagnostics) -> Option<Vec<Spanned<String>>> {
        if !self.entries.iter().flatten().any(|(name, value)| name.value == key && !value.is_null()) {
            self.take(key);
            return None;
        }
        let mut texts = Vec::new();
        for item in self.list(key, Single::Allowed, diagnostics) {
            match item.scalar_text() {
                Some(text) => texts.push(Spanned::new(text, item.location.clone())),
                None => diagnostics.push(self.wrong(key, item, "a list of texts")),
            }
        }
        Some(texts)
    }

    /// Reports keys that karat knows of but does nothing with yet.
    pub fn refuse_for_now(&mut self, keys: &[&'static str], diagnostics: &mut Diagnostics) {
        for key in keys {
            if let Some((name, _)) = self.take_entry(key) {
                let message = format!("`{key}` of {} is not supported yet and has no effect", self.owner);
                diagnostics.push(Diagnostic::warning("not-supported-yet", message).at(name.location.clone(), ""));
            }
        }
    }

    /// Reports every key that was not taken.
    pub fn finish(self, severity: Severity, diagnostics: &mut Diagnostics) {
        for (key, _) in self.entries.iter().flatten() {
            let message = format!("{} has no key `{}`", self.owner, key.value);
            let mut diagnostic = Diagnostic::warning("unknown-key", message).at(key.location.clone(), "");
            diagnostic.severity = severity;
            if let Some(near) = did_you_mean(&key.value, self.known.iter().copied()) {
                diagnostic = diagnostic.with_hint(format!("did you mean `{near}`?"));
            } else if !self.known.is_empty() {
                let known: Vec<String> = self.known.iter().map(|known| format!("`{known}`")).collect();
                diagnostic = diagnostic.with_hint(format!("known are {}", known.join(", ")));
            }
            diagnostics.push(diagnostic);
        }
    }

    /// The complaint that a key's value has the wrong type.
    pub fn wrong(&self, key: &str, value: &Yaml, expected: &str) -> Diagnostic {
        wrong_type(&format!("`{key}` of {}", self.owner), value, expected)
    }

    /// The complaint that a key is missing.
    pub fn missing(&self, key: &str, location: &Location) -> Diagnostic {
        Diagnostic::error("missing-key", format!("{} has no `{key}`", self.owner)).at(location.clone(), "")
    }
}

/// Whether a single value may stand where a list is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Single {
    /// `x` means `[x]`.
    Allowed,
    /// Only a list will do.
    Refused,
}

/// The complaint that something has the wrong type.
pub fn wrong_type(what: &str, value: &Yaml, expected: &str) -> Diagnostic {
    Diagnostic::error("wrong-type", format!("{what} must be {expected}, but is {}", value.kind()))
        .at(value.location.clone(), "")
}
