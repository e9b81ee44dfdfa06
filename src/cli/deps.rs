//! `karat deps`: installs the packages that the project wants.

use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::base::fs;
use crate::base::source::Location;
use crate::cli::Outcome;
use crate::cli::application::Application;
use crate::cli::events::counted;
use crate::cli::options::DepsOptions;
use crate::deps::{DepsError, Installer, Located, Pinned, Request, lock_text};
use crate::files::packages::{self, LOCK_FILE, PACKAGE_FILES};
use crate::files::project::find_root;
use crate::parse;

mod add;

/// The index of packages, unless `KARAT_PACKAGE_HUB_URL` or `DBT_PACKAGE_HUB_URL` names another.
pub const INDEX: &str = "https://hub.getdbt.com/";

/// Environment variables that name the index.
pub const INDEX_VARIABLES: [&str; 2] = ["KARAT_PACKAGE_HUB_URL", "DBT_PACKAGE_HUB_URL"];

/// Finds versions if the list has changed since the lock file was written, then installs what the lock file says.
pub async fn execute(app: &Application, options: &DepsOptions) -> Result<Outcome, Outcome> {
    let root = find_root(app.options.project_dir.as_deref(), &app.working_folder)
        .map_err(|problem| app.report(&Diagnostics::from(*problem)).err().unwrap_or(Outcome::Usage))?;
    let renderer = parse::package_renderer(&app.parse_invocation());
    let renderer = &|text: &str, place: &Location| renderer.value(text, place);
    let (opened, mut problems) = parse::open_config(&root, renderer);
    let Some((dir, config)) = opened else {
        app.printer.diagnostics(&problems);
        return Err(Outcome::Usage);
    };
    if let Some((source, package)) = &options.added {
        let added = add::entry(source, package).and_then(|entry| add::to_list(&root, &entry));
        let file = added.map_err(|problem| app.report(&(*problem).into()).err().unwrap_or(Outcome::Usage))?;
        app.printer.status("Added", &format!("{package} to {file}"));
    }
    let wanted = packages::load_packages(&dir, renderer, &mut problems);
    let lock = packages::load_lock(&dir, renderer, &mut problems);
    app.report(&problems)?;
    if wanted.is_empty() {
        let message = format!("there are no packages to install: none of {} lists any", PACKAGE_FILES.join(" and "));
        app.printer.message(&message);
        return Ok(Outcome::Success);
    }
    let request = Request {
        root: &root,
        project: &config.name.value,
        install_path: &config.packages_path,
        index: app.env.first(&INDEX_VARIABLES).unwrap_or(INDEX),
        dbt_version: (!options.no_version_check).then_some(parse::DBT_VERSION),
    };
    let mut installer =
        Installer::new(request, renderer).map_err(|error| failed(app, &(error, wanted[0].location.clone())))?;
    let known = lock.filter(|lock| !options.upgrade && lock.hash == Some(packages::hash(&wanted)));
    let pinned = match known {
        Some(lock) => lock.packages.iter().map(Pinned::of_lock).collect(),
        None => {
            let found = installer.resolve(&wanted).await.map_err(|error| failed(app, &error))?;
            app.report(&std::mem::take(&mut installer.remarks))?;
            let text = lock_text(&wanted, &found);
            fs::write_atomic(&root.join(LOCK_FILE), text.as_bytes()).map_err(|error| app.file(error))?;
            app.printer.status("Locked", &format!("{LOCK_FILE}: {}", counted(found.len() as u64, "package")));
            found
        }
    };
    if options.lock {
        return Ok(Outcome::Success);
    }
    let progress = |one: &Pinned, newer: Option<&str>| {
        let newer = newer.map_or_else(String::new, |newer| format!(" (version {newer} is available)"));
        app.printer.status("Installed", &format!("{}, {}{newer}", one.name, one.version()));
    };
    installer.install(&pinned, &progress).await.map_err(|error| failed(app, &error))?;
    Ok(Outcome::Success)
}

fn failed(app: &Application, (error, location): &Located) -> Outcome {
    let diagnostic: Diagnostic = DepsError::diagnostic(error, location);
    app.printer.diagnostic(&diagnostic);
    if error.is_world() { Outcome::World } else { Outcome::Usage }
}
