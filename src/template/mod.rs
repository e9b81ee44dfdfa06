//! Layer 1: dbt's Jinja on minijinja. Knows templates, macros and their functions; asks a [`host::Host`] for all else.
//!
//! minijinja reads templates (its lexer and parser) and gives the values, filters and tests; the evaluator is karat's
//! own (`evaluate`), because dbt's language needs what a Jinja engine hides: values from `return()`, lists and dicts that
//! change in place, macros of any file calling each other, and the way back from every byte of the SQL to the template
//! or macro that wrote it.

mod blocks;
mod evaluate;
mod failure;
mod functions;
pub mod host;
mod library;
mod source_map;
mod syntax;
#[cfg(test)]
mod tests;
mod values;
mod written;

pub use blocks::{Block, BlockKind, extract_blocks};
pub use library::{BuiltInTest, built_in_tests};
pub use source_map::{Place, SourceMap};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::base::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::base::limits;
use crate::base::source::{Location, SourceFile};
use crate::manifest::manifest::Macro;
use crate::manifest::node::Code;
use crate::template::evaluate::Interpreter;
use crate::template::evaluate::arguments::Arguments;
use crate::template::failure::Failure;
use crate::template::host::{RelationValue, SharedHost};
use crate::template::library::{Entry, Library};
use crate::template::syntax::{Base, ExpressionKind, Origin, Span, Statement, parse_template};
use crate::template::values::relation::RelationObject;
use crate::template::values::text;

/// Package name of the macros that karat brings along, as under dbt; templates may also call it `karat`.
pub const BUILT_IN_PACKAGE: &str = "dbt";

/// A file with macros (or generic tests), and the package that it belongs to.
#[derive(Debug, Clone)]
pub struct MacroFile {
    /// Package.
    pub package: String,
    /// The file.
    pub file: Arc<SourceFile>,
}

/// What an invocation may choose about its templates.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The project's `dispatch:` configuration: for a macro namespace, the packages to search in order.
    pub dispatch: BTreeMap<String, Vec<String>>,
    /// Fuel of one rendering.
    pub fuel: u64,
    /// Deepest nesting of macro calls.
    pub recursion: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { dispatch: BTreeMap::new(), fuel: limits::TEMPLATE_FUEL, recursion: limits::TEMPLATE_RECURSION }
    }
}

/// The outcome of rendering a template.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The text.
    pub sql: String,
    /// The way back from the text to the templates.
    pub map: SourceMap,
    /// Ids of the macros that were called, transitively.
    pub macros: BTreeSet<String>,
    /// Ids of those that the template itself has called.
    pub own_macros: Vec<String>,
    /// Whether the template, or a macro that it mentions, may ask the warehouse for data (`run_query`, `statement`):
    /// decided from the text, so it holds also for the branches that were not taken.
    pub introspective: bool,
    /// The values of the template's `config()` as written, while parsing; `None` without such a call.
    pub config_call: Option<IndexMap<String, String>>,
}

/// The outcome of calling a macro.
#[derive(Debug, Clone)]
pub struct MacroOutcome {
    /// What the macro rendered, or the text of what it returned.
    pub text: String,
    /// What it returned, natively typed; the text if it returned nothing.
    pub value: Json,
    /// Ids of the macros that were called, transitively.
    pub macros: BTreeSet<String>,
}

/// An argument of [`Templates::call_macro`].
#[derive(Debug, Clone)]
pub enum Argument {
    /// A plain value.
    Plain(Json),
    /// A relation.
    Relation(RelationValue),
}

/// Why a template was not rendered.
#[derive(Debug, Clone)]
pub enum RenderError {
    /// A problem that the user has to mend.
    Diagnostic(Box<Diagnostic>),
    /// The host needs data that is not there yet; render again when the parents are ready.
    NotReady(String),
}

/// The templates of an invocation: all macros, ready to render any template. Shared by all threads.
#[derive(Debug)]
pub struct Templates {
    library: Library,
}

impl Templates {
    /// Reads the macro files of the project and its packages; the built-in ones (package `karat`) are added.
    ///
    /// Files with generic tests are macro files, too. Reports all problems: syntax, macros defined twice in a package,
    /// custom materializations.
    pub fn new(root_package: &str, files: &[MacroFile], settings: Settings) -> (Self, Diagnostics) {
        let (library, diagnostics) = Library::new(root_package, files, settings);
        (Self { library }, diagnostics)
    }

    /// Templates without any macro: for what is read before the project is known. Reading the built-in ones takes time.
    pub fn without_macros() -> Self {
        Self { library: Library::empty("", Settings::default()) }
    }

    /// All macros by id; a generic test `x` is the macro `test_x`.
    pub fn macros(&self) -> &BTreeMap<String, Arc<Macro>> {
        &self.library.macros
    }

    /// The id of the macro that a name means in a template of a package.
    pub fn resolve_macro(&self, from_package: &str, name: &str) -> Option<&str> {
        match name.split_once('.') {
            Some((package, name)) => self.library.find(package, name),
            None => self.library.resolve(from_package, name),
        }
        .map(|entry| entry.id.as_ref())
    }

    /// Whether there is a generic test of this name, in a package or, without one, as the root project sees it.
    pub fn has_generic_test(&self, package: Option<&str>, name: &str) -> bool {
        self.generic_test(package, name).is_some()
    }

    /// The id of the macro of a generic test.
    pub fn generic_test(&self, package: Option<&str>, name: &str) -> Option<&str> {
        self.entry(package, &format!("test_{name}")).map(|entry| entry.id.as_ref())
    }

    /// The names of all generic tests that can be used without naming a package, for "did you mean".
    pub fn generic_tests(&self, from_package: &str) -> Vec<String> {
        let names = self.library.names(from_package);
        names.iter().filter_map(|name| name.strip_prefix("test_")).map(str::to_owned).collect()
    }

    /// The names of a macro's parameters, by the macro's id.
    pub fn macro_arguments(&self, id: &str) -> Option<Vec<String>> {
        let described = self.library.macros.get(id)?;
        let entry = self.library.find(&described.package, &described.name)?;
        Some(entry.definition.parameters.iter().map(|parameter| parameter.name.to_string()).collect())
    }

    fn entry(&self, package: Option<&str>, name: &str) -> Option<&Entry> {
        match package {
            Some(package) => self.library.find(package, name),
            None => self.library.resolve("", name),
        }
    }

    /// Renders a node's template. `locals` are further variables, such as the arguments of a generic test.
    pub fn render(
        &self,
        code: &Code,
        host: &SharedHost,
        locals: &IndexMap<String, Argument>,
    ) -> Result<Rendered, Box<RenderError>> {
        let base = code.offset.map_or(Base::Whole(0..0), Base::Offset);
        let origin = Arc::new(Origin { file: Arc::clone(&code.file), base, built_in: false });
        self.render_origin(&code.text, &origin, host, locals)
    }

    fn render_origin(
        &self,
        text: &str,
        origin: &Arc<Origin>,
        host: &SharedHost,
        locals: &IndexMap<String, Argument>,
    ) -> Result<Rendered, Box<RenderError>> {
        let template = parse_template(text, origin).map_err(RenderError::boxed)?;
        let mut interpreter = Interpreter::new(&self.library, Arc::clone(host), origin);
        for (name, value) in locals {
            interpreter.set(name, value.to_value());
        }
        let written = interpreter.run(&template.body).map_err(Failure::into_error)?;
        let (sql, map) = written.finish();
        let introspective = self.library.reads_data(&template.mentions);
        let config_call = if host.execute() { None } else { written::config_call(text, &template.body) };
        Ok(Rendered {
            sql,
            map,
            macros: interpreter.called,
            own_macros: interpreter.called_itself,
            introspective,
            config_call,
        })
    }

    /// Renders a text of a properties file; `place` is where it stands in the file, its quotes included or not.
    pub fn render_text(&self, text: &str, place: &Location, host: &SharedHost) -> Result<String, Box<RenderError>> {
        if !has_jinja(text) {
            return Ok(text.to_owned());
        }
        let origin = origin_of_text(text, place);
        self.render_origin(text, &origin, host, &IndexMap::new()).map(|rendered| rendered.sql)
    }

    /// Renders a text of a properties file to a typed value: a text that is one expression keeps the expression's type
    /// (`{{ 5 }}` is a number, `{{ var('keys') }}` may be a list); any other text stays text.
    pub fn render_value(&self, text: &str, place: &Location, host: &SharedHost) -> Result<Json, Box<RenderError>> {
        if !has_jinja(text) {
            return Ok(Json::String(text.to_owned()));
        }
        let origin = origin_of_text(text, place);
        let template = parse_template(text, &origin).map_err(RenderError::boxed)?;
        let is_blank = |statement: &&Statement| !matches!(statement, Statement::Raw(raw, _) if raw.trim().is_empty());
        let rest: Vec<&Statement> = template.body.iter().filter(is_blank).collect();
        let mut interpreter = Interpreter::new(&self.library, Arc::clone(host), &origin);
        if let [Statement::Emit(expression)] = rest.as_slice() {
            let value = values::to_json(&interpreter.run_expression(expression).map_err(Failure::into_error)?);
            let marker = match &expression.kind {
                ExpressionKind::Filter(name, ..) => name.as_ref(),
                _ => "",
            };
            return marked(marker, value).map_err(|message| {
                let problem = Diagnostic::error("jinja-error", message).at(origin.location(expression.span), "");
                RenderError::boxed(Box::new(problem))
            });
        }
        let written = interpreter.run(&template.body).map_err(Failure::into_error)?;
        Ok(Json::String(written.text))
    }

    /// The names of the materializations that the project and its packages have written for models.
    pub fn materializations(&self) -> BTreeSet<String> {
        self.library.materializations()
    }

    /// Calls the macro of a materialization that the project or a package has written.
    pub fn materialize(&self, name: &str, host: &SharedHost) -> Result<MacroOutcome, Box<RenderError>> {
        match self.library.materialization(name).cloned() {
            Some(entry) => self.call(&entry, &[], &IndexMap::new(), host),
            None => {
                let message = format!("there is no materialization `{name}`");
                Err(RenderError::boxed(Box::new(Diagnostic::error("unknown-macro", message))))
            }
        }
    }

    /// The first package that has a macro which the root project does not see under its bare name.
    pub fn package_with(&self, name: &str) -> Option<&str> {
        if self.library.resolve("", name).is_some() { None } else { self.library.package_with(name) }
    }

    /// Calls a macro by name: of a package, or as the root project sees it. A name may also be `package.macro`.
    pub fn call_macro(
        &self,
        package: Option<&str>,
        name: &str,
        positional: &[Argument],
        keyword: &IndexMap<String, Argument>,
        host: &SharedHost,
    ) -> Result<MacroOutcome, Box<RenderError>> {
        let found = match (package, name.split_once('.')) {
            (None, Some((package, name))) => self.library.find(package, name),
            _ => self.entry(package, name),
        };
        let Some(entry) = found else {
            let names = self.library.names("");
            let mut diagnostic = Diagnostic::error("unknown-macro", format!("there is no macro `{name}`"));
            if let Some(candidate) = did_you_mean(name, names.iter().map(String::as_str)) {
                diagnostic = diagnostic.with_hint(format!("did you mean `{candidate}`?"));
            }
            return Err(RenderError::boxed(Box::new(diagnostic)));
        };
        self.call(entry, positional, keyword, host)
    }

    fn call(
        &self,
        entry: &Entry,
        positional: &[Argument],
        keyword: &IndexMap<String, Argument>,
        host: &SharedHost,
    ) -> Result<MacroOutcome, Box<RenderError>> {
        let mut interpreter = Interpreter::new(&self.library, Arc::clone(host), &entry.definition.origin);
        let arguments = Arguments {
            positional: positional.iter().map(Argument::to_value).collect(),
            keyword: keyword.iter().map(|(name, value)| (name.as_str().into(), value.to_value())).collect(),
        };
        let called = entry.value();
        let span = Span { start: entry.definition.span.start, end: entry.definition.span.start };
        let value = interpreter
            .detached(|interpreter| interpreter.call_macro(&called, arguments, span))
            .map_err(|failure| failure.without_outermost_call().into_error())?;
        Ok(MacroOutcome { text: text::display(&value), value: values::to_json(&value), macros: interpreter.called })
    }
}

/// The value of a whole text of YAML that ends with one of dbt's markers of types: of a text, what Python would read.
fn marked(marker: &str, value: Json) -> Result<Json, String> {
    match (marker, value) {
        ("as_bool", Json::Bool(flag)) => Ok(Json::Bool(flag)),
        ("as_bool", Json::String(text)) if matches!(text.trim(), "True" | "False") => {
            Ok(Json::Bool(text.trim() == "True"))
        }
        ("as_bool", value) => Err(format!("{value} is neither true nor false")),
        ("as_number", Json::Number(number)) => Ok(Json::Number(number)),
        ("as_number", value) => {
            let text = value.as_str().map(str::trim).unwrap_or_default();
            let whole = text.parse::<i64>().ok().map(Json::from);
            let number = whole.or_else(|| text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Json::from));
            number.ok_or_else(|| format!("{value} is not a number"))
        }
        (_, value) => Ok(value),
    }
}

/// Whether a text has anything to render.
pub fn has_jinja(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

fn origin_of_text(text: &str, place: &Location) -> Arc<Origin> {
    let exact = place.file.text.get(place.range.clone()).and_then(|written| written.find(text));
    let base = exact.map_or_else(|| Base::Whole(place.range.clone()), |at| Base::Offset(place.range.start + at));
    Arc::new(Origin { file: Arc::clone(&place.file), base, built_in: false })
}

impl Argument {
    fn to_value(&self) -> minijinja::Value {
        match self {
            Self::Plain(json) => values::from_json(json),
            Self::Relation(relation) => RelationObject::value(relation.clone()),
        }
    }
}

impl From<Json> for Argument {
    fn from(json: Json) -> Self {
        Self::Plain(json)
    }
}

impl From<RelationValue> for Argument {
    fn from(relation: RelationValue) -> Self {
        Self::Relation(relation)
    }
}

impl RenderError {
    fn boxed(diagnostic: Box<Diagnostic>) -> Box<Self> {
        Box::new(Self::Diagnostic(diagnostic))
    }

    /// The error as a diagnostic; a template that waits for data becomes one that says so.
    pub fn into_diagnostic(self) -> Diagnostic {
        match self {
            Self::Diagnostic(diagnostic) => *diagnostic,
            Self::NotReady(reason) => Diagnostic::error("not-ready", reason),
        }
    }
}
