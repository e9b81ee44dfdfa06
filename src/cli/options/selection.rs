//! Which nodes the command line chooses.

use super::{Reader, bad_value};
use crate::base::diagnostic::{Diagnostic, did_you_mean};
use crate::cli::args::SelectionArguments;
use crate::manifest::node::ResourceType;
use crate::select::IndirectSelection;

/// Which nodes a verb is about.
#[derive(Debug, Clone, Default)]
pub struct SelectionOptions {
    /// Selectors to take, as written; several are a union.
    pub select: Vec<String>,
    /// Selectors to leave out.
    pub exclude: Vec<String>,
    /// Name of a selector in `selectors.yml`.
    pub selector: Option<String>,
    /// Kinds to take; empty means all that the verb is about.
    pub resource_types: Vec<ResourceType>,
    /// Kinds to leave out.
    pub exclude_resource_types: Vec<ResourceType>,
    /// Which tests come along; `None` means the project's choice or eager.
    pub indirect_selection: Option<IndirectSelection>,
}

impl Reader<'_> {
    fn kinds(&mut self, given: Vec<String>, variable: &str, flag: &str) -> Vec<ResourceType> {
        let names = if given.is_empty() { self.variable(variable).into_iter().collect() } else { given };
        let known = [
            "model",
            "seed",
            "snapshot",
            "source",
            "test",
            "unit_test",
            "exposure",
            "analysis",
            "function",
            "semantic_model",
            "metric",
            "saved_query",
        ];
        let mut kinds = Vec::new();
        for name in names.iter().flat_map(|names| names.split([',', ' '])).filter(|name| !name.is_empty()) {
            match name {
                "all" | "default" => return Vec::new(),
                _ => {
                    if let Some(kind) = ResourceType::parse(name) {
                        kinds.push(kind);
                        continue;
                    }
                    let mut problem = bad_value(flag, name, &format!("one of {}", known.join(", ")));
                    if let Some(near) = did_you_mean(name, known) {
                        problem = problem.with_hint(format!("did you mean `{near}`?"));
                    }
                    self.problems.push(problem);
                }
            }
        }
        kinds
    }

    /// The flags of `ls`, whose `--models` takes the models among the nodes alone, as under dbt.
    pub(super) fn listed(&mut self, given: SelectionArguments) -> SelectionOptions {
        if given.models.is_empty() {
            return self.selection(given);
        }
        for (is_given, flag) in
            [(!given.select.is_empty(), "--select"), (!given.resource_type.is_empty(), "--resource-type")]
        {
            if is_given {
                let message = format!("`--models` of `ls` cannot be combined with `{flag}`");
                let hint = "`--models x` means `--select x --resource-type model`";
                self.problems.push(Diagnostic::error("invalid-argument", message).with_hint(hint));
            }
        }
        SelectionOptions { resource_types: vec![ResourceType::Model], ..self.selection(given) }
    }

    /// The flags of other verbs, where `--models` is another name of `--select`.
    pub(super) fn selection(&mut self, given: SelectionArguments) -> SelectionOptions {
        let select: Vec<String> = given.select.into_iter().chain(given.models).collect();
        let modes = IndirectSelection::ALL.map(|mode| (mode.as_str(), mode));
        if given.selector.is_some() && !(select.is_empty() && given.exclude.is_empty()) {
            let message = "`--selector` cannot be combined with `--select` or `--exclude`";
            self.problems.push(Diagnostic::error("invalid-argument", message));
        }
        let mode = self.word(given.indirect_selection, "INDIRECT_SELECTION", "--indirect-selection", &modes);
        SelectionOptions {
            resource_types: self.kinds(given.resource_type, "RESOURCE_TYPES", "--resource-type"),
            exclude_resource_types: self.kinds(
                given.exclude_resource_type,
                "EXCLUDE_RESOURCE_TYPES",
                "--exclude-resource-type",
            ),
            select,
            exclude: given.exclude,
            selector: given.selector,
            indirect_selection: mode,
        }
    }
}
