//! What properties files say about models beyond what they say about all nodes: versions, constraints, and groups.

use crate::base::diagnostic::{Diagnostic, Severity};
use crate::base::source::Location;
use crate::files::fields::{Fields, Single};
use crate::files::properties::{ColumnProperties, ConfigEntry, Reader, TestProperties};
use crate::files::properties_semantic::ModelSemantics;
use crate::files::yaml::{Spanned, Yaml, YamlNode};
use crate::manifest::constraint::{Constraint, ConstraintKind};
use crate::manifest::semantic::TimeSpine;
use crate::manifest::version::Version;

/// What is said about a model alone.
#[derive(Debug, Clone, Default)]
pub struct ModelProperties {
    /// `versions:`.
    pub versions: Vec<VersionProperties>,
    /// `latest_version:`.
    pub latest_version: Option<Spanned<Version>>,
    /// `deprecation_date:` as written.
    pub deprecation_date: Option<Spanned<String>>,
    /// `constraints:` on all rows.
    pub constraints: Vec<Constraint>,
    /// What it means, if it has a semantic model of its own.
    pub semantics: Option<Box<ModelSemantics>>,
    /// `time_spine:`.
    pub time_spine: Option<TimeSpine>,
}

/// One item of `versions:`.
#[derive(Debug, Clone)]
pub struct VersionProperties {
    /// `v:`.
    pub version: Spanned<Version>,
    /// `defined_in:`, the name of the file without its ending.
    pub defined_in: Option<Spanned<String>>,
    /// Description as written; the model's if there is none.
    pub description: Option<Spanned<String>>,
    /// `config:` and its like, over the model's.
    pub config: Vec<ConfigEntry>,
    /// Which of the model's columns the version has.
    pub inherited: Inherited,
    /// Its own columns.
    pub columns: Vec<ColumnProperties>,
    /// Tests on the whole version, if it says any (even none): they stand for the model's.
    pub tests: Option<Vec<TestProperties>>,
    /// `deprecation_date:` as written.
    pub deprecation_date: Option<Spanned<String>>,
    /// `constraints:`; the model's if there are none.
    pub constraints: Vec<Constraint>,
}

/// Which columns of the model a version has: `include` and `exclude`.
#[derive(Debug, Clone, Default)]
pub struct Inherited {
    /// The names; `None` means all.
    pub include: Option<Vec<String>>,
    /// Names that are left out.
    pub exclude: Vec<String>,
}

impl Inherited {
    /// Whether a column of the model is one of the version's.
    pub fn has(&self, column: &str) -> bool {
        let included = self.include.as_ref().is_none_or(|names| names.iter().any(|name| name == column));
        included && !self.exclude.iter().any(|name| name == column)
    }
}

/// What a file says about a group.
#[derive(Debug, Clone)]
pub struct GroupProperties {
    /// Name.
    pub name: Spanned<String>,
    /// Description as written.
    pub description: Option<Spanned<String>>,
    /// Owner: name and e-mail.
    pub owner: Vec<ConfigEntry>,
    /// `config:`, and `meta` beside it.
    pub config: Vec<ConfigEntry>,
}

/// Keys of a node that dbt takes beside `config` as well as in it.
const CONFIG_BESIDE: [&str; 5] = ["docs", "group", "contract", "access", "freshness"];

/// Those of them that a version may have.
const VERSION_CONFIG_BESIDE: [&str; 2] = ["docs", "access"];

/// Takes the keys of the list that a mapping has.
fn beside(fields: &mut Fields<'_>, keys: &[&'static str]) -> Vec<ConfigEntry> {
    let taken = keys.iter().filter_map(|key| fields.take_entry(key)).filter(|(_, value)| !value.is_null());
    taken.map(|(name, value)| (name.clone(), value.clone())).collect()
}

impl Reader<'_> {
    /// What only models have; `columns` are the model's.
    pub fn model(&mut self, name: &Spanned<String>, fields: &mut Fields<'_>) -> ModelProperties {
        let latest_version = fields.take("latest_version").and_then(|value| self.version("latest_version", value));
        let deprecation_date = fields.text("deprecation_date", self.diagnostics);
        let constraints = self.constraints(fields, None);
        let mut versions: Vec<VersionProperties> = Vec::new();
        for item in fields.list("versions", Single::Refused, self.diagnostics) {
            let Some(version) = self.one_version(&name.value, item) else { continue };
            if let Some(first) = versions.iter().find(|other| other.version.value == version.version.value) {
                let message =
                    format!("model `{}` has the version `{}` twice", name.value, version.version.value.as_str());
                self.diagnostics.push(
                    Diagnostic::error("bad-version", message)
                        .at(version.version.location.clone(), "again here")
                        .at(first.version.location.clone(), "first here"),
                );
                continue;
            }
            versions.push(version);
        }
        if let Some(latest) = &latest_version
            && !versions.iter().any(|one| one.version.value == latest.value)
        {
            let message = format!(
                "`latest_version` of model `{}` is `{}`, which is none of its versions",
                name.value,
                latest.value.as_str()
            );
            let all: Vec<String> = versions.iter().map(|one| format!("`{}`", one.version.value.as_str())).collect();
            let diagnostic = Diagnostic::error("bad-version", message).at(latest.location.clone(), "");
            self.diagnostics.push(if all.is_empty() {
                diagnostic.with_hint("list the versions below `versions:`, each with its `v`")
            } else {
                diagnostic.with_note(format!("its versions are {}", all.join(", ")))
            });
        }
        let semantics = self.semantics(fields).map(Box::new);
        if let Some(semantics) = semantics.as_ref().filter(|_| !versions.is_empty()) {
            let message = format!("model `{}` has versions, so its `semantic_model` is passed over", name.value);
            let diagnostic = Diagnostic::warning("bad-semantic-model", message).at(semantics.location.clone(), "");
            let hint = "describe it below `semantic_models:`, whose `model` may name a version, as under dbt";
            self.diagnostics.push(diagnostic.with_hint(hint));
        }
        let time_spine = self.time_spine(fields);
        ModelProperties { versions, latest_version, deprecation_date, constraints, semantics, time_spine }
    }

    fn version(&mut self, key: &str, value: &Yaml) -> Option<Spanned<Version>> {
        let version = Version::new(&value.to_json());
        if version.is_none() {
            let message = format!("`{key}` must be a number or a text, but is {}", value.kind());
            self.diagnostics.push(Diagnostic::error("wrong-type", message).at(value.location.clone(), ""));
        }
        Some(Spanned::new(version?, value.location.clone()))
    }

    fn one_version(&mut self, model: &str, item: &Yaml) -> Option<VersionProperties> {
        let mut fields = Fields::new(format!("a version of model `{model}`"), item, self.diagnostics)?;
        let Some(value) = fields.take("v") else {
            self.diagnostics.push(fields.missing("v", &item.location));
            return None;
        };
        let version = self.version("v", value)?;
        fields.set_owner(format!("version `{}` of model `{model}`", version.value.as_str()));
        let defined_in = fields.text("defined_in", self.diagnostics);
        let description = fields.text("description", self.diagnostics);
        let beside = beside(&mut fields, &VERSION_CONFIG_BESIDE);
        let inner = self.inner_config(&mut fields);
        let config = self.joined(beside, inner);
        let (inherited, columns) = self.version_columns(&mut fields);
        let says_tests = ["data_tests", "tests"].iter().any(|key| item.get(key).is_some());
        let tests = self.tests(&mut fields);
        let deprecation_date = fields.text("deprecation_date", self.diagnostics);
        let constraints = self.constraints(&mut fields, None);
        // dbt takes no other key here, where it is lenient elsewhere.
        fields.finish(Severity::Error, self.diagnostics);
        Some(VersionProperties {
            version,
            defined_in,
            description,
            config,
            inherited,
            columns,
            tests: says_tests.then_some(tests),
            deprecation_date,
            constraints,
        })
    }

    /// `columns:` of a version: columns, and at most one item with `include` and `exclude`.
    fn version_columns(&mut self, fields: &mut Fields<'_>) -> (Inherited, Vec<ColumnProperties>) {
        let mut inherited: Option<Inherited> = None;
        let mut own = Vec::new();
        for item in fields.list("columns", Single::Refused, self.diagnostics) {
            if item.get("include").is_none() && item.get("exclude").is_none() {
                own.push(item);
                continue;
            }
            if inherited.is_some() {
                let message = "a version may have one item with `include` or `exclude`, this is another";
                self.diagnostics.push(Diagnostic::error("bad-version", message).at(item.location.clone(), ""));
                continue;
            }
            inherited = Some(self.inherited(item));
        }
        let columns = self.columns_of(own);
        (inherited.unwrap_or_default(), columns)
    }

    /// `{include: all | [names], exclude: [names]}`.
    fn inherited(&mut self, item: &Yaml) -> Inherited {
        let Some(mut fields) = Fields::new("`include` of a version", item, self.diagnostics) else {
            return Inherited::default();
        };
        let is_all = matches!(item.get("include").and_then(Yaml::as_str), Some("all" | "*"));
        let texts = |texts: Vec<Spanned<String>>| texts.into_iter().map(|text| text.value).collect();
        let include = fields.texts("include", self.diagnostics);
        let exclude = fields.texts("exclude", self.diagnostics);
        if include.is_none() {
            self.diagnostics
                .push(fields.missing("include", &item.location).with_hint("say `include: all` beside `exclude`"));
        }
        if let (Some(_), Some(name), false) = (&include, exclude.iter().flatten().next(), is_all) {
            let message = "`exclude` beside a list of columns to `include` has nothing to leave out";
            self.diagnostics.push(
                Diagnostic::error("bad-version", message)
                    .at(name.location.clone(), "")
                    .with_hint("say `include: all` beside `exclude`, or leave the names out of `include`"),
            );
        }
        fields.finish(self.unknown, self.diagnostics);
        Inherited { include: include.map(texts).filter(|_| !is_all), exclude: exclude.map(texts).unwrap_or_default() }
    }

    /// `config:` of a node, with the keys beside it that mean the same.
    pub fn node_config(&mut self, fields: &mut Fields<'_>) -> Vec<ConfigEntry> {
        let beside = beside(fields, &CONFIG_BESIDE);
        let inner = self.config(fields);
        self.joined(beside, inner)
    }

    /// What stands beside `config`, and what stands in it; a key may not be in both.
    fn joined(&mut self, beside: Vec<ConfigEntry>, inner: Vec<ConfigEntry>) -> Vec<ConfigEntry> {
        for (key, _) in &beside {
            if let Some((other, _)) = inner.iter().find(|(other, _)| other.value == key.value) {
                let message = format!("`{}` is set twice: in `config` and beside it", key.value);
                self.diagnostics.push(
                    Diagnostic::error("bad-config", message)
                        .at(key.location.clone(), "beside it")
                        .at(other.location.clone(), "in `config`")
                        .with_hint("keep the one in `config`"),
                );
            }
        }
        beside.into_iter().chain(inner).collect()
    }

    /// `constraints:` of a model, or of the column that is named.
    pub fn constraints(&mut self, fields: &mut Fields<'_>, column: Option<&str>) -> Vec<Constraint> {
        let items = fields.list("constraints", Single::Refused, self.diagnostics);
        items.into_iter().filter_map(|item| self.constraint(item, column)).collect()
    }

    fn constraint(&mut self, item: &Yaml, column: Option<&str>) -> Option<Constraint> {
        let mut fields = Fields::new("a constraint", item, self.diagnostics)?;
        let Some(word) = fields.text("type", self.diagnostics) else {
            self.diagnostics.push(fields.missing("type", &item.location));
            return None;
        };
        self.one_of(Some(&word), "type", &ConstraintKind::ALL.map(ConstraintKind::as_str));
        let kind = ConstraintKind::ALL.into_iter().find(|kind| kind.as_str() == word.value)?;
        fields.set_owner(format!("constraint `{}`", kind.as_str()));
        let text = |text: Option<Spanned<String>>| text.map(|text| text.value);
        let texts = |texts: Option<Vec<Spanned<String>>>| {
            texts.unwrap_or_default().into_iter().map(|text| text.value).collect::<Vec<_>>()
        };
        let columns = match column {
            Some(column) => vec![column.to_owned()],
            None => texts(fields.texts("columns", self.diagnostics)),
        };
        let constraint = Constraint {
            kind,
            name: text(fields.text("name", self.diagnostics)),
            expression: text(fields.text("expression", self.diagnostics)),
            columns,
            to: text(fields.text("to", self.diagnostics)),
            target: None,
            to_columns: texts(fields.texts("to_columns", self.diagnostics)),
            warn_unenforced: fields.boolean("warn_unenforced", self.diagnostics).unwrap_or(true),
            warn_unsupported: fields.boolean("warn_unsupported", self.diagnostics).unwrap_or(true),
            of_column: column.is_some(),
            location: Some(word.location),
        };
        fields.finish(self.unknown, self.diagnostics);
        Some(constraint)
    }

    /// One item of `groups:`.
    pub fn group(&mut self, item: &Yaml) -> Option<GroupProperties> {
        let (name, mut fields) = self.named("group", item)?;
        let description = fields.text("description", self.diagnostics);
        let owner = fields.take("owner").cloned();
        let config = self.config(&mut fields);
        fields.finish(self.unknown, self.diagnostics);
        let entries = owner.as_ref().and_then(Yaml::entries).unwrap_or_default().to_vec();
        let is_told = entries.iter().any(|(key, value)| {
            matches!(key.value.as_str(), "name" | "email") && !matches!(value.node, YamlNode::Null)
        });
        if !is_told {
            let place: &Location = owner.as_ref().map_or(&name.location, |owner| &owner.location);
            let message = format!("group `{}` has no owner", name.value);
            let hint = "say who owns it: `owner: {name: ...}` or `owner: {email: ...}`";
            self.diagnostics.push(Diagnostic::error("missing-key", message).at(place.clone(), "").with_hint(hint));
            return None;
        }
        Some(GroupProperties { name, description, owner: entries, config })
    }
}
