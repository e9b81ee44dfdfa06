//! `packages.yml`, `dependencies.yml` and `package-lock.yml`: the packages that a project wants, as dbt writes them
//! (<https://docs.getdbt.com/docs/build/packages>).

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use crate::base::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::base::fs::ProjectDir;
use crate::base::limits;
use crate::base::source::{Location, SourceFile};
use crate::files::discover::unreadable;
use crate::files::fields::{Fields, wrong_type};
use crate::files::yaml::{self, Yaml, YamlNode};
use crate::files::{LoadedProject, Renderer, render_strings};

/// The file that lists packages, and the one that may list them in its place.
pub const PACKAGE_FILES: [&str; 2] = ["packages.yml", "dependencies.yml"];

/// The file that says what the packages came to.
pub const LOCK_FILE: &str = "package-lock.yml";

/// Where a package comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackageSource {
    /// The index of packages.
    Hub {
        /// Its name there, `namespace/name`.
        name: String,
        /// Versions, each as a bound such as `>=1.0.0`.
        versions: Vec<String>,
        /// Whether versions that are not released yet may be taken.
        prerelease: bool,
    },
    /// A git repository.
    Git {
        /// Its address, as git understands it.
        url: String,
        /// A branch, a tag or a commit; the default branch if there is none.
        revision: Option<String>,
        /// The folder of the project in it.
        subdirectory: Option<String>,
        /// Whether a revision that moves is worth a warning.
        warn_unpinned: bool,
    },
    /// A folder.
    Local {
        /// Relative to the root project.
        path: String,
    },
    /// An archive (`.tar.gz`) with one folder in it.
    Tarball {
        /// Its address.
        url: String,
        /// The name that the package gets.
        name: String,
    },
}

impl PackageSource {
    /// What two entries have in common that mean one package.
    pub fn key(&self) -> String {
        match self {
            Self::Hub { name, .. } => format!("package {name}"),
            Self::Git { url, subdirectory, .. } => {
                let url = url.strip_suffix(".git").unwrap_or(url);
                format!("git {url} {}", subdirectory.as_deref().unwrap_or_default())
            }
            Self::Local { path } => format!("local {path}"),
            Self::Tarball { url, .. } => format!("tarball {url}"),
        }
    }

    /// Whether one of the bounds is this text.
    pub fn has_version(&self, text: &str) -> bool {
        matches!(self, Self::Hub { versions, .. } if versions.iter().any(|version| version == text))
    }

    /// For messages.
    pub fn shown(&self) -> &str {
        match self {
            Self::Hub { name, .. } => name,
            Self::Git { url, .. } | Self::Tarball { url, .. } => url,
            Self::Local { path } => path,
        }
    }
}

/// An entry of a list of packages.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageSpec {
    /// Where it comes from.
    pub source: PackageSource,
    /// The name of its project, which a lock file tells.
    pub name: Option<String>,
    /// Where the entry is.
    pub location: Location,
    /// The entry as dbt hashes it.
    hashed: Json,
}

impl PackageSpec {
    /// The address as it is written, with its Jinja: what may be stored.
    pub fn written(&self) -> Option<&str> {
        let written = self.hashed.get("unrendered")?;
        ["git", "tarball"].iter().find_map(|key| written.get(key)?.as_str())
    }
}

/// What a lock file says.
#[derive(Debug, Clone)]
pub struct Lock {
    /// The packages with exact versions.
    pub packages: Vec<PackageSpec>,
    /// The hash of the list that they were found for.
    pub hash: Option<String>,
}

/// The packages that a project wants; none if it has no list.
pub fn load_packages(dir: &ProjectDir, renderer: &Renderer<'_>, diagnostics: &mut Diagnostics) -> Vec<PackageSpec> {
    let mut found: Option<(&str, Vec<PackageSpec>)> = None;
    for file in PACKAGE_FILES {
        let Some(written) = read(dir, file, diagnostics) else { continue };
        let Some(mut fields) = Fields::new(format!("`{file}`"), &written, diagnostics) else { continue };
        let Some(list) = fields.take_entry("packages") else {
            fields.refuse_for_now(&["projects"], diagnostics);
            fields.finish(Severity::Warning, diagnostics);
            continue;
        };
        if let Some((other, _)) = &found {
            let message = format!("packages are listed in `{other}` and in `{file}`");
            let diagnostic = Diagnostic::error("duplicate-key", message).at(list.0.location.clone(), "");
            diagnostics.push(diagnostic.with_hint("put all of them into one of the two files"));
            continue;
        }
        fields.refuse_for_now(&["projects"], diagnostics);
        fields.finish(Severity::Warning, diagnostics);
        found = Some((file, entries(list.1, renderer, diagnostics)));
    }
    found.map(|(_, packages)| packages).unwrap_or_default()
}

/// Says so if a project has fewer packages than it wants: then names in its models would only seem to be wrong.
pub fn not_installed(project: &LoadedProject, renderer: &Renderer<'_>) -> Option<Diagnostic> {
    // What is wrong with the list is `deps`' to tell.
    let wanted = load_packages(&project.dir, renderer, &mut Diagnostics::default());
    let found = project.packages.len().saturating_sub(1);
    let first = wanted.first().filter(|_| found < wanted.len())?;
    let (count, folder) = (wanted.len(), project.root().map_or("dbt_packages", |root| &root.config.packages_path));
    let packages = if count == 1 { "package" } else { "packages" };
    let message = format!("the project wants {count} {packages}, but {found} in `{folder}` can be used");
    let diagnostic = Diagnostic::error("packages-not-installed", message).at(first.location.clone(), "");
    Some(diagnostic.with_hint("run `karat deps`"))
}

/// What the lock file of a project says, if there is one.
pub fn load_lock(dir: &ProjectDir, renderer: &Renderer<'_>, diagnostics: &mut Diagnostics) -> Option<Lock> {
    let written = read(dir, LOCK_FILE, diagnostics)?;
    let mut fields = Fields::new(format!("`{LOCK_FILE}`"), &written, diagnostics)?;
    let hash = fields.text("sha1_hash", diagnostics).map(|hash| hash.value);
    let packages = fields.take("packages").map(|list| entries(list, renderer, diagnostics)).unwrap_or_default();
    fields.finish(Severity::Warning, diagnostics);
    Some(Lock { packages, hash })
}

/// Reads the entries of the index for a package's own packages, which are JSON of the same form.
pub fn from_index(list: &Json, location: &Location, diagnostics: &mut Diagnostics) -> Vec<PackageSpec> {
    let renderer: &Renderer<'_> = &|text, _| Ok(Json::String(text.to_owned()));
    entries(&Yaml::from_json(list, location), renderer, diagnostics)
}

fn read(dir: &ProjectDir, file: &str, diagnostics: &mut Diagnostics) -> Option<Yaml> {
    if !dir.is_file(file) {
        return None;
    }
    match dir.read_text(file, limits::TEXT_FILE_BYTES) {
        Ok(text) => yaml::parse(&SourceFile::new(file, text), diagnostics),
        Err(error) => {
            diagnostics.push(unreadable(&error));
            None
        }
    }
}

fn entries(list: &Yaml, renderer: &Renderer<'_>, diagnostics: &mut Diagnostics) -> Vec<PackageSpec> {
    match &list.node {
        YamlNode::Sequence(items) => items.iter().filter_map(|item| entry(item, renderer, diagnostics)).collect(),
        YamlNode::Null => Vec::new(),
        _ => {
            diagnostics.push(wrong_type("`packages`", list, "a list"));
            Vec::new()
        }
    }
}

fn entry(written: &Yaml, renderer: &Renderer<'_>, diagnostics: &mut Diagnostics) -> Option<PackageSpec> {
    let rendered = render_strings(written, renderer, diagnostics);
    let mut fields = Fields::new("a package", &rendered, diagnostics)?;
    let unrendered = written.to_json();
    let raw = |key: &str| rendered.get(key).map_or(Json::Null, Yaml::to_json);
    let name = fields.text("name", diagnostics);
    let location = written.location.clone();
    let missing = |fields: &Fields<'_>, key: &str, diagnostics: &mut Diagnostics| {
        diagnostics.push(fields.missing(key, &location));
    };
    let (source, mut hashed) = if let Some(package) = fields.text("package", diagnostics) {
        fields.set_owner(format!("the package `{}`", package.value));
        if !package.value.contains('/') {
            let message = format!("`{}` is not a package of the index", package.value);
            let hint = "the index has names such as `dbt-labs/dbt_utils`";
            diagnostics.push(Diagnostic::error("bad-value", message).at(package.location, "").with_hint(hint));
            return None;
        }
        let Some(versions) = fields.texts("version", diagnostics).filter(|versions| !versions.is_empty()) else {
            missing(&fields, "version", diagnostics);
            return None;
        };
        let prerelease = fields.boolean("install_prerelease", diagnostics).unwrap_or(false);
        let hashed = json!({
            "package": raw("package"), "version": raw("version"), "install_prerelease": prerelease,
            "unrendered": unrendered,
        });
        let versions = versions.into_iter().map(|version| version.value).collect();
        (PackageSource::Hub { name: package.value, versions, prerelease }, hashed)
    } else if let Some(url) = fields.text("git", diagnostics) {
        fields.set_owner(format!("the package `{}`", url.value));
        let hashed = json!({
            "git": raw("git"), "revision": raw("revision"), "subdirectory": raw("subdirectory"),
            "warn-unpinned": raw("warn-unpinned"), "unrendered": unrendered,
        });
        let revision = fields.text("revision", diagnostics).map(|revision| revision.value);
        let subdirectory = fields.text("subdirectory", diagnostics).map(|folder| folder.value);
        let warn_unpinned = fields.boolean("warn-unpinned", diagnostics).unwrap_or(true);
        (PackageSource::Git { url: url.value, revision, subdirectory, warn_unpinned }, hashed)
    } else if let Some(path) = fields.text("local", diagnostics) {
        let hashed = json!({ "local": raw("local"), "unrendered": unrendered });
        (PackageSource::Local { path: path.value }, hashed)
    } else if let Some(url) = fields.text("tarball", diagnostics) {
        let Some(name) = &name else {
            missing(&fields, "name", diagnostics);
            return None;
        };
        let hashed = json!({ "tarball": raw("tarball"), "unrendered": unrendered });
        (PackageSource::Tarball { url: url.value, name: name.value.clone() }, hashed)
    } else {
        let what = if rendered.get("private").is_some() { "`private` packages are not supported" } else { "" };
        let message = if what.is_empty() { "a package does not say where it comes from" } else { what };
        let hint = "use one of `package`, `git`, `local` and `tarball`";
        diagnostics.push(Diagnostic::error("bad-value", message).at(location, "").with_hint(hint));
        return None;
    };
    fields.finish(Severity::Error, diagnostics);
    if let (Some(name), Some(hashed)) = (&name, hashed.as_object_mut()) {
        hashed.insert("name".to_owned(), Json::from(name.value.as_str()));
    }
    Some(PackageSpec { source, name: name.map(|name| name.value), location, hashed })
}

/// The hash of a list, the same that dbt writes into a lock file, so that a lock file of dbt's holds here: SHA-1 of the
/// entries as Python's `json.dumps(…, sort_keys=True)` spells them, sorted, one a line.
pub fn hash(packages: &[PackageSpec]) -> String {
    use sha1::Digest as _;
    let mut lines: Vec<String> = packages
        .iter()
        .map(|package| {
            let mut line = String::new();
            python_json(&package.hashed, &mut line);
            line
        })
        .collect();
    lines.sort();
    let mut text = String::new();
    for byte in sha1::Sha1::digest(lines.join("\n").as_bytes()) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// JSON as Python writes it: keys in order, blanks after separators, nothing but ASCII.
fn python_json(value: &Json, text: &mut String) {
    match value {
        Json::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                text.push_str(if index > 0 { ", " } else { "" });
                python_json(&Json::from(key.as_str()), text);
                text.push_str(": ");
                python_json(value, text);
            }
            text.push('}');
        }
        Json::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index > 0 { ", " } else { "" });
                python_json(item, text);
            }
            text.push(']');
        }
        Json::String(_) => {
            for c in value.to_string().chars() {
                if c.is_ascii() {
                    text.push(c);
                    continue;
                }
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
        }
        other => text.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected hash is that of dbt-core 1.12.0 for this list.
    #[test]
    fn the_hash_is_that_of_dbt() {
        let list = json!([
            {"package": "dbt-labs/dbt_utils", "version": [">=1.0.0", "<2.0.0"]},
            {"package": "a/b", "version": "1.3.0", "install_prerelease": true},
            {"git": "https://x/y.git", "revision": "v1", "warn-unpinned": false, "subdirectory": "s"},
            {"git": "https://x/z.git", "revision": 1.5},
            {"local": "../p"},
            {"tarball": "http://t/x.tar.gz", "name": "é"},
        ]);
        let mut diagnostics = Diagnostics::default();
        let location = Location::of_file(&SourceFile::new("packages.yml", ""));
        let packages = from_index(&list, &location, &mut diagnostics);
        assert!(diagnostics.0.is_empty(), "{diagnostics:?}");
        assert_eq!(hash(&packages), "4c1831da1986d608fd13f004fdd77fca017a7c6b");
    }
}
