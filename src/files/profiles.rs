//! Targets: where the warehouse is, from `profiles.yml` or, without one, the embedded default.
//!
//! The file is looked for in `--profiles-dir`, `KARAT_PROFILES_DIR`, `DBT_PROFILES_DIR`, the project's folder, `~/.karat`
//! and `~/.dbt`. A target of another type than `karat` keeps its name, schema and threads; its connection is replaced
//! by the embedded warehouse. Without a `path`, the target `dev` has its warehouse in `warehouse`, any other target in
//! `warehouse-<target>`, so that two targets do not meet by accident.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::base::diagnostic::{Diagnostic, Diagnostics, Severity, did_you_mean};
use crate::base::env::ProcessEnv;
use crate::base::fs;
use crate::base::ident::Identifier;
use crate::base::limits;
use crate::base::secret::Scrubber;
use crate::base::source::{Location, SourceFile};
use crate::base::units::parse_size;
use crate::files::discover::unreadable;
use crate::files::fields::Fields;
use crate::files::project::ProjectConfig;
use crate::files::yaml::{self, Spanned, Yaml};
use crate::files::{Renderer, render_strings};

/// The keys of a target with what they may hold and mean, for the reference page.
pub const KEYS: [(&str, &str, &str); 9] = [
    ("type", "`karat`", "Kind of the target. Of another kind only name, schema and threads are used."),
    ("path", "folder or URL, `warehouse` or `warehouse-<target>`", "Where the warehouse is; relative to the project."),
    ("schema", "text, `main`", "Schema of what has none of its own."),
    (
        "database",
        "text, the project's name",
        "The first part of the names of relations: what the target's own database is called.",
    ),
    ("threads", "number, as many as there are cores", "How many nodes run at once; `--threads` wins."),
    (
        "memory_limit",
        "size such as `4GiB`, 60 % of the machine or control group",
        "Memory to work with: half for what queries keep, which spill the rest to disk, one quarter for files that \
        are being written, one for what cannot be counted. The program itself takes up to 300 MiB more. `KB` to `TB` count in 1000s, `KiB` to `TiB` \
        in 1024s. `--memory` wins.",
    ),
    (
        "settings",
        "mapping",
        "Settings of the target: `dialect` of the parser, `division` of integers (`integer` or `fraction`), `nulls` in an order (`largest`, `smallest` or `last`), and those of the object store.",
    ),
    ("storage_options", "mapping", "Options of an object store, such as `aws_region`."),
    ("dataset", "text", "In targets of other kinds: another name of `schema`."),
];

/// Name of the target that exists without any `profiles.yml`.
pub const DEFAULT_TARGET: &str = "dev";
/// Folder of the default target's warehouse.
pub const DEFAULT_WAREHOUSE: &str = "warehouse";
/// Default schema of a target.
pub const DEFAULT_SCHEMA: &str = "main";

/// One resolved target: which warehouse to use, and how.
#[derive(Debug, Clone)]
pub struct Target {
    /// Name of the profile; the project's name if there is none.
    pub profile: String,
    /// Name of the target, which is also the name of the environment.
    pub name: String,
    /// Type as written, such as `karat` or `duckdb`.
    pub kind: String,
    /// Absolute folder, or URL of an object store.
    pub warehouse: String,
    /// Name of the catalog in SQL.
    pub database: Identifier,
    /// Schema of what has no other one.
    pub schema: Identifier,
    /// Nodes to run at once; `None` leaves it to the machine.
    pub threads: Option<usize>,
    /// Memory for the engine in bytes; `None` leaves it to the machine.
    pub memory_limit: Option<u64>,
    /// Options of the object store and further settings, as text.
    pub settings: IndexMap<String, String>,
    /// What else the target of another type says: its connection, which templates see and karat does not use. Without
    /// what is secret.
    pub connection: IndexMap<String, Json>,
    /// Where the target is defined.
    pub location: Option<Location>,
}

/// Where nulls are sorted without `nulls first` or `nulls last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullOrder {
    /// At the end, whatever the direction.
    Last,
    /// As if they were larger than all values.
    Largest,
    /// As if they were smaller than all values.
    Smallest,
}

/// Types of databases whose `/` gives a fraction of two integers; that of the others gives an integer.
const FRACTIONAL: [&str; 6] = ["duckdb", "snowflake", "bigquery", "databricks", "spark", "mysql"];

impl Target {
    /// Whether `/` of two integers is a fraction, as in the database that the project was written for. A target of our
    /// own says it with `settings: {division: fraction}`.
    pub fn divides_into_fractions(&self) -> bool {
        match self.settings.get("division") {
            Some(written) => written == "fraction",
            None => FRACTIONAL.contains(&self.kind.as_str()),
        }
    }

    /// Whether `^` is a power, as in `DuckDB` and Postgres; elsewhere it is exclusive or.
    pub fn caret_is_power(&self) -> bool {
        const BITWISE: [&str; 7] = ["bigquery", "databricks", "spark", "mysql", "sqlserver", "fabric", "synapse"];
        !BITWISE.contains(&self.kind.as_str())
    }

    /// Where the database that the project was written for sorts nulls. A target of our own says it with
    /// `settings: {nulls: last}`, `largest` or `smallest`.
    pub fn null_order(&self) -> NullOrder {
        match (self.settings.get("nulls").map(String::as_str), self.kind.as_str()) {
            (Some("last"), _) | (None, "duckdb" | "trino" | "athena" | "clickhouse") => NullOrder::Last,
            (Some("smallest"), _)
            | (None, "bigquery" | "databricks" | "spark" | "mysql" | "sqlserver" | "fabric" | "synapse" | "sqlite") => {
                NullOrder::Smallest
            }
            _ => NullOrder::Largest,
        }
    }

    /// Whether the warehouse is an object store and not a local folder.
    pub fn is_remote(&self) -> bool {
        is_url(&self.warehouse)
    }

    /// The value of `target` in templates.
    pub fn to_json(&self) -> Json {
        let mut value = serde_json::json!({
            "name": self.name,
            "target_name": self.name,
            "profile_name": self.profile,
            "type": self.kind,
            "database": self.database.as_str(),
            "schema": self.schema.as_str(),
            "threads": self.threads.unwrap_or(1),
            "path": self.warehouse,
        });
        for (key, own) in &self.connection {
            let known = match key.as_str() {
                // Names that other databases have for the one of this target.
                "database" | "dbname" | "catalog" | "project" => self.database.as_str().into(),
                "dataset" => self.schema.as_str().into(),
                "name" | "target_name" | "profile_name" | "type" | "schema" | "threads" => continue,
                _ => own.clone(),
            };
            value[key] = known;
        }
        if self.connection.contains_key("database") || self.connection.contains_key("dbname") {
            value["dbname"] = self.database.as_str().into();
        }
        value
    }
}

/// What the command line says about targets.
#[derive(Debug, Clone, Copy, Default)]
pub struct TargetChoice<'a> {
    /// `--profiles-dir`.
    pub profiles_dir: Option<&'a Path>,
    /// `--profile`.
    pub profile: Option<&'a str>,
    /// `--target`.
    pub target: Option<&'a str>,
}

/// A folder to look in, and whether a file there is meant for this project.
struct Place {
    folder: PathBuf,
    own: bool,
}

/// Resolves the target of an invocation.
pub fn load_target(
    project: &ProjectConfig,
    root: &Path,
    choice: TargetChoice<'_>,
    env: &ProcessEnv,
    renderer: &Renderer<'_>,
) -> (Option<Target>, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let target = resolve(project, root, choice, env, renderer, &mut diagnostics);
    (target, diagnostics)
}

/// The names of all targets of the profile; none without a `profiles.yml` that has it.
pub fn target_names(project: &ProjectConfig, root: &Path, choice: TargetChoice<'_>, env: &ProcessEnv) -> Vec<String> {
    let named = choice.profile.or(project.profile.as_ref().map(|profile| profile.value.as_str()));
    let wanted = named.unwrap_or(&project.name.value);
    for place in places(root, choice, env) {
        let path = place.folder.join("profiles.yml");
        let Ok(text) = fs::read_text(&path, limits::TEXT_FILE_BYTES) else { continue };
        let file = SourceFile::new(path.display().to_string(), text);
        let Some(written) = yaml::parse(&file, &mut Diagnostics::default()) else { continue };
        if let Some(profile) = written.get(wanted) {
            let outputs = profile.get("outputs").and_then(Yaml::entries).unwrap_or_default();
            return outputs.iter().map(|(name, _)| name.value.clone()).collect();
        }
    }
    Vec::new()
}

fn resolve(
    project: &ProjectConfig,
    root: &Path,
    choice: TargetChoice<'_>,
    env: &ProcessEnv,
    renderer: &Renderer<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Target> {
    let named = choice.profile.or(project.profile.as_ref().map(|profile| profile.value.as_str()));
    let wanted = named.unwrap_or(&project.name.value);
    for place in places(root, choice, env) {
        let path = place.folder.join("profiles.yml");
        if !fs::is_file(&path) {
            if choice.profiles_dir.is_some() && named.is_some() {
                let message = format!("there is no `profiles.yml` in `{}`", place.folder.display());
                diagnostics.push(Diagnostic::error("no-profiles", message));
                return None;
            }
            continue;
        }
        let text = match fs::read_text(&path, limits::TEXT_FILE_BYTES) {
            Ok(text) => text,
            Err(error) => {
                diagnostics.push(unreadable(&error));
                return None;
            }
        };
        let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let file = SourceFile::new(shown, text);
        let written = yaml::parse(&file, diagnostics)?;
        let entries = written.entries().unwrap_or_default();
        if let Some((_, profile)) = entries.iter().find(|(name, _)| name.value == wanted) {
            let mut target = from_profile(project, root, choice, wanted, profile, renderer, diagnostics)?;
            let scrubber = Scrubber::new(env);
            target.connection.retain(|_, value| value.as_str().is_none_or(|text| scrubber.scrub(text) == text));
            return Some(target);
        }
        let names: Vec<&str> =
            entries.iter().map(|(name, _)| name.value.as_str()).filter(|name| *name != "config").collect();
        // A file in the home folder may well be about other projects only.
        if choice.profile.is_some() || (place.own && named.is_some()) {
            diagnostics.push(unknown_profile(project, choice, wanted, &names, &file));
            return None;
        }
    }
    if let Some(profile) = choice.profile {
        let message = format!("there is no profile `{profile}`: no `profiles.yml` was found");
        diagnostics.push(Diagnostic::error("unknown-profile", message));
        return None;
    }
    let name = choice.target.unwrap_or(DEFAULT_TARGET);
    if name != DEFAULT_TARGET {
        diagnostics.push(
            Diagnostic::error("unknown-target", format!("there is no target `{name}`"))
                .with_note(format!("without a `profiles.yml` the only target is `{DEFAULT_TARGET}`"))
                .with_hint("describe further targets in a `profiles.yml` beside the project file"),
        );
        return None;
    }
    Some(Target {
        profile: wanted.to_owned(),
        name: name.to_owned(),
        kind: "karat".to_owned(),
        warehouse: root.join(DEFAULT_WAREHOUSE).display().to_string(),
        database: identifier(&project.name, diagnostics)?,
        schema: identifier(&Spanned::new(DEFAULT_SCHEMA.to_owned(), Location::of_file(&project.file)), diagnostics)?,
        threads: None,
        memory_limit: None,
        settings: IndexMap::new(),
        connection: IndexMap::new(),
        location: None,
    })
}

fn places(root: &Path, choice: TargetChoice<'_>, env: &ProcessEnv) -> Vec<Place> {
    if let Some(folder) = choice.profiles_dir {
        return vec![Place { folder: folder.to_path_buf(), own: true }];
    }
    let mut places = Vec::new();
    if let Some(folder) = env.first(&["KARAT_PROFILES_DIR", "DBT_PROFILES_DIR"]) {
        places.push(Place { folder: PathBuf::from(folder), own: true });
    }
    places.push(Place { folder: root.to_path_buf(), own: true });
    if let Some(home) = env.first(&["HOME", "USERPROFILE"]) {
        let home = Path::new(home);
        places.extend([".karat", ".dbt"].map(|folder| Place { folder: home.join(folder), own: false }));
    }
    places
}

fn unknown_profile(
    project: &ProjectConfig,
    choice: TargetChoice<'_>,
    wanted: &str,
    names: &[&str],
    file: &Arc<SourceFile>,
) -> Diagnostic {
    let place = project.profile.as_ref().filter(|_| choice.profile.is_none()).map(|profile| profile.location.clone());
    let known = if names.is_empty() { "no profiles at all".to_owned() } else { quoted_list(names) };
    let diagnostic = Diagnostic::error("unknown-profile", format!("there is no profile `{wanted}`"))
        .at_maybe(place, "named here")
        .with_note(format!("`{}` has {known}", file.path));
    match did_you_mean(wanted, names.iter().copied()) {
        Some(near) => diagnostic.with_hint(format!("did you mean `{near}`?")),
        None => diagnostic,
    }
}

fn from_profile(
    project: &ProjectConfig,
    root: &Path,
    choice: TargetChoice<'_>,
    profile: &str,
    written: &Yaml,
    renderer: &Renderer<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Target> {
    let mut fields = Fields::new(format!("the profile `{profile}`"), written, diagnostics)?;
    let default = fields.take("target").map(|value| render_strings(value, renderer, diagnostics));
    let Some(outputs) = fields.take("outputs") else {
        diagnostics.push(fields.missing("outputs", &written.location));
        return None;
    };
    fields.take("config");
    fields.finish(Severity::Warning, diagnostics);
    let entries = outputs.entries().unwrap_or_default();
    let name = match (choice.target, &default) {
        (Some(name), _) => name.to_owned(),
        (None, Some(default)) => default.scalar_text().unwrap_or_default(),
        (None, None) => entries
            .iter()
            .map(|(name, _)| name.value.as_str())
            .find(|name| *name == "default")
            .or_else(|| entries.first().filter(|_| entries.len() == 1).map(|(name, _)| name.value.as_str()))
            .unwrap_or("default")
            .to_owned(),
    };
    let Some((key, output)) = entries.iter().find(|(key, _)| key.value == name) else {
        let names: Vec<&str> = entries.iter().map(|(name, _)| name.value.as_str()).collect();
        let diagnostic = Diagnostic::error("unknown-target", format!("there is no target `{name}`"))
            .at(outputs.location.clone(), "")
            .with_note(format!("the profile `{profile}` has {}", quoted_list(&names)));
        diagnostics.push(match did_you_mean(&name, names.iter().copied()) {
            Some(near) => diagnostic.with_hint(format!("did you mean `{near}`?")),
            None => diagnostic,
        });
        return None;
    };
    let rendered = render_strings(output, renderer, diagnostics);
    let target = read_output(project, root, profile, key, &rendered, diagnostics)?;
    for (other, value) in entries.iter().filter(|(other, _)| other.value != name) {
        let path = value.get("path").and_then(Yaml::as_str);
        if target.kind == "karat" && path.is_some_and(|path| absolute(root, path) == target.warehouse) {
            let message = format!("the targets `{name}` and `{}` share one warehouse", other.value);
            diagnostics.push(
                Diagnostic::warning("shared-warehouse", message).at(key.location.clone(), "").with_hint(
                    "give each target a `path` of its own; tables of the same name would replace each other",
                ),
            );
        }
    }
    Some(target)
}

fn read_output(
    project: &ProjectConfig,
    root: &Path,
    profile: &str,
    name: &Spanned<String>,
    written: &Yaml,
    diagnostics: &mut Diagnostics,
) -> Option<Target> {
    let mut fields = Fields::new(format!("the target `{}`", name.value), written, diagnostics)?;
    let kind = fields.text("type", diagnostics).map_or_else(|| "karat".to_owned(), |kind| kind.value);
    let own = kind == "karat";
    let schema = fields.text("schema", diagnostics).unwrap_or_else(|| {
        let old = (!own).then(|| fields.text("dataset", diagnostics)).flatten();
        old.unwrap_or_else(|| Spanned::new(DEFAULT_SCHEMA.to_owned(), name.location.clone()))
    });
    let threads = whole_number(&mut fields, "threads", diagnostics);
    let database = if own { fields.text("database", diagnostics) } else { None };
    let path = if own { fields.text("path", diagnostics) } else { None };
    let memory_limit = if own {
        fields.text("memory_limit", diagnostics).and_then(|text| {
            let size = parse_size(&text.value);
            if size.is_none() {
                let message = format!("`{}` is not an amount of memory", text.value);
                diagnostics.push(
                    Diagnostic::error("bad-value", message)
                        .at(text.location.clone(), "")
                        .with_hint("write a number of bytes, or such as `512MiB` or `4GB`"),
                );
            }
            size
        })
    } else {
        None
    };
    let mut settings = IndexMap::new();
    let connection = if own { IndexMap::new() } else { connection_of(written) };
    if own {
        for key in ["settings", "storage_options"] {
            for (key, value) in fields.take(key).and_then(Yaml::entries).unwrap_or_default() {
                if key.value == "division" && !matches!(value.as_str(), Some("fraction" | "integer")) {
                    let message = "`division` of a target is `integer` or `fraction`";
                    diagnostics.push(Diagnostic::error("bad-value", message).at(value.location.clone(), ""));
                }
                if key.value == "nulls" && !matches!(value.as_str(), Some("last" | "largest" | "smallest")) {
                    let message = "`nulls` of a target is `last`, `largest` or `smallest`";
                    diagnostics.push(Diagnostic::error("bad-value", message).at(value.location.clone(), ""));
                }
                settings.insert(key.value.clone(), value.scalar_text().unwrap_or_default());
            }
        }
        fields.finish(Severity::Error, diagnostics);
    } else {
        let message = format!("the target `{}` has type `{kind}`; its connection is not used", name.value);
        diagnostics.push(
            Diagnostic::note("connection-replaced", message)
                .at(name.location.clone(), "")
                .with_note("its name, schema and threads are; the data goes to karat's own warehouse"),
        );
    }
    let default = if name.value == DEFAULT_TARGET {
        DEFAULT_WAREHOUSE.to_owned()
    } else {
        format!("{DEFAULT_WAREHOUSE}-{}", name.value)
    };
    Identifier::new(name.value.clone())
        .map_err(|error| {
            diagnostics.push(Diagnostic::error("bad-name", error.to_string()).at(name.location.clone(), ""));
        })
        .ok()?;
    let database = match (&database, other_database(&kind, &connection)) {
        (Some(given), _) => identifier(given, diagnostics)?,
        (None, Some(named)) => named,
        (None, None) => identifier(&project.name, diagnostics)?,
    };
    Some(Target {
        profile: profile.to_owned(),
        name: name.value.clone(),
        kind,
        warehouse: absolute(root, path.as_ref().map_or(default.as_str(), |path| path.value.as_str())),
        database,
        schema: identifier(&schema, diagnostics)?,
        threads: threads.and_then(|threads| usize::try_from(threads).ok()),
        memory_limit,
        settings,
        connection,
        location: Some(name.location.clone()),
    })
}

/// The plain values of a connection that are no secrets.
fn connection_of(written: &Yaml) -> IndexMap<String, Json> {
    /// Parts of the names of keys that hold secrets.
    const SECRET: [&str; 8] = ["pass", "pwd", "token", "secret", "private", "credential", "keyfile", "access_key"];
    let is_plain = |value: &Yaml| value.is_null() || value.scalar_text().is_some();
    let is_secret = |key: &str| {
        let key = key.to_ascii_lowercase();
        SECRET.iter().any(|part| key.contains(part)) || key.ends_with("api_key")
    };
    let entries = written.entries().unwrap_or_default().iter();
    let kept = entries.filter(|(key, value)| is_plain(value) && !is_secret(&key.value));
    kept.map(|(key, value)| (key.value.clone(), value.to_json())).collect()
}

fn whole_number(fields: &mut Fields<'_>, key: &'static str, diagnostics: &mut Diagnostics) -> Option<u64> {
    let text = fields.text(key, diagnostics)?;
    let number = text.value.trim().parse::<u64>().ok().filter(|number| *number > 0);
    if number.is_none() {
        diagnostics.push(
            Diagnostic::error("bad-value", format!("`{key}` must be a number of at least 1, but is `{}`", text.value))
                .at(text.location, ""),
        );
    }
    number
}

/// The name of the database that the connection of another type opens: `DuckDB`'s is that of its file. What no name can
/// hold is replaced by `_`, because nothing but the name is used.
fn other_database(kind: &str, connection: &IndexMap<String, Json>) -> Option<Identifier> {
    let text = |key: &str| connection.get(key).and_then(Json::as_str).filter(|name| !name.trim().is_empty());
    let named = ["database", "dbname", "catalog", "project"].into_iter().find_map(text);
    let found = match (kind, named) {
        ("duckdb", None) => duckdb_name(text("path").unwrap_or(":memory:")),
        (_, named) => named?,
    };
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '$');
    let name: String = found.chars().map(|letter| if allowed(letter) { letter } else { '_' }).collect();
    Identifier::new(name).ok()
}

/// The name that `DuckDB` and `MotherDuck` give to the database of a path, by dbt-duckdb's rules.
fn duckdb_name(path: &str) -> &str {
    let path = path.split('?').next().unwrap_or(path);
    if path == ":memory:" {
        return "memory";
    }
    if let Some(name) = path.strip_prefix("md:").or_else(|| path.strip_prefix("motherduck:")) {
        return if name.is_empty() { "my_db" } else { name };
    }
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path).trim_start_matches('.');
    file.split('.').next().unwrap_or(file)
}

fn identifier(text: &Spanned<String>, diagnostics: &mut Diagnostics) -> Option<Identifier> {
    Identifier::new(text.value.clone())
        .map_err(|error| {
            diagnostics.push(Diagnostic::error("bad-name", error.to_string()).at(text.location.clone(), ""));
        })
        .ok()
}

/// Whether a path is a URL of a store.
pub fn is_url(path: &str) -> bool {
    path.split_once("://").is_some_and(|(scheme, _)| {
        scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

fn absolute(root: &Path, path: &str) -> String {
    if is_url(path) {
        return path.trim_end_matches('/').to_owned();
    }
    // `join` takes an absolute path as it is; `components` drops `./`.
    root.join(path).components().collect::<PathBuf>().display().to_string()
}

fn quoted_list(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
