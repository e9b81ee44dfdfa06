//! The repository's own project, the plant shop, in a temporary folder, with the means to read all of it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::support::{Project, Run, lines};

/// The variables of a build: its batches are in a folder of their own.
pub const VARS: &str = "{landing: landing}";

/// The project with its batches in a folder of their own, not built.
pub fn project() -> Project {
    let project = without_batches();
    project.take(&Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds/landing"), "landing");
    project
}

/// The project with an empty landing folder.
pub fn without_batches() -> Project {
    let project = Project::empty();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in ["project.yml", "models", "seeds/reference", "snapshots", "tests/data"] {
        let source = root.join(path);
        if source.is_file() {
            project.write(path, "");
        }
        project.take(&source, path);
    }
    project
}

/// The arguments of a build at a time.
pub fn arguments(now: &str) -> Vec<String> {
    ["build", "--now", now, "--vars", VARS].map(str::to_owned).to_vec()
}

/// Builds at a time.
#[track_caller]
pub fn build(project: &Project, now: &str) {
    project.ok(&["build", "--now", now, "--vars", VARS]);
}

/// Runs the generator on the project's landing folder.
#[track_caller]
pub fn greenhouse(project: &Project, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_greenhouse"));
    command.args(arguments).args(["--landing", "landing"]).current_dir(project.path("")).env_clear();
    Run::of(command.output().unwrap()).expect_code(0);
}

/// The rows of a query.
#[track_caller]
pub fn rows(project: &Project, sql: &str) -> Vec<String> {
    lines(&project.query_with(sql, &["--vars", VARS]))
}

/// The lines of the first batch file of a table, with the header.
pub fn first_batch(project: &Project, table: &str) -> Vec<String> {
    project.read(&format!("landing/{table}/batch-000001.csv")).lines().map(str::to_owned).collect()
}

/// The position of a column in a batch file.
fn place(project: &Project, table: &str, column: &str) -> usize {
    let header = first_batch(project, table).remove(0);
    header.split(',').position(|name| name.eq_ignore_ascii_case(column)).unwrap()
}

/// A data line of a batch file with some values changed; the files have no quoted commas in the lines used here.
pub fn changed(project: &Project, table: &str, line: usize, changes: &[(&str, &str)]) -> String {
    let text = first_batch(project, table).swap_remove(line);
    let mut values: Vec<&str> = text.split(',').collect();
    for (column, value) in changes {
        values[place(project, table, column)] = value;
    }
    values.join(",")
}

/// A value of a data line.
pub fn value(project: &Project, table: &str, line: usize, column: &str) -> String {
    first_batch(project, table)[line].split(',').nth(place(project, table, column)).unwrap().to_owned()
}

fn add_batch(project: &Project, table: &str, rows: &[String]) {
    let header = first_batch(project, table).remove(0);
    project.write(&format!("landing/{table}/batch-000002.csv"), &format!("{header}\n{}\n", rows.join("\n")));
}

/// A changed address, a deleted user, a late old version, a deleted event, and a new order with its items and events.
pub fn second_batch(project: &Project) {
    const LOADED: &str = "2024-05-01 13:00:00+00:00";
    let moved = [("address", "1 New Street"), ("_fivetran_synced", LOADED)];
    add_batch(project, "addresses", &[changed(project, "addresses", 1, &moved)]);
    let deleted = [("_fivetran_deleted", "true"), ("_fivetran_synced", LOADED)];
    add_batch(project, "users", &[changed(project, "users", 2, &deleted)]);
    let order = "00000000feedbeef";
    let new = [
        ("order_id", order),
        ("status", "preparing"),
        ("tracking_id", ""),
        ("shipping_service", ""),
        ("delivered_at", ""),
        ("created_at", "2024-04-30 10:00:00-07:00"),
        ("_fivetran_synced", LOADED),
    ];
    let delivered =
        [("status", "delivered"), ("delivered_at", "2024-04-30 09:00:00-07:00"), ("_fivetran_synced", LOADED)];
    // Older than what is known of the order: it must not win, although it arrives last.
    let late = [("status", "preparing"), ("_fivetran_synced", "2024-03-01 13:00:00+00:00")];
    let orders = [
        changed(project, "orders", 1, &new),
        changed(project, "orders", 2, &delivered),
        changed(project, "orders", 3, &late),
    ];
    add_batch(project, "orders", &orders);
    let item = |line| changed(project, "order_items", line, &[("order_id", order), ("_fivetran_synced", LOADED)]);
    add_batch(project, "order_items", &[item(1), item(2)]);
    let checkout = [
        ("event_id", "00000000feedf00d"),
        ("event_type", "checkout"),
        ("order_id", order),
        ("product_id", ""),
        ("created_at", "2024-04-30 09:59:00"),
        ("_fivetran_synced", LOADED),
    ];
    add_batch(project, "events", &[changed(project, "events", 1, &checkout), changed(project, "events", 2, &deleted)]);
}

/// The rows of every table and view of silver and gold as sorted texts, by relation.
pub fn content(project: &Project) -> BTreeMap<String, Vec<String>> {
    content_with(project, &["--vars", VARS])
}

/// As [`content`], with other arguments.
#[track_caller]
pub fn content_with(project: &Project, arguments: &[&str]) -> BTreeMap<String, Vec<String>> {
    let query = |sql: &str| lines(&project.query_with(sql, arguments));
    let mut columns: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let described = "select table_schema || '.' || table_name, column_name from information_schema.columns \
                     where table_schema in ('silver', 'gold') order by 1, ordinal_position";
    for line in query(described) {
        let (relation, column) = line.split_once('|').unwrap();
        let text = format!("coalesce(cast({column} as varchar), 'null')");
        columns.entry(relation.to_owned()).or_default().push(text);
    }
    assert!(columns.len() >= 17, "{:?}", columns.keys());
    let select = |(relation, columns): (&String, &Vec<String>)| {
        format!("select '{relation}' as relation, concat_ws('|', {}) as row from {relation}", columns.join(", "))
    };
    let all: Vec<String> = columns.iter().map(select).collect();
    let mut content: BTreeMap<String, Vec<String>> = columns.keys().map(|name| (name.clone(), Vec::new())).collect();
    for line in query(&all.join(" union all ")) {
        let (relation, row) = line.split_once('|').unwrap();
        content.get_mut(relation).unwrap().push(row.to_owned());
    }
    for rows in content.values_mut() {
        rows.sort();
    }
    content
}
