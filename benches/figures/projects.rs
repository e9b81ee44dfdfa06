//! Synthetic projects, the same for karat and for its peers.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::Result;

/// Models of a synthetic project in a layer; each reads two of the layer before.
const LAYER: usize = 50;

/// Writes a project of `count` models, each with two generic tests; two of five use macros. Materialized as given.
/// All of it is dbt's language, with a profile for a local DuckDB.
pub fn synthetic(folder: &Path, count: usize, materialized: &str) -> Result<()> {
    fs::create_dir_all(folder.join("models"))?;
    fs::create_dir_all(folder.join("macros"))?;
    let project = format!(
        "name: synthetic\nversion: '1.0'\nconfig-version: 2\nprofile: synthetic\nmodel-paths: [models]\n\
         macro-paths: [macros]\nmodels:\n  synthetic:\n    +materialized: {materialized}\n"
    );
    fs::write(folder.join("dbt_project.yml"), project)?;
    fs::write(
        folder.join("profiles.yml"),
        "synthetic:\n  target: dev\n  outputs:\n    dev:\n      type: duckdb\n      path: peer.duckdb\n      threads: 2\n",
    )?;
    fs::write(
        folder.join("macros/amounts.sql"),
        "{% macro cents(column) %}({{ column }} * 100){% endmacro %}\n\
         {% macro bounded(column, low=0, high=1000000) %}\
         case when {{ column }} < {{ low }} then {{ low }} when {{ column }} > {{ high }} then {{ high }} \
         else {{ column }} end{% endmacro %}\n",
    )?;
    let mut tests = String::from("version: 2\nmodels:\n");
    for index in 0..count {
        fs::write(folder.join(format!("models/{}.sql", name(index))), model(index))?;
        let _ = write!(
            tests,
            "  - name: {}\n    columns:\n      - name: id\n        data_tests: [not_null, unique]\n",
            name(index)
        );
    }
    fs::write(folder.join("models/models.yml"), tests)?;
    Ok(())
}

/// The name of a model.
pub fn name(index: usize) -> String {
    format!("model_{index:05}")
}

fn model(index: usize) -> String {
    let amount = match index % 5 {
        0 => "{{ bounded(cents('amount')) }}",
        1 => "{{ bounded('amount', high=5000) }}",
        _ => "amount + 1",
    };
    if index < LAYER {
        return format!("select {index} as id, 10 as amount\n");
    }
    let (first, second) = (name(index - LAYER), name(index - LAYER + usize::from(index % LAYER != LAYER - 1)));
    format!(
        "with one as (\n    select id, amount from {{{{ ref('{first}') }}}}\n),\ntwo as (\n    \
         select id, amount from {{{{ ref('{second}') }}}}\n)\nselect one.id, {amount} as amount\nfrom (select one.id, \
         one.amount from one left join two on one.id = two.id) as one\n"
    )
}

/// Writes a project over one large file: a table, ten tests of it, an incremental model, a snapshot.
pub fn large(folder: &Path, file: &Path) -> Result<()> {
    for part in ["models", "snapshots"] {
        fs::create_dir_all(folder.join(part))?;
    }
    fs::write(folder.join("project.yml"), "name: large\nversion: '1.0'\nvars:\n  round: 0\n")?;
    fs::write(
        folder.join("models/orders.sql"),
        "{{ config(materialized='table') }}\nselect * from {{ source('raw', 'orders') }}\n",
    )?;
    fs::write(
        folder.join("models/merged.sql"),
        "{{ config(materialized='incremental', incremental_strategy='merge', unique_key='id') }}\n\
         select id, customer, name, amount, ordered_at, status, version + {{ var('round') }} as version\n\
         from {{ source('raw', 'orders') }}\n\
         {% if is_incremental() %}where id % 100 = {{ var('round') }}{% endif %}\n",
    )?;
    fs::write(
        folder.join("models/current.sql"),
        "{{ config(materialized='view') }}\nselect id, customer, name, amount, ordered_at, status,\n\
         case when id % 100 = {{ var('round') }} then version + {{ var('round') }} else version end as version\n\
         from {{ source('raw', 'orders') }}\n",
    )?;
    fs::write(
        folder.join("snapshots/history.yml"),
        "version: 2\nsnapshots:\n  - name: history\n    relation: ref('current')\n    config:\n      unique_key: id\n      \
         strategy: check\n      check_cols: [version]\n",
    )?;
    let properties = format!(
        "version: 2\nsources:\n  - name: raw\n    tables:\n      - name: orders\n        external:\n          \
         location: \"{}\"\n          format: parquet\nmodels:\n  - name: orders\n    columns:\n      - name: id\n        \
         data_tests: [not_null, unique]\n      - name: customer\n        data_tests: [not_null]\n      - name: name\n        \
         data_tests: [not_null]\n      - name: amount\n        data_tests: [not_null]\n      - name: ordered_at\n        \
         data_tests: [not_null, unique]\n      - name: status\n        data_tests:\n          - not_null\n          \
         - accepted_values:\n              arguments:\n                values: [open, closed]\n      - name: version\n        \
         data_tests: [not_null]\n",
        file.display()
    );
    fs::write(folder.join("models/models.yml"), properties)?;
    Ok(())
}

/// Copies the flagship project, without data and without what a run leaves.
pub fn flagship(folder: &Path) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for part in ["models", "seeds/reference", "snapshots", "tests/data"] {
        copy(&root.join(part), &folder.join(part))?;
    }
    fs::copy(root.join("project.yml"), folder.join("project.yml"))?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
