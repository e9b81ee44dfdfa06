//! `sources:` of a properties file: tables that karat does not build, and files that it reads.
//!
//! A source over files says where they are with `external`, on the source for all its tables or on one table; dbt-duckdb's
//! `external_location` under `meta` or `config` is understood, too.

use indexmap::IndexMap;

use crate::base::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::files::fields::{Fields, Single, wrong_type};
use crate::files::properties::{ColumnProperties, ConfigEntry, Reader, TestProperties};
use crate::files::yaml::{Spanned, Yaml, YamlNode};
use crate::manifest::node::{Age, Freshness};

/// One source with its tables.
#[derive(Debug, Clone)]
pub struct SourceProperties {
    /// Name of the source.
    pub name: Spanned<String>,
    /// Description as written.
    pub description: Option<Spanned<String>>,
    /// Database, Jinja not rendered.
    pub database: Option<Spanned<String>>,
    /// Schema, Jinja not rendered; the source's name if not given.
    pub schema: Option<Spanned<String>>,
    /// Loader, free text.
    pub loader: Option<String>,
    /// What tables inherit.
    pub defaults: SourceDefaults,
    /// `config:`, `meta` and `tags`.
    pub config: Vec<ConfigEntry>,
    /// The tables.
    pub tables: Vec<TableProperties>,
    /// `overrides:`, the package whose source of this name is described anew.
    pub overrides: Option<Spanned<String>>,
}

/// What may be said on a source or on one of its tables.
#[derive(Debug, Clone, Default)]
pub struct SourceDefaults {
    /// Column with the time of loading.
    pub loaded_at_field: Option<String>,
    /// Query for the time of loading.
    pub loaded_at_query: Option<String>,
    /// Freshness.
    pub freshness: FreshnessRule,
    /// Files.
    pub external: Option<ExternalProperties>,
}

/// What is said about freshness.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FreshnessRule {
    /// Nothing: a table takes its source's.
    #[default]
    Inherited,
    /// `freshness: null`: not checked.
    Off,
    /// Checked.
    Checked(Freshness),
}

/// One table of a source.
#[derive(Debug, Clone)]
pub struct TableProperties {
    /// Name of the table.
    pub name: Spanned<String>,
    /// Description as written.
    pub description: Option<Spanned<String>>,
    /// Identifier in the warehouse; the name if not given.
    pub identifier: Option<Spanned<String>>,
    /// What the table says instead of the source.
    pub own: SourceDefaults,
    /// `config:`, `meta` and `tags`.
    pub config: Vec<ConfigEntry>,
    /// Columns in order.
    pub columns: Vec<ColumnProperties>,
    /// Tests on the whole table.
    pub tests: Vec<TestProperties>,
}

/// `external:` as written; a table's keys replace the source's.
#[derive(Debug, Clone, Default)]
pub struct ExternalProperties {
    /// Path or URL with globs and placeholders.
    pub location: Option<Spanned<String>>,
    /// Format's name.
    pub format: Option<Spanned<String>>,
    /// Options of the format.
    pub options: IndexMap<String, String>,
    /// Declared columns, with their types if given.
    pub columns: Vec<(Spanned<String>, Option<String>)>,
    /// Policy for columns that are not declared.
    pub on_new_column: Option<Spanned<String>>,
    /// Policy for declared columns that a file lacks.
    pub on_missing_column: Option<Spanned<String>>,
    /// Policy for columns of another type.
    pub on_type_change: Option<Spanned<String>>,
    /// What to do when no file matches.
    pub missing_files: Option<Spanned<String>>,
}

impl ExternalProperties {
    /// The source's words with the table's put over them.
    pub fn merged(source: Option<&Self>, table: Option<&Self>) -> Option<Self> {
        let (source, table) = match (source, table) {
            (None, None) => return None,
            (Some(one), None) | (None, Some(one)) => return Some(one.clone()),
            (Some(source), Some(table)) => (source, table),
        };
        let mut options = source.options.clone();
        options.extend(table.options.clone());
        let pick = |of: fn(&Self) -> &Option<Spanned<String>>| of(table).clone().or_else(|| of(source).clone());
        Some(Self {
            location: pick(|external| &external.location),
            format: pick(|external| &external.format),
            options,
            columns: if table.columns.is_empty() { source.columns.clone() } else { table.columns.clone() },
            on_new_column: pick(|external| &external.on_new_column),
            on_missing_column: pick(|external| &external.on_missing_column),
            on_type_change: pick(|external| &external.on_type_change),
            missing_files: pick(|external| &external.missing_files),
        })
    }
}

/// Reads one item of `sources:`.
pub(super) fn read_source(reader: &mut Reader<'_>, item: &Yaml) -> Option<SourceProperties> {
    let (name, mut fields) = reader.named("source", item)?;
    let description = fields.text("description", reader.diagnostics);
    let database = fields.text("database", reader.diagnostics);
    let schema = fields.text("schema", reader.diagnostics);
    let loader = fields.text("loader", reader.diagnostics).map(|text| text.value);
    let mut config = reader.config(&mut fields);
    let defaults = read_defaults(reader, &mut fields, &mut config);
    let mut tables: Vec<TableProperties> = Vec::new();
    for item in fields.list("tables", Single::Refused, reader.diagnostics) {
        let Some(table) = read_table(reader, item) else { continue };
        tables.push(table);
    }
    for key in ["quoting", "docs", "loaded_at"] {
        fields.take(key);
    }
    let overrides = fields.text("overrides", reader.diagnostics);
    fields.finish(reader.unknown, reader.diagnostics);
    Some(SourceProperties { name, description, database, schema, loader, defaults, config, tables, overrides })
}

fn read_table(reader: &mut Reader<'_>, item: &Yaml) -> Option<TableProperties> {
    let (name, mut fields) = reader.named("table", item)?;
    let description = fields.text("description", reader.diagnostics);
    let identifier = fields.text("identifier", reader.diagnostics);
    let mut config = reader.config(&mut fields);
    let own = read_defaults(reader, &mut fields, &mut config);
    let columns = reader.columns(&mut fields);
    let tests = reader.tests(&mut fields);
    for key in ["quoting", "docs", "loader"] {
        fields.take(key);
    }
    fields.finish(reader.unknown, reader.diagnostics);
    Some(TableProperties { name, description, identifier, own, config, columns, tests })
}

/// What source and table may both say, at the top, under `config` or (dbt-duckdb's keys) under `meta`.
fn read_defaults(reader: &mut Reader<'_>, fields: &mut Fields<'_>, config: &mut Vec<ConfigEntry>) -> SourceDefaults {
    let mut defaults = SourceDefaults {
        loaded_at_field: fields.text("loaded_at_field", reader.diagnostics).map(|text| text.value),
        loaded_at_query: fields.text("loaded_at_query", reader.diagnostics).map(|text| text.value),
        ..SourceDefaults::default()
    };
    if let Some((_, value)) = fields.take_entry("freshness") {
        defaults.freshness = read_freshness(reader, value);
    }
    let mut external = fields.take("external").and_then(|value| read_external(reader, value));
    let mut location = None;
    config.retain(|(key, value)| match key.value.as_str() {
        "loaded_at_field" => {
            defaults.loaded_at_field = value.scalar_text();
            false
        }
        "loaded_at_query" => {
            defaults.loaded_at_query = value.scalar_text();
            false
        }
        "freshness" => {
            defaults.freshness = read_freshness(reader, value);
            false
        }
        "external" => {
            external = read_external(reader, value);
            false
        }
        "external_location" => {
            location = Some(value.clone());
            false
        }
        "meta" => {
            location = location.take().or_else(|| value.get("external_location").cloned());
            true
        }
        _ => true,
    });
    if let Some(location) = location {
        match location.scalar_text() {
            Some(text) => {
                let place = external.get_or_insert_default();
                place.location.get_or_insert(Spanned::new(text, location.location));
            }
            None => reader.diagnostics.push(wrong_type("`external_location`", &location, "a text")),
        }
    }
    defaults.external = external;
    defaults
}

fn read_freshness(reader: &mut Reader<'_>, value: &Yaml) -> FreshnessRule {
    if value.is_null() {
        return FreshnessRule::Off;
    }
    let Some(mut fields) = Fields::new("`freshness`", value, reader.diagnostics) else {
        return FreshnessRule::Inherited;
    };
    let warn_after = fields.take_entry("warn_after").and_then(|(_, age)| read_age(reader, "warn_after", age));
    let error_after = fields.take_entry("error_after").and_then(|(_, age)| read_age(reader, "error_after", age));
    let filter = fields.text("filter", reader.diagnostics).map(|text| text.value);
    fields.finish(reader.unknown, reader.diagnostics);
    FreshnessRule::Checked(Freshness { warn_after, error_after, filter })
}

fn read_age(reader: &mut Reader<'_>, key: &str, value: &Yaml) -> Option<Age> {
    if value.is_null() {
        return None;
    }
    let mut fields = Fields::new(format!("`{key}`"), value, reader.diagnostics)?;
    let count = fields.take("count");
    let period = fields.text("period", reader.diagnostics);
    let problem = match (count, &period) {
        (None, _) => Some(fields.missing("count", &value.location)),
        (_, None) => Some(fields.missing("period", &value.location)),
        _ => None,
    };
    if let Some(problem) = problem {
        reader.diagnostics.push(problem);
        return None;
    }
    reader.one_of(period.as_ref(), "period", &["minute", "hour", "day"]);
    let (count, period) = (count?, period?);
    let number = match count.node {
        YamlNode::Int(number) => u64::try_from(number).ok(),
        _ => None,
    };
    if number.is_none() {
        reader.diagnostics.push(fields.wrong("count", count, "a number of at least 0"));
    }
    fields.finish(reader.unknown, reader.diagnostics);
    Some(Age { count: number?, period: period.value })
}

fn read_external(reader: &mut Reader<'_>, value: &Yaml) -> Option<ExternalProperties> {
    if let Some(text) = value.as_str() {
        let location = Some(Spanned::new(text.to_owned(), value.location.clone()));
        return Some(ExternalProperties { location, ..ExternalProperties::default() });
    }
    let mut fields = Fields::new("`external`", value, reader.diagnostics)?;
    let location = fields.text("location", reader.diagnostics);
    let format = fields.text("format", reader.diagnostics);
    let options = fields.take("options").map(|value| read_options(value, reader.diagnostics)).unwrap_or_default();
    let columns = fields.take("columns").map(|value| read_columns(value, reader.diagnostics)).unwrap_or_default();
    let mut policy = |key: &'static str, allowed: &[&str]| {
        let word = fields.text(key, reader.diagnostics);
        reader.one_of(word.as_ref(), key, allowed);
        word
    };
    let external = ExternalProperties {
        location,
        format,
        options,
        columns,
        on_new_column: policy("on_new_column", &POLICIES),
        on_missing_column: policy("on_missing_column", &POLICIES),
        on_type_change: policy("on_type_change", &POLICIES),
        missing_files: policy("missing_files", &["fail", "warn", "empty"]),
    };
    // Keys of dbt's external-tables package that only matter to other warehouses.
    for key in ["partitions", "auto_refresh", "file_format", "row_format", "tbl_properties"] {
        fields.take(key);
    }
    fields.finish(Severity::Error.min(reader.unknown), reader.diagnostics);
    Some(external)
}

const POLICIES: [&str; 3] = ["allow", "warn", "fail"];

/// The keys of `external` with what they may hold and mean, for the reference page.
pub const EXTERNAL_KEYS: [(&str, &str, &str); 8] = [
    (
        "location",
        "path or URL with `*`, required",
        "Where the files are, relative to the project. `{name}` stands for \
        the table's name.",
    ),
    ("format", "csv, json, parquet, arrow, delta", "What the files hold; by default what their names end with."),
    ("options", "mapping", "Options of the format, below."),
    (
        "columns",
        "list or mapping",
        "Columns with their types; by default those of the table's `columns` that have a \
        `data_type`, else all that the files have.",
    ),
    ("on_new_column", "allow, warn, fail; allow", "What happens when a file has a column that is not declared."),
    (
        "on_missing_column",
        "allow, warn, fail; warn",
        "What happens when a file lacks a declared column; it reads as null.",
    ),
    (
        "on_type_change",
        "allow, warn, fail; warn",
        "What happens when a column's type in a file is another one and is cast.",
    ),
    ("missing_files", "fail, warn, empty; fail", "What happens when there is no file."),
];

/// The options that a format may have, with what they mean.
pub const OPTIONS: [(&str, &str); 11] = [
    ("delimiter", "CSV: what separates fields."),
    ("header", "CSV: whether the first line has the names."),
    ("quote", "CSV: the character around fields."),
    ("escape", "CSV: the character before a quote within a field, if quotes are not doubled."),
    ("comment", "CSV: the character that begins a line to skip."),
    ("null_values", "Texts that mean null, a list; by default the empty text."),
    ("quoted_nulls", "CSV: whether a quoted text may mean null."),
    ("compression", "`auto`, `gzip`, `zstd`, `bzip2`, `xz` or `none`."),
    ("sample_rows", "How many rows are looked at to infer types."),
    ("all_text", "Whether all columns are text."),
    ("allow_empty", "Whether a file without anything in it has no rows instead of being an error."),
];

fn read_options(value: &Yaml, diagnostics: &mut Diagnostics) -> IndexMap<String, String> {
    let Some(entries) = value.entries() else {
        // A text is the options of dbt's external-tables package, which are another warehouse's SQL.
        diagnostics.push(wrong_type("`options` of `external`", value, "a mapping"));
        return IndexMap::new();
    };
    let mut options = IndexMap::new();
    for (key, value) in entries {
        if !OPTIONS.iter().any(|(name, _)| *name == key.value) {
            let diagnostic = Diagnostic::error("unknown-key", format!("files have no option `{}`", key.value))
                .at(key.location.clone(), "");
            let near = crate::base::diagnostic::did_you_mean(&key.value, OPTIONS.iter().map(|(name, _)| *name));
            diagnostics.push(match near {
                Some(near) => diagnostic.with_hint(format!("did you mean `{near}`?")),
                None => diagnostic,
            });
            continue;
        }
        let text = match &value.node {
            YamlNode::Sequence(items) => {
                items.iter().map(|item| item.scalar_text().unwrap_or_default()).collect::<Vec<_>>().join(",")
            }
            _ => value.scalar_text().unwrap_or_default(),
        };
        options.insert(key.value.clone(), text);
    }
    options
}

/// Columns as a list of names, of `{name, data_type}`, or as a mapping from name to type.
fn read_columns(value: &Yaml, diagnostics: &mut Diagnostics) -> Vec<(Spanned<String>, Option<String>)> {
    match &value.node {
        YamlNode::Mapping(entries) => {
            entries.iter().map(|(name, data_type)| (name.clone(), data_type.scalar_text())).collect()
        }
        YamlNode::Sequence(items) => {
            let mut columns = Vec::new();
            for item in items {
                if let Some(name) = item.as_str() {
                    columns.push((Spanned::new(name.to_owned(), item.location.clone()), None));
                    continue;
                }
                let Some(mut fields) = Fields::new("a column of `external`", item, diagnostics) else { continue };
                let name = fields.text("name", diagnostics);
                let data_type = fields.text("data_type", diagnostics).map(|text| text.value);
                match name {
                    Some(name) => columns.push((name, data_type)),
                    None => diagnostics.push(fields.missing("name", &item.location)),
                }
                fields.take("description");
                fields.finish(Severity::Error, diagnostics);
            }
            columns
        }
        _ => {
            diagnostics.push(wrong_type("`columns` of `external`", value, "a list or a mapping of names to types"));
            Vec::new()
        }
    }
}
