//! The project file: `project.yml`, or dbt's `dbt_project.yml`, read into typed values with their places.
//!
//! The configuration trees (`models:` and so on) and `vars:` stay as written; [`crate::parse`] interprets them, since
//! only there is a target to render their Jinja with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::base::diagnostic::{Diagnostic, Diagnostics, Severity, did_you_mean};
use crate::base::fs::{self, ProjectDir};
use crate::base::limits;
use crate::base::source::{Location, SourceFile};
use crate::files::discover::unreadable;
use crate::files::fields::{Fields, Single};
use crate::files::query_comment::QueryComment;
use crate::files::yaml::{self, Spanned, Yaml, YamlNode};
use crate::files::{LoadedProject, Renderer, render_strings};

/// Name of karat's own project file.
pub const KARAT_FILE: &str = "project.yml";
/// Name of dbt's project file.
pub const DBT_FILE: &str = "dbt_project.yml";

/// Whose rules a project follows where karat's and dbt's differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectKind {
    /// A `project.yml`: layers give schemas, unknown keys are errors.
    Karat,
    /// A `dbt_project.yml`: as under dbt.
    Dbt,
}

/// The folders of each kind of file, relative to the project, without `./` and trailing `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourcePaths {
    /// `model-paths`.
    pub models: Vec<String>,
    /// `seed-paths`.
    pub seeds: Vec<String>,
    /// `snapshot-paths`.
    pub snapshots: Vec<String>,
    /// `test-paths`.
    pub tests: Vec<String>,
    /// `macro-paths`.
    pub macros: Vec<String>,
    /// `analysis-paths`.
    pub analyses: Vec<String>,
    /// `docs-paths`; all of the above if not given.
    pub docs: Vec<String>,
    /// `asset-paths`.
    pub assets: Vec<String>,
    /// `function-paths`.
    pub functions: Vec<String>,
}

/// One project file, of the project itself or of a package.
#[derive(Debug, Clone)]
pub struct ProjectConfig {
    /// The file.
    pub file: Arc<SourceFile>,
    /// Whose rules it follows.
    pub kind: ProjectKind,
    /// `name`.
    pub name: Spanned<String>,
    /// `version`, free text.
    pub version: Option<String>,
    /// `profile`: the profile to take targets from.
    pub profile: Option<Spanned<String>>,
    /// Where files are looked for.
    pub paths: ResourcePaths,
    /// `target-path`: compiled SQL and artifacts.
    pub target_path: String,
    /// `log-path`, if it is set.
    pub log_path: Option<String>,
    /// `packages-install-path`.
    pub packages_path: String,
    /// `clean-targets`: folders that `clean` removes.
    pub clean_targets: Vec<Spanned<String>>,
    /// `require-dbt-version`, as written.
    pub require_dbt_version: Vec<String>,
    /// `flags`: defaults of the command line's flags.
    pub flags: IndexMap<String, Json>,
    /// `vars`, as written.
    pub vars: Option<Yaml>,
    /// `on-run-start`.
    pub on_run_start: Vec<Spanned<String>>,
    /// `on-run-end`.
    pub on_run_end: Vec<Spanned<String>>,
    /// `query-comment`.
    pub query_comment: QueryComment,
    /// `quoting`, for artifacts only: names are always quoted.
    pub quoting: Option<Json>,
    /// `dispatch`: for a macro namespace, the packages to search in order.
    pub dispatch: BTreeMap<String, Vec<String>>,
    /// `restrict-access`: whether other packages may refer to public models only.
    pub restrict_access: bool,
    /// The trees of configuration by their key: `models`, `seeds`, `snapshots`, `sources`, `data_tests`, `exposures`,
    /// `analyses`, `unit_tests`.
    pub configs: BTreeMap<&'static str, Yaml>,
    /// The folder of this project file, relative to the root project; empty for the root project itself.
    pub root: String,
}

/// Finds the project folder: the one given, or the working folder or the nearest one above it with a project file.
pub fn find_root(project_dir: Option<&Path>, working_dir: &Path) -> Result<PathBuf, Box<Diagnostic>> {
    let has_file = |folder: &Path| fs::is_file(&folder.join(KARAT_FILE)) || fs::is_file(&folder.join(DBT_FILE));
    if let Some(folder) = project_dir {
        let folder = working_dir.join(folder);
        if has_file(&folder) {
            return Ok(folder);
        }
        let what = if fs::is_dir(&folder) { "has no project file" } else { "is not a folder" };
        return Err(Box::new(
            Diagnostic::error("no-project", format!("`{}` {what}", folder.display()))
                .with_hint(format!("a project has a `{KARAT_FILE}` or a `{DBT_FILE}` in its folder")),
        ));
    }
    if let Some(folder) = working_dir.ancestors().find(|folder| has_file(folder)) {
        return Ok(folder.to_path_buf());
    }
    let message = format!("there is no `{KARAT_FILE}` or `{DBT_FILE}` in `{}` or above it", working_dir.display());
    Err(Box::new(
        Diagnostic::error("no-project", message).with_hint("give `--project-dir`, or make a project with `karat init`"),
    ))
}

impl ProjectConfig {
    /// Reads the project file of a folder (relative to the project; empty for the project itself).
    pub fn load(dir: &ProjectDir, root: &str, renderer: &Renderer<'_>, diagnostics: &mut Diagnostics) -> Option<Self> {
        let path_of = |name: &str| if root.is_empty() { name.to_owned() } else { format!("{root}/{name}") };
        let (own, other) = (path_of(KARAT_FILE), path_of(DBT_FILE));
        let kind = if dir.is_file(&own) { ProjectKind::Karat } else { ProjectKind::Dbt };
        let path = if kind == ProjectKind::Karat { &own } else { &other };
        if kind == ProjectKind::Karat && dir.is_file(&other) {
            diagnostics.push(Diagnostic::note(
                "two-project-files",
                format!("`{own}` is the project file; `{other}` beside it is not read"),
            ));
        }
        let text = match dir.read_text(path, limits::TEXT_FILE_BYTES) {
            Ok(text) => text,
            Err(error) => {
                diagnostics.push(unreadable(&error));
                return None;
            }
        };
        Self::parse(&SourceFile::new(path.clone(), text), kind, root, renderer, diagnostics)
    }

    /// Reads the text of a project file.
    pub fn parse(
        file: &Arc<SourceFile>,
        kind: ProjectKind,
        root: &str,
        renderer: &Renderer<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let written = yaml::parse(file, diagnostics)?;
        let written = render_keys(&written, renderer, diagnostics);
        let mut fields = Fields::new(format!("the project file `{}`", file.path), &written, diagnostics)?;
        let Some(name) = fields.text("name", diagnostics) else {
            diagnostics.push(fields.missing("name", &Location::of_file(file)));
            return None;
        };
        let name = checked_name(name, diagnostics)?;
        let version = fields.text("version", diagnostics).map(|version| version.value);
        fields.take("config-version");
        let profile = fields.text("profile", diagnostics);
        let paths = read_paths(&mut fields, kind, diagnostics);
        let mut folder = |key, default: &str| match fields.text(key, diagnostics) {
            Some(path) => inner_path(&path, diagnostics).unwrap_or_else(|| default.to_owned()),
            None => default.to_owned(),
        };
        let target_path = folder("target-path", "target");
        let packages_path = folder("packages-install-path", "dbt_packages");
        let log_path = fields.text("log-path", diagnostics).and_then(|path| inner_path(&path, diagnostics));
        let clean_targets = fields.texts("clean-targets", diagnostics).unwrap_or_default();
        let require_dbt_version = fields.texts("require-dbt-version", diagnostics).unwrap_or_default();
        let flags = read_flags(&mut fields, kind, diagnostics);
        let vars = fields.take("vars").cloned();
        let on_run_start = fields.texts("on-run-start", diagnostics).unwrap_or_default();
        let on_run_end = fields.texts("on-run-end", diagnostics).unwrap_or_default();
        let query_comment = fields.take_entry("query-comment").map(|(_, value)| value);
        let query_comment = QueryComment::read(query_comment, diagnostics);
        let quoting = fields.take("quoting").map(Yaml::to_json);
        let dispatch = read_dispatch(&mut fields, diagnostics);
        let configs = read_trees(&mut fields, diagnostics);
        let restrict_access = fields.boolean("restrict-access", diagnostics).unwrap_or(false);
        for ignored in ["dbt-cloud", "query-tag", "anchors"] {
            fields.take(ignored);
        }
        let severity = if kind == ProjectKind::Karat { Severity::Error } else { Severity::Warning };
        fields.finish(severity, diagnostics);
        Some(Self {
            file: Arc::clone(file),
            kind,
            name,
            version,
            profile,
            paths,
            target_path,
            log_path,
            packages_path,
            clean_targets,
            require_dbt_version: require_dbt_version.into_iter().map(|version| version.value).collect(),
            flags,
            vars,
            on_run_start,
            on_run_end,
            query_comment,
            quoting,
            dispatch,
            restrict_access,
            configs,
            root: root.to_owned(),
        })
    }

    /// How bad an unknown key is in this project's files.
    pub fn unknown_key_severity(&self) -> Severity {
        if self.kind == ProjectKind::Karat { Severity::Error } else { Severity::Warning }
    }

    /// A folder of this project, relative to the root project.
    pub fn folder(&self, path: &str) -> String {
        match (self.root.is_empty(), path) {
            (true, path) => path.to_owned(),
            (false, "" | ".") => self.root.clone(),
            (false, path) => format!("{}/{path}", self.root),
        }
    }
}

/// Renders the Jinja of the keys that are needed before there is a target. The trees and `vars` are rendered later,
/// hooks when they run.
fn render_keys(written: &Yaml, renderer: &Renderer<'_>, diagnostics: &mut Diagnostics) -> Yaml {
    let YamlNode::Mapping(entries) = &written.node else { return written.clone() };
    let later = |key: &str| {
        TREES.iter().any(|(name, _)| *name == key)
            || matches!(key, "vars" | "on-run-start" | "on-run-end" | "query-comment")
    };
    let entries = entries
        .iter()
        .map(|(key, value)| {
            let value = if later(&key.value) { value.clone() } else { render_strings(value, renderer, diagnostics) };
            (key.clone(), value)
        })
        .collect();
    Yaml { node: YamlNode::Mapping(entries), location: written.location.clone() }
}

fn checked_name(name: Spanned<String>, diagnostics: &mut Diagnostics) -> Option<Spanned<String>> {
    let fits = name.value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.value.starts_with(|c: char| c.is_ascii_digit())
        && !name.value.is_empty();
    if fits {
        return Some(name);
    }
    let message = format!("the project's name `{}` is not a plain name", name.value);
    diagnostics.push(
        Diagnostic::error("bad-name", message)
            .at(name.location, "")
            .with_hint("use letters, digits and `_`, not beginning with a digit"),
    );
    None
}

/// A path within the project, without `./` and trailing `/`; a path that leaves the project is refused.
fn inner_path(path: &Spanned<String>, diagnostics: &mut Diagnostics) -> Option<String> {
    let text = path.value.trim().replace('\\', "/");
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let leaves = text.starts_with('/') || parts.contains(&"..") || text.get(1..2) == Some(":");
    if leaves {
        diagnostics.push(
            Diagnostic::error("path-outside-project", format!("the path `{}` leaves the project", path.value))
                .at(path.location.clone(), "")
                .with_hint("paths of a project are relative to its folder, without `..`"),
        );
        return None;
    }
    Some(parts.join("/"))
}

fn read_paths(fields: &mut Fields<'_>, kind: ProjectKind, diagnostics: &mut Diagnostics) -> ResourcePaths {
    let mut read = |key: &'static str, old: Option<&'static str>, default: &[&str]| -> Vec<String> {
        let mut given = fields.texts(key, diagnostics);
        if let Some(old) = old {
            given = given.or(fields.texts(old, diagnostics));
        }
        match given {
            Some(paths) => paths.iter().filter_map(|path| inner_path(path, diagnostics)).collect(),
            None => default.iter().map(|path| (*path).to_owned()).collect(),
        }
    };
    // Names from before dbt 1.0 are understood in a dbt project only.
    let old = |name: &'static str| (kind == ProjectKind::Dbt).then_some(name);
    let mut paths = ResourcePaths {
        models: read("model-paths", old("source-paths"), &["models"]),
        seeds: read("seed-paths", old("data-paths"), &["seeds"]),
        snapshots: read("snapshot-paths", None, &["snapshots"]),
        tests: read("test-paths", None, &["tests"]),
        macros: read("macro-paths", None, &["macros"]),
        analyses: read("analysis-paths", None, &["analyses"]),
        docs: read("docs-paths", None, &[]),
        assets: read("asset-paths", None, &[]),
        functions: read("function-paths", None, &["functions"]),
    };
    if paths.docs.is_empty() {
        let all = [
            &paths.models,
            &paths.seeds,
            &paths.snapshots,
            &paths.tests,
            &paths.macros,
            &paths.analyses,
            &paths.functions,
        ];
        paths.docs = all.into_iter().flatten().cloned().collect();
    }
    paths
}

/// The keys of a project file with what they may hold and mean, for the reference page.
pub const KEYS: [(&str, &str, &str); 25] = [
    ("name", "text, required", "Name of the project: letters, digits and `_`. The first package of each node's id."),
    ("version", "text", "Version of the project; kept for people."),
    (
        "profile",
        "text",
        "Profile of `profiles.yml` to use. Without that file the target `dev` is a local `warehouse/`.",
    ),
    (
        "model-paths",
        "list, `[models]`",
        "Folders of models. Folders called bronze, silver and gold in them are layers.",
    ),
    ("seed-paths", "list, `[seeds]`", "Folders of seeds."),
    ("snapshot-paths", "list, `[snapshots]`", "Folders of snapshots."),
    ("test-paths", "list, `[tests]`", "Folders of singular tests; a folder `generic` in them holds generic ones."),
    ("macro-paths", "list, `[macros]`", "Folders of macros."),
    ("analysis-paths", "list, `[analyses]`", "Folders of queries that are compiled but not run."),
    ("docs-paths", "list, all of the above", "Folders of Markdown files with docs blocks."),
    ("target-path", "folder, `target`", "Where artifacts, compiled SQL and the documentation go."),
    ("log-path", "folder, `logs` below the target folder", "Where `karat.log` goes."),
    ("packages-install-path", "folder, `dbt_packages`", "Where packages are."),
    ("clean-targets", "list, `[target]`", "What `karat clean` removes; never a warehouse."),
    ("require-dbt-version", "text or list", "Read and kept; karat does not refuse by it."),
    ("vars", "mapping", "Variables; `--vars` on the command line wins."),
    ("on-run-start", "text or list", "Statements before everything else."),
    ("on-run-end", "text or list", "Statements after everything else; they see the results."),
    ("dispatch", "list", "Order of the packages that `adapter.dispatch` searches."),
    (
        "restrict-access",
        "true or false, `false`",
        "Of a package: whether models of other packages may refer to its public models only.",
    ),
    ("flags", "mapping", "Defaults of flags of the command line, with `_` for `-`."),
    (
        "models",
        "mapping",
        "Configuration of models by package and folder; so for `seeds`, `snapshots`, `sources`, \
        `data_tests`, `exposures`, `analyses`.",
    ),
    (
        "query-comment",
        "text or mapping",
        "Comment at the SQL in the log: a template, or a mapping with `comment` and `append`; empty for none.",
    ),
    ("quoting", "mapping", "Read and kept."),
    ("config-version", "number", "Read and kept."),
];

/// The flags that a project file may set: the command line's, with `_` for `-`.
pub const FLAGS: [&str; 14] = [
    "debug",
    "fail_fast",
    "full_refresh",
    "indirect_selection",
    "log_format",
    "log_level",
    "log_level_file",
    "print",
    "quiet",
    "store_failures",
    "use_colors",
    "warn_error",
    "warn_error_options",
    "write_json",
];

/// dbt's flag by which names without a package are looked for in the node's package before the root project.
const NODE_PACKAGE_FIRST: &str = "require_ref_searches_node_package_before_root";

/// Flags of dbt that tune what karat does not have.
const FLAGS_WITHOUT_EFFECT: [&str; 11] = [
    "cache_selected_only",
    "log_format_file",
    "partial_parse",
    "populate_cache",
    "printer_width",
    "send_anonymous_usage_stats",
    "static_parser",
    "use_colors_file",
    "use_experimental_parser",
    "version_check",
    "log_file_max_bytes",
];

/// The values of [`FLAGS`] that a project's file sets, as texts.
///
/// Flags say how the rest is read and reported, so they are looked at before anything else; what is wrong with the
/// file is told when the project is loaded.
pub fn flags_of(root: &Path) -> BTreeMap<String, String> {
    let written = glance(root);
    let flags = written.as_ref().and_then(|written| written.get("flags")).and_then(Yaml::entries).unwrap_or_default();
    let known = flags.iter().filter(|(key, _)| FLAGS.contains(&key.value.as_str()));
    // A mapping is a text of YAML, as on the command line.
    let text = |value: &Yaml| value.scalar_text().or_else(|| value.entries().map(|_| value.to_json().to_string()));
    known.filter_map(|(key, value)| Some((key.value.clone(), text(value)?))).collect()
}

/// The folder for artifacts that the project file of a folder names: before the project is read, for what an earlier
/// command has left there.
pub fn target_path_of(root: &Path) -> String {
    let written = glance(root);
    let path = written.as_ref().and_then(|written| written.get("target-path")).and_then(Yaml::scalar_text);
    path.unwrap_or_else(|| "target".to_owned())
}

/// The project file of a folder before the project is read. What is wrong with it is told when the project is loaded.
fn glance(root: &Path) -> Option<Yaml> {
    let file = [KARAT_FILE, DBT_FILE].into_iter().find(|name| fs::is_file(&root.join(name)));
    let text = file.and_then(|name| fs::read_text(&root.join(name), limits::TEXT_FILE_BYTES).ok()).unwrap_or_default();
    yaml::parse(&SourceFile::new(file.unwrap_or_default(), text), &mut Diagnostics::default())
}

impl ProjectConfig {
    /// The packages in which a node's `ref`, `source` and `doc` look, one after the other, before all others: as under
    /// dbt, the root project first, unless its flag says otherwise.
    fn search_order<'a>(&'a self, node_package: &'a str) -> [&'a str; 2] {
        let node_first = self.flags.get(NODE_PACKAGE_FIRST).is_some_and(|value| *value == Json::Bool(true));
        let root = self.name.value.as_str();
        if node_first { [node_package, root] } else { [root, node_package] }
    }
}

impl LoadedProject {
    /// The packages in which a node of a package looks for what it names, before all others.
    pub fn search_order<'a>(&'a self, node_package: &'a str) -> [&'a str; 2] {
        self.root().map_or([node_package; 2], |root| root.config.search_order(node_package))
    }
}

fn read_flags(fields: &mut Fields<'_>, kind: ProjectKind, diagnostics: &mut Diagnostics) -> IndexMap<String, Json> {
    let Some(value) = fields.take("flags") else { return IndexMap::new() };
    let Some(entries) = value.entries() else {
        diagnostics.push(fields.wrong("flags", value, "a mapping"));
        return IndexMap::new();
    };
    for (key, _) in entries {
        let name = key.value.as_str();
        if FLAGS.contains(&name) || FLAGS_WITHOUT_EFFECT.contains(&name) || name == NODE_PACKAGE_FIRST {
            continue;
        }
        let near = did_you_mean(name, FLAGS);
        // dbt has many flags for the behavior of one version or adapter; they are no mistake of the user.
        if kind == ProjectKind::Karat || near.is_some() {
            let message = format!("`flags` of the project file has no key `{name}`");
            let mut problem = Diagnostic::error("unknown-key", message).at(key.location.clone(), "");
            problem.severity = if kind == ProjectKind::Karat { Severity::Error } else { Severity::Warning };
            problem.hint = near.map(|near| format!("did you mean `{near}`?"));
            diagnostics.push(problem);
        }
    }
    entries.iter().map(|(key, value)| (key.value.clone(), value.to_json())).collect()
}

fn read_dispatch(fields: &mut Fields<'_>, diagnostics: &mut Diagnostics) -> BTreeMap<String, Vec<String>> {
    let mut dispatch = BTreeMap::new();
    for item in fields.list("dispatch", Single::Refused, diagnostics) {
        let Some(mut entry) = Fields::new("an entry of `dispatch`", item, diagnostics) else { continue };
        let namespace = entry.text("macro_namespace", diagnostics);
        let order = entry.texts("search_order", diagnostics);
        match (namespace, order) {
            (Some(namespace), Some(order)) => {
                dispatch.insert(namespace.value, order.into_iter().map(|name| name.value).collect());
            }
            (None, _) => diagnostics.push(entry.missing("macro_namespace", &item.location)),
            (_, None) => diagnostics.push(entry.missing("search_order", &item.location)),
        }
        entry.finish(Severity::Warning, diagnostics);
    }
    dispatch
}

/// The trees' keys as written, and the name under which each is kept.
const TREES: [(&str, &str); 17] = [
    ("models", "models"),
    ("seeds", "seeds"),
    ("snapshots", "snapshots"),
    ("sources", "sources"),
    ("data_tests", "data_tests"),
    ("tests", "data_tests"),
    ("data-tests", "data_tests"),
    ("unit_tests", "unit_tests"),
    ("unit-tests", "unit_tests"),
    ("exposures", "exposures"),
    ("semantic-models", "semantic-models"),
    ("metrics", "metrics"),
    ("saved-queries", "saved-queries"),
    ("analyses", "analyses"),
    ("functions", "functions"),
    ("macros", "macros"),
    ("operations", "operations"),
];

fn read_trees(fields: &mut Fields<'_>, diagnostics: &mut Diagnostics) -> BTreeMap<&'static str, Yaml> {
    let mut trees: BTreeMap<&'static str, Yaml> = BTreeMap::new();
    for (key, kept_as) in TREES {
        let Some(tree) = fields.take(key) else { continue };
        let YamlNode::Mapping(entries) = &tree.node else {
            diagnostics.push(fields.wrong(key, tree, "a mapping"));
            continue;
        };
        match trees.get_mut(kept_as) {
            // `tests:` and `data_tests:` side by side are one tree, as far as they do not say the same twice.
            Some(Yaml { node: YamlNode::Mapping(kept), .. }) => {
                let new = entries.iter().filter(|(name, _)| kept.iter().all(|(other, _)| other.value != name.value));
                let new: Vec<_> = new.cloned().collect();
                kept.extend(new);
            }
            _ => {
                trees.insert(kept_as, tree.clone());
            }
        }
    }
    trees
}
