//! Names of relations: layers' schemas, `generate_schema_name` and its siblings, and the checks of what they give.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use crate::base::diagnostic::Diagnostic;
use crate::base::ident::{Identifier, IdentifierError};
use crate::files::{Package, ProjectKind, Target};
use crate::manifest::manifest::Macro;
use crate::manifest::node::{Node, ResourceType};
use crate::manifest::relation::{Database, Layer, Relation};
use crate::manifest::version::ModelVersion;
use crate::parse::builder::Builder;
use crate::parse::config::RawConfig;
use crate::parse::hosts::ParseHost;
use crate::parse::jinja;
use crate::parse::values::node_value;

/// Schema of tests that store their failing rows, before `generate_schema_name`.
pub const AUDIT_SCHEMA: &str = "dbt_test__audit";

/// What naming needs to know.
pub(super) struct Names {
    /// The target.
    pub target: Target,
    /// Packages and the naming macros that they have written, the root project among them.
    own: BTreeSet<(String, &'static str)>,
}

/// The macros that name relations.
const NAMING: [&str; 3] = ["generate_schema_name", "generate_alias_name", "generate_database_name"];

impl Names {
    /// Looks which naming macros the root project and its packages replace.
    pub fn new(target: &Target, packages: &[Package], macros: &BTreeMap<String, Arc<Macro>>) -> Self {
        let of = |package: &Package| {
            let package = package.name().to_owned();
            NAMING.into_iter().map(move |name| (package.clone(), name))
        };
        let all = packages.iter().flat_map(of);
        let own = all.filter(|(package, name)| macros.contains_key(&format!("macro.{package}.{name}"))).collect();
        Self { target: target.clone(), own }
    }

    /// The package whose naming macro names a package's nodes: as under dbt its own, else that of the root project.
    fn names_for<'n>(&self, package: &'n str, root: &'n str, name: &'static str) -> Option<&'n str> {
        [package, root].into_iter().find(|owner| self.own.contains(&((*owner).to_owned(), name)))
    }
}

impl Builder<'_> {
    /// The relation of a model, seed, snapshot or test; names that can't be are reported.
    pub fn name_relation(&mut self, node: &Node, config: &RawConfig) -> Option<Relation> {
        let is_test = node.resource_type == ResourceType::Test;
        let schema = self.schema_of(node, config)?;
        let alias = self.alias_of(node)?;
        let database = self.database_of(node, config)?;
        if is_test && node.config.store_failures != Some(true) {
            // A test has a relation only if it stores something; its name need not be one otherwise.
            let names = (Identifier::new(database), Identifier::new(schema), Identifier::new(alias));
            return match names {
                (Ok(database), Ok(schema), Ok(identifier)) => {
                    Some(Relation { database: self.database(database), schema, identifier })
                }
                _ => None,
            };
        }
        let place = |key: &str| config.get(key).and_then(|placed| placed.location.clone()).or(node.location.clone());
        let mut checked = |what: &str, name: String, key: &str| match Identifier::new(name) {
            Ok(name) => Some(name),
            Err(error) => {
                self.diagnostics.push(bad_name(what, node, &error).at_maybe(place(key), ""));
                None
            }
        };
        let database = checked("database", database, "database");
        let schema = checked("schema", schema, "schema");
        let identifier = checked("relation", alias, "alias");
        let database = self.database(database?);
        Some(Relation { database, schema: schema?, identifier: identifier? })
    }

    /// The database of a name.
    pub(super) fn database(&self, name: Identifier) -> Database {
        Database::named(name, &self.names.target.database)
    }

    fn schema_of(&mut self, node: &Node, config: &RawConfig) -> Option<String> {
        // dbt's old key for snapshots is the schema itself.
        if node.resource_type == ResourceType::Snapshot
            && let Some(schema) = config.get("target_schema").and_then(|placed| placed.value.as_str())
        {
            return Some(schema.to_owned());
        }
        let test = (node.resource_type == ResourceType::Test).then(|| AUDIT_SCHEMA.to_owned());
        let custom = node.config.schema.clone().filter(|schema| !schema.trim().is_empty()).or(test);
        if let Some(owner) = self.names.names_for(&node.package, self.root_name(), "generate_schema_name") {
            return self.generated((owner, "generate_schema_name"), custom.as_deref(), node);
        }
        if let Some(custom) = custom {
            return Some(format!("{}_{}", self.names.target.schema, custom.trim()));
        }
        let own_default = match (self.kind(), node.resource_type) {
            (ProjectKind::Karat, ResourceType::Model) if node.package == self.root_name() => {
                node.layer.map(Layer::as_str)
            }
            (ProjectKind::Karat, ResourceType::Snapshot) => Some("snapshots"),
            (ProjectKind::Karat, ResourceType::Seed) => Some("seeds"),
            _ => None,
        };
        Some(own_default.map_or_else(|| self.names.target.schema.to_string(), str::to_owned))
    }

    fn alias_of(&mut self, node: &Node) -> Option<String> {
        let custom = node.config.alias.clone();
        if let Some(owner) = self.names.names_for(&node.package, self.root_name(), "generate_alias_name") {
            return self.generated((owner, "generate_alias_name"), custom.as_deref(), node);
        }
        Some(custom.map_or_else(|| default_alias(&node.name, node.version()), |alias| alias.trim().to_owned()))
    }

    fn database_of(&mut self, node: &Node, config: &RawConfig) -> Option<String> {
        // dbt's old key for snapshots is the database itself.
        if node.resource_type == ResourceType::Snapshot
            && let Some(database) = config.get("target_database").and_then(|placed| placed.value.as_str())
        {
            return Some(database.to_owned());
        }
        let custom = node.config.database.clone().filter(|database| !database.trim().is_empty());
        if let Some(owner) = self.names.names_for(&node.package, self.root_name(), "generate_database_name") {
            return self.generated((owner, "generate_database_name"), custom.as_deref(), node);
        }
        Some(custom.map_or_else(|| self.names.target.database.to_string(), |custom| custom.trim().to_owned()))
    }

    /// Calls the naming macro of a package.
    fn generated(&mut self, (owner, name): (&str, &str), custom: Option<&str>, node: &Node) -> Option<String> {
        let model = node_value(node);
        let host = Arc::new(ParseHost {
            shared: Arc::clone(&self.shared),
            package: owner.to_owned(),
            this: None,
            model: model.clone(),
            config: node.config.raw.clone(),
            recorded: std::sync::Mutex::default(),
            lenient: false,
        });
        let arguments = [custom.map_or(Json::Null, Json::from), model];
        match jinja::call(&self.templates, owner, name, &arguments, &host) {
            Ok(text) => Some(text.trim().to_owned()),
            Err(jinja::Failure::Diagnostic(diagnostic)) => {
                let what = format!("while naming {} `{}`", node.resource_type.as_str(), node.name);
                self.diagnostics.push(diagnostic.with_note(what));
                None
            }
            Err(jinja::Failure::NotReady) => {
                let message = format!("`{name}` asks the warehouse, which naming can't wait for");
                self.diagnostics
                    .push(Diagnostic::error("introspective-name", message).at_maybe(node.location.clone(), ""));
                None
            }
        }
    }
}

/// The name of a relation that has no `alias`: that of its node, with its version.
pub(super) fn default_alias(name: &str, version: Option<&ModelVersion>) -> String {
    match version {
        Some(version) => format!("{name}_v{}", version.own.as_str().replace('.', "_")),
        None => name.to_owned(),
    }
}

fn bad_name(what: &str, node: &Node, error: &IdentifierError) -> Diagnostic {
    let message = format!("the {what} of {} `{}` can't be named so: {error}", node.resource_type.as_str(), node.name);
    let diagnostic = Diagnostic::error("bad-name", message);
    if what == "relation" && node.config.alias.is_none() {
        diagnostic.with_hint("rename the file, or give the relation another name with `alias`")
    } else {
        diagnostic
    }
}
