//! Unit tests of properties files become nodes: their fixtures are read here, their models rendered when they run.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use crate::base::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::base::source::Location;
use crate::files::properties::ConfigEntry;
use crate::files::properties_unit::{
    FixtureFormat, FixtureProperties, TestedVersions, UnitTestProperties, csv_rows, dict_rows,
};
use crate::files::yaml::{Spanned, Yaml};
use crate::files::{Package, TextFile};
use crate::manifest::manifest::Manifest;
use crate::manifest::node::{Code, Detail, Node, NodeId, RefCall, ResourceType};
use crate::manifest::unit_test::{Fixture, FixtureRows, GivenInput, Input, Overrides, UnitTest};
use crate::manifest::version::Version;
use crate::parse::builder::{Builder, Declared};
use crate::parse::calls::{Call, parse_call};
use crate::parse::nodes::{draft, folders_and_stem};

impl<'a> Builder<'a> {
    /// A unit test. One with a fixture that cannot be read is reported and left out.
    pub fn add_unit_test(&mut self, package: &'a Package, file: &TextFile, written: &UnitTestProperties) {
        let before = self.diagnostics.0.len();
        let mut given: Vec<GivenInput> = Vec::new();
        for one in &written.given {
            let Some(input) = self.input(&written.name.value, &one.input) else { continue };
            if let Some(first) = given.iter().find(|other| is_same(&other.input, &input)) {
                let message = format!("unit test `{}` gives `{}` twice", written.name.value, one.input.value.trim());
                self.diagnostics.push(
                    Diagnostic::error("bad-unit-test", message)
                        .at(one.input.location.clone(), "again here")
                        .at(first.location.clone(), "first here"),
                );
                continue;
            }
            let fixture = if one.fixture.rows.is_none() && one.fixture.fixture.is_none() {
                let format = one.fixture.format.as_str();
                let location = one.fixture.location.clone();
                Some(Fixture { rows: FixtureRows::Seed, format, file: None, location })
            } else {
                self.fixture(package, &one.fixture)
            };
            let Some(fixture) = fixture else { continue };
            let (written, location) = (one.input.value.trim().to_owned(), one.input.location.clone());
            given.push(GivenInput { input, written, fixture, location });
        }
        let expect = self.fixture(package, &written.expect);
        let (Some(expect), true) = (expect, self.diagnostics.0.len() == before) else { return };

        let detail = UnitTest {
            model: written.model.value.trim().to_owned(),
            version: None,
            versions: written.versions.as_ref().map(versions_value),
            given,
            expect,
            overrides: Overrides {
                macros: values(&written.macros),
                vars: values(&written.vars),
                env_vars: values(&written.env_vars),
            },
        };
        let Some(versions) = self.tested_versions(package, written) else { return };
        if versions.is_empty() {
            return self.add_unit_test_of(package, file, written, detail);
        }
        for version in versions {
            self.add_unit_test_of(package, file, written, UnitTest { version: Some(version), ..detail.clone() });
        }
    }

    /// The versions that a unit test is about; none if its model has no versions. `None` if that is a mistake, which is
    /// reported.
    fn tested_versions(&mut self, package: &Package, written: &UnitTestProperties) -> Option<Vec<Version>> {
        let model = written.model.value.trim();
        let is_tested = |node: &&Node| node.package == package.name() && node.name == model && node.config.enabled;
        let all: Vec<Version> =
            self.nodes.iter().filter(is_tested).filter_map(|node| Some(node.version()?.own.clone())).collect();
        let Some(wanted) = &written.versions else { return Some(all) };
        let names = |version: &Version| {
            let included = wanted.include.is_empty() || wanted.include.contains(version);
            included && !wanted.exclude.contains(version)
        };
        let chosen: Vec<Version> = all.iter().filter(|version| names(version)).cloned().collect();
        if !chosen.is_empty() || (wanted.include.is_empty() && wanted.exclude.is_empty()) {
            return Some(chosen);
        }
        let test = &written.name.value;
        let message = if all.is_empty() {
            format!("unit test `{test}` names versions, but model `{model}` has none")
        } else {
            format!("unit test `{test}` leaves no version of model `{model}` to test")
        };
        let mut diagnostic = Diagnostic::error("bad-unit-test", message).at(wanted.location.clone(), "");
        if !all.is_empty() {
            let all: Vec<String> = all.iter().map(|version| format!("`{}`", version.as_str())).collect();
            diagnostic = diagnostic.with_note(format!("its versions are {}", all.join(", ")));
        }
        self.diagnostics.push(diagnostic);
        None
    }

    fn add_unit_test_of(
        &mut self,
        package: &'a Package,
        file: &TextFile,
        written: &UnitTestProperties,
        test: UnitTest,
    ) {
        let (name, model) = (written.name.value.as_str(), test.model.as_str());
        let mut draft = draft(ResourceType::UnitTest, package, name, &file.source.path, &file.relative);
        let (folders, _) = folders_and_stem(&file.relative);
        let suffix = test.version.as_ref().map_or(String::new(), |version| format!("_{}", version.label()));
        draft.id = NodeId::new(format!("unit_test.{}.{model}.{name}{suffix}", package.name()));
        draft.fqn = [package.name()].into_iter().chain(folders).chain([model, name]).map(str::to_owned).collect();
        draft.location = Some(written.name.location.clone());
        draft.description.clone_from(&written.description);
        draft.own_config.clone_from(&written.config);
        let location = Some(written.model.location.clone());
        let call = RefCall { package: None, name: model.to_owned(), version: test.version.clone(), location };
        draft.declared.push(Declared::Ref(call));
        draft.detail = Detail::UnitTest(Box::new(test));
        self.add(draft);
    }

    fn input(&mut self, test: &str, written: &Spanned<String>) -> Option<Input> {
        let text = written.value.trim();
        if text == "this" {
            return Some(Input::This);
        }
        match parse_call(text, &written.location) {
            Some(Call::Ref(call)) => Some(Input::Ref(call)),
            Some(Call::Source(call)) => Some(Input::Source(call)),
            None | Some(Call::Metric(_)) => {
                let message = format!("an input of unit test `{test}` is `{text}`");
                self.diagnostics.push(
                    Diagnostic::error("bad-unit-test", message)
                        .at(written.location.clone(), "")
                        .with_hint("write `ref('model')`, `source('source', 'table')` or `this`"),
                );
                None
            }
        }
    }

    /// The rows of a fixture, from the properties file or from a file of their own.
    fn fixture(&mut self, package: &Package, written: &FixtureProperties) -> Option<Fixture> {
        let rows = match (&written.fixture, &written.rows) {
            (Some(name), _) => Self::fixture_of_file(package, written.format, name),
            (None, Some(rows)) => rows_of(written.format, rows),
            (None, None) => return None,
        };
        let file = written.fixture.as_ref().map(|name| name.value.clone());
        match rows {
            Ok(rows) => {
                Some(Fixture { rows, format: written.format.as_str(), file, location: written.location.clone() })
            }
            Err(diagnostic) => {
                self.diagnostics.push(*diagnostic);
                None
            }
        }
    }

    fn fixture_of_file(
        package: &Package,
        format: FixtureFormat,
        name: &Spanned<String>,
    ) -> Result<FixtureRows, Box<Diagnostic>> {
        let extension = if format == FixtureFormat::Sql { "sql" } else { "csv" };
        let called =
            |file: &&TextFile| file.relative.rsplit('/').next() == Some(&format!("{}.{extension}", name.value));
        let Some(file) = package.fixtures.iter().find(called) else {
            let stem = |file: &TextFile| folders_and_stem(&file.relative).1.to_owned();
            let known: Vec<String> = package.fixtures.iter().map(stem).collect();
            let message = format!("there is no fixture `{}.{extension}`", name.value);
            let diagnostic = Diagnostic::error("bad-fixture", message).at(name.location.clone(), "");
            return Err(Box::new(match did_you_mean(&name.value, known.iter().map(String::as_str)) {
                Some(near) => diagnostic.with_hint(format!("did you mean `{near}`?")),
                None => diagnostic.with_hint("fixtures are files in the folder `fixtures` of the tests' folder"),
            }));
        };
        let text = file.source.text.as_str();
        match format {
            FixtureFormat::Sql => {
                let code = Code { file: Arc::clone(&file.source), text: Arc::from(text), offset: Some(0) };
                Ok(FixtureRows::Sql(code))
            }
            FixtureFormat::Csv | FixtureFormat::Dict => {
                csv_rows(text, &Location::of_file(&file.source)).map(FixtureRows::Values)
            }
        }
    }
}

fn rows_of(format: FixtureFormat, rows: &Yaml) -> Result<FixtureRows, Box<Diagnostic>> {
    if format == FixtureFormat::Dict {
        return dict_rows(rows).map(FixtureRows::Values);
    }
    let Some(text) = rows.as_str() else {
        let message = format!("rows of the format `{}` must be a text, but are {}", format.as_str(), rows.kind());
        return Err(Box::new(
            Diagnostic::error("bad-fixture", message)
                .at(rows.location.clone(), "")
                .with_hint("write them below `rows: |`, or leave `format` out for a list of mappings"),
        ));
    };
    if format == FixtureFormat::Csv {
        return csv_rows(text, &rows.location).map(FixtureRows::Values);
    }
    let file = Arc::clone(&rows.location.file);
    Ok(FixtureRows::Sql(Code { file, text: Arc::from(text), offset: None }))
}

/// `versions` in dbt's shape.
fn versions_value(versions: &TestedVersions) -> Json {
    let values = |versions: &[Version]| match versions {
        [] => Json::Null,
        some => some.iter().map(|version| version.value().clone()).collect(),
    };
    json!({ "include": values(&versions.include), "exclude": values(&versions.exclude) })
}

fn is_same(one: &Input, other: &Input) -> bool {
    match (one, other) {
        (Input::Ref(one), Input::Ref(other)) => {
            one.name == other.name && one.package == other.package && one.version == other.version
        }
        (Input::Source(one), Input::Source(other)) => one.source == other.source && one.table == other.table,
        (Input::This, Input::This) => true,
        _ => false,
    }
}

fn values(entries: &[ConfigEntry]) -> IndexMap<String, Json> {
    entries.iter().map(|(key, value)| (key.value.clone(), value.to_json())).collect()
}

/// As under dbt, a unit test of a model that asks `is_incremental()` says which of the two forms it tests.
pub(super) fn check_forms(manifest: &Manifest, diagnostics: &mut Diagnostics) {
    for node in manifest.of_type(ResourceType::UnitTest) {
        let Some(test) = node.unit_test() else { continue };
        let model = node.depends_on.first().and_then(|id| manifest.get(id));
        // A macro that asks in its turn does not count.
        let asks = |model: &&Arc<Node>| {
            let called = model.macros.iter().any(|id| id == "macro.dbt.is_incremental");
            called && model.code.as_ref().is_some_and(|code| code.text.contains("is_incremental"))
        };
        let Some(model) = model.filter(asks) else { continue };
        if !matches!(test.overrides.macros.get("is_incremental"), Some(Json::Bool(_))) {
            let message = format!(
                "the unit test `{}` does not say which form of `{}` it tests: the model asks `is_incremental()`",
                node.name, model.name
            );
            diagnostics.push(
                Diagnostic::error("bad-unit-test", message)
                    .at_maybe(node.location.clone(), "")
                    .with_hint("add `overrides: {macros: {is_incremental: false}}`, or `true`"),
            );
        }
    }
}
