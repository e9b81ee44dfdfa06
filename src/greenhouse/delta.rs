//! Commits of Delta tables, written as JSON by Delta's protocol.
//!
//! A commit that makes a table or appends files to one is a handful of JSON lines. To link an engine for it would make
//! this program a hundred times larger and its build take as long as karat's.
//!
//! A commit is created, never written over: if another writer made the same version meanwhile, this one fails.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use serde_json::{Map, Value as Json, json};

use crate::disk;
use crate::failure::Failure;
use crate::output::{Finished, Target, batch_name};
use crate::partition::EVENT_DATE;
use crate::tables::Table;

/// Writes the commit of each table that has files beside the batch's other files.
pub fn stage_commits(
    target: &Target,
    files: &BTreeMap<Table, Vec<Finished>>,
    schema: &dyn Fn(Table) -> SchemaRef,
    loaded: i64,
) -> Result<(), Failure> {
    for (table, files) in files.iter().filter(|(_, files)| !files.is_empty()) {
        let log = format!("{}/_delta_log", table.name());
        let version = next_version(target, &log)?;
        let by_date = target.layout.partition_by_date && *table == Table::Events;
        let schema = schema(*table);
        let mut actions = vec![json!({"commitInfo": {
            "timestamp": loaded * 1000,
            "operation": "WRITE",
            "operationParameters": {"mode": "Append", "batch": batch_name(target.batch)},
            "engineInfo": "greenhouse",
        }})];
        if version == 0 {
            actions.push(protocol(&schema));
            actions.push(metadata(target, *table, &schema, by_date, loaded));
        }
        actions.extend(files.iter().map(|file| add(*table, file, &schema, by_date, loaded)));
        let text: String = actions.iter().map(|action| action.to_string() + "\n").collect();
        let path = target.staging().join(log).join(format!("{version:020}.json"));
        disk::write_new(&path, text.as_bytes())?;
    }
    Ok(())
}

/// The version after the last one of a table.
fn next_version(target: &Target, log: &str) -> Result<u64, Failure> {
    let names = disk::names(&target.landing.join(log))?;
    let versions = names.iter().filter_map(|name| name.strip_suffix(".json")?.parse::<u64>().ok());
    Ok(versions.max().map_or(0, |version| version + 1))
}

/// Times without zone need a feature of the protocol; other tables are readable by the oldest readers.
fn protocol(schema: &SchemaRef) -> Json {
    let is_zoneless = |data_type: &DataType| matches!(data_type, DataType::Timestamp(_, None));
    if schema.fields().iter().any(|field| is_zoneless(field.data_type())) {
        json!({"protocol": {
            "minReaderVersion": 3,
            "minWriterVersion": 7,
            "readerFeatures": ["timestampNtz"],
            "writerFeatures": ["timestampNtz"],
        }})
    } else {
        json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}})
    }
}

fn metadata(target: &Target, table: Table, schema: &SchemaRef, by_date: bool, loaded: i64) -> Json {
    let field = |name: &str, kind: &str| json!({"name": name, "type": kind, "nullable": true, "metadata": {}});
    let mut fields: Vec<Json> =
        schema.fields().iter().map(|column| field(column.name(), &type_name(column.data_type()))).collect();
    if by_date {
        fields.push(field(EVENT_DATE, "date"));
    }
    // The same data has the same id, so that a seed gives the same bytes.
    let hash = blake3::hash(format!("{} {loaded} {}", table.name(), target.batch).as_bytes()).to_hex();
    let id = format!("{}-{}-8{}-8{}-{}", &hash[..8], &hash[8..12], &hash[12..15], &hash[15..18], &hash[18..30]);
    json!({"metaData": {
        "id": id,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json!({"type": "struct", "fields": fields}).to_string(),
        "partitionColumns": if by_date { vec![EVENT_DATE] } else { Vec::new() },
        "configuration": {},
        "createdTime": loaded * 1000,
    }})
}

fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Int64 => "long".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "timestamp".to_owned(),
        DataType::Timestamp(..) => "timestamp_ntz".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        _ => "string".to_owned(),
    }
}

fn add(table: Table, file: &Finished, schema: &SchemaRef, by_date: bool, loaded: i64) -> Json {
    let names = schema.fields().iter().map(|field| field.name().clone());
    let nulls: Map<String, Json> = names.zip(file.nulls.iter().map(|nulls| json!(nulls))).collect();
    let path = file.path.strip_prefix(table.name()).unwrap_or(&file.path).trim_start_matches('/');
    let mut partition = Map::new();
    if by_date {
        partition.insert(EVENT_DATE.to_owned(), json!(file.day));
    }
    json!({"add": {
        "path": path,
        "partitionValues": partition,
        "size": file.bytes,
        "modificationTime": loaded * 1000,
        "dataChange": true,
        "stats": json!({"numRecords": file.rows, "nullCount": nulls}).to_string(),
    }})
}
