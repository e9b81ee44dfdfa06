//! All macros of an invocation, and the rules by which a name finds one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use indexmap::IndexMap;
use minijinja::Environment;

use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::base::source::{Location, SourceFile};
use crate::manifest::manifest::{Macro, MacroArgument};
use crate::template::evaluate::MacroValue;
use crate::template::functions::filters;
use crate::template::syntax::{Base, MacroDefinition, Origin, Span, Statement, parse_template};
use crate::template::written::called_macros;
use crate::template::{BUILT_IN_PACKAGE, MacroFile, Settings};

/// The macros that karat brings along.
const BUILT_IN_FILES: [(&str, &str); 10] = [
    ("cross_database.sql", include_str!("macros/cross_database.sql")),
    ("times.sql", include_str!("macros/times.sql")),
    ("definitions.sql", include_str!("macros/definitions.sql")),
    ("metadata.sql", include_str!("macros/metadata.sql")),
    ("refused.sql", include_str!("macros/refused.sql")),
    ("materializing.sql", include_str!("macros/materializing.sql")),
    ("names.sql", include_str!("macros/names.sql")),
    ("statements.sql", include_str!("macros/statements.sql")),
    ("relations.sql", include_str!("macros/relations.sql")),
    ("generic_tests.sql", include_str!("macros/generic_tests.sql")),
];

/// The materializations of models that karat has itself.
const BUILT_IN_MATERIALIZATIONS: [&str; 4] = ["view", "table", "incremental", "ephemeral"];

/// Materializations of what is no model: these are karat's own.
const FIXED_MATERIALIZATIONS: [&str; 6] = ["seed", "snapshot", "test", "unit", "clone", "function"];

/// A built-in data test, as its definition says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltInTest {
    /// Name as used in `data_tests:`.
    pub name: String,
    /// The comment above it.
    pub about: String,
    /// Arguments beside the model and the column, with `=` and a default where there is one.
    pub arguments: Vec<String>,
}

/// The built-in data tests in the order of their file: each stands there below a comment that says what it asks.
pub fn built_in_tests() -> Vec<BuiltInTest> {
    let text = include_str!("macros/generic_tests.sql");
    let mut tests = Vec::new();
    for part in text.split("{#").skip(1) {
        let Some((about, rest)) = part.split_once("#}") else { continue };
        let Some(signature) = rest.trim_start().strip_prefix("{% test ") else { continue };
        let Some((name, arguments)) = signature.split_once('(') else { continue };
        let arguments = arguments.split_once(')').map_or("", |(arguments, _)| arguments);
        let own = arguments.split(',').map(str::trim).filter(|name| !matches!(*name, "model" | "column_name" | ""));
        tests.push(BuiltInTest {
            name: name.trim().to_owned(),
            about: about.split_whitespace().collect::<Vec<_>>().join(" "),
            arguments: own.map(str::to_owned).collect(),
        });
    }
    tests
}

/// Functions through which a template reads data.
const READING: [&str; 3] = ["run_query", "statement", "get_column_schema_from_query"];

/// A macro of a package.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its id, `macro.<package>.<name>`.
    pub id: Arc<str>,
    /// Its package.
    pub package: Arc<str>,
    /// Its tree.
    pub definition: Arc<MacroDefinition>,
}

impl Entry {
    /// The macro as a value.
    pub fn value(&self) -> MacroValue {
        MacroValue {
            definition: Arc::clone(&self.definition),
            id: Some(Arc::clone(&self.id)),
            package: Arc::clone(&self.package),
            closure: Weak::new(),
        }
    }
}

/// All macros.
#[derive(Debug)]
pub struct Library {
    /// What the invocation chose.
    pub settings: Settings,
    /// Macros by id, for the manifest.
    pub macros: BTreeMap<String, Arc<Macro>>,
    root: String,
    packages: BTreeMap<String, BTreeMap<String, Entry>>,
    /// Names of the functions and macros that read data, directly or not.
    reading: BTreeSet<Arc<str>>,
    environment: Environment<'static>,
}

/// The package that a name means: `karat` is another name for the built-in macros.
pub fn built_in_alias(package: &str) -> &str {
    if package == "karat" { BUILT_IN_PACKAGE } else { package }
}

impl Library {
    /// A library without macros.
    pub fn empty(root: &str, settings: Settings) -> Self {
        Self {
            macros: BTreeMap::new(),
            root: root.to_owned(),
            packages: BTreeMap::new(),
            reading: READING.iter().map(|name| (*name).into()).collect(),
            environment: filters::environment(settings.fuel),
            settings,
        }
    }

    /// Reads the macros of all files and reports everything that is wrong with them.
    pub fn new(root: &str, files: &[MacroFile], settings: Settings) -> (Self, Diagnostics) {
        let mut library = Self::empty(root, settings);
        let mut diagnostics = Diagnostics::default();
        for (name, text) in BUILT_IN_FILES {
            let file = SourceFile::new(format!("karat/macros/{name}"), text);
            library.add(&MacroFile { package: BUILT_IN_PACKAGE.to_owned(), file }, true, &mut diagnostics);
        }
        for file in files {
            library.packages.entry(file.package.clone()).or_default();
            library.add(file, false, &mut diagnostics);
        }
        library.find_readers();
        library.find_called();
        (library, diagnostics)
    }

    fn add(&mut self, file: &MacroFile, built_in: bool, diagnostics: &mut Diagnostics) {
        let origin = Arc::new(Origin { file: Arc::clone(&file.file), base: Base::Offset(0), built_in });
        let template = match parse_template(&file.file.text, &origin) {
            Ok(template) => template,
            Err(diagnostic) => {
                diagnostics.push(*diagnostic);
                return;
            }
        };
        let package: Arc<str> = file.package.as_str().into();
        for statement in template.body {
            let Statement::Macro(definition) = statement else { continue };
            let location = origin.location(tag_span(&file.file.text, definition.span));
            if let Some(name) = definition.name.strip_prefix("materialization_")
                && let Some((kind, _)) = name.rsplit_once('_')
                && FIXED_MATERIALIZATIONS.contains(&kind)
                && file.file.text.get(location.range.clone()).is_some_and(is_materialization)
            {
                diagnostics.push(
                    Diagnostic::warning(
                        "unsupported-materialization",
                        format!("the materialization `{kind}` is ignored"),
                    )
                    .at(location, "")
                    .with_hint("models may have materializations of their own; seeds, snapshots and tests may not"),
                );
                continue;
            }
            self.define(file, &package, &definition, location, diagnostics);
        }
    }

    fn define(
        &mut self,
        file: &MacroFile,
        package: &Arc<str>,
        definition: &Arc<MacroDefinition>,
        location: Location,
        diagnostics: &mut Diagnostics,
    ) {
        let name = definition.name.to_string();
        let id = format!("macro.{package}.{name}");
        if let Some(first) = self.macros.get(&id) {
            diagnostics.push(
                Diagnostic::error("duplicate-macro", format!("the macro `{name}` is defined twice"))
                    .at(location, "defined again here")
                    .at_maybe(first.location.clone(), "first defined here")
                    .with_hint("remove or rename one of them"),
            );
            return;
        }
        let sql = file.file.text.get(location.range.clone()).unwrap_or_default().to_owned();
        let entry = Entry { id: id.as_str().into(), package: Arc::clone(package), definition: Arc::clone(definition) };
        self.packages.entry(package.to_string()).or_default().insert(name.clone(), entry);
        let (package, path) = (package.to_string(), file.file.path.clone());
        let described = Macro {
            id: id.clone(),
            name,
            package,
            path,
            sql,
            description: String::new(),
            arguments: definition
                .parameters
                .iter()
                .map(|parameter| MacroArgument { name: parameter.name.to_string(), ..MacroArgument::default() })
                .collect(),
            meta: IndexMap::new(),
            shown: true,
            patch_path: None,
            depends_on: Vec::new(),
            location: Some(location),
        };
        self.macros.insert(id, Arc::new(described));
    }

    /// Finds the macros that read data through others.
    fn find_readers(&mut self) {
        loop {
            let mut found = Vec::new();
            for entry in self.packages.values().flat_map(BTreeMap::values) {
                let name = &entry.definition.name;
                if !self.reading.contains(name) && !entry.definition.mentions.is_disjoint(&self.reading) {
                    found.push(Arc::clone(name));
                }
            }
            if found.is_empty() {
                return;
            }
            self.reading.extend(found);
        }
    }

    /// Notes for each macro those that it calls.
    fn find_called(&mut self) {
        let mut called = Vec::new();
        for (package, entries) in &self.packages {
            for entry in entries.values() {
                called.push((entry.id.to_string(), called_macros(self, package, &entry.definition.body)));
            }
        }
        for (id, called) in called {
            if let Some(known) = self.macros.get_mut(&id) {
                Arc::make_mut(known).depends_on = called;
            }
        }
    }

    /// Whether one of these names reads data.
    pub fn reads_data(&self, mentions: &BTreeSet<Arc<str>>) -> bool {
        !self.reading.is_disjoint(mentions)
    }

    /// minijinja's environment: filters, tests, fuel.
    pub fn environment(&self) -> &Environment<'static> {
        &self.environment
    }

    /// The macro that an unqualified name means in a template of a package: the package's own, else the root
    /// project's, else the built-in one.
    pub fn resolve(&self, package: &str, name: &str) -> Option<&Entry> {
        [package, self.root.as_str(), BUILT_IN_PACKAGE].into_iter().find_map(|package| self.find(package, name))
    }

    /// The first package that has a macro.
    pub fn package_with(&self, name: &str) -> Option<&str> {
        self.packages.iter().find(|(_, macros)| macros.contains_key(name)).map(|(package, _)| package.as_str())
    }

    /// The macro of a package.
    pub fn find(&self, package: &str, name: &str) -> Option<&Entry> {
        self.packages.get(built_in_alias(package))?.get(name)
    }

    /// The materialization of a model that a project has written: the root project's own, which may take the place of a
    /// built-in one, else that of a package, which may not. As under dbt, one for the adapter goes before the default.
    pub fn materialization(&self, name: &str) -> Option<&Entry> {
        let names = [format!("materialization_{name}_karat"), format!("materialization_{name}_default")];
        let of = |package: &String| names.iter().find_map(|name| self.find(package, name));
        let mut others = self.packages.keys().filter(|package| **package != self.root);
        of(&self.root).or_else(|| if BUILT_IN_MATERIALIZATIONS.contains(&name) { None } else { others.find_map(of) })
    }

    /// The names of all materializations that the project and its packages have written for models.
    pub fn materializations(&self) -> BTreeSet<String> {
        let names = self.packages.values().flat_map(BTreeMap::keys);
        let own = names.filter_map(|name| name.strip_prefix("materialization_")?.rsplit_once('_'));
        own.map(|(name, _)| name.to_owned()).filter(|name| self.materialization(name).is_some()).collect()
    }

    /// Whether there is such a package.
    pub fn has_package(&self, name: &str) -> bool {
        self.packages.contains_key(built_in_alias(name))
    }

    /// The packages that `adapter.dispatch` searches for a namespace, in order.
    pub fn dispatch_order(&self, namespace: &str) -> Vec<String> {
        match self.settings.dispatch.get(namespace) {
            Some(order) => order.clone(),
            None if namespace == self.root => vec![self.root.clone()],
            None => vec![self.root.clone(), namespace.to_owned()],
        }
    }

    /// The names that an unqualified call can mean.
    pub fn names(&self, package: &str) -> Vec<String> {
        let mut names: BTreeSet<String> = BTreeSet::new();
        for package in [package, self.root.as_str(), BUILT_IN_PACKAGE] {
            names.extend(self.names_of(package));
        }
        names.into_iter().collect()
    }

    /// The names of a package's macros.
    pub fn names_of(&self, package: &str) -> Vec<String> {
        let macros = self.packages.get(built_in_alias(package));
        macros.map(|macros| macros.keys().cloned().collect()).unwrap_or_default()
    }
}

/// The span of a macro with its tags; the parser's begins after `{%` and ends before `%}`.
fn tag_span(text: &str, span: Span) -> Span {
    let start = text.get(..span.start).and_then(|before| before.rfind("{%")).unwrap_or(span.start);
    let end = text.get(span.end..).and_then(|after| after.find("%}")).map_or(span.end, |at| span.end + at + 2);
    Span { start, end }
}

fn is_materialization(tag: &str) -> bool {
    tag.trim_start_matches(['{', '%', '-', '+']).trim_start().starts_with("materialization")
}
