//! Layer 2: packages. A list of what a project wants becomes a list of what that comes to (`package-lock.yml`), and that
//! becomes folders below `dbt_packages`, as under dbt (<https://docs.getdbt.com/docs/build/packages>).
//!
//! The folders are made aside and put in their place when all are there: a failure leaves what was installed before.
//! Packages of a folder are copied, where dbt links them: a link that leads out of the project would be refused later.

mod fetch;
mod version;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use semver::Version;
use serde_json::Value as Json;

use crate::base::clock::unique_id;
use crate::base::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::base::fs::{self, FsError, ProjectDir};
use crate::base::limits;
use crate::base::source::Location;
use crate::deps::fetch::Fetcher;
use crate::deps::version::Bounds;
use crate::files::Renderer;
use crate::files::packages::{self, LOCK_FILE, PackageSource, PackageSpec, from_index, load_packages};
use crate::files::project::ProjectConfig;

/// Why packages could not be brought.
#[derive(Debug, thiserror::Error)]
pub enum DepsError {
    /// A server, a repository or git itself.
    #[error("`{what}` cannot be reached: {why}")]
    Unreachable {
        /// Its address.
        what: String,
        /// What was said.
        why: String,
    },
    /// An address that leads to nothing.
    #[error("`{url}` is not there")]
    Missing {
        /// The address.
        url: String,
    },
    /// The index does not know the package.
    #[error("the index `{index}` has no package `{package}`")]
    NotFound {
        /// The package.
        package: String,
        /// The index.
        index: String,
        /// A package with a similar name.
        near: Option<String>,
    },
    /// No version fulfils all conditions.
    #[error("no version of `{package}` is {wanted}: there are {found}")]
    NoVersion {
        /// The package.
        package: String,
        /// The conditions.
        wanted: String,
        /// The versions that could be taken.
        found: String,
    },
    /// A package is wanted in two ways that exclude each other.
    #[error("`{package}` is wanted as `{one}` and as `{other}`")]
    Conflict {
        /// The package.
        package: String,
        /// One way.
        one: String,
        /// The other.
        other: String,
    },
    /// What was brought is no package.
    #[error("the package `{package}` cannot be used: {problem}")]
    Broken {
        /// The package.
        package: String,
        /// Why not.
        problem: String,
    },
    /// The disk.
    #[error(transparent)]
    File(#[from] FsError),
}

impl DepsError {
    /// The diagnostic, at the entry of the list that led here.
    pub fn diagnostic(&self, location: &Location) -> Diagnostic {
        let (code, hint) = match self {
            Self::Unreachable { .. } => (
                "package-unreachable",
                Some(
                    "check the address and the network; `KARAT_PACKAGE_HUB_URL` names another index, and `local` \
                     packages need no network"
                        .to_owned(),
                ),
            ),
            Self::NotFound { near, .. } => {
                ("unknown-package", near.as_ref().map(|near| format!("did you mean `{near}`?")))
            }
            Self::NoVersion { .. } | Self::Conflict { .. } => ("package-version", None),
            Self::Missing { .. } | Self::Broken { .. } => ("broken-package", None),
            Self::File(_) => ("storage-failed", None),
        };
        let diagnostic = Diagnostic::error(code, self.to_string()).at(location.clone(), "");
        match hint {
            Some(hint) => diagnostic.with_hint(hint),
            None => diagnostic,
        }
    }

    /// Whether the world is to blame, not the list.
    pub fn is_world(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::File(_))
    }
}

/// A package with all that is needed to bring it again.
#[derive(Debug, Clone, PartialEq)]
pub struct Pinned {
    /// Where it comes from, with one exact version.
    pub source: PackageSource,
    /// The name of its project.
    pub name: String,
    /// Where it is wanted.
    pub location: Location,
    /// The address as written, with its Jinja.
    written: Option<String>,
}

impl Pinned {
    /// What an entry of a lock file says, whose versions are exact.
    pub fn of_lock(entry: &PackageSpec) -> Self {
        Self {
            source: entry.source.clone(),
            name: entry.name.clone().unwrap_or_default(),
            location: entry.location.clone(),
            written: entry.written().map(str::to_owned),
        }
    }

    /// Which version it is, for messages.
    pub fn version(&self) -> String {
        match &self.source {
            PackageSource::Hub { versions, .. } => format!("version {}", versions.join(", ")),
            PackageSource::Git { revision, .. } => format!("revision {}", revision.as_deref().unwrap_or("HEAD")),
            PackageSource::Local { path } => format!("the folder {path}"),
            PackageSource::Tarball { url, .. } => format!("the archive {url}"),
        }
    }
}

/// What to do for which project.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The project's folder.
    pub root: &'a Path,
    /// The project's name.
    pub project: &'a str,
    /// The folder of packages below it.
    pub install_path: &'a str,
    /// The address of the index.
    pub index: &'a str,
    /// The version of dbt that packages are checked against; `None` checks nothing.
    pub dbt_version: Option<&'a str>,
}

/// An error with the entry of a list that it belongs to.
pub type Located = (DepsError, Location);

/// Brings packages for one command; what is fetched on the way is removed at its end.
pub struct Installer<'a> {
    request: Request<'a>,
    renderer: &'a Renderer<'a>,
    fetcher: Fetcher,
    scratch: PathBuf,
    /// Folders of what was fetched, by [`PackageSource::key`] and version.
    fetched: BTreeMap<String, PathBuf>,
    /// What is remarkable, but no error.
    pub remarks: Diagnostics,
}

impl Drop for Installer<'_> {
    fn drop(&mut self) {
        // A folder that stays is litter with a hidden name, nothing worse.
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

impl<'a> Installer<'a> {
    /// Makes ready; the scratch folder lies beside the packages, so that they can be moved.
    pub fn new(request: Request<'a>, renderer: &'a Renderer<'a>) -> Result<Self, DepsError> {
        let scratch = request.root.join(format!(".karat-deps-{}", unique_id().simple()));
        let fetcher = Fetcher::new(request.index, scratch.join("fetched"))?;
        let (fetched, remarks) = (BTreeMap::new(), Diagnostics::default());
        Ok(Self { request, renderer, fetcher, scratch, fetched, remarks })
    }

    /// Finds versions for all packages of a list and for the packages that they want in turn.
    pub async fn resolve(&mut self, wanted: &[PackageSpec]) -> Result<Vec<Pinned>, Located> {
        let mut known: IndexMap<String, PackageSpec> = IndexMap::new();
        let mut pinned: IndexMap<String, Pinned> = IndexMap::new();
        let mut pending: Vec<PackageSpec> = wanted.to_vec();
        // Each round answers what the packages of the last one want. Packages that want each other end it, because
        // nothing new is learned.
        while !pending.is_empty() {
            let mut next = Vec::new();
            for spec in std::mem::take(&mut pending) {
                let key = spec.source.key();
                let merged = match known.get(&key) {
                    None => spec,
                    Some(other) => {
                        let merged = merge(other, &spec).map_err(|error| (error, spec.location.clone()))?;
                        if merged.source == other.source {
                            continue;
                        }
                        merged
                    }
                };
                known.insert(key.clone(), merged.clone());
                let located = |error| (error, merged.location.clone());
                let (found, wants) = self.pin(&merged).await.map_err(located)?;
                pinned.insert(key, found);
                next.extend(wants);
            }
            pending = next;
        }
        let mut names: BTreeMap<&str, &Pinned> = BTreeMap::new();
        for one in pinned.values() {
            let other = names.insert(&one.name, one);
            let problem = if one.name == self.request.project {
                Some("it has the name of the project itself".to_owned())
            } else {
                other.map(|other| format!("`{}` has the same project name, `{}`", other.source.shown(), one.name))
            };
            if let Some(problem) = problem {
                let package = one.source.shown().to_owned();
                return Err((DepsError::Broken { package, problem }, one.location.clone()));
            }
        }
        Ok(pinned.into_values().collect())
    }

    /// Finds the version of one package, and what that wants.
    async fn pin(&mut self, spec: &PackageSpec) -> Result<(Pinned, Vec<PackageSpec>), DepsError> {
        let mut pinned = Pinned {
            source: spec.source.clone(),
            name: spec.name.clone().unwrap_or_default(),
            location: spec.location.clone(),
            written: spec.written().map(str::to_owned),
        };
        if let PackageSource::Hub { name, versions, prerelease } = &mut pinned.source {
            let all = self.fetcher.versions(name).await?;
            let found = choose(name, &all, versions, *prerelease, self.request.dbt_version)?;
            let entry = all.get(&found).cloned().unwrap_or_default();
            *versions = vec![found];
            pinned.name = entry.get("name").and_then(Json::as_str).unwrap_or(name.as_str()).to_owned();
            let mut problems = Diagnostics::default();
            let list = entry.get("packages").cloned().unwrap_or_default();
            let wants = from_index(&list, &spec.location, &mut problems);
            if let Some(problem) = problems.0.iter().find(|problem| problem.severity == Severity::Error) {
                let problem = format!("what it wants itself cannot be read: {}", problem.message);
                return Err(DepsError::Broken { package: name.clone(), problem });
            }
            return Ok((pinned, wants));
        }
        let folder = self.bring(&mut pinned).await?;
        let (name, wants) = self.look(&pinned, &folder)?;
        if pinned.name.is_empty() || !matches!(pinned.source, PackageSource::Tarball { .. }) {
            pinned.name = name;
        }
        Ok((pinned, wants))
    }

    /// Fetches a package, unless it has been: its folder. A revision that moves becomes a commit.
    async fn bring(&mut self, pinned: &mut Pinned) -> Result<PathBuf, DepsError> {
        let key = format!("{} {}", pinned.source.key(), pinned.version());
        if let Some(folder) = self.fetched.get(&key) {
            return Ok(folder.clone());
        }
        let folder = match &mut pinned.source {
            PackageSource::Hub { name, versions, .. } => {
                let version = versions.first().cloned().unwrap_or_default();
                let all = self.fetcher.versions(name).await?;
                let address = all.get(&version).and_then(|entry| entry.pointer("/downloads/tarball")?.as_str());
                let Some(address) = address else {
                    let problem = format!("the index has no archive of version {version}");
                    return Err(DepsError::Broken { package: name.clone(), problem });
                };
                self.fetcher.archive(name, address).await?
            }
            PackageSource::Git { url, revision, subdirectory, warn_unpinned } => {
                let (folder, commit) = self.fetcher.repository(url, revision.as_deref()).await?;
                if *warn_unpinned && matches!(revision.as_deref(), None | Some("HEAD" | "main" | "master")) {
                    let message = format!("the package `{url}` is not pinned: it is whatever its branch holds");
                    self.remarks.push(
                        Diagnostic::warning("unpinned-package", message)
                            .at(pinned.location.clone(), "")
                            .with_hint(format!("write `revision: {commit}` or a tag, or `warn-unpinned: false`")),
                    );
                }
                *revision = Some(commit);
                subdirectory.as_ref().map_or_else(|| folder.clone(), |below| folder.join(below))
            }
            PackageSource::Local { path } => self.request.root.join(path),
            PackageSource::Tarball { url, name } => self.fetcher.archive(name, url).await?,
        };
        for key in [key, format!("{} {}", pinned.source.key(), pinned.version())] {
            self.fetched.insert(key, folder.clone());
        }
        Ok(folder)
    }

    /// Reads the project file of a package: its name, and the packages that it wants.
    fn look(&self, pinned: &Pinned, folder: &Path) -> Result<(String, Vec<PackageSpec>), DepsError> {
        let broken = |problem: String| DepsError::Broken { package: pinned.source.shown().to_owned(), problem };
        if !fs::is_dir(folder) {
            return Err(broken(format!("there is no folder `{}`", self.shown(folder))));
        }
        let dir = ProjectDir::open(folder)?;
        let mut problems = Diagnostics::default();
        let config = ProjectConfig::load(&dir, "", self.renderer, &mut problems);
        let wants = load_packages(&dir, self.renderer, &mut problems);
        let config = config.ok_or_else(|| broken("it has no project file that can be read".to_owned()))?;
        if let Some(problem) = problems.0.iter().find(|problem| problem.severity == Severity::Error) {
            return Err(broken(problem.message.clone()));
        }
        let wants = wants.into_iter().map(|mut want| {
            // The package's own file is gone when somebody reads the error.
            want.location = pinned.location.clone();
            want
        });
        Ok((config.name.value, wants.collect()))
    }

    fn shown(&self, folder: &Path) -> String {
        let below = folder.strip_prefix(&self.scratch).or(folder.strip_prefix(self.request.root));
        below.unwrap_or(folder).display().to_string()
    }

    /// Puts packages in the place of those that were installed; `progress` hears of each.
    pub async fn install(&mut self, all: &[Pinned], progress: &dyn Fn(&Pinned, Option<&str>)) -> Result<(), Located> {
        let aside = self.scratch.join("packages");
        let mut newest = Vec::with_capacity(all.len());
        for one in all {
            let located = |error: DepsError| (error, one.location.clone());
            let mut bringing = one.clone();
            let folder = self.bring(&mut bringing).await.map_err(located)?;
            let name = match one.name.as_str() {
                "" => self.look(one, &folder).map_err(located)?.0,
                name => name.to_owned(),
            };
            // A name may come from the index, a lock file or a list: it must not lead out of the folder.
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                let (package, problem) = (one.source.shown().to_owned(), format!("`{name}` is not a plain name"));
                return Err(located(DepsError::Broken { package, problem }));
            }
            copy(&folder, &aside.join(&name), self.request.install_path, one).map_err(located)?;
            newest.push(self.newer(one).await);
        }
        let nowhere = |error: FsError| (error.into(), nowhere(all));
        let (place, old) = (self.request.root.join(self.request.install_path), self.scratch.join("old"));
        fs::create_dir_all(&aside).map_err(nowhere)?;
        if let Some(above) = place.parent() {
            fs::create_dir_all(above).map_err(nowhere)?;
        }
        let is_replaced = fs::is_dir(&place);
        if is_replaced {
            fs::rename(&place, &old).map_err(nowhere)?;
        }
        if let Err(error) = fs::rename(&aside, &place) {
            if is_replaced {
                fs::rename(&old, &place).map_err(nowhere)?;
            }
            return Err(nowhere(error));
        }
        for (one, newer) in all.iter().zip(&newest) {
            progress(one, newer.as_deref());
        }
        Ok(())
    }

    /// The newest version of a package of the index, if it is not that one.
    async fn newer(&mut self, pinned: &Pinned) -> Option<String> {
        let PackageSource::Hub { name, versions, .. } = &pinned.source else { return None };
        let all = self.fetcher.versions(name).await.ok()?;
        let newest = choose(name, &all, &[], false, self.request.dbt_version).ok()?;
        let is_newer = Version::parse(&newest).ok()? > Version::parse(versions.first()?).ok()?;
        is_newer.then_some(newest)
    }
}

/// The place of what concerns all packages: that of the first.
fn nowhere(all: &[Pinned]) -> Location {
    let file = || crate::base::source::SourceFile::new(LOCK_FILE, "");
    all.first().map_or_else(|| Location::of_file(&file()), |first| first.location.clone())
}

/// What two entries for one package come to.
fn merge(one: &PackageSpec, other: &PackageSpec) -> Result<PackageSpec, DepsError> {
    let mut merged = one.clone();
    match (&mut merged.source, &other.source) {
        (
            PackageSource::Hub { versions, prerelease, .. },
            PackageSource::Hub { versions: more, prerelease: also, .. },
        ) => {
            versions.extend(more.iter().filter(|version| !one.source.has_version(version)).cloned());
            *prerelease |= also;
        }
        (
            PackageSource::Git { url, revision, warn_unpinned, .. },
            PackageSource::Git { revision: wanted, warn_unpinned: warn, .. },
        ) => {
            *warn_unpinned &= warn;
            match (&revision, wanted) {
                (Some(one), Some(other)) if one != other => {
                    let (package, one, other) = (url.clone(), one.clone(), other.clone());
                    return Err(DepsError::Conflict { package, one, other });
                }
                (None, Some(_)) => revision.clone_from(wanted),
                _ => {}
            }
        }
        _ => {}
    }
    Ok(merged)
}

/// The best version of a package of the index: the newest that fulfils all bounds and goes with this version of dbt.
fn choose(
    package: &str,
    all: &Json,
    bounds: &[String],
    prerelease: bool,
    dbt_version: Option<&str>,
) -> Result<String, DepsError> {
    let broken = |text: String| DepsError::Broken {
        package: package.to_owned(),
        problem: format!("`{text}` is not a version: three numbers with points between them, such as `>=1.2.0`"),
    };
    let bounds = Bounds::parse(bounds.iter().map(String::as_str)).map_err(broken)?;
    let dbt_version = dbt_version.and_then(|version| Version::parse(version).ok());
    let fits_dbt = |entry: &Json| {
        let Some(own) = &dbt_version else { return true };
        let texts: Vec<&str> = match entry.get("require_dbt_version") {
            Some(Json::Array(items)) => items.iter().filter_map(Json::as_str).collect(),
            Some(Json::String(text)) => vec![text],
            _ => Vec::new(),
        };
        Bounds::parse(texts).is_ok_and(|bounds| bounds.admit(own))
    };
    let takes_prereleases = prerelease || bounds.name_a_prerelease();
    let mut found: Vec<(Version, &String)> = all
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, entry)| fits_dbt(entry))
        .filter_map(|(text, _)| Some((Version::parse(text).ok()?, text)))
        .filter(|(version, _)| takes_prereleases || version.pre.is_empty())
        .collect();
    found.sort();
    if let Some((_, text)) = found.iter().rev().find(|(version, _)| bounds.admit(version)) {
        return Ok((*text).clone());
    }
    let mut texts: Vec<&str> = found.iter().rev().map(|(_, text)| text.as_str()).take(SHOWN_VERSIONS).collect();
    if found.len() > SHOWN_VERSIONS {
        texts.push("and older ones");
    }
    let found = if texts.is_empty() { "none for this version of dbt".to_owned() } else { texts.join(", ") };
    Err(DepsError::NoVersion { package: package.to_owned(), wanted: bounds.to_string(), found })
}

/// Versions that a message names.
const SHOWN_VERSIONS: usize = 8;

/// Copies the files of a package, without hidden ones and without what it has made or installed itself.
fn copy(from: &Path, to: &Path, install_path: &str, pinned: &Pinned) -> Result<(), DepsError> {
    let dir = ProjectDir::open(from)?;
    let (files, refused) = dir.walk(".")?;
    if let Some(refused) = refused.first() {
        let (package, problem) = (pinned.source.shown().to_owned(), refused.to_string());
        return Err(DepsError::Broken { package, problem });
    }
    let made = [install_path, "dbt_packages", "target", "logs", "warehouse"];
    for file in files {
        if made.iter().any(|folder| file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))) {
            continue;
        }
        fs::write_atomic(&to.join(&file), &dir.read_bytes(&file, limits::PACKAGE_BYTES)?)?;
    }
    Ok(())
}

/// The text of a lock file, with the keys in dbt's order.
pub fn lock_text(wanted: &[PackageSpec], found: &[Pinned]) -> String {
    let mut text = String::from("packages:\n");
    for one in found {
        let mut keys: Vec<(&str, String)> = vec![("name", one.name.clone())];
        match &one.source {
            PackageSource::Hub { name, versions, .. } => {
                keys.push(("package", name.clone()));
                keys.push(("version", versions.first().cloned().unwrap_or_default()));
            }
            PackageSource::Git { url, revision, subdirectory, .. } => {
                keys.push(("git", one.written.clone().unwrap_or_else(|| url.clone())));
                keys.push(("revision", revision.clone().unwrap_or_default()));
                keys.extend(subdirectory.clone().map(|folder| ("subdirectory", folder)));
            }
            PackageSource::Local { path } => keys.push(("local", path.clone())),
            PackageSource::Tarball { url, .. } => {
                keys.push(("tarball", one.written.clone().unwrap_or_else(|| url.clone())));
            }
        }
        keys.sort();
        for (index, (key, value)) in keys.iter().enumerate() {
            let _ = writeln!(text, "{}{key}: {}", if index == 0 { "  - " } else { "    " }, scalar(value));
        }
    }
    let _ = writeln!(text, "sha1_hash: {}", packages::hash(wanted));
    text
}

/// A text as YAML: in quotes where it would be read as something else.
fn scalar(text: &str) -> String {
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "._/:@+-~".contains(c))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.' || c == '/')
        && !text.ends_with(':')
        && text.parse::<f64>().is_err()
        && !matches!(text.to_ascii_lowercase().as_str(), "true" | "false" | "null" | "yes" | "no" | "on" | "off");
    if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}
