//! Source tables: relations that karat does not build, or files outside.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use crate::base::diagnostic::Diagnostic;
use crate::base::ident::Identifier;
use crate::files::properties::{ColumnProperties, not_one_of};
use crate::files::properties_source::{ExternalProperties, FreshnessRule, SourceProperties, TableProperties};
use crate::files::yaml::Spanned;
use crate::files::{Package, TextFile};
use crate::manifest::node::{Detail, Freshness, Node, NodeId, ResourceType, SourceTable};
use crate::manifest::relation::Relation;
use crate::manifest::source::{ExternalColumn, ExternalSource, FileFormat, MissingFiles, Policy};
use crate::parse::builder::Builder;
use crate::parse::config::{RawConfig, resolve};
use crate::parse::nodes::{folders_and_stem, fqn_of};

impl<'a> Builder<'a> {
    /// All tables of a source.
    pub fn add_source(&mut self, package: &'a Package, file: &TextFile, source: &SourceProperties) {
        for table in &source.tables {
            self.add_table(package, file, source, table);
        }
    }

    fn add_table(&mut self, package: &'a Package, file: &TextFile, source: &SourceProperties, table: &TableProperties) {
        let name = package.name();
        let (mut folders, _) = folders_and_stem(&file.relative);
        folders.push(&source.name.value);
        let fqn = fqn_of(name, &folders, &table.name.value);
        let mut config = RawConfig::default();
        if let Some(trees) = self.trees.get_mut(name) {
            trees.apply(ResourceType::Source, &fqn, &mut config);
        }
        self.apply_entries(&mut config, &source.config, name);
        self.apply_entries(&mut config, &table.config, name);
        if name != self.root_name()
            && let Some(trees) = self.trees.get_mut(self.project.root().map(Package::name).unwrap_or_default())
        {
            trees.apply(ResourceType::Source, &fqn, &mut config);
        }
        let owner = format!("source table `{}.{}`", source.name.value, table.name.value);
        let place = &table.name.location;
        let mut typed = resolve::resolve(
            &config,
            ResourceType::Source,
            &BTreeSet::new(),
            &owner,
            Some(place),
            &mut self.diagnostics,
        );
        for (key, value) in [
            ("enabled", serde_json::json!(typed.enabled)),
            ("tags", serde_json::json!(typed.tags)),
            ("meta", serde_json::json!(typed.meta)),
        ] {
            typed.raw.insert(key.to_owned(), value);
        }
        let schema = source.schema.as_ref().unwrap_or(&source.name).clone();
        let mut unrendered = IndexMap::new();
        if let Some(trees) = self.trees.get(name) {
            trees.unrendered(ResourceType::Source, &fqn, &mut unrendered);
        }
        for (key, value) in source.config.iter().chain(&table.config) {
            unrendered.insert(key.value.trim_start_matches('+').to_owned(), value.to_json());
        }
        if name != self.root_name()
            && let Some(trees) = self.trees.get(self.root_name())
        {
            trees.unrendered(ResourceType::Source, &fqn, &mut unrendered);
        }
        // dbt always has these, also where they are said beside `config`.
        unrendered.insert("meta".to_owned(), serde_json::json!(typed.meta));
        unrendered.insert("tags".to_owned(), serde_json::json!(typed.tags));
        typed.unrendered = unrendered;
        let schema = self.rendered(name, &schema);
        let identifier = table.identifier.as_ref().unwrap_or(&table.name).clone();
        let identifier = self.rendered(name, &identifier);
        let external = ExternalProperties::merged(source.defaults.external.as_ref(), table.own.external.as_ref());
        let (mut relation, mut files) = (None, None);
        if let (Some(schema), Some(identifier)) = (&schema, &identifier) {
            let names = TableNames {
                source: &source.name.value,
                name: &table.name.value,
                schema: &schema.value,
                identifier: &identifier.value,
            };
            let before = self.diagnostics.0.len();
            files = external.and_then(|external| self.external(name, &owner, &names, &external, table));
            if files.is_none() {
                // Whoever reads the table is told; dbt and its packages have other words in `external`.
                typed.unusable.extend(self.diagnostics.0.split_off(before));
            }
            let database = source.database.as_ref().filter(|database| !database.value.trim().is_empty());
            let database = database.map(|database| self.rendered(name, database));
            relation = match database {
                Some(None) => None,
                Some(Some(database)) => self.source_relation(Some(&database), schema, identifier, &owner),
                None => self.source_relation(None, schema, identifier, &owner),
            };
        }
        let freshness: Option<Freshness> = match (&table.own.freshness, &source.defaults.freshness) {
            (FreshnessRule::Checked(own), FreshnessRule::Checked(inherited)) => Some(merged(own, inherited)),
            (FreshnessRule::Checked(own), _) => Some(own.clone()),
            (FreshnessRule::Inherited, FreshnessRule::Checked(inherited)) => Some(inherited.clone()),
            // As under dbt it is there where nothing is said, and expects nothing.
            (FreshnessRule::Inherited, FreshnessRule::Inherited) => Some(Freshness::default()),
            _ => None,
        };
        let source_description = self.describe(name, source.description.as_ref());
        let description = self.describe(name, table.description.as_ref());
        let columns = self.columns(name, &table.columns);
        let own = |of: fn(&crate::files::properties_source::SourceDefaults) -> &Option<String>| {
            of(&table.own).clone().or_else(|| of(&source.defaults).clone())
        };
        let detail = SourceTable {
            source_name: source.name.value.clone(),
            source_description,
            unrendered_database: source.database.as_ref().map(|database| database.value.clone()),
            unrendered_schema: source.schema.as_ref().map(|schema| schema.value.clone()),
            loader: source.loader.clone().unwrap_or_default(),
            external: files,
            loaded_at_field: own(|defaults| &defaults.loaded_at_field),
            loaded_at_query: own(|defaults| &defaults.loaded_at_query),
            freshness,
        };
        let node = Node {
            id: NodeId::new(format!("source.{name}.{}.{}", source.name.value, table.name.value)),
            resource_type: ResourceType::Source,
            name: table.name.value.clone(),
            package: name.to_owned(),
            package_folder: package.config.root.clone(),
            path: file.source.path.clone(),
            relative_path: file.relative.clone(),
            patch_path: None,
            fqn,
            layer: None,
            code: None,
            location: Some(place.clone()),
            config: typed,
            relation,
            description,
            columns,
            refs: Vec::new(),
            sources: Vec::new(),
            functions: Vec::new(),
            depends_on: Vec::new(),
            macros: Vec::new(),
            own_macros: Vec::new(),
            doc_blocks: self.doc_blocks(name, table.description.as_ref()),
            introspective: false,
            foreseen: Vec::new(),
            detail: Detail::Source(Box::new(detail)),
        };
        self.push(node);
    }

    fn source_relation(
        &mut self,
        database: Option<&Spanned<String>>,
        schema: &Spanned<String>,
        identifier: &Spanned<String>,
        owner: &str,
    ) -> Option<Relation> {
        let mut checked = |name: &Spanned<String>| match Identifier::new(name.value.clone()) {
            Ok(name) => Some(name),
            Err(error) => {
                let message = format!("{owner} can't be named so: {error}");
                let diagnostic = Diagnostic::error("bad-name", message).at(name.location.clone(), "");
                self.diagnostics.push(diagnostic.with_hint("give it another `database`, `schema` or `identifier`"));
                None
            }
        };
        let database = match database.filter(|database| !database.value.trim().is_empty()) {
            Some(database) => checked(database),
            None => Some(self.names.target.database.clone()),
        };
        let (schema, identifier) = (checked(schema), checked(identifier));
        Some(Relation { database: self.database(database?), schema: schema?, identifier: identifier? })
    }

    /// The files of a table, checked and with all placeholders filled in.
    fn external(
        &mut self,
        package: &str,
        owner: &str,
        names: &TableNames<'_>,
        external: &ExternalProperties,
        table: &TableProperties,
    ) -> Option<ExternalSource> {
        let Some(written) = &external.location else {
            let message = format!("{owner} has `external` without a `location`");
            self.diagnostics.push(Diagnostic::error("missing-key", message).at(table.name.location.clone(), ""));
            return None;
        };
        let rendered = self.rendered(package, written)?;
        let location = self.location(&rendered, owner, names)?;
        let format = self.format(&rendered, &location, owner, external)?;
        let mut options = IndexMap::new();
        for (key, value) in &external.options {
            let value = self.rendered(package, &Spanned::new(value.clone(), written.location.clone()));
            options.insert(key.clone(), value?.value);
        }
        if format == FileFormat::Csv && location_stem(&location).to_ascii_lowercase().ends_with("tsv") {
            options.entry("delimiter".to_owned()).or_insert_with(|| "\t".to_owned());
        }
        Some(ExternalSource {
            location,
            format,
            options,
            columns: declared_columns(external, &table.columns),
            on_new_column: policy(external.on_new_column.as_ref(), Policy::Allow),
            on_missing_column: policy(external.on_missing_column.as_ref(), Policy::Warn),
            on_type_change: policy(external.on_type_change.as_ref(), Policy::Warn),
            missing_files: match external.missing_files.as_ref().map(|word| word.value.as_str()) {
                Some("warn") => MissingFiles::Warn,
                Some("empty") => MissingFiles::Empty,
                _ => MissingFiles::Fail,
            },
        })
    }

    /// The format that is named, or that the location's ending tells.
    fn format(
        &mut self,
        written: &Spanned<String>,
        location: &str,
        owner: &str,
        external: &ExternalProperties,
    ) -> Option<FileFormat> {
        let Some(word) = &external.format else {
            let format = format_by_extension(location);
            if format.is_none() {
                let message = format!("{owner} has no `format`, and the location's ending does not tell it");
                self.diagnostics.push(
                    Diagnostic::error("missing-key", message)
                        .at(written.location.clone(), "")
                        .with_hint("add `format: csv` (or json, parquet, arrow, delta)"),
                );
            }
            return format;
        };
        let format = format_of(&word.value);
        if format.is_none() {
            let all = ["csv", "json", "ndjson", "parquet", "arrow", "delta"];
            self.diagnostics.push(not_one_of("format", &word.value, &word.location, &all));
        }
        format
    }

    /// Fills in the placeholders of a location and refuses what is not a path.
    fn location(&mut self, written: &Spanned<String>, owner: &str, names: &TableNames<'_>) -> Option<String> {
        let mut path = String::new();
        let mut rest = written.value.trim();
        if let Some(call) = call_in(rest) {
            let message = format!("the location of {owner} is a call of `{call}`, not a path");
            self.diagnostics.push(
                Diagnostic::error("bad-location", message)
                    .at(written.location.clone(), "")
                    .with_hint("write the path alone, and what the function was told under `format` and `options`"),
            );
            return None;
        }
        while let Some((before, after)) = rest.split_once('{') {
            path.push_str(before);
            let Some((key, tail)) = after.split_once('}') else {
                path.push('{');
                rest = after;
                continue;
            };
            match key.trim() {
                "name" => path.push_str(names.name),
                "schema" => path.push_str(names.schema),
                "identifier" => path.push_str(names.identifier),
                "source" | "source_name" => path.push_str(names.source),
                // `{a,b}` is a choice of a glob.
                choice if choice.contains(',') => {
                    path.push('{');
                    path.push_str(choice);
                    path.push('}');
                }
                other => {
                    let all = ["name", "schema", "identifier", "source_name"];
                    self.diagnostics.push(not_one_of("placeholder", other, &written.location, &all));
                    return None;
                }
            }
            rest = tail;
        }
        path.push_str(rest);
        if path.is_empty() {
            let message = format!("the location of {owner} is empty");
            self.diagnostics.push(Diagnostic::error("bad-location", message).at(written.location.clone(), ""));
            return None;
        }
        Some(path)
    }
}

/// What a table says of its freshness, and its source where the table says nothing; as under dbt.
fn merged(own: &Freshness, inherited: &Freshness) -> Freshness {
    Freshness {
        warn_after: own.warn_after.clone().or_else(|| inherited.warn_after.clone()),
        error_after: own.error_after.clone().or_else(|| inherited.error_after.clone()),
        filter: own.filter.clone().or_else(|| inherited.filter.clone()),
    }
}

/// What a location's placeholders stand for.
struct TableNames<'a> {
    source: &'a str,
    name: &'a str,
    schema: &'a str,
    identifier: &'a str,
}

/// The name of the function, if a location is a call such as `read_csv('…')`.
fn call_in(location: &str) -> Option<&str> {
    let (name, rest) = location.split_once('(')?;
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (plain && rest.trim_end().ends_with(')')).then_some(name)
}

fn policy(word: Option<&Spanned<String>>, default: Policy) -> Policy {
    match word.map(|word| word.value.as_str()) {
        Some("allow") => Policy::Allow,
        Some("warn") => Policy::Warn,
        Some("fail") => Policy::Fail,
        _ => default,
    }
}

fn format_of(word: &str) -> Option<FileFormat> {
    Some(match word.to_ascii_lowercase().as_str() {
        "csv" | "tsv" | "text" => FileFormat::Csv,
        "json" | "ndjson" | "jsonl" => FileFormat::Json,
        "parquet" => FileFormat::Parquet,
        "arrow" | "ipc" | "feather" => FileFormat::Arrow,
        "delta" => FileFormat::Delta,
        _ => return None,
    })
}

/// A location without the ending of a compression.
fn location_stem(location: &str) -> &str {
    [".gz", ".zst", ".zstd", ".bz2", ".xz"]
        .into_iter()
        .find_map(|ending| location.strip_suffix(ending))
        .unwrap_or(location)
}

fn format_by_extension(location: &str) -> Option<FileFormat> {
    let (_, extension) = location_stem(location).rsplit_once('.')?;
    if extension.contains('/') { None } else { format_of(extension) }
}

/// Declared columns: those under `external`, or the documented ones if at least one of them says its type.
fn declared_columns(external: &ExternalProperties, documented: &[ColumnProperties]) -> Vec<ExternalColumn> {
    if !external.columns.is_empty() {
        return external
            .columns
            .iter()
            .map(|(name, data_type)| ExternalColumn { name: name.value.clone(), data_type: data_type.clone() })
            .collect();
    }
    if documented.iter().all(|column| column.data_type.is_none()) {
        return Vec::new();
    }
    // Of a column that is described twice the later description holds.
    let types: IndexMap<&str, &Option<String>> =
        documented.iter().map(|column| (column.name.value.as_str(), &column.data_type)).collect();
    types
        .into_iter()
        .map(|(name, data_type)| ExternalColumn { name: name.to_owned(), data_type: data_type.clone() })
        .collect()
}
