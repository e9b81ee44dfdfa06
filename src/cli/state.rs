//! The state that a command line names: read once, before anything is written.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::cli::Outcome;
use crate::cli::application::{Application, Project};
use crate::cli::events;
use crate::cli::options::SelectionOptions;
use crate::record;
use crate::record::manifest::CompiledSql;
use crate::state::{self, Comparison, Previous};

impl Application {
    /// The state of `--state`; `None` without that flag.
    pub fn previous(&self, project: &Project) -> Result<Option<Arc<Previous>>, Outcome> {
        let Some(folder) = &self.options.state.folder else { return Ok(None) };
        if let Some(read) = project.previous.get() {
            return Ok(Some(Arc::clone(read)));
        }
        let read = self.read_state(project, folder)?;
        Ok(Some(Arc::clone(project.previous.get_or_init(|| read))))
    }

    /// Reads a folder of artifacts, which is relative to the project.
    pub fn read_state(&self, project: &Project, folder: &Path) -> Result<Arc<Previous>, Outcome> {
        let place = project.loaded.root_path().join(folder);
        if place == self.target_path(project) {
            self.printer.structured(&events::dbt::state_is_target(folder));
        }
        Previous::read(&place).map(Arc::new).map_err(|problem| self.refused(*problem))
    }

    /// Tells a problem that ends the command.
    pub fn refused(&self, problem: Diagnostic) -> Outcome {
        self.report(&Diagnostics::from(problem)).err().unwrap_or(Outcome::Usage)
    }

    /// What a selection compares with, if it does; the present manifest is made for that alone.
    pub fn comparison(
        &self,
        project: &Project,
        options: &SelectionOptions,
    ) -> Result<Option<Arc<Comparison>>, Outcome> {
        let Some(previous) = self.previous(project)?.filter(|_| compares(project, options)) else { return Ok(None) };
        let artifact =
            record::manifest::artifact(&project.manifest, &CompiledSql::new(), Path::new(""), &self.record());
        let current = state::Manifest::from_artifact(artifact).map_err(|problem| {
            self.refused(Diagnostic::error("bad-state", format!("the project's own manifest is unreadable: {problem}")))
        })?;
        let freshness = state::freshness(&self.target_path(project)).map_err(|problem| self.refused(*problem))?;
        let comparison = Comparison::new(previous, current, freshness, self.clock.now());
        Ok(Some(Arc::new(comparison)))
    }
}

/// Whether a selection may use a method about the state: nothing is lost if it only looks so.
fn compares(project: &Project, options: &SelectionOptions) -> bool {
    const METHODS: [&str; 3] = ["state", "result", "source_status"];
    let mentions = |text: &String| METHODS.iter().any(|method| text.contains(method));
    let in_file = || mentions(&Json::from_iter(project.manifest.selectors.clone()).to_string());
    options.select.iter().chain(&options.exclude).any(mentions) || in_file()
}
