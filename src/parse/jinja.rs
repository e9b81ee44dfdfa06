//! The seam to templates: rendering a node for the first time, calling a naming macro, rendering YAML values.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::base::diagnostic::{Diagnostic, Label};
use crate::base::source::Location;
use crate::manifest::node::Code;
use crate::parse::hosts::{ParseHost, Secrets, Shared, YamlHost};
use crate::template::host::SharedHost;
use crate::template::{Argument, RenderError, Rendered, Templates};

/// Why a template could not be rendered while parsing.
pub(super) enum Failure {
    /// A problem that the user has to mend.
    Diagnostic(Box<Diagnostic>),
    /// It asks for data, which there is none of yet.
    NotReady,
}

impl From<Box<RenderError>> for Failure {
    fn from(error: Box<RenderError>) -> Self {
        match *error {
            RenderError::Diagnostic(diagnostic) => Self::Diagnostic(diagnostic),
            RenderError::NotReady(_) => Self::NotReady,
        }
    }
}

/// Renders a node's template without executing anything.
pub(super) fn render(templates: &Templates, code: &Code, host: &Arc<ParseHost>) -> Result<Rendered, Failure> {
    let host: SharedHost = Arc::<ParseHost>::clone(host);
    Ok(templates.render(code, &host, &IndexMap::new())?)
}

/// Calls a macro with plain arguments; the text that it gives.
pub(super) fn call(
    templates: &Templates,
    package: &str,
    name: &str,
    arguments: &[Json],
    host: &Arc<ParseHost>,
) -> Result<String, Failure> {
    let host: SharedHost = Arc::<ParseHost>::clone(host);
    let arguments: Vec<Argument> = arguments.iter().cloned().map(Argument::Plain).collect();
    Ok(templates.call_macro(Some(package), name, &arguments, &IndexMap::new(), &host)?.text)
}

/// Generated code has no place of its own: the diagnostic points at the declaration instead.
pub(super) fn point_at(diagnostic: &mut Diagnostic, code: &Code, place: Option<&Location>) {
    let Some(place) = place else { return };
    diagnostic.labels.retain(|label| label.location.file != code.file || label.location.range != (0..0));
    diagnostic.labels.insert(0, Label { location: place.clone(), message: String::new() });
}

/// Renders the Jinja in YAML values of one package.
pub struct YamlRenderer {
    templates: Arc<Templates>,
    host: SharedHost,
}

impl YamlRenderer {
    /// A renderer for the files of a package; secrets are refused.
    pub fn new(templates: Arc<Templates>, shared: Arc<Shared>, package: &str) -> Self {
        Self { templates, host: Arc::new(YamlHost { shared, package: package.to_owned(), secrets: Secrets::Refused }) }
    }

    /// A renderer for `profiles.yml`, where secrets are allowed.
    pub fn for_profiles(templates: Arc<Templates>, shared: Arc<Shared>) -> Self {
        Self { templates, host: Arc::new(YamlHost { shared, package: String::new(), secrets: Secrets::Allowed }) }
    }

    /// The value of a text: natively typed if the text is one expression.
    pub fn value(&self, text: &str, place: &Location) -> Result<Json, Box<Diagnostic>> {
        self.templates.render_value(text, place, &self.host).map_err(|error| match *error {
            RenderError::Diagnostic(diagnostic) => diagnostic,
            RenderError::NotReady(what) => {
                Box::new(Diagnostic::error("not-in-yaml", format!("this value asks for {what}")).at(place.clone(), ""))
            }
        })
    }

    /// The value of a text as a text.
    pub fn text(&self, text: &str, place: &Location) -> Result<String, Box<Diagnostic>> {
        Ok(match self.value(text, place)? {
            Json::String(text) => text,
            Json::Null => String::new(),
            other => other.to_string(),
        })
    }
}
