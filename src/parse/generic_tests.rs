//! Uses of generic tests: their names and ids as dbt makes them, and the template that calls the test's macro.

use std::fmt::Write as _;
use std::sync::Arc;

use indexmap::IndexMap;
use md5::{Digest as _, Md5};
use serde_json::Value as Json;

use crate::base::diagnostic::{Diagnostic, did_you_mean};
use crate::base::ident::quote;
use crate::base::source::Location;
use crate::files::Package;
use crate::files::properties::{ColumnProperties, TestProperties};
use crate::files::yaml::{Spanned, Yaml, YamlNode};
use crate::manifest::manifest::Manifest;
use crate::manifest::node::{
    Code, Detail, GenericTestCall, Node, NodeId, RefCall, ResourceType, SourceCall, TestDetail,
};
use crate::parse::builder::{Builder, Declared, Draft};
use crate::parse::calls::{expression, literal};
use crate::parse::nodes::{folders_and_stem, fqn_of};

/// Names of tests may have 63 characters; longer ones are cut and hashed.
const LONGEST_NAME: usize = 63;

/// What tests are declared on.
pub(super) struct Subject {
    /// The node.
    pub id: NodeId,
    /// How the node is called in a template, such as `ref('orders')`.
    pub call: String,
    /// The node's part in the tests' names: its name, or source and table.
    pub name: String,
    /// The call as a declared parent.
    pub parent: Parent,
    /// Path of the properties file below its configured folder.
    pub relative: String,
    /// Whether its timestamps without zone are declared to be UTC.
    pub timestamps_utc: bool,
}

/// The parent of a subject's tests.
#[derive(Clone)]
pub(super) enum Parent {
    Ref(RefCall),
    Source(SourceCall),
}

impl Subject {
    /// A model, seed or snapshot.
    pub fn of_node(node: &Node, relative: &str) -> Self {
        let version = node.version().map(|version| version.own.clone());
        let name = match &version {
            Some(version) => format!("{}_{}", node.name, version.label()),
            None => node.name.clone(),
        };
        let call = RefCall { package: None, name: node.name.clone(), version, location: node.location.clone() };
        Self {
            id: node.id.clone(),
            call: ref_call(node),
            name,
            parent: Parent::Ref(call),
            relative: relative.to_owned(),
            timestamps_utc: node.config.timestamps_utc,
        }
    }

    /// A table of a source.
    pub fn of_table(node: &Node, source: &str) -> Self {
        let call = SourceCall { source: source.to_owned(), table: node.name.clone(), location: node.location.clone() };
        Self {
            id: node.id.clone(),
            call: format!("source('{source}', '{}')", node.name),
            name: format!("{source}_{}", node.name),
            parent: Parent::Source(call),
            relative: node.relative_path.clone(),
            timestamps_utc: node.config.timestamps_utc,
        }
    }
}

impl<'a> Builder<'a> {
    /// All tests on a node and on its columns.
    pub fn add_tests(
        &mut self,
        package: &'a Package,
        subject: &Subject,
        tests: &[TestProperties],
        columns: &[ColumnProperties],
    ) {
        for test in tests {
            self.add_test(package, subject, test, None);
        }
        for column in columns {
            for test in &column.tests {
                self.add_test(package, subject, test, Some(column));
            }
        }
    }

    fn add_test(
        &mut self,
        package: &'a Package,
        subject: &Subject,
        test: &TestProperties,
        column: Option<&ColumnProperties>,
    ) {
        let (namespace, name) = match test.test.value.split_once('.') {
            Some((namespace, name)) => (Some(namespace.to_owned()), name.to_owned()),
            None => (None, test.test.value.clone()),
        };
        let is_known = self.knows_test(package.name(), namespace.as_deref(), &name);
        let unknown = (!is_known).then(|| self.unknown_test(&test.test, namespace.as_deref(), &name));
        let column_name = column.map(|column| match column.quote {
            Some(true) => quote(&column.name.value),
            _ => column.name.value.clone(),
        });
        let arguments: IndexMap<String, Json> =
            test.arguments.iter().map(|(key, value)| (key.value.clone(), value.to_json())).collect();
        let (name_of, namespace_of) = (name.clone(), namespace.clone());
        let mut call = GenericTestCall { name: name_of, namespace: namespace_of, arguments, config: IndexMap::new() };
        let kwargs = kwargs_of(&call, column_name.as_deref(), &subject.call);
        let (short, full) = match &test.custom_name {
            Some(custom) => (custom.value.clone(), custom.value.clone()),
            None => names_of(&call, matches!(subject.parent, Parent::Source(_)), &subject.name, &kwargs),
        };
        let hash = md5_hex(&format!("{full}{}", metadata_repr(&call, &kwargs)));
        let hash = hash.get(hash.len().saturating_sub(10)..).unwrap_or_default();

        let mut expressions: Vec<String> = Vec::new();
        if let Some(column_name) = &column_name {
            expressions.push(format!("column_name={}", literal(column_name)));
        }
        expressions.extend(
            call.arguments
                .iter()
                .filter(|(key, _)| key.as_str() != "column_name" || column_name.is_none())
                .map(|(key, value)| format!("{key}={}", expression(value))),
        );
        // What the node declares is no argument that the user wrote, so it has no part in the test's name; a test of the
        // project's own that replaces the built-in one does not know it.
        let own = self.knows_test(package.name(), Some(package.name()), &name)
            || self.knows_test(package.name(), Some(self.root_name()), &name);
        if subject.timestamps_utc && name == "utc_times" && !own && !call.arguments.contains_key("declared_utc") {
            expressions.push("declared_utc=true".to_owned());
        }
        // Last, as under dbt: what the arguments refer to stands first among the parents.
        expressions.push(format!("model=get_where_subquery({})", subject.call));
        let prefix = namespace.map(|namespace| format!("{namespace}.")).unwrap_or_default();
        let text = format!("{{{{ {prefix}test_{name}({}) }}}}", expressions.join(", "));

        let mut own_config = test.config.clone();
        if short != full && !own_config.iter().any(|(key, _)| key.value == "alias") {
            let location = test.test.location.clone();
            let alias = Yaml { node: YamlNode::String(short.clone()), location: location.clone() };
            own_config.push((Spanned::new("alias".to_owned(), location), alias));
        }
        call.config = own_config.iter().map(|(key, value)| (key.value.clone(), value.to_json())).collect();
        let file = Arc::clone(&test.test.location.file);
        let (folders, _) = folders_and_stem(&subject.relative);
        let draft = Draft {
            kind: ResourceType::Test,
            id: NodeId::new(format!("test.{}.{full}.{hash}", package.name())),
            fqn: fqn_of(package.name(), &folders, &full),
            name: full,
            package,
            path: file.path.clone(),
            relative_path: format!("{short}.sql"),
            layer: None,
            code: Some(Code { file, text: Arc::from(text), offset: None }),
            location: Some(test.test.location.clone()),
            detail: Detail::Test(TestDetail {
                generic: Some(call),
                attached_node: Some(subject.id.clone()),
                column_name,
            }),
            own_config,
            tags: column.map(|column| column.tags.clone()).unwrap_or_default(),
            description: test.description.clone(),
            declared: vec![match subject.parent.clone() {
                Parent::Ref(call) => Declared::Ref(call),
                Parent::Source(call) => Declared::Source(call),
            }],
            foreseen: unknown.into_iter().collect(),
        };
        self.add(draft);
    }

    /// A test is looked for where a macro would be: in the package, the root project and what is built in.
    fn knows_test(&self, package: &str, namespace: Option<&str>, name: &str) -> bool {
        match namespace {
            Some(namespace) => self.templates.has_generic_test(Some(namespace), name),
            None => self.templates.resolve_macro(package, &format!("test_{name}")).is_some(),
        }
    }

    fn unknown_test(&self, written: &Spanned<String>, namespace: Option<&str>, name: &str) -> Diagnostic {
        let known = self.templates.generic_tests(self.root_name());
        let diagnostic = Diagnostic::error("unknown-test", format!("there is no generic test `{}`", written.value))
            .at(written.location.clone(), "");
        if let Some(namespace) = namespace
            && !self.project.packages.iter().any(|package| package.name() == namespace)
        {
            return diagnostic.with_note(format!("the package `{namespace}` is not installed"));
        }
        match did_you_mean(name, known.iter().map(String::as_str)) {
            Some(near) if near != name => diagnostic.with_hint(format!("did you mean `{near}`?")),
            _ => diagnostic
                .with_hint(format!("define it: `{{% test {name}(model, column_name) %}}`, a query of failing rows")),
        }
    }
}

/// The arguments of a generic test as dbt's artifacts show them.
pub fn test_kwargs(manifest: &Manifest, node: &Node) -> IndexMap<String, Json> {
    let Some(test) = node.test() else { return IndexMap::new() };
    let Some(call) = &test.generic else { return IndexMap::new() };
    let subject = test.attached_node.as_ref().and_then(|id| manifest.get(id));
    let target = match subject.map(|subject| (subject, subject.source())) {
        Some((subject, Some(table))) => format!("source('{}', '{}')", table.source_name, subject.name),
        Some((subject, None)) => ref_call(subject),
        None => String::new(),
    };
    kwargs_of(call, test.column_name.as_deref(), &target)
}

/// The call that means a model, seed or snapshot, as dbt writes it in tests.
fn ref_call(node: &Node) -> String {
    match node.version() {
        Some(version) => format!("ref('{}', version='{}')", node.name, version.own.as_str()),
        None => format!("ref('{}')", node.name),
    }
}

fn kwargs_of(call: &GenericTestCall, column_name: Option<&str>, target: &str) -> IndexMap<String, Json> {
    let mut kwargs = call.arguments.clone();
    if let Some(column_name) = column_name {
        kwargs.insert("column_name".to_owned(), Json::from(column_name));
    }
    kwargs.insert("model".to_owned(), Json::from(format!("{{{{ get_where_subquery({target}) }}}}")));
    kwargs
}

/// Short and full name of a test: the test, what it is on, and its arguments sorted by name. The short one fits a
/// relation's name.
fn names_of(
    call: &GenericTestCall,
    on_source: bool,
    subject: &str,
    kwargs: &IndexMap<String, Json>,
) -> (String, String) {
    let mut parts = Vec::new();
    let mut keys: Vec<&String> = kwargs.keys().filter(|key| key.as_str() != "model").collect();
    keys.sort();
    for value in keys.into_iter().filter_map(|key| kwargs.get(key)) {
        match value {
            Json::Array(items) => parts.extend(items.iter().map(python_str)),
            Json::Object(entries) => parts.extend(entries.values().map(python_str)),
            one => parts.push(python_str(one)),
        }
    }
    let parts: Vec<String> = parts.iter().map(|part| plain(part)).collect();
    let source = if on_source { "source_" } else { "" };
    let namespace = call.namespace.as_ref().map(|namespace| format!("{namespace}_")).unwrap_or_default();
    let identifier = format!("{namespace}{source}{}_{subject}", call.name);
    let full = format!("{identifier}_{}", parts.join("__"));
    if full.chars().count() <= LONGEST_NAME {
        return (full.clone(), full);
    }
    let cut: String = identifier.chars().take(30).collect();
    (format!("{cut}_{}", md5_hex(&full)), full)
}

/// Runs of other characters than ASCII letters, digits and `_` become one `_`.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut replaced = false;
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || character == '_' {
            plain.push(character);
            replaced = false;
        } else if !replaced {
            plain.push('_');
            replaced = true;
        }
    }
    plain
}

fn md5_hex(text: &str) -> String {
    let mut hex = String::with_capacity(32);
    for byte in Md5::digest(text.as_bytes()) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// What dbt hashes of a test: its name and arguments, written as Python writes a dict. The same ids as dbt's let tools
/// that know an existing project's tests find them again.
fn metadata_repr(call: &GenericTestCall, kwargs: &IndexMap<String, Json>) -> String {
    let kwargs: serde_json::Map<String, Json> =
        kwargs.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    let namespace = call.namespace.as_deref().unwrap_or("None");
    format!(
        "{{'kwargs': {}, 'name': {}, 'namespace': {}}}",
        texts_repr(&Json::Object(kwargs)),
        python_quote(&call.name),
        python_quote(namespace)
    )
}

/// A value as Python's `repr` of it, keys sorted, every scalar turned into a text first.
fn texts_repr(value: &Json) -> String {
    match value {
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(texts_repr).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(entries) => {
            let mut keys: Vec<&String> = entries.keys().collect();
            keys.sort();
            let entries: Vec<String> = keys
                .into_iter()
                .filter_map(|key| Some(format!("{}: {}", python_quote(key), texts_repr(entries.get(key)?))))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        scalar => python_quote(&python_str(scalar)),
    }
}

/// Python's `str` of a value.
fn python_str(value: &Json) -> String {
    match value {
        Json::Null => "None".to_owned(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => text.clone(),
        Json::Array(_) | Json::Object(_) => python_repr(value),
    }
}

/// Python's `repr` of a value.
pub fn python_repr(value: &Json) -> String {
    match value {
        Json::String(text) => python_quote(text),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(python_repr).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{}: {}", python_quote(key), python_repr(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        scalar => python_str(scalar),
    }
}

/// Python's `repr` of a text.
fn python_quote(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut quoted = String::from(quote);
    for character in text.chars() {
        match character {
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            other if other == quote => {
                quoted.push('\\');
                quoted.push(other);
            }
            other => quoted.push(other),
        }
    }
    quoted.push(quote);
    quoted
}

/// Where a test is declared, for messages about its template.
pub fn declared_at(node: &Node) -> Option<&Location> {
    node.test().filter(|test| test.generic.is_some()).and(node.location.as_ref())
}
