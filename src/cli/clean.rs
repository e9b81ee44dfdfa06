//! `karat clean`: removes the folders of `clean-targets`, below the project unless the command line says otherwise, and
//! never the warehouse.

use std::path::{Component, Path, PathBuf};

use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::base::fs;
use crate::cli::Outcome;
use crate::cli::printer::Printer;

/// What a `clean` must know of the project.
#[derive(Debug, Clone)]
pub struct CleanRequest<'a> {
    /// The project's folder.
    pub project: &'a Path,
    /// `clean-targets` as written; empty means the target folder.
    pub clean_targets: &'a [String],
    /// The folder for artifacts.
    pub target_path: &'a Path,
    /// Folders that hold what the project is made of (`model-paths` and the like) or what it has built (warehouses
    /// on local disk): never removed, nor a folder above them.
    pub protected: &'a [PathBuf],
    /// Whether folders outside of the project are removed (`--no-clean-project-files-only`).
    pub outside_too: bool,
}

/// The folders to remove; every target that is refused is reported, and then nothing is removed.
pub fn targets(request: &CleanRequest<'_>) -> Result<Vec<PathBuf>, Diagnostics> {
    let mut folders = Vec::new();
    let mut problems = Diagnostics::default();
    let root = resolved(request.project);
    let protected: Vec<PathBuf> = request.protected.iter().map(|path| resolved(&request.project.join(path))).collect();
    let written: Vec<PathBuf> = if request.clean_targets.is_empty() {
        vec![request.target_path.to_path_buf()]
    } else {
        request.clean_targets.iter().map(PathBuf::from).collect()
    };
    for target in written {
        let folder = resolved(&request.project.join(&target));
        let shown = target.display();
        let refusal = if root.starts_with(&folder) {
            Some(format!("the clean target `{shown}` is the project itself, or a folder that it lies in"))
        } else if !folder.starts_with(&root) && !request.outside_too {
            Some(format!("the clean target `{shown}` is outside of the project"))
        } else {
            let reason = |path: &&PathBuf| path.starts_with(&folder) || folder.starts_with(path);
            protected.iter().find(reason).map(|path| {
                let path = path.strip_prefix(&root).unwrap_or(path).display();
                format!("the clean target `{shown}` would remove `{path}`, which `clean` never removes")
            })
        };
        match refusal {
            Some(message) => problems.push(Diagnostic::error("clean-target-refused", message)),
            None => folders.push(folder),
        }
    }
    if problems.is_empty() { Ok(folders) } else { Err(problems) }
}

/// Removes the folders.
pub fn run(request: &CleanRequest<'_>, printer: &Printer) -> Outcome {
    let folders = match targets(request) {
        Ok(folders) => folders,
        Err(problems) => {
            printer.diagnostics(&problems);
            return Outcome::Usage;
        }
    };
    for folder in folders {
        if !fs::is_dir(&folder) {
            continue;
        }
        if let Err(error) = fs::remove_dir_all(&folder) {
            printer.diagnostic(&Diagnostic::error("clean-failed", error.to_string()));
            return Outcome::World;
        }
        printer.status("Removed", &folder.display().to_string());
    }
    Outcome::Success
}

/// The absolute form of a path that need not exist: links are resolved as far as it does, `..` by name after that.
fn resolved(path: &Path) -> PathBuf {
    let mut existing = path;
    let mut rest = Vec::new();
    loop {
        if let Ok(mut folder) = fs::canonical(if existing.as_os_str().is_empty() { Path::new(".") } else { existing }) {
            for component in rest.into_iter().rev() {
                match component {
                    Component::ParentDir => {
                        folder.pop();
                    }
                    Component::Normal(name) => folder.push(name),
                    _ => {}
                }
            }
            return folder;
        }
        let (Some(parent), Some(last)) = (existing.parent(), existing.components().next_back()) else {
            return path.to_path_buf();
        };
        rest.push(last);
        existing = parent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_below_the_project_that_hold_nothing_of_value_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("shop");
        for name in ["target/compiled", "models", "warehouse/gold", "logs"] {
            fs::create_dir_all(&project.join(name)).unwrap();
        }
        let protected = [PathBuf::from("models"), PathBuf::from("warehouse")];
        let check = |written: &[&str]| {
            let clean_targets: Vec<String> = written.iter().map(|&text| text.to_owned()).collect();
            let request = CleanRequest {
                project: &project,
                clean_targets: &clean_targets,
                target_path: Path::new("target"),
                protected: &protected,
                outside_too: false,
            };
            targets(&request).map(|folders| folders.len()).map_err(|problems| problems.0.len())
        };
        assert_eq!(check(&[]), Ok(1));
        assert_eq!(check(&["target", "logs", "not_there/at_all"]), Ok(3));
        assert_eq!(check(&["."]), Err(1));
        assert_eq!(check(&["..", "/", "../other", "target/../../x"]), Err(4));
        assert_eq!(check(&["warehouse", "warehouse/gold", "models", "target"]), Err(3));
    }
}
