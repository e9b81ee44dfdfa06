//! Tests of the template language: what goes in, what comes out.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

use arrow::array::{Decimal128Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::record_batch::RecordBatch;
use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use crate::base::source::SourceFile;
use crate::manifest::function::FunctionCall;
use crate::manifest::node::{Code, RefCall, SourceCall};
use crate::template::host::{ColumnValue, Host, HostError, MessageLevel, RelationKind, RelationValue, SharedHost};
use crate::template::{MacroFile, RenderError, Rendered, Settings, Templates};

mod dbt;
mod errors;
mod generic_tests;
mod language;
mod macros;
mod places;

/// A host that knows a small shop.
pub(super) struct TestHost {
    pub execute: bool,
    pub package: String,
    pub config: Mutex<IndexMap<String, Json>>,
    pub messages: Mutex<Vec<(MessageLevel, String)>>,
    pub refs: Mutex<Vec<RefCall>>,
    pub queries: Mutex<Vec<String>>,
    pub globals: BTreeMap<String, Json>,
}

impl Default for TestHost {
    fn default() -> Self {
        let globals = BTreeMap::from([
            ("target".to_owned(), json!({"name": "dev", "schema": "dbt_me", "database": "shop", "threads": 4})),
            ("run_started_at".to_owned(), json!("2024-03-05T06:07:08.250000Z")),
            ("flags".to_owned(), json!({"FULL_REFRESH": false, "WHICH": "run"})),
            ("model".to_owned(), json!({"name": "orders", "config": {"materialized": "table"}})),
            (
                "graph".to_owned(),
                json!({"nodes": {"model.shop.a": {"name": "a", "resource_type": "model"},
                "test.shop.t": {"name": "t", "resource_type": "test"}}}),
            ),
            ("invocation_id".to_owned(), json!("1234")),
        ]);
        Self {
            execute: true,
            package: "shop".to_owned(),
            config: Mutex::default(),
            messages: Mutex::default(),
            refs: Mutex::default(),
            queries: Mutex::default(),
            globals,
        }
    }
}

pub(super) fn relation(schema: &str, identifier: &str) -> RelationValue {
    RelationValue {
        database: Some("shop".to_owned()),
        schema: Some(schema.to_owned()),
        identifier: Some(identifier.to_owned()),
        kind: Some(RelationKind::Table),
        render_as: None,
        filter: None,
    }
}

impl Host for TestHost {
    fn execute(&self) -> bool {
        self.execute
    }

    fn package(&self) -> &str {
        &self.package
    }

    fn reference(&self, call: RefCall) -> Result<RelationValue, HostError> {
        let name = call.name.clone();
        self.refs.lock().unwrap().push(call);
        match name.as_str() {
            "missing" => Err(HostError::Refused {
                code: "unknown-ref",
                message: "there is no model `missing`".to_owned(),
                hint: Some("did you mean `mixing`?".to_owned()),
            }),
            "later" => Err(HostError::NotReady("the data of `later`".to_owned())),
            name => Ok(relation("gold", name)),
        }
    }

    fn source(&self, call: SourceCall) -> Result<RelationValue, HostError> {
        Ok(relation(&call.source, &call.table))
    }

    fn function(&self, call: FunctionCall) -> Result<RelationValue, HostError> {
        Ok(relation("gold", &call.name))
    }

    fn set_config(&self, values: IndexMap<String, Json>) -> Result<(), HostError> {
        self.config.lock().unwrap().extend(values);
        Ok(())
    }

    fn get_config(&self, name: &str) -> Option<Json> {
        self.config.lock().unwrap().get(name).cloned()
    }

    fn var(&self, _package: &str, name: &str) -> Option<Json> {
        match name {
            "days" => Some(json!(7)),
            "keys" => Some(json!(["a", "b"])),
            "start" => Some(json!("2024-01-01")),
            _ => None,
        }
    }

    fn env_var(&self, name: &str) -> Result<Option<String>, HostError> {
        match name {
            "HOME_TOWN" => Ok(Some("Bonn".to_owned())),
            "DBT_ENV_SECRET_KEY" => Err(HostError::refused("secret-misuse", "secrets are not for templates")),
            _ => Ok(None),
        }
    }

    fn this(&self) -> Option<RelationValue> {
        Some(relation("gold", "orders"))
    }

    fn is_incremental(&self) -> bool {
        true
    }

    fn global(&self, name: &str) -> Option<Json> {
        self.globals.get(name).cloned()
    }

    fn message(&self, level: MessageLevel, text: &str) {
        self.messages.lock().unwrap().push((level, text.to_owned()));
    }

    fn query(&self, sql: &str) -> Result<Vec<RecordBatch>, HostError> {
        self.queries.lock().unwrap().push(sql.to_owned());
        let schema = Schema::new(vec![
            Field::new("id", DataType::Int64, true),
            Field::new("Name", DataType::Utf8, true),
            Field::new("amount", DataType::Decimal128(18, 2), true),
            Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        ]);
        let amounts = Decimal128Array::from(vec![Some(1050), Some(-5), None]).with_precision_and_scale(18, 2).unwrap();
        let times = TimestampMicrosecondArray::from(vec![Some(0), Some(1_500_000), None]).with_timezone("UTC");
        let batch = RecordBatch::try_new(
            Arc::new(schema),
            vec![
                Arc::new(Int64Array::from(vec![1, 2, 3])),
                Arc::new(StringArray::from(vec![Some("fern"), Some("ivy"), None])),
                Arc::new(amounts),
                Arc::new(times),
            ],
        );
        Ok(vec![batch.unwrap()])
    }

    fn columns(&self, relation: &RelationValue) -> Result<Option<Vec<ColumnValue>>, HostError> {
        let column =
            |name: &str, data_type: &str| ColumnValue { name: name.to_owned(), data_type: data_type.to_owned() };
        Ok(match relation.identifier.as_deref() {
            Some("orders") => Some(vec![column("id", "bigint"), column("amount", "decimal(18,2)")]),
            Some("wide") => Some(vec![column("ID", "bigint"), column("note", "varchar(20)")]),
            _ => None,
        })
    }

    fn find_relation(&self, _: &str, schema: &str, identifier: &str) -> Result<Option<RelationValue>, HostError> {
        Ok((identifier == "orders").then(|| relation(schema, identifier)))
    }

    fn list_relations(&self, _: &str, schema: &str) -> Result<Vec<RelationValue>, HostError> {
        Ok(vec![relation(schema, "orders"), relation(schema, "users")])
    }
}

/// Templates with macros, given as `package`, `text`; each is a file of its own.
pub(super) fn templates(macros: &[(&str, &str)]) -> Templates {
    let file = |(index, (package, text)): (usize, &(&str, &str))| MacroFile {
        package: (*package).to_owned(),
        file: SourceFile::new(format!("macros/{package}{index}.sql"), *text),
    };
    let files: Vec<MacroFile> = macros.iter().enumerate().map(file).collect();
    let (templates, diagnostics) = Templates::new("shop", &files, Settings::default());
    assert!(diagnostics.is_empty(), "{:?}", diagnostics.0.iter().map(ToString::to_string).collect::<Vec<_>>());
    templates
}

pub(super) fn code(text: &str) -> Code {
    Code { file: SourceFile::new("models/m.sql", text), text: text.into(), offset: Some(0) }
}

pub(super) fn render_with(
    templates: &Templates,
    host: &Arc<TestHost>,
    text: &str,
) -> Result<Rendered, Box<RenderError>> {
    let host: SharedHost = Arc::<TestHost>::clone(host);
    templates.render(&code(text), &host, &IndexMap::new())
}

/// The text that a template gives; a diagnostic counts as a failed test.
pub(super) fn rendered(macros: &[(&str, &str)], text: &str) -> String {
    match render_with(&templates(macros), &Arc::new(TestHost::default()), text) {
        Ok(rendered) => rendered.sql,
        Err(error) => format!("ERROR {}", shown(*error)),
    }
}

/// The error that a template gives.
pub(super) fn failed(macros: &[(&str, &str)], text: &str) -> String {
    match render_with(&templates(macros), &Arc::new(TestHost::default()), text) {
        Ok(rendered) => format!("OK {}", rendered.sql),
        Err(error) => shown(*error),
    }
}

/// An error on one line, its further places and hint after it.
pub(super) fn shown(error: RenderError) -> String {
    let diagnostic = error.into_diagnostic();
    let mut text = diagnostic.to_string();
    for label in diagnostic.labels.iter().skip(1) {
        let start = label.location.start();
        let _ = write!(text, " | {}:{}:{} {}", label.location.file.path, start.line, start.column, label.message);
    }
    for note in &diagnostic.notes {
        let _ = write!(text, " | note: {note}");
    }
    if let Some(hint) = &diagnostic.hint {
        let _ = write!(text, " | hint: {hint}");
    }
    text
}

/// Checks many templates, and shows all that differ.
pub(super) fn check(cases: &[(&str, &str)]) {
    check_with(&[], cases);
}

pub(super) fn check_with(macros: &[(&str, &str)], cases: &[(&str, &str)]) {
    let mut wrong = String::new();
    for (template, expected) in cases {
        let output = rendered(macros, template);
        if output != *expected {
            let _ = write!(wrong, "\n{template}\n  expected: {expected:?}\n  found:    {output:?}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

pub(super) fn check_failures(macros: &[(&str, &str)], cases: &[(&str, &str)]) {
    let mut wrong = String::new();
    for (template, expected) in cases {
        let output = failed(macros, template);
        if output != *expected {
            let _ = write!(wrong, "\n{template}\n  expected: {expected:?}\n  found:    {output:?}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
