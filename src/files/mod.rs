//! Layer 1: the project folder on disk becomes texts with positions. Reads; interprets no template.
//!
//! [`load`] is the way in. Jinja in YAML values is rendered by a function that the caller brings ([`Renderer`]),
//! because templates are another module of the same layer.

pub mod discover;
pub mod fields;
pub mod packages;
pub mod profiles;
pub mod project;
pub mod properties;
pub mod properties_function;
pub mod properties_metric;
pub mod properties_model;
pub mod properties_semantic;
pub mod properties_source;
pub mod properties_unit;
pub mod query_comment;
#[cfg(test)]
mod tests;
pub mod yaml;
mod yaml_scalar;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;

use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::base::fs::ProjectDir;
use crate::base::source::{Location, SourceFile};
use crate::files::project::ProjectConfig;
use crate::files::yaml::{Spanned, Yaml, YamlNode};

pub use crate::files::profiles::{NullOrder, Target};
pub use crate::files::project::ProjectKind;

/// Renders one YAML text with Jinja in it to a value; the place is for the diagnostic.
pub type Renderer<'a> = dyn Fn(&str, &Location) -> Result<Json, Box<Diagnostic>> + 'a;

/// A text file of a package.
#[derive(Debug, Clone)]
pub struct TextFile {
    /// The file; its path is relative to the root project.
    pub source: Arc<SourceFile>,
    /// Its path below the configured folder, such as `silver/stg_orders.sql` below `models`.
    pub relative: String,
}

/// A seed: known by its bytes' hash, read when it is loaded.
#[derive(Debug, Clone)]
pub struct SeedFile {
    /// A file without text, to point at.
    pub source: Arc<SourceFile>,
    /// Its path below the configured folder.
    pub relative: String,
    /// SHA-256 of its text without the blanks around it, in hex.
    pub checksum: String,
}

/// The root project or a package that it uses.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its project file.
    pub config: ProjectConfig,
    /// `.sql` files below `model-paths`.
    pub models: Vec<TextFile>,
    /// `.csv` files below `seed-paths`.
    pub seeds: Vec<SeedFile>,
    /// `.sql` files below `snapshot-paths`.
    pub snapshots: Vec<TextFile>,
    /// `.sql` files below `test-paths`, those in the `generic` folders left out.
    pub tests: Vec<TextFile>,
    /// `.sql` files below `macro-paths`, and those in the `generic` folders of `test-paths`.
    pub macros: Vec<TextFile>,
    /// `.csv` and `.sql` files in the `fixtures` folders of `test-paths`: rows of unit tests.
    pub fixtures: Vec<TextFile>,
    /// `.sql` files below `analysis-paths`.
    pub analyses: Vec<TextFile>,
    /// `.sql` files below `function-paths`.
    pub functions: Vec<TextFile>,
    /// `.md` files below `docs-paths`.
    pub docs: Vec<TextFile>,
    /// `.yml` and `.yaml` files below any of these folders.
    pub properties: Vec<TextFile>,
}

impl Package {
    /// The package's name.
    pub fn name(&self) -> &str {
        &self.config.name.value
    }
}

/// Everything that was read of a project.
#[derive(Debug)]
pub struct LoadedProject {
    /// The project's folder.
    pub dir: Arc<ProjectDir>,
    /// The root project and its packages; the root project comes first.
    pub packages: Vec<Package>,
    /// `selectors.yml` of the root project.
    pub selectors: Option<Arc<SourceFile>>,
}

impl LoadedProject {
    /// The root project.
    pub fn root(&self) -> Option<&Package> {
        self.packages.first()
    }

    /// The project's folder on disk.
    pub fn root_path(&self) -> &Path {
        self.dir.root()
    }

    /// A path below the project's folder on disk.
    pub fn path_of(&self, relative: &str) -> PathBuf {
        self.dir.root().join(relative)
    }
}

/// Reads a project and its packages. `None` if there is no usable project file; the diagnostics say why.
pub fn load(root: &Path, renderer: &Renderer<'_>) -> (Option<LoadedProject>, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let dir = match ProjectDir::open(root) {
        Ok(dir) => Arc::new(dir),
        Err(error) => {
            diagnostics.push(discover::unreadable(&error));
            return (None, diagnostics);
        }
    };
    let Some(config) = ProjectConfig::load(&dir, "", renderer, &mut diagnostics) else {
        return (None, diagnostics);
    };
    let project = discover::discover(dir, config, renderer, &mut diagnostics);
    (Some(project), diagnostics)
}

/// Whether a text has Jinja in it.
pub fn has_jinja(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// Renders every text of a tree that has Jinja in it; what fails is reported and left as written.
pub fn render_strings(yaml: &Yaml, renderer: &Renderer<'_>, diagnostics: &mut Diagnostics) -> Yaml {
    let node = match &yaml.node {
        YamlNode::String(text) if has_jinja(text) => match renderer(text, &yaml.location) {
            Ok(value) => return Yaml::from_json(&value, &yaml.location),
            Err(diagnostic) => {
                diagnostics.push(*diagnostic);
                YamlNode::String(text.clone())
            }
        },
        YamlNode::Sequence(items) => {
            YamlNode::Sequence(items.iter().map(|item| render_strings(item, renderer, diagnostics)).collect())
        }
        YamlNode::Mapping(entries) => YamlNode::Mapping(
            entries
                .iter()
                .map(|(key, value)| {
                    (
                        Spanned::new(key.value.clone(), key.location.clone()),
                        render_strings(value, renderer, diagnostics),
                    )
                })
                .collect(),
        ),
        other => other.clone(),
    };
    Yaml { node, location: yaml.location.clone() }
}
