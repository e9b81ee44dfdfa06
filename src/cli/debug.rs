//! `karat debug`: what this karat is, which project and target it sees, and whether the warehouse can be used.

use crate::cli::Outcome;
use crate::cli::application::Application;
use crate::cli::options::DebugOptions;

/// Runs the verb.
pub async fn execute(app: &Application, options: &DebugOptions) -> Result<Outcome, Outcome> {
    let mut lines = vec![format!("karat     {}", env!("CARGO_PKG_VERSION"))];
    let project = app.project()?;
    if options.config_dir {
        let folder = app.options.profiles_dir.clone().unwrap_or_else(|| project.loaded.root_path().to_path_buf());
        app.printer.result(&folder.display().to_string());
        return Ok(Outcome::Success);
    }
    let target = &project.target;
    if !options.connection {
        lines.push(format!("project   {} in {}", project.manifest.project_name, project.loaded.root_path().display()));
        lines.push(format!("nodes     {}", project.manifest.nodes.len()));
    }
    lines.push(format!("profile   {} (type {})", target.profile, target.kind));
    lines.push(format!("target    {}", target.name));
    lines.push(format!("warehouse {}", target.warehouse));
    lines.push(format!("database  {}, default schema {}", target.database, target.schema));
    let warehouse = app.warehouse(&project)?;
    let environment = app.environment(&project)?;
    let catalog = warehouse.catalog(&environment).await.map_err(|error| app.store(&error))?;
    lines.push(match catalog.entry() {
        Some(entry) => format!("published entry {} with {} relations", entry.number, entry.relations.len()),
        None => "published nothing yet".to_owned(),
    });
    lines.push("All checks passed!".to_owned());
    app.printer.result(&lines.join("\n"));
    Ok(Outcome::Success)
}
