//! Walks the configured folders and reads what is there, of the project and of its installed packages.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::base::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::base::fs::{FsError, ProjectDir};
use crate::base::limits;
use crate::base::source::{Location, SourceFile};
use crate::files::project::{DBT_FILE, KARAT_FILE, ProjectConfig};
use crate::files::{LoadedProject, Package, Renderer, SeedFile, TextFile};

/// Reads all files of a project and of the packages in its packages folder.
pub fn discover(
    dir: Arc<ProjectDir>,
    root: ProjectConfig,
    renderer: &Renderer<'_>,
    diagnostics: &mut Diagnostics,
) -> LoadedProject {
    let packages_path = root.packages_path.clone();
    let mut packages = vec![read_package(&dir, root, diagnostics)];
    for folder in package_folders(&dir, &packages_path, diagnostics) {
        // Unknown keys and the like in a package are not the user's to mend.
        let mut remarks = Diagnostics::default();
        let config = ProjectConfig::load(&dir, &folder, renderer, &mut remarks);
        diagnostics.0.extend(remarks.0.into_iter().filter(|remark| remark.severity == Severity::Error));
        let Some(config) = config else { continue };
        if let Some(other) = packages.iter().find(|package| package.name() == config.name.value) {
            let message = format!("two packages are called `{}`", config.name.value);
            diagnostics.push(
                Diagnostic::error("duplicate-package", message)
                    .at(config.name.location.clone(), "")
                    .at(other.config.name.location.clone(), "the other one"),
            );
            continue;
        }
        packages.push(read_package(&dir, config, diagnostics));
    }
    let selectors = ["selectors.yml", "selectors.yaml"]
        .into_iter()
        .find(|path| dir.is_file(path))
        .and_then(|path| read_text(&dir, path, diagnostics));
    LoadedProject { dir, packages, selectors }
}

fn package_folders(dir: &ProjectDir, packages_path: &str, diagnostics: &mut Diagnostics) -> Vec<String> {
    if packages_path.is_empty() {
        return Vec::new();
    }
    let mut folders = BTreeSet::new();
    for path in walk(dir, packages_path, diagnostics) {
        let below = path.strip_prefix(packages_path).map(|rest| rest.trim_start_matches('/')).unwrap_or_default();
        if let Some((folder, name)) = below.split_once('/')
            && matches!(name, KARAT_FILE | DBT_FILE)
        {
            folders.insert(format!("{packages_path}/{folder}"));
        }
    }
    folders.into_iter().collect()
}

fn read_package(dir: &ProjectDir, config: ProjectConfig, diagnostics: &mut Diagnostics) -> Package {
    let mut walker = Walker { dir, config: &config, diagnostics };
    let paths = &config.paths;
    let macro_folders: Vec<String> = paths.macros.iter().map(|path| config.folder(path)).collect();
    let in_macros = |file: &Found| macro_folders.iter().any(|folder| is_below(&file.path, folder));
    let generic = |file: &Found| file.relative.starts_with("generic/");
    let fixture = |file: &Found| file.relative.starts_with("fixtures/");

    let models = walker.find(&paths.models, &["sql"], |file| !in_macros(file));
    for file in walker.find(&paths.models, &["py"], |_| true) {
        let name = file.relative.rsplit('/').next().unwrap_or_default().trim_end_matches(".py");
        let message = format!("the Python model `{name}` is not read: karat runs SQL models only");
        walker.diagnostics.push(
            Diagnostic::warning("not-supported-yet", message)
                .at(Location::of_file(&SourceFile::new(file.path, "")), "")
                .with_hint("write it in SQL, or load what it makes as a source"),
        );
    }
    let seeds = walker.find(&paths.seeds, &["csv"], |_| true);
    let snapshots = walker.find(&paths.snapshots, &["sql"], |file| !in_macros(file));
    let tests = walker.find(&paths.tests, &["sql"], |file| !generic(file) && !fixture(file) && !in_macros(file));
    let mut macros = walker.find(&paths.macros, &["sql"], |_| true);
    macros.extend(walker.find(&paths.tests, &["sql"], |file| generic(file) && !in_macros(file)));
    let fixtures = walker.find(&paths.tests, &["csv", "sql"], fixture);
    let analyses = walker.find(&paths.analyses, &["sql"], |file| !in_macros(file));
    let functions = walker.find(&paths.functions, &["sql"], |file| !in_macros(file));
    for file in walker.find(&paths.functions, &["py", "js"], |_| true) {
        let name = file.relative.rsplit('/').next().unwrap_or_default();
        let message = format!("the function `{name}` is not read: karat runs functions in SQL only");
        walker.diagnostics.push(
            Diagnostic::warning("not-supported-yet", message)
                .at(Location::of_file(&SourceFile::new(file.path, "")), "")
                .with_hint("write it in SQL"),
        );
    }
    let docs = walker.find(&paths.docs, &["md"], |_| true);
    let everywhere: Vec<String> =
        [&paths.models, &paths.seeds, &paths.snapshots, &paths.tests, &paths.macros, &paths.analyses, &paths.functions]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
    let properties = walker.find(&everywhere, &["yml", "yaml"], |_| true);

    let read = |found: Vec<Found>, diagnostics: &mut Diagnostics| -> Vec<TextFile> {
        found
            .into_iter()
            .filter_map(|file| {
                Some(TextFile { source: read_text(dir, &file.path, diagnostics)?, relative: file.relative })
            })
            .collect()
    };
    Package {
        models: read(models, diagnostics),
        seeds: seeds.into_iter().filter_map(|file| read_seed(dir, file, diagnostics)).collect(),
        snapshots: read(snapshots, diagnostics),
        tests: read(tests, diagnostics),
        macros: read(macros, diagnostics),
        fixtures: read(fixtures, diagnostics),
        analyses: read(analyses, diagnostics),
        functions: read(functions, diagnostics),
        docs: read(docs, diagnostics),
        properties: read(properties, diagnostics),
        config,
    }
}

/// Where logs are expected if the project does not say where.
const DEFAULT_LOGS: &str = "logs";

/// A file that was found, not yet read.
struct Found {
    path: String,
    relative: String,
}

struct Walker<'a> {
    dir: &'a ProjectDir,
    config: &'a ProjectConfig,
    diagnostics: &'a mut Diagnostics,
}

impl Walker<'_> {
    /// The files with one of the extensions below the folders, each once, in the order of the folders and names.
    fn find(&mut self, folders: &[String], extensions: &[&str], keep: impl Fn(&Found) -> bool) -> Vec<Found> {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        // Where karat itself writes, no file belongs to the project, even if a folder as wide as `.` is configured.
        let config = self.config;
        let logs = config.log_path.as_deref().unwrap_or(DEFAULT_LOGS);
        let outputs: Vec<String> = [config.target_path.as_str(), logs, config.packages_path.as_str()]
            .into_iter()
            .filter(|path| !path.is_empty())
            .map(|path| config.folder(path))
            .collect();
        for folder in folders {
            let folder = self.config.folder(folder);
            for path in walk(self.dir, &folder, self.diagnostics) {
                let extension = path.rsplit_once('.').map(|(_, extension)| extension).unwrap_or_default();
                if !extensions.contains(&extension) || outputs.iter().any(|output| is_below(&path, output)) {
                    continue;
                }
                let relative = path.strip_prefix(&folder).map_or(path.as_str(), |rest| rest.trim_start_matches('/'));
                let file = Found { relative: relative.to_owned(), path };
                if keep(&file) && seen.insert(file.path.clone()) {
                    found.push(file);
                }
            }
        }
        found
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn walk(dir: &ProjectDir, folder: &str, diagnostics: &mut Diagnostics) -> Vec<String> {
    let folder = if folder.is_empty() { "." } else { folder };
    match dir.walk(folder) {
        Ok((files, refused)) => {
            for error in refused {
                report(&error, diagnostics);
            }
            files
        }
        Err(error) => {
            report(&error, diagnostics);
            Vec::new()
        }
    }
}

fn read_text(dir: &ProjectDir, path: &str, diagnostics: &mut Diagnostics) -> Option<Arc<SourceFile>> {
    match dir.read_text(path, limits::TEXT_FILE_BYTES) {
        Ok(text) => Some(SourceFile::new(path, text)),
        Err(error) => {
            report(&error, diagnostics);
            None
        }
    }
}

fn read_seed(dir: &ProjectDir, file: Found, diagnostics: &mut Diagnostics) -> Option<SeedFile> {
    match dir.read_bytes(&file.path, limits::SEED_FILE_BYTES) {
        Ok(bytes) => {
            // As under dbt: of the text without the blanks around it, whatever ends its lines.
            let mut digest = Sha256::new();
            for line in bytes.trim_ascii().split_inclusive(|byte| *byte == b'\n') {
                match line.strip_suffix(b"\r\n") {
                    Some(text) => {
                        digest.update(text);
                        digest.update(b"\n");
                    }
                    None => digest.update(line),
                }
            }
            let mut checksum = String::with_capacity(64);
            for byte in digest.finalize() {
                let _ = write!(checksum, "{byte:02x}");
            }
            Some(SeedFile { source: SourceFile::new(file.path, ""), relative: file.relative, checksum })
        }
        Err(error) => {
            report(&error, diagnostics);
            None
        }
    }
}

fn report(error: &FsError, diagnostics: &mut Diagnostics) {
    let found = unreadable(error);
    // Several folders of the configuration may hold the same file.
    let again = diagnostics.0.iter().any(|known| known.code == found.code && known.message == found.message);
    if !again {
        diagnostics.push(found);
    }
}

/// A file of the project that cannot be read, as the user sees it.
pub fn unreadable(error: &FsError) -> Diagnostic {
    match error {
        FsError::NotUtf8 { location, .. } => Diagnostic::error("unreadable-file", error.to_string())
            .at(location.as_ref().clone(), "")
            .with_hint("save the file as UTF-8"),
        FsError::LeadsOut { .. } => Diagnostic::error("path-outside-project", error.to_string())
            .with_hint("a project reads only its own folder: put the files themselves in the place of the link"),
        FsError::TooLarge { .. } => Diagnostic::error("unreadable-file", error.to_string())
            .with_hint("data belongs into a seed or a source, not into a text file of the project"),
        FsError::Io { .. } | FsError::TooMany { .. } => Diagnostic::error("unreadable-file", error.to_string())
            .with_hint("check the path, its owner and its rights"),
    }
}
