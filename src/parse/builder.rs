//! Makes one node after the other: merges its configuration, renders its template once, names its relation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::base::source::{Location, SourceFile};
use crate::files::properties::{ColumnProperties, ConfigEntry, NodeProperties};
use crate::files::yaml::{Spanned, Yaml};
use crate::files::{LoadedProject, Package, ProjectKind, render_strings};
use crate::manifest::config::{Materialization, NodeConfig};
use crate::manifest::constraint::KeyTarget;
use crate::manifest::function::FunctionCall;
use crate::manifest::manifest::Macro;
use crate::manifest::node::{Code, Column, Detail, Node, NodeId, RefCall, ResourceType, SourceCall, search_name};
use crate::manifest::relation::Layer;
use crate::parse::config::trees::{Trees, is_hook};
use crate::parse::config::{RawConfig, resolve};
use crate::parse::deprecations;
use crate::parse::docs::Docs;
use crate::parse::hosts::{ParseHost, Recorded, Shared};
use crate::parse::jinja::{self, YamlRenderer};
use crate::parse::names::{Names, default_alias};
use crate::parse::versions::{Described, Files};
use crate::template::Templates;
use crate::template::host::RelationValue;

/// What a properties file says about a node, and whether a node of this name turned up.
pub(super) struct Patch {
    /// Path of the properties file.
    pub path: String,
    /// Its path below the configured folder.
    pub relative: String,
    /// What it says.
    pub properties: NodeProperties,
    /// The version of a model that it is about.
    pub version: Option<Described>,
    /// Whether there is such a node.
    pub used: bool,
}

/// Package, kind and name of what a properties file describes; the name of a model's version is that of
/// [`Node::search_name`].
pub(super) type PatchKey = (String, ResourceType, String);

/// A node before its template was rendered.
pub(super) struct Draft<'a> {
    pub kind: ResourceType,
    pub id: NodeId,
    pub name: String,
    pub package: &'a Package,
    pub path: String,
    pub relative_path: String,
    pub fqn: Vec<String>,
    pub layer: Option<Layer>,
    pub code: Option<Code>,
    pub location: Option<Location>,
    pub detail: Detail,
    /// Configuration that is more specific than the template's own, such as that of a generic test's use.
    pub own_config: Vec<ConfigEntry>,
    /// Tags from elsewhere: those of a test's column.
    pub tags: Vec<String>,
    pub description: Option<Spanned<String>>,
    pub declared: Vec<Declared>,
    /// What is wrong with it for whoever compiles it.
    pub foreseen: Vec<Diagnostic>,
}

/// A parent that is declared and not found in a template.
pub(super) enum Declared {
    Ref(RefCall),
    Source(SourceCall),
    Function(FunctionCall),
}

/// What was recorded, the macros that were called, whether data is asked for, and `config()` as written.
type Rendering = (Recorded, Called, bool, Option<IndexMap<String, String>>);

/// The macros that a template has called, all of them and those that it calls itself.
#[derive(Debug, Default)]
pub(super) struct Called {
    macros: Vec<String>,
    own_macros: Vec<String>,
}

/// The state of parsing a project.
pub(super) struct Builder<'a> {
    pub project: &'a LoadedProject,
    pub templates: Arc<Templates>,
    /// Names of the materializations that the project and its packages have written.
    pub materializations: BTreeSet<String>,
    pub shared: Arc<Shared>,
    /// The trees of each package's project file, in the order of the packages.
    pub trees: BTreeMap<String, Trees>,
    pub patches: BTreeMap<PatchKey, Patch>,
    /// Which version of which model a file holds.
    pub versions: Files,
    pub docs: Docs,
    pub names: Names,
    pub macros: BTreeMap<String, Arc<Macro>>,
    pub nodes: Vec<Node>,
    pub diagnostics: Diagnostics,
}

impl<'a> Builder<'a> {
    /// The name of the root package.
    pub fn root_name(&self) -> &'a str {
        self.project.root().map(Package::name).unwrap_or_default()
    }

    /// Whose rules the whole project follows.
    pub fn kind(&self) -> ProjectKind {
        self.project.root().map_or(ProjectKind::Dbt, |package| package.config.kind)
    }

    /// A renderer for the YAML values of a package.
    pub fn renderer(&self, package: &str) -> YamlRenderer {
        YamlRenderer::new(Arc::clone(&self.templates), Arc::clone(&self.shared), package)
    }

    /// Renders the Jinja of a YAML text, such as a source's schema; `None` if that fails, which is reported.
    pub fn rendered(&mut self, package: &str, text: &Spanned<String>) -> Option<Spanned<String>> {
        if !crate::files::has_jinja(&text.value) {
            return Some(text.clone());
        }
        match self.renderer(package).text(&text.value, &text.location) {
            Ok(value) => Some(Spanned::new(value, text.location.clone())),
            Err(diagnostic) => {
                self.diagnostics.push(*diagnostic);
                None
            }
        }
    }

    /// Finishes a draft: the node is added, enabled or not.
    pub fn add(&mut self, draft: Draft<'a>) {
        let owner = format!("{} `{}`", draft.kind.as_str().replace('_', " "), draft.name);
        let package = draft.package.name().to_owned();
        let patch = self.take_patch(&draft);
        let place = patch
            .as_ref()
            .map(|(_, properties)| properties.name.location.clone())
            .filter(|_| draft.code.is_none() && !matches!(draft.kind, ResourceType::Test))
            .or_else(|| draft.location.clone());

        let mut config = default_config(&draft);
        if let Some(trees) = self.trees.get_mut(&package) {
            trees.apply(draft.kind, &draft.fqn, &mut config);
        }
        if let Some((_, properties)) = &patch {
            self.apply_entries(&mut config, &properties.config, &package);
        }
        let before = config.to_json();
        let (mut recorded, Called { macros, own_macros }, introspective, config_call) = self.render(&draft, before);
        let mut unrendered = self.unrendered(&draft, patch.as_ref().map(|(_, patch)| patch), &recorded, config_call);
        for values in std::mem::take(&mut recorded.configs) {
            for (key, value) in values {
                let location = draft.code.as_ref().and_then(|code| config_place(code, &key));
                config.apply(&key, value, location.or_else(|| place.clone()));
            }
        }
        self.apply_entries(&mut config, &draft.own_config, &package);
        if draft.kind == ResourceType::Test {
            // dbt renders the configuration of a test before it keeps it.
            for (key, _) in &draft.own_config {
                unrendered.extend(config.get(&key.value).map(|placed| (key.value.clone(), placed.value.clone())));
            }
        }
        if !draft.tags.is_empty() {
            config.apply("tags", json!(draft.tags), place.clone());
        }
        if package != self.root_name() {
            // The root project has the last word about its packages.
            let root = self.root_name();
            if let Some(trees) = self.trees.get_mut(root) {
                trees.apply(draft.kind, &draft.fqn, &mut config);
            }
        }

        let mut typed = resolve::resolve(
            &config,
            draft.kind,
            &self.materializations,
            &owner,
            place.as_ref(),
            &mut self.diagnostics,
        );
        complete_raw(&mut typed, draft.kind);
        let of_hooks = self.render_hooks(&draft, &typed, &mut recorded);
        typed.unusable.extend(of_hooks);
        typed.unrendered = unrendered;
        // What a draft is known to lack is told better than what its template says of it.
        let foreseen = if draft.foreseen.is_empty() { std::mem::take(&mut recorded.foreseen) } else { draft.foreseen };
        let description = draft.description.clone().or_else(|| patch.as_ref().and_then(|(_, p)| p.description.clone()));
        let doc_blocks = self.doc_blocks(&package, description.as_ref());
        let description = self.describe(&package, description.as_ref());
        let columns = match &patch {
            Some((_, properties)) => self.columns(&package, &properties.columns),
            None => IndexMap::new(),
        };
        let mut detail = draft.detail;
        if let (Detail::Model(model), Some((_, properties))) = (&mut detail, &patch) {
            model.constraints = self.constraints(&package, &properties.model.constraints);
            let written = properties.model.deprecation_date.as_ref();
            model.deprecation_date = written.and_then(|text| deprecations::date(text, &mut self.diagnostics));
            if let Some(spine) = &properties.model.time_spine {
                self.time_spine(&draft.name, spine, &columns);
                model.time_spine = Some(spine.clone());
            }
        }
        let (mut refs, mut sources, mut functions) = (recorded.refs, recorded.sources, recorded.functions);
        let is_same = |one: &RefCall, other: &RefCall| {
            one.name == other.name && one.package == other.package && one.version == other.version
        };
        for declared in draft.declared {
            match declared {
                Declared::Function(call) => functions.push(call),
                // The version is a number where it is declared, and a text in the code that was made of it.
                Declared::Ref(call) => match refs.iter_mut().find(|known| is_same(known, &call)) {
                    Some(known) => known.version = call.version,
                    None => refs.push(call),
                },
                Declared::Source(call) => sources.push(call),
            }
        }
        once(&mut refs, is_same);
        once(&mut sources, |one, other| one.source == other.source && one.table == other.table);
        once(&mut functions, |one, other| one.name == other.name && one.package == other.package);
        for target in key_targets(&detail, &columns) {
            match target {
                KeyTarget::Ref(call) if !refs.contains(call) => refs.push(call.clone()),
                KeyTarget::Source(call) if !sources.contains(call) => sources.push(call.clone()),
                _ => {}
            }
        }
        let mut node = Node {
            id: draft.id,
            resource_type: draft.kind,
            name: draft.name,
            package,
            package_folder: draft.package.config.root.clone(),
            path: draft.path,
            relative_path: draft.relative_path,
            patch_path: patch.map(|(path, _)| path),
            fqn: draft.fqn,
            layer: draft.layer,
            code: draft.code,
            location: place,
            config: typed,
            relation: None,
            description,
            columns,
            refs,
            sources,
            functions,
            depends_on: Vec::new(),
            macros,
            own_macros,
            doc_blocks,
            introspective,
            foreseen,
            detail,
        };
        self.check_constraints(&node);
        if matches!(
            node.resource_type,
            ResourceType::Model
                | ResourceType::Seed
                | ResourceType::Snapshot
                | ResourceType::Test
                | ResourceType::Function
        ) {
            node.relation = self.name_relation(&node, &config);
        }
        self.nodes.push(node);
    }

    /// Adds a node that was made elsewhere (a source).
    pub fn push(&mut self, node: Node) {
        self.nodes.push(node);
    }

    fn take_patch(&mut self, draft: &Draft<'_>) -> Option<(String, NodeProperties)> {
        let generic = matches!(&draft.detail, Detail::Test(test) if test.generic.is_some());
        if generic || matches!(draft.kind, ResourceType::Exposure | ResourceType::Operation | ResourceType::UnitTest) {
            return None;
        }
        let name = match &draft.detail {
            Detail::Model(model) => search_name(&draft.name, model.version.as_ref()),
            _ => draft.name.clone(),
        };
        let key = (draft.package.name().to_owned(), draft.kind, name);
        let patch = self.patches.get_mut(&key)?;
        patch.used = true;
        Some((patch.path.clone(), patch.properties.clone()))
    }

    /// Renders and applies configuration as written in a properties file.
    pub fn apply_entries(&mut self, config: &mut RawConfig, entries: &[ConfigEntry], package: &str) {
        for (key, value) in entries {
            if is_hook(&key.value) {
                config.apply_yaml(&key.value, value);
                continue;
            }
            let rendered = self.render_yaml(value, package);
            config.apply_yaml(key.value.trim_start_matches('+'), &rendered);
        }
    }

    /// Renders the Jinja of a YAML value.
    pub fn render_yaml(&mut self, value: &Yaml, package: &str) -> Yaml {
        let renderer = self.renderer(package);
        render_strings(value, &|text, place| renderer.value(text, place), &mut self.diagnostics)
    }

    /// What hooks refer to, their node depends on: they are rendered once to see it. Gives what will be wrong when they
    /// run.
    fn render_hooks(&mut self, draft: &Draft<'_>, config: &NodeConfig, recorded: &mut Recorded) -> Vec<Diagnostic> {
        let mut foreseen = Vec::new();
        let named = [("pre-hook", &config.pre_hook), ("post-hook", &config.post_hook)];
        for (name, hooks) in named {
            for (index, hook) in hooks.iter().enumerate() {
                if !crate::files::has_jinja(&hook.sql) {
                    continue;
                }
                let text: Arc<str> = Arc::from(hook.sql.as_str());
                let file = SourceFile::new(format!("{} ({name} {})", draft.path, index + 1), hook.sql.as_str());
                let host = self.parse_host(draft, config.raw.clone());
                let rendered = jinja::render(&self.templates, &Code { text, offset: Some(0), file }, &host);
                if let Err(jinja::Failure::Diagnostic(diagnostic)) = rendered {
                    self.diagnostics.push(*diagnostic);
                }
                let found = host.take();
                recorded.refs.extend(found.refs);
                recorded.sources.extend(found.sources);
                recorded.functions.extend(found.functions);
                foreseen.extend(found.foreseen);
            }
        }
        foreseen
    }

    /// The first rendering: nothing is executed, everything that is asked for is recorded.
    pub fn render(&mut self, draft: &Draft<'_>, config: IndexMap<String, Json>) -> Rendering {
        let Some(code) = &draft.code else { return (Recorded::default(), Called::default(), false, None) };
        let host = self.parse_host(draft, config);
        let take = |host: &ParseHost| {
            let mut recorded = host.take();
            if code.offset.is_none() {
                // Generated code has no places; what it asks for stands where the node is declared.
                recorded.refs.iter_mut().for_each(|call| call.location.clone_from(&draft.location));
                recorded.sources.iter_mut().for_each(|call| call.location.clone_from(&draft.location));
                recorded.functions.iter_mut().for_each(|call| call.location.clone_from(&draft.location));
            }
            recorded
        };
        match jinja::render(&self.templates, code, &host) {
            Ok(rendered) => {
                let macros = rendered.macros.into_iter().collect();
                let mut own_macros = rendered.own_macros;
                if code.offset.is_none() {
                    // As under dbt the test stands before what its arguments call.
                    own_macros.reverse();
                }
                (take(&host), Called { macros, own_macros }, rendered.introspective, rendered.config_call)
            }
            Err(jinja::Failure::NotReady) => (take(&host), Called::default(), true, None),
            Err(jinja::Failure::Diagnostic(mut diagnostic)) => {
                if code.offset.is_none() {
                    jinja::point_at(&mut diagnostic, code, draft.location.as_ref());
                }
                self.diagnostics.push(*diagnostic);
                (take(&host), Called::default(), false, None)
            }
        }
    }

    /// A host that records what a template of a node asks for.
    fn parse_host(&self, draft: &Draft<'_>, config: IndexMap<String, Json>) -> Arc<ParseHost> {
        let version = match &draft.detail {
            Detail::Model(model) => model.version.as_ref(),
            _ => None,
        };
        let mut model = json!({
            "unique_id": draft.id.as_str(),
            "name": draft.name,
            "resource_type": draft.kind.as_str(),
            "package_name": draft.package.name(),
            "path": draft.relative_path,
            "original_file_path": draft.path,
            "fqn": draft.fqn,
            "config": config,
            "batch": Json::Null,
            // What is known later is there, and empty.
            "description": "",
            "tags": [],
            "meta": {},
            "columns": {},
            "refs": [],
            "sources": [],
            "depends_on": {"nodes": [], "macros": []},
        });
        if let Some(version) = version {
            model["version"] = version.own.value().clone();
            model["latest_version"] = version.latest.value().clone();
        }
        let this = RelationValue {
            database: Some(self.names.target.database.to_string()),
            schema: Some(self.names.target.schema.to_string()),
            identifier: Some(default_alias(&draft.name, version)),
            kind: None,
            render_as: None,
            filter: None,
        };
        Arc::new(ParseHost {
            shared: Arc::clone(&self.shared),
            package: draft.package.name().to_owned(),
            this: Some(this),
            model,
            config,
            recorded: Mutex::default(),
            // Functions are compiled before everything else.
            lenient: draft.kind != ResourceType::Function,
        })
    }

    /// The configuration as written, from the less to the more specific place: `unrendered_config` of dbt's manifest.
    fn unrendered(
        &self,
        draft: &Draft<'_>,
        patch: Option<&NodeProperties>,
        recorded: &Recorded,
        config_call: Option<IndexMap<String, String>>,
    ) -> IndexMap<String, Json> {
        let mut written = IndexMap::new();
        let package = draft.package.name();
        if let Some(trees) = self.trees.get(package) {
            trees.unrendered(draft.kind, &draft.fqn, &mut written);
        }
        let entries = patch.map(|patch| patch.config.as_slice()).unwrap_or_default().iter();
        for (key, value) in entries.chain(&draft.own_config) {
            written.insert(key.value.trim_start_matches('+').to_owned(), value.to_json());
        }
        match config_call.filter(|call| !call.is_empty()) {
            Some(call) => written.extend(call.into_iter().map(|(key, value)| (key, Json::String(value)))),
            // A call with a mapping, or within a macro: what it gave is all that is known.
            None => written.extend(recorded.configs.iter().flatten().map(|(key, value)| (key.clone(), value.clone()))),
        }
        if package != self.root_name()
            && let Some(trees) = self.trees.get(self.root_name())
        {
            trees.unrendered(draft.kind, &draft.fqn, &mut written);
        }
        written
    }

    /// A description with its `doc()` calls resolved.
    pub fn describe(&mut self, package: &str, description: Option<&Spanned<String>>) -> String {
        let Some(description) = description else { return String::new() };
        let renderer = self.renderer(package);
        let searched = self.project.search_order(package);
        self.docs.resolve(searched, description, &renderer, &mut self.diagnostics)
    }

    /// The docs blocks that a description is made of.
    pub fn doc_blocks(&self, package: &str, description: Option<&Spanned<String>>) -> Vec<String> {
        let searched = self.project.search_order(package);
        description.map(|text| self.docs.blocks_of(searched, &text.value)).unwrap_or_default()
    }

    /// Documented columns.
    pub fn columns(&mut self, package: &str, written: &[ColumnProperties]) -> IndexMap<String, Column> {
        let mut columns = IndexMap::new();
        for column in written {
            let described = Column {
                name: column.name.value.clone(),
                description: self.describe(package, column.description.as_ref()),
                doc_blocks: self.doc_blocks(package, column.description.as_ref()),
                data_type: column.data_type.clone(),
                meta: column.meta.iter().map(|(key, value)| (key.value.clone(), value.to_json())).collect(),
                tags: column.tags.clone(),
                quote: column.quote,
                constraints: self.constraints(package, &column.constraints),
                meaning: column.meaning.clone(),
            };
            columns.insert(column.name.value.clone(), described);
        }
        columns
    }

    /// The model, seed or snapshot that properties of another of these kinds mean: dbt makes the tests that they
    /// declare, and takes nothing else of them.
    pub fn elsewhere(&self, package: &str, kind: ResourceType, name: &str) -> Option<&Node> {
        const KINDS: [ResourceType; 3] = [ResourceType::Model, ResourceType::Seed, ResourceType::Snapshot];
        let is_meant = |node: &&Node| {
            node.package == package
                && node.config.enabled
                && node.resource_type != kind
                && KINDS.contains(&node.resource_type)
                && node.search_name() == name
        };
        self.nodes.iter().filter(|_| KINDS.contains(&kind)).find(is_meant)
    }

    /// Warns of properties that describe nothing.
    pub fn report_unmatched(&mut self) {
        for ((package, kind, name), patch) in &self.patches {
            if patch.used {
                continue;
            }
            if let Some(node) = self.elsewhere(package, *kind, name) {
                let (is, under) = (node.resource_type.as_str(), kind.as_str());
                let message = format!("`{name}` is a {is}, but it is described as a {under}");
                let diagnostic = Diagnostic::warning("unmatched-properties", message)
                    .at(patch.properties.name.location.clone(), "only its tests are taken")
                    .with_hint(format!("describe it below `{is}s:`"));
                self.diagnostics.push(diagnostic);
                continue;
            }
            let names = self.nodes.iter().filter(|node| node.package == *package && node.resource_type == *kind);
            let near = crate::base::diagnostic::did_you_mean(name, names.map(|node| node.name.as_str()));
            let diagnostic =
                Diagnostic::warning("unmatched-properties", format!("there is no {} `{name}`", kind.as_str()))
                    .at(patch.properties.name.location.clone(), "described here");
            self.diagnostics.push(match near {
                Some(near) => diagnostic.with_hint(format!("did you mean `{near}`?")),
                None => diagnostic,
            });
        }
    }
}

/// Where the foreign keys of a model lead.
fn key_targets<'a>(detail: &'a Detail, columns: &'a IndexMap<String, Column>) -> impl Iterator<Item = &'a KeyTarget> {
    let of_model = match detail {
        Detail::Model(model) => model.constraints.as_slice(),
        _ => &[],
    };
    let of_columns =
        columns.values().flat_map(|column| &column.constraints).filter(|_| matches!(detail, Detail::Model(_)));
    of_columns.chain(of_model).filter_map(|constraint| constraint.target.as_ref())
}

/// Drops calls that were there already.
fn once<T>(calls: &mut Vec<T>, same: impl Fn(&T, &T) -> bool) {
    let mut kept: Vec<T> = Vec::with_capacity(calls.len());
    for call in std::mem::take(calls) {
        if !kept.iter().any(|known| same(known, &call)) {
            kept.push(call);
        }
    }
    *calls = kept;
}

/// What holds before any configuration: the layers' materializations.
fn default_config(draft: &Draft<'_>) -> RawConfig {
    let mut config = RawConfig::default();
    if draft.kind == ResourceType::Model {
        let layer = draft.layer.filter(|_| draft.package.config.kind == ProjectKind::Karat);
        let materialized = match layer {
            Some(Layer::Silver | Layer::Gold) => "table",
            Some(Layer::Bronze) | None => "view",
        };
        config.apply("materialized", json!(materialized), None);
    }
    config
}

/// Puts the values that hold without being configured into `raw`, for selectors and artifacts.
fn complete_raw(config: &mut NodeConfig, kind: ResourceType) {
    let materialized = match kind {
        ResourceType::Seed => Some("seed"),
        ResourceType::Snapshot => Some("snapshot"),
        ResourceType::Test => Some("test"),
        ResourceType::UnitTest => Some("unit"),
        ResourceType::Analysis => Some("view"),
        ResourceType::Function => Some("function"),
        // Only the configuration knows the name of one that the project has written.
        ResourceType::Model if config.materialized == Materialization::Custom => None,
        ResourceType::Model => Some(config.materialized.as_str()),
        ResourceType::Source
        | ResourceType::Exposure
        | ResourceType::SemanticModel
        | ResourceType::Metric
        | ResourceType::SavedQuery
        | ResourceType::Operation => None,
    };
    config.raw.insert("enabled".to_owned(), json!(config.enabled));
    if let Some(materialized) = materialized {
        config.raw.insert("materialized".to_owned(), json!(materialized));
    }
    config.raw.insert("tags".to_owned(), json!(config.tags));
    config.raw.insert("meta".to_owned(), json!(config.meta));
}

/// The place of a key in a template's `config()` call, as far as a look at the text can tell.
fn config_place(code: &Code, key: &str) -> Option<Location> {
    let base = code.offset?;
    let mut from = 0;
    while let Some(at) = code.text.get(from..)?.find("config") {
        let start = from + at + "config".len();
        from = start;
        let rest = code.text.get(start..)?;
        if !rest.trim_start().starts_with('(') {
            continue;
        }
        let mut search = 0;
        while let Some(at) = rest.get(search..)?.find(key) {
            let begin = search + at;
            search = begin + key.len();
            let before = rest.get(..begin).and_then(|text| text.chars().next_back());
            let word_start = !before.is_some_and(|c| c.is_alphanumeric() || c == '_');
            let after = rest.get(search..).map(|text| text.trim_start_matches(['"', '\'']).trim_start());
            if word_start && after.is_some_and(|text| text.starts_with('=') || text.starts_with(':')) {
                let begin = base + start + begin;
                return Some(Location::new(&code.file, begin..begin + key.len()));
            }
        }
    }
    None
}
