//! Layer 2: a loaded project becomes a [`Manifest`]: every node with its configuration, its name and its parents.
//!
//! Each template is rendered once with `execute` false; what it asks for is recorded. Nothing is read or written here,
//! and all problems are reported, not only the first. Cycles are found by [`crate::graph`].

mod builder;
mod calls;
pub mod config;
mod constraints;
mod deprecations;
mod docs;
mod functions;
pub mod generic_tests;
mod groups;
pub mod hosts;
mod jinja;
mod link;
mod microbatch;
pub mod names;
mod nodes;
mod semantic;
mod source_overrides;
mod sources;
#[cfg(test)]
mod tests;
mod unit_tests;
mod values;
pub mod vars;
mod versions;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::base::clock::Clock;
use crate::base::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::base::env::ProcessEnv;
use crate::base::fs::ProjectDir;
use crate::base::source::{Location, SourceFile};
use crate::files::discover::unreadable;
use crate::files::fields::{Fields, Single};
use crate::files::profiles::{TargetChoice, load_target};
use crate::files::project::ProjectConfig;
use crate::files::properties::{ExposureProperties, MacroProperties, NodeProperties, read_properties};
use crate::files::properties_model::GroupProperties;
use crate::files::properties_source::SourceProperties;
use crate::files::properties_unit::UnitTestProperties;
use crate::files::yaml::{self, Yaml, YamlNode};
use crate::files::{LoadedProject, Package, ProjectKind, Renderer, Target, TextFile, render_strings};
use crate::manifest::manifest::{DocBlock, Macro, MacroArgument, Manifest};
use crate::manifest::node::{ResourceType, search_name};
use crate::parse::builder::{Builder, Patch, PatchKey};
use crate::parse::config::trees::Trees;
use crate::parse::docs::Docs;
use crate::parse::generic_tests::Subject;
use crate::parse::hosts::Shared;
use crate::parse::names::Names;
use crate::parse::semantic::Semantics;
use crate::template::{Block, MacroFile, Settings, Templates, extract_blocks};

pub use crate::parse::deprecations::shown as shown_date;
pub use crate::parse::generic_tests::{declared_at, python_repr as python_text, test_kwargs};
pub use crate::parse::jinja::YamlRenderer;
pub use crate::parse::semantic::check::OLD_TIME_SPINE;
pub use crate::parse::values::group_value;
pub use crate::parse::vars::{Vars, parse_command_line};

/// The version of dbt whose behavior karat follows, as `dbt_version` in templates and artifacts.
pub const DBT_VERSION: &str = "1.12.0";

/// What an invocation brings besides the project.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The environment.
    pub env: ProcessEnv,
    /// The clock of the run.
    pub clock: Clock,
    /// The id of the run.
    pub id: Uuid,
    /// `--vars`.
    pub vars: IndexMap<String, Json>,
    /// `flags` in templates: the command line's flags by their dbt names in upper case.
    pub flags: IndexMap<String, Json>,
    /// `invocation_args_dict` in templates.
    pub arguments: IndexMap<String, Json>,
}

/// A project after parsing.
#[derive(Debug, Clone)]
pub struct ParsedProject {
    /// All nodes.
    pub manifest: Manifest,
    /// The templates with all macros.
    pub templates: Arc<Templates>,
    /// The values of `var()`.
    pub vars: Vars,
    /// Globals of templates that do not change during a run: `target`, `flags`, `run_started_at` and so on.
    pub globals: BTreeMap<String, Json>,
    /// The target.
    pub target: Target,
    /// Whose rules the project follows.
    pub kind: ProjectKind,
}

/// What renders the texts of lists of packages, which may name secrets; there is no target yet.
pub fn package_renderer(invocation: &Invocation) -> YamlRenderer {
    let shared = Arc::new(Shared {
        vars: Vars::of_command_line(invocation.vars.clone()),
        env: invocation.env.clone(),
        globals: BTreeMap::new(),
    });
    YamlRenderer::for_profiles(Arc::new(Templates::without_macros()), shared)
}

/// Reads the project file of a folder, and nothing else of it.
pub fn open_config(root: &Path, renderer: &Renderer<'_>) -> (Option<(ProjectDir, ProjectConfig)>, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let dir = match ProjectDir::open(root) {
        Ok(dir) => dir,
        Err(error) => {
            diagnostics.push(unreadable(&error));
            return (None, diagnostics);
        }
    };
    let config = ProjectConfig::load(&dir, "", renderer, &mut diagnostics);
    (config.map(|config| (dir, config)), diagnostics)
}

/// Reads a project folder and resolves its target: what must happen before [`parse`].
pub fn open(
    root: &Path,
    choice: TargetChoice<'_>,
    invocation: &Invocation,
) -> (Option<(LoadedProject, Target)>, Diagnostics) {
    let shared = Arc::new(Shared {
        vars: Vars::of_command_line(invocation.vars.clone()),
        env: invocation.env.clone(),
        globals: BTreeMap::new(),
    });
    let mut diagnostics = Diagnostics::default();
    let templates = Arc::new(Templates::without_macros());
    let renderer = YamlRenderer::new(Arc::clone(&templates), Arc::clone(&shared), "");
    let (project, found) = crate::files::load(root, &|text, place| renderer.value(text, place));
    diagnostics.extend(found);
    let Some(project) = project else { return (None, diagnostics) };
    let Some(package) = project.root() else { return (None, diagnostics) };
    let renderer = YamlRenderer::for_profiles(templates, shared);
    let (target, found) =
        load_target(&package.config, root, choice, &invocation.env, &|text, place| renderer.value(text, place));
    diagnostics.extend(found);
    (target.map(|target| (project, target)), diagnostics)
}

/// Parses a project for a target.
pub fn parse(project: &LoadedProject, target: &Target, invocation: &Invocation) -> (ParsedProject, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let root = project.root().map(Package::name).unwrap_or_default();
    let kind = project.root().map_or(ProjectKind::Dbt, |package| package.config.kind);
    let vars = Vars::new(project, invocation.vars.clone(), &mut diagnostics);
    let globals = globals(root, target, invocation);
    let shared = Arc::new(Shared { vars: vars.clone(), env: invocation.env.clone(), globals: globals.clone() });

    let mut settings = Settings::default();
    if let Some(package) = project.root() {
        settings.dispatch.clone_from(&package.config.dispatch);
    }
    let (templates, found) = Templates::new(root, &macro_files(project), settings);
    diagnostics.extend(found);
    let templates = Arc::new(templates);

    let mut read = Read::all(project, &mut diagnostics);
    source_overrides::apply(project, &mut read.sources, &mut diagnostics);
    let macros: BTreeMap<String, Arc<Macro>> = templates.macros().clone();

    let mut trees = BTreeMap::new();
    for package in &project.packages {
        let renderer = YamlRenderer::new(Arc::clone(&templates), Arc::clone(&shared), package.name());
        let tree = Trees::new(&package.config, &|text, place| renderer.value(text, place), &mut diagnostics);
        trees.insert(package.name().to_owned(), tree);
    }
    let versions = versions::find_files(project, &mut read.patches, &mut diagnostics);
    let names = Names::new(target, &project.packages, &macros);
    let docs = read_docs(project, &mut diagnostics);
    let mut builder = Builder {
        project,
        materializations: templates.materializations(),
        templates: Arc::clone(&templates),
        shared,
        trees,
        patches: read.patches,
        versions,
        docs,
        names,
        macros,
        nodes: Vec::new(),
        diagnostics,
    };
    describe_macros(&mut builder, &read.macros);
    for package in &project.packages {
        builder.add_files(package);
    }
    for (index, file, source) in &read.sources {
        if let Some(package) = project.packages.get(*index) {
            builder.add_source(package, file, source);
        }
    }
    for (index, file, exposure) in &read.exposures {
        if let Some(package) = project.packages.get(*index) {
            builder.add_exposure(package, file, exposure);
        }
    }
    add_all_tests(&mut builder, &read.sources);
    for (index, file, test) in &read.unit_tests {
        if let Some(package) = project.packages.get(*index) {
            builder.add_unit_test(package, file, test);
        }
    }
    builder.add_semantics(&read.semantics);
    let groups = builder.groups(&read.groups);
    builder.report_unmatched();
    if let Some(trees) = builder.trees.get(root) {
        trees.report_unused(&mut builder.diagnostics);
    }

    let selector_renderer = YamlRenderer::new(Arc::clone(&builder.templates), Arc::clone(&builder.shared), root);
    let Builder { nodes, mut diagnostics, docs, macros, .. } = builder;
    let mut manifest = Manifest {
        project_name: root.to_owned(),
        database: target.database.to_string(),
        schema: target.schema.to_string(),
        macros,
        groups,
        docs: docs.blocks,
        ..Manifest::default()
    };
    if let Some(file) = &project.selectors {
        manifest.selectors = read_selectors(file, &selector_renderer, &mut diagnostics);
        manifest.selectors_file = Some(Arc::clone(file));
    }
    link::link(nodes, project, &mut manifest, &mut diagnostics);
    semantic::check::check(&manifest, &mut diagnostics);
    microbatch::check_inputs(&manifest, &mut diagnostics);
    unit_tests::check_forms(&manifest, &mut diagnostics);
    let restricted = project.packages.iter().filter(|package| package.config.restrict_access);
    let restricted = restricted.map(|package| package.name().to_owned()).collect();
    groups::check_access(&manifest, &restricted, &mut diagnostics);
    deprecations::report(&manifest, invocation.clock.now(), &mut diagnostics);
    if diagnostics.has_errors() {
        // Nothing will run, so what single nodes lack is told now, with everything else.
        let faults = manifest.nodes.values().flat_map(|node| node.faults());
        diagnostics.0.extend(faults.cloned());
    }
    let target = target.clone();
    (ParsedProject { manifest, templates, vars, globals, target, kind }, diagnostics)
}

/// Globals of templates that hold for the whole run.
fn globals(root: &str, target: &Target, invocation: &Invocation) -> BTreeMap<String, Json> {
    let started = invocation.clock.now().to_rfc3339_opts(chrono::SecondsFormat::Micros, false);
    [
        ("target", target.to_json()),
        ("project_name", json!(root)),
        ("schema", json!(target.schema.as_str())),
        ("database", json!(target.database.as_str())),
        ("run_started_at", json!(started)),
        ("invocation_id", json!(invocation.id.to_string())),
        ("dbt_version", json!(DBT_VERSION)),
        ("flags", json!(invocation.flags)),
        ("invocation_args_dict", json!(invocation.arguments)),
        ("graph", json!({"nodes": {}, "sources": {}, "exposures": {}})),
        ("selected_resources", json!([])),
        ("dbt_metadata_envs", json!(invocation.env.custom())),
        ("results", json!([])),
        ("schemas", json!([])),
        ("database_schemas", json!([])),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn macro_files(project: &LoadedProject) -> Vec<MacroFile> {
    let mut files = Vec::new();
    for package in &project.packages {
        for file in &package.macros {
            files.push(MacroFile { package: package.name().to_owned(), file: Arc::clone(&file.source) });
        }
    }
    files
}

/// Everything that properties files say; the number is the package's place in the project.
struct Read {
    patches: BTreeMap<PatchKey, Patch>,
    sources: Vec<(usize, TextFile, SourceProperties)>,
    exposures: Vec<(usize, TextFile, ExposureProperties)>,
    unit_tests: Vec<(usize, TextFile, UnitTestProperties)>,
    macros: Vec<(String, MacroProperties)>,
    groups: Vec<(usize, TextFile, GroupProperties)>,
    semantics: Semantics,
}

impl Read {
    fn all(project: &LoadedProject, diagnostics: &mut Diagnostics) -> Self {
        let mut read = Self {
            patches: BTreeMap::new(),
            sources: Vec::new(),
            exposures: Vec::new(),
            unit_tests: Vec::new(),
            macros: Vec::new(),
            groups: Vec::new(),
            semantics: Semantics::default(),
        };
        for (index, package) in project.packages.iter().enumerate() {
            for file in &package.properties {
                // What is odd in an installed package is not the user's to mend; what is wrong stops all the same.
                let mut found = Diagnostics::default();
                let severity = package.config.unknown_key_severity();
                let mut properties = read_properties(&file.source, severity, &mut found);
                found.0.retain(|diagnostic| index == 0 || diagnostic.severity == Severity::Error);
                diagnostics.extend(found);
                read.semantics.take(index, file, &mut properties);
                for (kind, described) in [
                    (ResourceType::Model, properties.models),
                    (ResourceType::Seed, properties.seeds),
                    (ResourceType::Snapshot, properties.snapshots),
                    (ResourceType::Analysis, properties.analyses),
                    (ResourceType::Function, properties.functions),
                    (ResourceType::Test, properties.tests),
                ] {
                    for one in described {
                        read.add_patch(package.name(), kind, file, one, diagnostics);
                    }
                }
                read.sources.extend(properties.sources.into_iter().map(|source| (index, file.clone(), source)));
                read.exposures.extend(properties.exposures.into_iter().map(|one| (index, file.clone(), one)));
                read.unit_tests.extend(properties.unit_tests.into_iter().map(|one| (index, file.clone(), one)));
                read.groups.extend(properties.groups.into_iter().map(|one| (index, file.clone(), one)));
                read.macros.extend(properties.macros.into_iter().map(|one| (package.name().to_owned(), one)));
            }
        }
        read
    }

    fn add_patch(
        &mut self,
        package: &str,
        kind: ResourceType,
        file: &TextFile,
        properties: NodeProperties,
        diagnostics: &mut Diagnostics,
    ) {
        for (properties, version) in versions::of_each_version(properties) {
            let name = search_name(&properties.name.value, version.as_ref().map(|described| &described.version));
            let key = (package.to_owned(), kind, name);
            if let Some(first) = self.patches.get(&key) {
                let message = format!("{} `{}` is described twice", kind.as_str(), properties.name.value);
                diagnostics.push(
                    Diagnostic::error("duplicate-properties", message)
                        .at(properties.name.location, "again here")
                        .at(first.properties.name.location.clone(), "first here"),
                );
                continue;
            }
            let (path, relative) = (file.source.path.clone(), file.relative.clone());
            self.patches.insert(key, Patch { path, relative, properties, version, used: false });
        }
    }
}

fn describe_macros(builder: &mut Builder<'_>, described: &[(String, MacroProperties)]) {
    for (package, properties) in described {
        let name = &properties.name.value;
        let ids = [format!("macro.{package}.{name}"), format!("macro.{package}.test_{name}")];
        let Some(id) = ids.iter().find(|id| builder.macros.contains_key(*id)) else {
            let macros = builder.macros.values();
            let known = macros.filter(|known| known.package == *package).map(|known| known.name.as_str());
            let diagnostic = Diagnostic::warning("unmatched-properties", format!("there is no macro `{name}`"))
                .at(properties.name.location.clone(), "described here");
            let near = crate::base::diagnostic::did_you_mean(name, known);
            let diagnostic = match near {
                Some(near) => diagnostic.with_hint(format!("did you mean `{near}`?")),
                None => diagnostic,
            };
            builder.diagnostics.push(diagnostic);
            continue;
        };
        let description = builder.describe(package, properties.description.as_ref());
        let arguments: Vec<MacroArgument> = properties
            .arguments
            .iter()
            .map(|(name, data_type, described)| MacroArgument {
                name: name.clone(),
                data_type: data_type.clone(),
                description: builder.describe(package, described.as_ref()),
            })
            .collect();
        let Some(known) = builder.macros.get_mut(id).map(Arc::make_mut) else { continue };
        known.description = description;
        if !arguments.is_empty() {
            known.arguments = arguments;
        }
        if let Some(Json::Object(meta)) = properties.meta.as_ref().map(Yaml::to_json) {
            known.meta = meta.into_iter().collect();
        }
        known.shown = properties.shown;
        known.patch_path = Some(properties.name.location.file.path.clone());
    }
}

fn read_docs(project: &LoadedProject, diagnostics: &mut Diagnostics) -> Docs {
    let mut docs = Docs::default();
    for package in &project.packages {
        for file in &package.docs {
            let (blocks, found) = extract_blocks(&file.source);
            // A page may show Jinja that is no docs block.
            diagnostics.0.extend(found.0.into_iter().filter(|_| file.source.text.contains("{% docs")));
            for block in blocks.into_iter().filter(Block::is_docs) {
                let contents = file.source.text.get(block.body.clone()).unwrap_or_default().to_owned();
                let place = Location::new(&file.source, block.head.clone());
                let package = package.name().to_owned();
                let path = file.source.path.clone();
                docs.add(DocBlock { name: block.name, package, path, contents }, place, diagnostics);
            }
        }
    }
    docs
}

/// Tests are made after the nodes that they are declared on.
fn add_all_tests<'a>(builder: &mut Builder<'a>, sources: &[(usize, TextFile, SourceProperties)]) {
    let mut nodes = BTreeMap::new();
    let mut tables = BTreeMap::new();
    for node in builder.nodes.iter().filter(|node| node.config.enabled) {
        let package = node.package.as_str();
        if let Some(detail) = node.source() {
            tables.insert((package, detail.source_name.as_str(), node.name.as_str()), node);
        } else if node.resource_type.is_built() {
            nodes.insert((package, node.resource_type, node.search_name()), node);
        }
    }
    let mut wanted = Vec::new();
    for ((package, kind, name), patch) in &builder.patches {
        let own = nodes.get(&(package.as_str(), *kind, name.clone())).copied();
        // A test also holds where what it is on is described as something else than it is.
        let other = || builder.elsewhere(package, *kind, name).filter(|_| !patch.used);
        let Some(node) = own.or_else(other) else { continue };
        let subject = Subject::of_node(node, &patch.relative);
        wanted.push((package.clone(), subject, patch.properties.tests.clone(), patch.properties.columns.clone()));
    }
    for (index, _, source) in sources {
        let Some(package) = builder.project.packages.get(*index) else { continue };
        for table in &source.tables {
            let key = (package.name(), source.name.value.as_str(), table.name.value.as_str());
            let Some(node) = tables.get(&key) else { continue };
            let subject = Subject::of_table(node, &source.name.value);
            wanted.push((package.name().to_owned(), subject, table.tests.clone(), table.columns.clone()));
        }
    }
    let packages: &'a [Package] = &builder.project.packages;
    for (package, subject, tests, columns) in wanted {
        if let Some(package) = packages.iter().find(|candidate| candidate.name() == package) {
            builder.add_tests(package, &subject, &tests, &columns);
        }
    }
}

/// `selectors.yml`: each definition by name, rendered as the project file is.
fn read_selectors(
    file: &Arc<SourceFile>,
    renderer: &YamlRenderer,
    diagnostics: &mut Diagnostics,
) -> IndexMap<String, Json> {
    let mut selectors = IndexMap::new();
    let Some(written) = yaml::parse(file, diagnostics) else { return selectors };
    let Some(mut fields) = Fields::new("`selectors.yml`", &written, diagnostics) else { return selectors };
    fields.take("version");
    for item in fields.list("selectors", Single::Refused, diagnostics) {
        let item = render_strings(item, &|text, place| renderer.value(text, place), diagnostics);
        let name = item.get("name").and_then(Yaml::as_str);
        let Some(name) = name else {
            let message = "this selector has no `name`";
            diagnostics.push(Diagnostic::error("missing-key", message).at(item.location.clone(), ""));
            continue;
        };
        if let Some(default) = item.get("default").filter(|default| !matches!(default.node, YamlNode::Bool(_))) {
            let message =
                format!("`default` of the selector `{name}` must be true or false, but is {}", default.kind());
            diagnostics.push(Diagnostic::error("wrong-type", message).at(default.location.clone(), ""));
        }
        if selectors.insert(name.to_owned(), item.to_json()).is_some() {
            let message = format!("there are two selectors `{name}`");
            diagnostics.push(Diagnostic::error("duplicate-selector", message).at(item.location.clone(), ""));
        }
    }
    fields.finish(Severity::Error, diagnostics);
    selectors
}
