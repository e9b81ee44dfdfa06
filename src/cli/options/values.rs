//! Values of flags and of the variables that stand for them.

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::{Reader, bad_value};
use crate::base::diagnostic::did_you_mean;
use crate::base::source::SourceFile;
use crate::files::yaml;

impl Reader<'_> {
    /// A switch of a variable.
    pub(super) fn switch_variable(&mut self, variable: &str) -> Option<bool> {
        let value = self.variable(variable)?;
        match value.to_ascii_lowercase().as_str() {
            "1" | "true" | "t" | "yes" | "y" | "on" => Some(true),
            "0" | "false" | "f" | "no" | "n" | "off" => Some(false),
            _ => {
                let flag = format!("--{}", variable.to_ascii_lowercase().replace('_', "-"));
                self.problems.push(bad_value(&flag, &value, "true or false"));
                None
            }
        }
    }

    /// One of several words, of a flag or its variable.
    pub(super) fn word<T: Copy>(
        &mut self,
        given: Option<String>,
        variable: &str,
        flag: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let from_variable = if variable.is_empty() { None } else { self.variable(variable) };
        let value = given.or(from_variable)?;
        let lower = value.to_ascii_lowercase();
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == lower) {
            return Some(*meaning);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let mut problem = bad_value(flag, &value, &format!("one of {}", names.join(", ")));
        if let Some(near) = did_you_mean(&value, names) {
            problem = problem.with_hint(format!("did you mean `{near}`?"));
        }
        self.problems.push(problem);
        None
    }

    /// A value that a function reads.
    pub(super) fn parsed<T>(
        &mut self,
        given: Option<String>,
        variable: &str,
        flag: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let value = given.or_else(|| self.variable(variable))?;
        let parsed = parse(&value);
        if parsed.is_none() {
            self.problems.push(bad_value(flag, &value, expected));
        }
        parsed
    }

    /// A YAML mapping given as text.
    pub(super) fn mapping(&mut self, text: Option<&str>, flag: &str) -> IndexMap<String, Json> {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return IndexMap::new() };
        let file = SourceFile::new(flag, text);
        let Some(value) = yaml::parse(&file, &mut self.problems) else { return IndexMap::new() };
        match value.to_json() {
            Json::Object(entries) => entries.into_iter().collect(),
            Json::Null => IndexMap::new(),
            _ => {
                let expected = "a YAML mapping such as `{name: value}`";
                let hint = format!("write it as `{flag} '{{name: value}}'`");
                self.problems.push(bad_value(flag, text, expected).with_hint(hint));
                IndexMap::new()
            }
        }
    }
}
