//! `karat debug`: what this karat is, which project and target it sees, and whether the warehouse can be used. Nodes are
//! not looked at. The lines of the checks are dbt's, for who reads them by machine.

use crate::base::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::base::fs;
use crate::cli::Outcome;
use crate::cli::application::Application;
use crate::cli::options::DebugOptions;
use crate::files::Target;
use crate::files::project::{DBT_FILE, KARAT_FILE, find_root};
use crate::parse;

/// Codes of what may be wrong with profiles.
const OF_PROFILES: [&str; 3] = ["no-profiles", "unknown-profile", "unknown-target"];
const GOOD: &str = "[OK found and valid]";
const BAD: &str = "[ERROR invalid]";
const NOTHING_WRONG: &str = "All checks passed!";

/// Runs the verb.
pub async fn execute(app: &Application, options: &DebugOptions) -> Result<Outcome, Outcome> {
    let opened = app.opened()?;
    let (loaded, target) = match opened {
        Ok((opened, remarks)) => {
            app.report(&remarks)?;
            opened
        }
        Err(problems) => return Err(not_opened(app, options, &problems)),
    };
    if options.config_dir {
        let folder = app.options.profiles_dir.clone().unwrap_or_else(|| loaded.root_path().to_path_buf());
        app.printer.result(&folder.display().to_string());
        return Ok(Outcome::Success);
    }
    let file = loaded.root().map_or("project.yml", |package| package.config.file.path.as_str());
    let mut lines = vec![
        format!("karat {}", env!("CARGO_PKG_VERSION")),
        format!("Using {file} file in {}", loaded.root_path().display()),
        format!("adapter type: {}", target.kind),
    ];
    let profiles = if target.location.is_some() { GOOD } else { "[OK not needed]" };
    lines.extend(configuration(options, profiles, file, GOOD));
    let warehouse = app.warehouse_of(&target)?;
    let environment = app.environment_of(&target)?;
    let catalog = warehouse.catalog(&environment).await.map_err(|error| app.store(&error))?;
    let published = match catalog.entry() {
        Some(entry) => format!("entry {} with {} relations", entry.number, entry.relations.len()),
        None => "nothing yet".to_owned(),
    };
    lines.extend(connection(&target));
    lines.push(format!("  published: {published}"));
    lines.push("  Connection test: [OK connection ok]".to_owned());
    lines.push(String::new());
    lines.push(NOTHING_WRONG.to_owned());
    app.printer.result(&lines.join("\n"));
    Ok(Outcome::Success)
}

fn connection(target: &Target) -> Vec<String> {
    vec![
        "Connection:".to_owned(),
        format!("  profile: {}", target.profile),
        format!("  target: {}", target.name),
        format!("  database: {}", target.database),
        format!("  schema: {}", target.schema),
        format!("  warehouse: {}", target.warehouse),
    ]
}

fn configuration(options: &DebugOptions, profiles: &str, file: &str, project: &str) -> Vec<String> {
    if options.connection {
        return vec!["Skipping steps before connection verification".to_owned()];
    }
    vec![
        "Configuration:".to_owned(),
        format!("  profiles.yml file {profiles}"),
        format!("  {file} file {project}"),
        String::new(),
    ]
}

/// Says which file is wrong, and what is wrong with it.
fn not_opened(app: &Application, options: &DebugOptions, problems: &Diagnostics) -> Outcome {
    let errors: Vec<&Diagnostic> = problems.0.iter().filter(|found| found.severity == Severity::Error).collect();
    let is_of_profiles = |found: &&Diagnostic| {
        OF_PROFILES.contains(&found.code)
            || found.labels.first().is_some_and(|label| label.location.file.path.ends_with("profiles.yml"))
    };
    let of_profiles = errors.first().is_some_and(is_of_profiles);
    let (what, profiles, project) =
        if of_profiles { ("Profile", BAD, GOOD) } else { ("Project", "[not checked]", BAD) };
    let mut lines = vec![format!("karat {}", env!("CARGO_PKG_VERSION"))];
    lines.extend(configuration(options, profiles, file_of(app), project));
    lines.push("1 check failed:".to_owned());
    lines.push(format!("{what} loading failed for the following reason:"));
    lines.extend(errors.iter().filter_map(|found| phrase(app, found)).map(|phrase| format!("  {phrase}")));
    lines.extend(errors.iter().map(|found| format!("  {found}")));
    app.printer.result(&lines.join("\n"));
    app.printer.diagnostics(problems);
    Outcome::Usage
}

/// The name of the project's file.
fn file_of(app: &Application) -> &'static str {
    let root = find_root(app.options.project_dir.as_deref(), &app.working_folder);
    if root.is_ok_and(|root| fs::is_file(&root.join(KARAT_FILE))) { KARAT_FILE } else { DBT_FILE }
}

/// The words by which such a problem is known.
fn phrase(app: &Application, problem: &Diagnostic) -> Option<String> {
    let root = find_root(app.options.project_dir.as_deref(), &app.working_folder).ok()?;
    let named = || {
        let invocation = app.parse_invocation();
        let renderer = parse::package_renderer(&invocation);
        let (opened, _) = parse::open_config(&root, &|text, place| renderer.value(text, place));
        let config = opened?.1;
        Some(config.profile.map_or(config.name.value, |profile| profile.value))
    };
    let profile = app.options.profile.clone().or_else(named)?;
    match problem.code {
        "unknown-profile" => Some(format!("Could not find profile named '{profile}'")),
        "unknown-target" => {
            let target = app.options.target.as_deref()?;
            Some(format!("The profile '{profile}' does not have a target named '{target}'."))
        }
        _ => None,
    }
}
