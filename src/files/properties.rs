//! Properties files: what `.yml` files say about models, seeds, snapshots, macros, functions, exposures and analyses.
//!
//! Texts are kept as written; [`crate::parse`] renders their Jinja. Sources are in
//! [`properties_source`](super::properties_source).

use std::sync::Arc;

use crate::base::diagnostic::{Diagnostic, Diagnostics, Severity, did_you_mean};
use crate::base::source::{Location, SourceFile};
use crate::files::fields::{Fields, Single, wrong_type};
use crate::files::properties_function::FunctionProperties;
use crate::files::properties_metric::{MetricProperties, SavedQueryProperties};
use crate::files::properties_model::{GroupProperties, ModelProperties};
use crate::files::properties_semantic::SemanticModelProperties;
use crate::files::properties_source::{SourceProperties, read_source};
use crate::files::properties_unit::UnitTestProperties;
use crate::files::yaml::{self, Spanned, Yaml, YamlNode};
use crate::manifest::constraint::Constraint;
use crate::manifest::semantic::ColumnMeaning;

/// Key and value of a configuration, as written.
pub type ConfigEntry = (Spanned<String>, Yaml);

/// All that one properties file says.
#[derive(Debug, Clone, Default)]
pub struct Properties {
    /// `models:`.
    pub models: Vec<NodeProperties>,
    /// `seeds:`.
    pub seeds: Vec<NodeProperties>,
    /// `snapshots:`; those with a `relation` define a snapshot.
    pub snapshots: Vec<NodeProperties>,
    /// `analyses:`.
    pub analyses: Vec<NodeProperties>,
    /// `functions:`.
    pub functions: Vec<NodeProperties>,
    /// `data_tests:` at the top: descriptions and configuration of singular tests.
    pub tests: Vec<NodeProperties>,
    /// `sources:`.
    pub sources: Vec<SourceProperties>,
    /// `macros:`.
    pub macros: Vec<MacroProperties>,
    /// `exposures:`.
    pub exposures: Vec<ExposureProperties>,
    /// `unit_tests:`.
    pub unit_tests: Vec<UnitTestProperties>,
    /// `groups:`.
    pub groups: Vec<GroupProperties>,
    /// `semantic_models:`.
    pub semantic_models: Vec<SemanticModelProperties>,
    /// `metrics:`.
    pub metrics: Vec<MetricProperties>,
    /// `saved_queries:`.
    pub saved_queries: Vec<SavedQueryProperties>,
}

/// What a file says about one model, seed, snapshot, analysis, function or singular test.
#[derive(Debug, Clone)]
pub struct NodeProperties {
    /// Name of the node.
    pub name: Spanned<String>,
    /// Description as written.
    pub description: Option<Spanned<String>>,
    /// `config:`, and the keys beside it that mean the same (`meta`, `tags`).
    pub config: Vec<ConfigEntry>,
    /// Columns in order.
    pub columns: Vec<ColumnProperties>,
    /// Tests on the whole node.
    pub tests: Vec<TestProperties>,
    /// `relation:` of a snapshot: `ref('x')` or `source('a', 'b')`.
    pub relation: Option<Spanned<String>>,
    /// What is said about models alone.
    pub model: ModelProperties,
    /// What is said about functions alone.
    pub function: FunctionProperties,
}

/// What a file says about one column.
#[derive(Debug, Clone)]
pub struct ColumnProperties {
    /// Name.
    pub name: Spanned<String>,
    /// Description as written.
    pub description: Option<Spanned<String>>,
    /// SQL type.
    pub data_type: Option<String>,
    /// Free metadata.
    pub meta: Vec<ConfigEntry>,
    /// Tags, which the column's tests get, too.
    pub tags: Vec<String>,
    /// Whether the name is quoted.
    pub quote: Option<bool>,
    /// What every row must meet in this column.
    pub constraints: Vec<Constraint>,
    /// Tests on the column.
    pub tests: Vec<TestProperties>,
    /// What it is to the semantic layer.
    pub meaning: ColumnMeaning,
}

/// A use of a generic test.
#[derive(Debug, Clone)]
pub struct TestProperties {
    /// Name of the test, perhaps with a package before a dot.
    pub test: Spanned<String>,
    /// Arguments as written, without `model` and `column_name`.
    pub arguments: Vec<ConfigEntry>,
    /// Configuration as written.
    pub config: Vec<ConfigEntry>,
    /// `name:` given by the user.
    pub custom_name: Option<Spanned<String>>,
    /// Description as written.
    pub description: Option<Spanned<String>>,
}

/// What a file says about a macro.
#[derive(Debug, Clone)]
pub struct MacroProperties {
    /// Name.
    pub name: Spanned<String>,
    /// Description as written.
    pub description: Option<Spanned<String>>,
    /// Arguments: name, type, description as written.
    pub arguments: Vec<(String, Option<String>, Option<Spanned<String>>)>,
    /// Free metadata.
    pub meta: Option<Yaml>,
    /// Whether documentation shows it.
    pub shown: bool,
}

/// An exposure.
#[derive(Debug, Clone)]
pub struct ExposureProperties {
    /// Name.
    pub name: Spanned<String>,
    /// Description as written.
    pub description: Option<Spanned<String>>,
    /// Kind.
    pub kind: Option<Spanned<String>>,
    /// Title for people.
    pub label: Option<String>,
    /// Maturity.
    pub maturity: Option<Spanned<String>>,
    /// Where it is.
    pub url: Option<Spanned<String>>,
    /// Owner: name and e-mail.
    pub owner: Vec<ConfigEntry>,
    /// `ref(…)`, `source(…)` and `metric(…)` as texts.
    pub depends_on: Vec<Spanned<String>>,
    /// `config:`, `meta` and `tags`.
    pub config: Vec<ConfigEntry>,
}

/// Keys of a test that configure it instead of being arguments.
pub const TEST_CONFIG_KEYS: [&str; 13] = [
    "severity",
    "tags",
    "enabled",
    "where",
    "limit",
    "warn_if",
    "error_if",
    "fail_calc",
    "store_failures",
    "store_failures_as",
    "meta",
    "database",
    "schema",
];

/// Reads one properties file. Unknown keys are reported with the given severity.
pub fn read_properties(file: &Arc<SourceFile>, unknown: Severity, diagnostics: &mut Diagnostics) -> Properties {
    let mut properties = Properties::default();
    let Some(written) = yaml::parse(file, diagnostics) else { return properties };
    let owner = format!("the properties file `{}`", file.path);
    let Some(mut fields) = Fields::new(owner, &written, diagnostics) else { return properties };
    fields.take("version");
    let mut reader = Reader { unknown, diagnostics };
    for (key, kind, into) in [
        ("models", "model", &mut properties.models),
        ("seeds", "seed", &mut properties.seeds),
        ("snapshots", "snapshot", &mut properties.snapshots),
        ("analyses", "analysis", &mut properties.analyses),
        ("functions", "function", &mut properties.functions),
    ] {
        for item in fields.list(key, Single::Refused, reader.diagnostics) {
            into.extend(reader.node(kind, item));
        }
    }
    for key in ["data_tests", "tests"] {
        for item in fields.list(key, Single::Refused, reader.diagnostics) {
            properties.tests.extend(reader.node("test", item));
        }
    }
    for item in fields.list("sources", Single::Refused, reader.diagnostics) {
        properties.sources.extend(read_source(&mut reader, item));
    }
    for item in fields.list("macros", Single::Refused, reader.diagnostics) {
        properties.macros.extend(reader.macro_entry(item));
    }
    for item in fields.list("exposures", Single::Refused, reader.diagnostics) {
        properties.exposures.extend(reader.exposure(item));
    }
    for item in fields.list("unit_tests", Single::Refused, reader.diagnostics) {
        properties.unit_tests.extend(reader.unit_test(item));
    }
    for item in fields.list("groups", Single::Refused, reader.diagnostics) {
        properties.groups.extend(reader.group(item));
    }
    properties.semantic_models = reader.items("semantic_models", &mut fields, Reader::semantic_model);
    properties.metrics = reader.items("metrics", &mut fields, Reader::metric);
    properties.saved_queries = reader.items("saved_queries", &mut fields, Reader::saved_query);
    // Anchors for reuse are kept under a key of their own.
    fields.take("anchors");
    fields.finish(unknown, reader.diagnostics);
    properties
}

/// Reads the parts of a properties file.
pub(super) struct Reader<'d> {
    /// How bad an unknown key is.
    pub unknown: Severity,
    /// Where problems go.
    pub diagnostics: &'d mut Diagnostics,
}

impl Reader<'_> {
    /// The fields of an item that must have a name.
    pub fn named<'y>(&mut self, kind: &str, item: &'y Yaml) -> Option<(Spanned<String>, Fields<'y>)> {
        let mut fields = Fields::new(format!("this {kind}"), item, self.diagnostics)?;
        let Some(name) = fields.text("name", self.diagnostics) else {
            if item.get("name").is_none_or(Yaml::is_null) {
                self.diagnostics.push(fields.missing("name", &item.location));
            }
            return None;
        };
        fields.set_owner(format!("{kind} `{}`", name.value));
        Some((name, fields))
    }

    fn node(&mut self, kind: &str, item: &Yaml) -> Option<NodeProperties> {
        let (name, mut fields) = self.named(kind, item)?;
        let description = fields.text("description", self.diagnostics);
        let config = self.node_config(&mut fields);
        let columns = self.columns(&mut fields);
        let tests = self.tests(&mut fields);
        let model = if kind == "model" { self.model(&name, &mut fields) } else { ModelProperties::default() };
        let function = if kind == "function" { self.function(&mut fields) } else { FunctionProperties::default() };
        let relation = if kind == "snapshot" { fields.text("relation", self.diagnostics) } else { None };
        // Known to dbt, of no consequence here.
        fields.take("quote_columns");
        fields.finish(self.unknown, self.diagnostics);
        Some(NodeProperties { name, description, config, columns, tests, relation, model, function })
    }

    /// `config:` with the keys beside it that mean the same.
    pub fn config(&mut self, fields: &mut Fields<'_>) -> Vec<ConfigEntry> {
        let mut config = Vec::new();
        for key in ["meta", "tags"] {
            if let Some((name, value)) = fields.take_entry(key) {
                config.push((name.clone(), value.clone()));
            }
        }
        config.extend(self.inner_config(fields));
        config
    }

    /// `config:` alone.
    pub fn inner_config(&mut self, fields: &mut Fields<'_>) -> Vec<ConfigEntry> {
        let Some(value) = fields.take("config") else { return Vec::new() };
        if value.entries().is_none() {
            self.diagnostics.push(fields.wrong("config", value, "a mapping"));
        }
        value.entries().unwrap_or_default().to_vec()
    }

    /// `columns:`.
    pub fn columns(&mut self, fields: &mut Fields<'_>) -> Vec<ColumnProperties> {
        let items = fields.list("columns", Single::Refused, self.diagnostics);
        self.columns_of(items)
    }

    /// The columns of a list's items.
    pub fn columns_of(&mut self, items: Vec<&Yaml>) -> Vec<ColumnProperties> {
        let mut columns: Vec<ColumnProperties> = Vec::new();
        for item in items {
            let Some(column) = self.column(item) else { continue };
            if let Some(first) = columns.iter().find(|other| other.name.value == column.name.value) {
                // As under dbt, the later description holds, and the tests of both.
                let message = format!("the column `{}` is described twice", column.name.value);
                self.diagnostics.push(
                    Diagnostic::warning("duplicate-column", message)
                        .at(column.name.location.clone(), "again here, which holds")
                        .at(first.name.location.clone(), "first here")
                        .with_hint("make one description of them; the tests of both are run"),
                );
            }
            columns.push(column);
        }
        columns
    }

    fn column(&mut self, item: &Yaml) -> Option<ColumnProperties> {
        let (name, mut fields) = self.named("column", item)?;
        let description = fields.text("description", self.diagnostics);
        let data_type = fields.text("data_type", self.diagnostics).map(|text| text.value);
        let quote = fields.boolean("quote", self.diagnostics);
        let constraints = self.constraints(&mut fields, Some(&name.value));
        let tests = self.tests(&mut fields);
        let mut meta = Vec::new();
        let mut tags = Vec::new();
        for (key, value) in self.config(&mut fields) {
            match (key.value.as_str(), &value.node) {
                ("meta", YamlNode::Mapping(entries)) => meta.extend(entries.iter().cloned()),
                ("tags", YamlNode::Sequence(items)) => tags.extend(items.iter().filter_map(Yaml::scalar_text)),
                ("tags", _) => tags.extend(value.scalar_text()),
                _ => {}
            }
        }
        for key in ["docs", "policy_tags"] {
            fields.take(key);
        }
        let meaning = self.meaning(&name, &mut fields);
        fields.finish(self.unknown, self.diagnostics);
        Some(ColumnProperties { name, description, data_type, meta, tags, quote, constraints, tests, meaning })
    }

    /// `data_tests:`, and its old name `tests:`.
    pub fn tests(&mut self, fields: &mut Fields<'_>) -> Vec<TestProperties> {
        let mut tests = Vec::new();
        let mut named: Option<&'static str> = None;
        for key in ["data_tests", "tests"] {
            let items = fields.list(key, Single::Refused, self.diagnostics);
            if let (Some(first), Some(again)) = (named, items.first()) {
                let message = format!("`{first}` and `{key}` are one list under two names");
                let both = Diagnostic::error("bad-value", message).at(again.location.clone(), "");
                self.diagnostics.push(both.with_hint("write all of it as `data_tests`"));
            }
            named = named.or((!items.is_empty()).then_some(key));
            for item in items {
                tests.extend(self.test(item));
            }
        }
        tests
    }

    fn test(&mut self, item: &Yaml) -> Option<TestProperties> {
        let entries = match &item.node {
            YamlNode::String(name) => {
                let test = Spanned::new(name.clone(), item.location.clone());
                let (arguments, config) = (Vec::new(), Vec::new());
                return Some(TestProperties { test, arguments, config, custom_name: None, description: None });
            }
            YamlNode::Mapping(entries) => entries,
            _ => {
                self.diagnostics.push(wrong_type(
                    "a test",
                    item,
                    "the test's name, or a mapping of it to its arguments",
                ));
                return None;
            }
        };
        // Either `{name: {arguments}}`, or `{test_name: name, …arguments}`.
        let explicit = entries.iter().find(|(key, _)| key.value == "test_name");
        let (test, inner): (Spanned<String>, Vec<ConfigEntry>) = match (explicit, entries.as_slice()) {
            (Some((_, value)), _) => {
                let name = value.scalar_text().unwrap_or_default();
                let rest = entries.iter().filter(|(key, _)| key.value != "test_name").cloned().collect();
                (Spanned::new(name, value.location.clone()), rest)
            }
            (None, [(name, value)]) => match &value.node {
                YamlNode::Mapping(inner) => (name.clone(), inner.clone()),
                YamlNode::Null => (name.clone(), Vec::new()),
                _ => {
                    self.diagnostics.push(wrong_type(
                        &format!("the arguments of `{}`", name.value),
                        value,
                        "a mapping",
                    ));
                    return None;
                }
            },
            (None, _) => {
                self.diagnostics.push(too_many_keys(item, entries));
                return None;
            }
        };
        Some(self.test_body(test, inner))
    }

    fn test_body(&mut self, test: Spanned<String>, inner: Vec<ConfigEntry>) -> TestProperties {
        let owner = format!("test `{}`", test.value);
        let (mut custom_name, mut description) = (None, None);
        let (mut arguments, mut config) = (Vec::new(), Vec::new());
        for (key, value) in inner {
            let text = value.scalar_text().map(|text| Spanned::new(text, value.location.clone()));
            match (key.value.as_str(), &value.node) {
                ("name", _) => custom_name = text,
                ("description", _) => description = text,
                ("arguments", YamlNode::Mapping(entries)) => arguments.extend(entries.iter().cloned()),
                ("config", YamlNode::Mapping(entries)) => config.extend(entries.iter().cloned()),
                ("arguments" | "config", YamlNode::Null) => {}
                ("arguments" | "config", _) => {
                    self.diagnostics.push(wrong_type(&format!("`{}` of {owner}", key.value), &value, "a mapping"));
                }
                (name, _) if TEST_CONFIG_KEYS.contains(&name) || name == "alias" => config.push((key, value)),
                _ => arguments.push((key, value)),
            }
        }
        if let Some((key, _)) = arguments.iter().find(|(key, _)| key.value == "model") {
            let message = format!("{owner} sets the argument `model`, which karat sets itself");
            self.diagnostics.push(Diagnostic::error("reserved-argument", message).at(key.location.clone(), ""));
        }
        TestProperties { test, arguments, config, custom_name, description }
    }

    fn macro_entry(&mut self, item: &Yaml) -> Option<MacroProperties> {
        let (name, mut fields) = self.named("macro", item)?;
        let description = fields.text("description", self.diagnostics);
        let written = fields.take("arguments").and_then(Yaml::items).unwrap_or_default();
        let arguments = written.iter().filter_map(|argument| {
            let text = |key: &str| argument.get(key).filter(|value| !value.is_null());
            let of_type = text("type").or_else(|| text("data_type"));
            let description =
                text("description").and_then(|value| Some(Spanned::new(value.scalar_text()?, value.location.clone())));
            Some((text("name")?.scalar_text()?, of_type.and_then(Yaml::scalar_text), description))
        });
        let arguments = arguments.collect();
        let (meta, docs, config) = (fields.take("meta"), fields.take("docs"), fields.take("config"));
        let meta = meta.or_else(|| config?.get("meta")).cloned();
        let docs = docs.or_else(|| config?.get("docs"));
        let shown = docs.and_then(|docs| docs.get("show")?.to_json().as_bool()).unwrap_or(true);
        fields.finish(self.unknown, self.diagnostics);
        Some(MacroProperties { name, description, arguments, meta, shown })
    }

    fn exposure(&mut self, item: &Yaml) -> Option<ExposureProperties> {
        let (name, mut fields) = self.named("exposure", item)?;
        let description = fields.text("description", self.diagnostics);
        let kind = fields.text("type", self.diagnostics);
        self.one_of(kind.as_ref(), "type", &["dashboard", "notebook", "analysis", "ml", "application"]);
        let label = fields.text("label", self.diagnostics).map(|text| text.value);
        let maturity = fields.text("maturity", self.diagnostics);
        self.one_of(maturity.as_ref(), "maturity", &["high", "medium", "low"]);
        let url = fields.text("url", self.diagnostics);
        let owner = match fields.take("owner") {
            Some(value) => {
                if value.entries().is_none() {
                    self.diagnostics.push(fields.wrong("owner", value, "a mapping with `name` or `email`"));
                }
                value.entries().unwrap_or_default().to_vec()
            }
            None => {
                self.diagnostics.push(fields.missing("owner", &item.location).with_hint("write `owner: {email: ...}`"));
                Vec::new()
            }
        };
        let depends_on = fields.texts("depends_on", self.diagnostics).unwrap_or_default();
        let config = self.config(&mut fields);
        fields.finish(self.unknown, self.diagnostics);
        Some(ExposureProperties { name, description, kind, label, maturity, url, owner, depends_on, config })
    }

    /// Reports a value that is not one of a few words.
    pub fn one_of(&mut self, value: Option<&Spanned<String>>, key: &str, allowed: &[&str]) {
        let Some(value) = value else { return };
        if !allowed.contains(&value.value.as_str()) {
            self.diagnostics.push(not_one_of(key, &value.value, &value.location, allowed));
        }
    }
}

/// The complaint that a word is not one of the allowed ones.
pub fn not_one_of(key: &str, value: &str, location: &Location, allowed: &[&str]) -> Diagnostic {
    let list: Vec<String> = allowed.iter().map(|word| format!("`{word}`")).collect();
    let diagnostic = Diagnostic::error("bad-value", format!("`{key}` can't be `{value}`"))
        .at(location.clone(), "")
        .with_note(format!("it can be {}", list.join(", ")));
    match did_you_mean(value, allowed.iter().copied()) {
        Some(near) => diagnostic.with_hint(format!("did you mean `{near}`?")),
        None => diagnostic,
    }
}

/// `- not_null:` with the arguments not indented below it.
fn too_many_keys(item: &Yaml, entries: &[ConfigEntry]) -> Diagnostic {
    let keys: Vec<String> = entries.iter().map(|(key, _)| format!("`{}`", key.value)).collect();
    let message = format!("a test must have one key, its name, but has {}", keys.join(", "));
    Diagnostic::error("bad-test", message)
        .at(entries.get(1).map_or(item.location.clone(), |(key, _)| key.location.clone()), "")
        .with_hint("indent the test's arguments two levels deeper than the test's name")
}
