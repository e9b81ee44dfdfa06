//! Variables: `--vars` first, then the root project's, then a package's own.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::base::source::SourceFile;
use crate::files::LoadedProject;
use crate::files::yaml::{self, Yaml};

/// The values of `var()`.
#[derive(Debug, Clone, Default)]
pub struct Vars {
    cli: IndexMap<String, Json>,
    root: String,
    /// `vars:` of each package's project file.
    packages: BTreeMap<String, IndexMap<String, Json>>,
}

impl Vars {
    /// Only what the command line says: for what is read before the project file.
    pub fn of_command_line(cli: IndexMap<String, Json>) -> Self {
        Self { cli, ..Self::default() }
    }

    /// All variables of an invocation.
    pub fn new(project: &LoadedProject, cli: IndexMap<String, Json>, diagnostics: &mut Diagnostics) -> Self {
        let root = project.root().map(|package| package.name().to_owned()).unwrap_or_default();
        let mut packages = BTreeMap::new();
        for package in &project.packages {
            let Some(vars) = &package.config.vars else { continue };
            let Some(entries) = vars.entries() else {
                let message = format!("`vars` of `{}` must be a mapping, but is {}", package.name(), vars.kind());
                diagnostics.push(Diagnostic::error("wrong-type", message).at(vars.location.clone(), ""));
                continue;
            };
            let entries = entries.iter().map(|(key, value)| (key.value.clone(), value.to_json())).collect();
            packages.insert(package.name().to_owned(), entries);
        }
        Self { cli, root, packages }
    }

    /// The value of a variable as seen from a package.
    pub fn get(&self, package: &str, name: &str) -> Option<&Json> {
        self.cli
            .get(name)
            .or_else(|| self.of_project(&self.root, package, name))
            .or_else(|| self.of_project(package, package, name))
    }

    fn of_project(&self, project: &str, package: &str, name: &str) -> Option<&Json> {
        let vars = self.packages.get(project)?;
        vars.get(package)
            .and_then(|scope| scope.as_object())
            .and_then(|scope| scope.get(name))
            .or_else(|| vars.get(name))
    }

    /// Every name that is known from a package, for "did you mean".
    pub fn names(&self, package: &str) -> Vec<&str> {
        let scopes = [&self.root, package].into_iter().filter_map(|project| self.packages.get(project));
        let nested = scopes.clone().filter_map(|vars| vars.get(package).and_then(Json::as_object));
        let mut names: Vec<&str> = self.cli.keys().map(String::as_str).collect();
        names.extend(scopes.flat_map(|vars| vars.keys().map(String::as_str)));
        names.extend(nested.flat_map(|vars| vars.keys().map(String::as_str)));
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What `--vars` said.
    pub fn command_line(&self) -> &IndexMap<String, Json> {
        &self.cli
    }
}

/// Reads the value of `--vars`: a YAML mapping such as `{landing: data}`.
pub fn parse_command_line(text: &str) -> Result<IndexMap<String, Json>, Diagnostics> {
    let file = SourceFile::new("--vars", text);
    let mut diagnostics = Diagnostics::default();
    let written = yaml::parse(&file, &mut diagnostics);
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    match written {
        None => Ok(IndexMap::new()),
        Some(yaml) if yaml.is_null() => Ok(IndexMap::new()),
        Some(yaml) => mapping(&yaml).ok_or_else(|| {
            Diagnostic::error("bad-vars", format!("`--vars` must be a mapping, but is {}", yaml.kind()))
                .at(yaml.location.clone(), "")
                .with_hint("write it as `--vars '{name: value}'`")
                .into()
        }),
    }
}

fn mapping(yaml: &Yaml) -> Option<IndexMap<String, Json>> {
    Some(yaml.entries()?.iter().map(|(key, value)| (key.value.clone(), value.to_json())).collect())
}
