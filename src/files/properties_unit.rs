//! `unit_tests:` of properties files, and the rows of their fixtures. Nothing of them is a template, but the
//! configuration and rows of the format `sql`.

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::base::diagnostic::Diagnostic;
use crate::base::source::Location;
use crate::files::fields::{Fields, Single};
use crate::files::properties::{ConfigEntry, Reader};
use crate::files::yaml::{Spanned, Yaml, YamlNode};
use crate::manifest::version::Version;

/// What a file says about one unit test.
#[derive(Debug, Clone)]
pub struct UnitTestProperties {
    /// Name.
    pub name: Spanned<String>,
    /// Description as written.
    pub description: Option<Spanned<String>>,
    /// The tested model.
    pub model: Spanned<String>,
    /// `given:`.
    pub given: Vec<GivenProperties>,
    /// `expect:`.
    pub expect: FixtureProperties,
    /// `overrides: macros:`.
    pub macros: Vec<ConfigEntry>,
    /// `overrides: vars:`.
    pub vars: Vec<ConfigEntry>,
    /// `overrides: env_vars:`.
    pub env_vars: Vec<ConfigEntry>,
    /// `config:`, with `meta` and `tags` beside it.
    pub config: Vec<ConfigEntry>,
    /// `versions:`, which of the model's versions are tested.
    pub versions: Option<TestedVersions>,
}

/// Which versions of its model a unit test is about.
#[derive(Debug, Clone)]
pub struct TestedVersions {
    /// Only these, if there are any.
    pub include: Vec<Version>,
    /// All but these.
    pub exclude: Vec<Version>,
    /// Where this is written.
    pub location: Location,
}

/// One input.
#[derive(Debug, Clone)]
pub struct GivenProperties {
    /// `ref(…)`, `source(…)` or `this`.
    pub input: Spanned<String>,
    /// The rows.
    pub fixture: FixtureProperties,
}

/// Rows, or where they are.
#[derive(Debug, Clone)]
pub struct FixtureProperties {
    /// How the rows are written.
    pub format: FixtureFormat,
    /// `rows:`.
    pub rows: Option<Yaml>,
    /// `fixture:`, the name of a file without its extension.
    pub fixture: Option<Spanned<String>>,
    /// Where the fixture stands.
    pub location: Location,
}

/// How rows are written; dbt's `format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FixtureFormat {
    /// A list of mappings.
    Dict,
    /// Lines, the first of which names the columns.
    Csv,
    /// A query.
    Sql,
}

impl FixtureFormat {
    const NAMES: [&str; 3] = ["dict", "csv", "sql"];

    /// dbt's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dict => "dict",
            Self::Csv => "csv",
            Self::Sql => "sql",
        }
    }
}

impl Reader<'_> {
    /// One item of `unit_tests:`.
    pub fn unit_test(&mut self, item: &Yaml) -> Option<UnitTestProperties> {
        let (name, mut fields) = self.named("unit test", item)?;
        let description = fields.text("description", self.diagnostics);
        let model = fields.text("model", self.diagnostics);
        if model.is_none() {
            self.diagnostics.push(fields.missing("model", &name.location));
        }
        let mut given = Vec::new();
        for item in fields.list("given", Single::Refused, self.diagnostics) {
            given.extend(self.given(&name.value, item));
        }
        let expect = if let Some(value) = fields.take("expect") {
            self.expectation(&name.value, value)
        } else {
            self.diagnostics.push(
                fields.missing("expect", &name.location).with_hint("say which rows the model must give: `expect:`"),
            );
            None
        };
        let (mut macros, mut vars, mut env_vars) = (Vec::new(), Vec::new(), Vec::new());
        if let Some(value) = fields.take("overrides")
            && let Some(mut overrides) =
                Fields::new(format!("`overrides` of unit test `{}`", name.value), value, self.diagnostics)
        {
            for (key, into) in [("macros", &mut macros), ("vars", &mut vars), ("env_vars", &mut env_vars)] {
                let Some(value) = overrides.take(key) else { continue };
                match value.entries() {
                    Some(entries) => *into = entries.to_vec(),
                    None => self.diagnostics.push(overrides.wrong(key, value, "a mapping")),
                }
            }
            overrides.finish(self.unknown, self.diagnostics);
        }
        let config = self.config(&mut fields);
        let versions = fields.take("versions").and_then(|value| self.tested_versions(&name.value, value));
        fields.finish(self.unknown, self.diagnostics);
        Some(UnitTestProperties {
            name,
            description,
            model: model?,
            given,
            expect: expect?,
            macros,
            vars,
            env_vars,
            config,
            versions,
        })
    }

    fn tested_versions(&mut self, test: &str, value: &Yaml) -> Option<TestedVersions> {
        let mut fields = Fields::new(format!("`versions` of unit test `{test}`"), value, self.diagnostics)?;
        let mut versions = |key: &'static str| -> Vec<Version> {
            let items = fields.list(key, Single::Allowed, self.diagnostics);
            items.into_iter().filter_map(|item| Version::new(&item.to_json())).collect()
        };
        let (include, exclude) = (versions("include"), versions("exclude"));
        if !include.is_empty() && !exclude.is_empty() {
            let message = format!("unit test `{test}` both includes and excludes versions");
            let diagnostic = Diagnostic::error("bad-unit-test", message).at(value.location.clone(), "");
            self.diagnostics.push(diagnostic.with_hint("keep one of `include` and `exclude`"));
        }
        fields.finish(self.unknown, self.diagnostics);
        Some(TestedVersions { include, exclude, location: value.location.clone() })
    }

    fn given(&mut self, test: &str, item: &Yaml) -> Option<GivenProperties> {
        let mut fields = Fields::new(format!("an input of unit test `{test}`"), item, self.diagnostics)?;
        let input = fields.text("input", self.diagnostics);
        if input.is_none() {
            self.diagnostics.push(fields.missing("input", &item.location));
        }
        let fixture = self.fixture(&mut fields, item);
        fields.finish(self.unknown, self.diagnostics);
        Some(GivenProperties { input: input?, fixture })
    }

    fn expectation(&mut self, test: &str, item: &Yaml) -> Option<FixtureProperties> {
        let mut fields = Fields::new(format!("`expect` of unit test `{test}`"), item, self.diagnostics)?;
        let fixture = self.fixture(&mut fields, item);
        if fixture.rows.is_none() && fixture.fixture.is_none() {
            self.diagnostics.push(fields.missing("rows", &item.location));
        }
        fields.finish(self.unknown, self.diagnostics);
        Some(fixture)
    }

    fn fixture(&mut self, fields: &mut Fields<'_>, item: &Yaml) -> FixtureProperties {
        let format = fields.text("format", self.diagnostics);
        self.one_of(format.as_ref(), "format", &FixtureFormat::NAMES);
        let format = match format.as_ref().map(|format| format.value.as_str()) {
            Some("csv") => FixtureFormat::Csv,
            Some("sql") => FixtureFormat::Sql,
            _ => FixtureFormat::Dict,
        };
        let rows = fields.take("rows").cloned();
        let fixture = fields.text("fixture", self.diagnostics);
        FixtureProperties { format, rows, fixture, location: item.location.clone() }
    }
}

/// The rows of a list of mappings.
pub fn dict_rows(rows: &Yaml) -> Result<Vec<IndexMap<String, Json>>, Box<Diagnostic>> {
    let wrong = |at: &Yaml, expected: &str| {
        let message = format!("rows of the format `dict` must be {expected}, but are {}", at.kind());
        Box::new(
            Diagnostic::error("bad-fixture", message)
                .at(at.location.clone(), "")
                .with_hint("write `- {column: value}` for each row, or set `format: csv` or `format: sql`"),
        )
    };
    let YamlNode::Sequence(items) = &rows.node else { return Err(wrong(rows, "a list")) };
    let row = |item: &Yaml| {
        let entries = item.entries().ok_or_else(|| wrong(item, "mappings of columns to values"))?;
        Ok(entries.iter().map(|(key, value)| (key.value.clone(), value.to_json())).collect())
    };
    items.iter().map(row).collect()
}

/// The rows of a CSV text; an empty field is null, as under dbt.
pub fn csv_rows(text: &str, place: &Location) -> Result<Vec<IndexMap<String, Json>>, Box<Diagnostic>> {
    let bad = |message: String| {
        Box::new(
            Diagnostic::error("bad-fixture", format!("the rows are no CSV: {message}"))
                .at(place.clone(), "")
                .with_hint("the first line names the columns, each further line has as many fields"),
        )
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(text.trim_start().as_bytes());
    let header = reader.headers().map_err(|error| bad(error.to_string()))?.clone();
    let mut rows = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(|error| match error.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                bad(format!("row {} has {len} fields, the first line {expected_len}", index + 1))
            }
            _ => bad(error.to_string()),
        })?;
        let value = |text: &str| if text.is_empty() { Json::Null } else { Json::from(text) };
        rows.push(header.iter().zip(record.iter()).map(|(name, text)| (name.to_owned(), value(text))).collect());
    }
    Ok(rows)
}
