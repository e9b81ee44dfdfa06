//! Proof on the plant shop: random histories of batches, each taken in incrementally. A history begins with the shipped
//! batch, or with a first load of the generator, clean or messy; then come journeys of the generator and batches that
//! the test makes of what is there. After each batch every silver and gold relation has the rows of a rebuild, the same
//! build once more changes none of them, each silver table has the newest version of each key by a plain model that
//! reads the batch files, and the snapshots are the histories that a plain model makes of the batch files. How to read
//! the defects of a messy shop is silver's business, so there the model of the snapshots reads silver.
//!
//! `KARAT_HISTORIES` sets how many histories of each kind are played, `KARAT_BATCHES` how long they are, `KARAT_SEED`
//! the first seed.

#![expect(clippy::disallowed_methods, reason = "reads and writes batch files")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use chrono::DateTime;
use serde_json::Value as Json;

use crate::shop;
use crate::support::{Project, Random, for_seeds, lines, number};

const VARS: [&str; 2] = ["--vars", "{landing: landing}"];

// ---------------------------------------------------------------------------------------------------------------------
// Batch files

/// A kind of record: its folder, its key, its silver table and how the key is called there.
struct Table {
    name: &'static str,
    key: &'static [&'static str],
    silver: &'static str,
    silver_key: &'static str,
}

const TABLES: [Table; 8] = [
    Table { name: "addresses", key: &["address_id"], silver: "stg_addresses", silver_key: "address_id" },
    Table { name: "users", key: &["user_id"], silver: "stg_users", silver_key: "user_id" },
    Table { name: "products", key: &["product_id"], silver: "stg_products", silver_key: "product_id" },
    Table { name: "promos", key: &["promo_id"], silver: "stg_promos", silver_key: "promo_name" },
    Table { name: "orders", key: &["order_id"], silver: "stg_orders", silver_key: "order_id" },
    Table {
        name: "order_items",
        key: &["order_id", "product_id"],
        silver: "stg_order_items",
        silver_key: "order_id || ' ' || product_id",
    },
    Table { name: "events", key: &["event_id"], silver: "stg_events", silver_key: "event_id" },
    Table { name: "budget", key: &["_row"], silver: "stg_budget", silver_key: "product_budget_id" },
];

/// A record of a batch file.
#[derive(Debug, Clone)]
struct Record {
    file: String,
    line: usize,
    /// By column in lower case; an empty text is null and is left out.
    values: BTreeMap<String, String>,
}

impl Record {
    fn get(&self, column: &str) -> Option<&str> {
        self.values.get(column).map(String::as_str)
    }

    fn set(&mut self, column: &str, value: &str) {
        if value.is_empty() {
            self.values.remove(column);
        } else {
            self.values.insert(column.to_owned(), value.to_owned());
        }
    }

    /// The key as silver's query shows it; `None` if a part of it is null.
    fn key(&self, table: &Table) -> Option<String> {
        let parts: Option<Vec<&str>> = table.key.iter().map(|column| self.get(column)).collect();
        Some(parts?.join(" "))
    }

    fn is_deleted(&self) -> bool {
        self.get("_fivetran_deleted").is_some_and(|text| text.trim().eq_ignore_ascii_case("true"))
    }

    /// The instant of a column, in microseconds; a text without an offset is no instant.
    fn instant(&self, column: &str) -> Option<i64> {
        let text = self.get(column)?.trim().replace('T', " ").replace('Z', "+00:00");
        let parsed = DateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f%:z").ok()?;
        Some(parsed.timestamp_micros())
    }

    /// What decides between the versions of a key.
    fn rank(&self, table: &Table) -> impl Ord + use<> {
        let then = if table.name == "users" { self.instant("updated_at") } else { None };
        (self.instant("_fivetran_synced"), then, self.file.clone(), self.line)
    }
}

/// The records of a CSV text with the lines on which they begin; the first is the header.
fn parsed(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut records = Vec::new();
    let (mut values, mut value) = (Vec::new(), String::new());
    let (mut line, mut begun, mut quoted) = (1, 1, false);
    let mut characters = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                value.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => values.push(std::mem::take(&mut value)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                values.push(std::mem::take(&mut value));
                records.push((begun, std::mem::take(&mut values)));
                line += 1;
                begun = line;
            }
            other => {
                line += usize::from(other == '\n');
                value.push(other);
            }
        }
    }
    if !(value.is_empty() && values.is_empty()) {
        values.push(value);
        records.push((begun, values));
    }
    // Lines without anything may come before the header.
    let blank = records.iter().take_while(|(_, values)| values.iter().all(String::is_empty)).count();
    records.split_off(blank)
}

/// The batch files of a table by name.
fn files(project: &Project, folder: &str, table: &str) -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(project.path(&format!("{folder}/{table}"))) else { return BTreeMap::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.map(|name| (name.clone(), project.read(&format!("{folder}/{table}/{name}")))).collect()
}

/// All records of a table, file by file.
fn records(project: &Project, folder: &str, table: &str) -> Vec<Record> {
    let mut all = Vec::new();
    for (name, text) in files(project, folder, table) {
        let mut records = parsed(&text).into_iter();
        let Some((_, header)) = records.next() else { continue };
        let columns: Vec<String> = header.iter().map(|column| column.trim().to_lowercase()).collect();
        for (line, values) in records {
            let named = columns.iter().cloned().zip(values).filter(|(_, value)| !value.is_empty());
            all.push(Record { file: format!("{folder}/{table}/{name}"), line, values: named.collect() });
        }
    }
    all
}

/// The newest version of each key that is not deleted.
fn newest(project: &Project, folder: &str, table: &Table) -> BTreeMap<String, Record> {
    let mut all = records(project, folder, table.name);
    all.sort_by_cached_key(|record| record.rank(table));
    let keyed = all.into_iter().filter_map(|record| Some((record.key(table)?, record)));
    let newest: BTreeMap<String, Record> = keyed.collect();
    newest.into_iter().filter(|(_, record)| !record.is_deleted()).collect()
}

fn quoted(value: &str) -> String {
    if value.contains([',', '"', '\n']) { format!("\"{}\"", value.replace('"', "\"\"")) } else { value.to_owned() }
}

/// Adds records to a batch file, which is new or grows.
fn add(project: &Project, table: &str, name: &str, header: &[String], rows: &[Record]) {
    let path = format!("landing/{table}/{name}");
    let (mut text, columns) = match files(project, "landing", table).remove(name) {
        Some(text) => {
            let header = parsed(&text).remove(0).1;
            (text, header)
        }
        None => (format!("{}\n", header.join(",")), header.to_vec()),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    for row in rows {
        let values: Vec<String> =
            columns.iter().map(|column| quoted(row.get(&column.to_lowercase()).unwrap_or(""))).collect();
        writeln!(text, "{}", values.join(",")).unwrap();
    }
    project.write(&path, &text);
}

// ---------------------------------------------------------------------------------------------------------------------
// What arrives

fn time(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0).unwrap().format("%Y-%m-%d %H:%M:%S+00:00").to_string()
}

/// A version of a record: changed, late, of the same time, deleted, brought back, doubled, or of a new key.
fn version(random: &mut Random, table: &Table, known: &[Record], round: u64, loaded: i64) -> Record {
    let any = |random: &mut Random| &known[usize::try_from(random.below(known.len() as u64)).unwrap()];
    let mut record = any(random).clone();
    let kind = random.below(100);
    if kind < 8 {
        // The very same line once more.
        return record;
    }
    let deleted: Vec<&Record> = known.iter().filter(|record| record.is_deleted()).collect();
    if (8..20).contains(&kind) && !deleted.is_empty() {
        record = random.pick(&deleted).clone();
        record.set("_fivetran_deleted", "");
    }
    let columns: BTreeSet<&String> = known.iter().flat_map(|record| record.values.keys()).collect();
    let columns: Vec<&String> =
        columns.into_iter().filter(|name| !name.starts_with('_') && !table.key.contains(&name.as_str())).collect();
    for _ in 0..=random.below(2) {
        // Values of other records fit their column, and are often the wrong ones.
        let column = random.pick(&columns);
        let value = any(random).get(column).unwrap_or("").to_owned();
        record.set(column, &value);
    }
    if (20..35).contains(&kind) {
        let column = table.key[usize::try_from(random.below(table.key.len() as u64)).unwrap()];
        let key = if table.key.len() > 1 {
            any(random).get(column).unwrap_or("").to_owned()
        } else {
            format!("9{round:03}{:06}", random.below(1_000_000))
        };
        record.set(column, &key);
    }
    let synced = match kind {
        // Older than what is there, or as old.
        35..45 => record.instant("_fivetran_synced").unwrap_or(0) / 1_000_000 - 86_400,
        45..52 => record.instant("_fivetran_synced").unwrap_or(0) / 1_000_000,
        _ => loaded + i64::try_from(random.below(3)).unwrap(),
    };
    record.set("_fivetran_synced", &time(synced));
    if table.name == "users" && random.percent(70) {
        record.set("updated_at", &time(synced - 3_600));
    }
    if (52..66).contains(&kind) {
        record.set("_fivetran_deleted", random.pick(&["true", "TRUE", "True"]));
    }
    record
}

/// A batch made by the test: versions of records of some tables, in new files, files that sort before all others, and
/// files that grow; files with a header only; headers in another case, order, or with a column more.
fn arrive(random: &mut Random, project: &Project, round: u64, loaded: i64) {
    for table in &TABLES {
        let mut header = parsed(&files(project, "landing", table.name)["batch-000001.csv"]).remove(0).1;
        if header.iter().all(|column| !column.eq_ignore_ascii_case("_fivetran_deleted")) {
            header.push("_FIVETRAN_DELETED".to_owned());
        }
        match random.below(4) {
            0 => header = header.iter().map(|column| column.to_lowercase()).collect(),
            1 => header.reverse(),
            2 => header.push("NOBODY_KNOWS".to_owned()),
            _ => {}
        }
        let name = match random.below(10) {
            0 => format!("batch-000000-{round}.csv"),
            1 | 2 => {
                let names: Vec<String> = files(project, "landing", table.name).into_keys().collect();
                names[usize::try_from(random.below(names.len() as u64)).unwrap()].clone()
            }
            _ => format!("batch-{:06}-{round}.csv", round + 1),
        };
        if random.percent(30) {
            if random.percent(30) {
                add(project, table.name, &format!("batch-{:06}-header.csv", round + 1), &header, &[]);
            }
            continue;
        }
        let mut rows: Vec<Record> = Vec::new();
        // A whole batch may be late: it is newer than the first load, and older than what came before it.
        let loaded = if random.percent(25) { loaded - 10 * STEP } else { loaded };
        for _ in 0..=random.below(8) {
            let mut known = [records(project, "landing", table.name), rows.clone()].concat();
            // Negative amounts are put in where they are meant to be met.
            known.retain(|record| {
                ["price", "quantity"].iter().all(|name| !record.get(name).is_some_and(|text| text.starts_with('-')))
            });
            rows.push(version(random, table, &known, round, loaded));
        }
        add(project, table.name, &name, &header, &rows);
    }
}

/// A version of some record with a negative amount, which a test of severity error refuses; and its correction.
fn bad_and_corrected(random: &mut Random, project: &Project, loaded: i64) -> (&'static str, [Record; 2]) {
    let (name, column) = random.pick(&[("order_items", "quantity"), ("products", "price")]);
    let table = TABLES.iter().find(|table| table.name == name).unwrap();
    // Only an item of an order and a product that are there counts; any will do.
    let current: Vec<Record> = newest(project, "landing", table).into_values().collect();
    let mut bad = current[usize::try_from(random.below(current.len() as u64)).unwrap()].clone();
    bad.set("_fivetran_synced", &time(loaded + 10));
    let mut corrected = bad.clone();
    bad.set(column, "-3");
    corrected.set(column, "3");
    corrected.set("_fivetran_synced", &time(loaded + 20));
    (name, [bad, corrected])
}

// ---------------------------------------------------------------------------------------------------------------------
// What must be there

/// A version of a history.
#[derive(Debug, Clone)]
struct Version {
    key: String,
    values: Vec<String>,
    /// In seconds.
    from: i64,
    to: Option<i64>,
}

/// A row of a snapshot's source.
#[derive(Debug)]
struct Row {
    values: Vec<String>,
    /// In seconds; 0 where the source has no such time.
    changed: i64,
}

/// The three histories by the rules that the project's documentation gives.
#[derive(Debug, Default)]
struct Histories(BTreeMap<&'static str, Vec<Version>>);

const USER: [&str; 5] = ["first_name", "last_name", "email", "phone_number", "address_id"];
const ADDRESS: [&str; 4] = ["zipcode", "country", "address", "state"];
const PRODUCT: [&str; 3] = ["name", "price", "inventory"];
const SNAPSHOTS: [(&str, &[&str]); 3] = [("users", &USER), ("addresses", &ADDRESS), ("products", &PRODUCT)];

/// Money in cents and whole numbers as silver shows them; the batch files of the test have no others.
fn normal(column: &str, value: Option<&str>) -> String {
    let Some(value) = value else { return "∅".to_owned() };
    match column {
        "price" => {
            let (whole, cents) = value.split_once('.').unwrap_or((value, ""));
            format!("{}.{cents:0<2}", whole.parse::<i64>().unwrap())
        }
        "inventory" => value.trim_end_matches(".0").parse::<i64>().unwrap().to_string(),
        _ => value.to_owned(),
    }
}

impl Histories {
    /// One run of a snapshot at a time, over the rows of its source.
    fn take(&mut self, name: &'static str, source: &BTreeMap<String, Row>, now: i64) {
        let by_time = name == "users";
        let time_of = |row: &Row| if by_time { row.changed } else { now };
        let history = self.0.entry(name).or_default();
        let mut open = BTreeSet::new();
        let mut opening = Vec::new();
        for version in history.iter_mut().filter(|version| version.to.is_none()) {
            let Some(row) = source.get(&version.key) else {
                version.to = Some(now);
                continue;
            };
            open.insert(version.key.clone());
            let (time, values) = (time_of(row), row.values.clone());
            if if by_time { time > version.from } else { values != version.values } {
                version.to = Some(time);
                opening.push(Version { key: version.key.clone(), values, from: time, to: None });
            }
        }
        for (key, row) in source.iter().filter(|(key, _)| !open.contains(*key)) {
            opening.push(Version { key: key.clone(), values: row.values.clone(), from: time_of(row), to: None });
        }
        history.extend(opening);
    }

    fn build(&mut self, project: &Project, start: Start, now: i64, without: &str) {
        for (name, columns) in SNAPSHOTS {
            if name != without {
                let source = match start {
                    Start::Messy => rows_in_silver(project, name, columns),
                    Start::Shipped | Start::Clean => rows_in_files(project, name, columns),
                };
                self.take(name, &source, now);
            }
        }
    }

    fn lines(&self) -> Vec<String> {
        let of = |(name, versions): (&&str, &Vec<Version>)| {
            let line = |version: &Version| {
                let to = version.to.map_or("open".to_owned(), |to| to.to_string());
                format!("{name}|{}|{}|{}|{to}", version.key, version.values.join("|"), version.from)
            };
            versions.iter().map(line).collect::<Vec<_>>()
        };
        let mut lines: Vec<String> = self.0.iter().flat_map(of).collect();
        lines.sort();
        lines
    }
}

/// The sources of a snapshot by the plain model of silver.
fn rows_in_files(project: &Project, name: &str, columns: &[&str]) -> BTreeMap<String, Row> {
    let table = TABLES.iter().find(|table| table.name == name).unwrap();
    let row = |record: &Record| Row {
        values: columns.iter().map(|column| normal(column, record.get(column))).collect(),
        changed: if name == "users" { record.instant("updated_at").unwrap() / 1_000_000 } else { 0 },
    };
    newest(project, "landing", table).iter().map(|(key, record)| (key.clone(), row(record))).collect()
}

/// The sources of a snapshot as silver has them. A user whose time of change cannot be read changed when loaded.
fn rows_in_silver(project: &Project, name: &str, columns: &[&str]) -> BTreeMap<String, Row> {
    let table = TABLES.iter().find(|table| table.name == name).unwrap();
    let changed = if name == "users" { seconds("coalesce(updated_at_utc, date_load_utc)") } else { "'0'".to_owned() };
    let texts: Vec<String> =
        columns.iter().enumerate().map(|(place, column)| format!("{} as v{place}", in_silver(column))).collect();
    let sql = format!(
        "select {} as key, {changed} as changed, {} from silver.{}",
        table.silver_key,
        texts.join(", "),
        table.silver
    );
    let row = |row: &Json| {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        let values = (0..columns.len()).map(|place| text(&format!("v{place}"))).collect();
        (text("key"), Row { values, changed: text("changed").parse().unwrap() })
    };
    project.query_with(&sql, &VARS).iter().map(row).collect()
}

/// A column of a batch file as text, as silver and the snapshots have it.
fn in_silver(column: &str) -> String {
    let column = if column == "price" { "price_usd" } else { column };
    format!("coalesce(cast({column} as varchar), '∅')")
}

fn seconds(column: &str) -> String {
    format!("cast(cast(date_part('epoch', {column}) as bigint) as varchar)")
}

fn stored_histories(project: &Project, start: Start) -> Vec<String> {
    let select = |(name, columns): (&str, &[&str])| {
        let table = TABLES.iter().find(|table| table.name == name).unwrap();
        let texts: Vec<String> = columns.iter().map(|column| in_silver(column)).collect();
        let relation = match start {
            Start::Messy => format!("snapshots.{name}_snapshot"),
            Start::Shipped | Start::Clean => format!("gold.dim_{name}_history"),
        };
        format!(
            "select concat_ws('|', '{name}', {}, {}, {}, coalesce({}, 'open')) as line from {relation}",
            table.silver_key,
            texts.join(", "),
            seconds("valid_from"),
            seconds("valid_to")
        )
    };
    let mut lines = lines(&project.query_with(&SNAPSHOTS.map(select).join(" union all "), &VARS));
    lines.sort();
    lines
}

/// Which line of which file each row of each silver table is from, by the model.
fn origins(project: &Project, folder: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for table in &TABLES {
        for (key, record) in newest(project, folder, table) {
            lines.push(format!("{}|{key}|{}|{}", table.silver, record.file, record.line));
        }
    }
    lines.sort();
    lines
}

/// The same from the tables.
fn stored_origins(project: &Project, arguments: &[&str]) -> Vec<String> {
    let select = |table: &Table| {
        format!(
            "select concat_ws('|', '{0}', {1}, source_file, source_line) as line from silver.{0} where source_file is not null",
            table.silver, table.silver_key
        )
    };
    let sql: Vec<String> = TABLES.iter().map(select).collect();
    let mut lines = lines(&project.query_with(&sql.join(" union all "), arguments));
    lines.sort();
    lines
}

/// The lines that only one of two lists has.
fn difference(left: &[String], right: &[String]) -> String {
    let only = |some: &[String], others: &[String], sign: &str| {
        let others: BTreeSet<&String> = others.iter().collect();
        some.iter()
            .filter(|line| !others.contains(line))
            .fold(String::new(), |text, line| format!("{text}{sign}{line}\n"))
    };
    format!("{}{}", only(left, right, "- "), only(right, left, "+ "))
}

#[track_caller]
fn assert_same(left: &[String], right: &[String], what: &str) {
    assert!(left == right, "{what}\n{}", difference(left, right));
}

type Content = BTreeMap<String, Vec<String>>;

#[track_caller]
fn assert_same_content(left: &Content, right: &Content, what: &str) {
    let is_history = |name: &&String| name.ends_with("_history");
    let names = |content: &Content| content.keys().filter(|name| !is_history(name)).cloned().collect::<Vec<_>>();
    assert_eq!(names(left), names(right), "{what}");
    for name in names(left) {
        assert_same(&left[&name], &right[&name], &format!("{what}: {name}"));
    }
}

const WITHOUT_HISTORIES: [&str; 4] =
    ["--exclude", "dim_users_history", "dim_addresses_history", "dim_products_history"];

/// All models but the histories, made anew from all batches in another warehouse.
fn rebuilt(project: &Project) -> Content {
    let anew = shop::without_batches();
    anew.take(&project.path("landing"), "landing");
    anew.ok(&[&["run"], &WITHOUT_HISTORIES[..], &VARS[..]].concat());
    shop::content(&anew)
}

// ---------------------------------------------------------------------------------------------------------------------
// Histories

/// What a history begins with.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Start {
    /// The batch that the repository has.
    Shipped,
    /// A first load of the generator without defects.
    Clean,
    /// A first load with defects of all kinds. They fail some tests of the project, so its models are run without.
    Messy,
}

/// A project under test with what is expected of it.
struct History {
    project: Project,
    start: Start,
    histories: Histories,
    /// What happened, for the message of a failure.
    log: String,
}

impl History {
    fn run(&mut self, arguments: &[&str], now: i64, code: i32) {
        let time = DateTime::from_timestamp(now, 0).unwrap().format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let arguments = [arguments, &["--now", &time], &VARS[..]].concat();
        writeln!(self.log, "{}", arguments.join(" ")).unwrap();
        let run = self.project.run(&arguments);
        assert_eq!(run.code, Some(code), "{}\n{}\n{}", self.log, self.project.complaints(&run), run.stdout);
    }

    fn generate(&mut self, arguments: &[&str]) {
        writeln!(self.log, "greenhouse {}", arguments.join(" ")).unwrap();
        shop::greenhouse(&self.project, arguments);
    }

    /// Takes in all that has arrived.
    fn build(&mut self, now: i64, flags: &[&str]) {
        if self.start == Start::Messy {
            self.run(&[&["run"], flags, &WITHOUT_HISTORIES].concat(), now, 0);
            self.run(&["snapshot"], now, 0);
        } else {
            self.run(&[&["build"], flags].concat(), now, 0);
        }
        self.histories.build(&self.project, self.start, now, "");
    }

    /// A batch of the generator's journeys.
    fn journey(&mut self, random: &mut Random, loaded: i64) {
        let now = DateTime::from_timestamp(loaded, 0).unwrap().format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut arguments = vec!["journey".to_owned(), "--now".to_owned(), now];
        let mut option = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        option("--count", random.below(8).to_string());
        for name in ["--update-users", "--update-addresses", "--advance-orders", "--delete-users"] {
            option(name, random.below(4).to_string());
        }
        for name in ["--returning", "--abandon"] {
            option(name, format!("0.{}", random.below(10)));
        }
        if self.start != Start::Messy {
            for name in ["--late", "--duplicates"] {
                option(name, format!("0.{}", random.below(6)));
            }
        }
        self.generate(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Everything that must hold after a build of all.
    fn check(&mut self, now: i64, again: bool) {
        if self.start != Start::Messy {
            assert_same(
                &origins(&self.project, "landing"),
                &stored_origins(&self.project, &VARS),
                &format!("{}silver", self.log),
            );
        }
        let stored = stored_histories(&self.project, self.start);
        assert_same(&self.histories.lines(), &stored, &format!("{}snapshots", self.log));
        let content = shop::content(&self.project);
        assert_same_content(&content, &rebuilt(&self.project), &format!("{}a rebuild", self.log));
        if again {
            self.build(now, &[]);
            for (name, rows) in shop::content(&self.project) {
                assert_same(&content[&name], &rows, &format!("{}the same build again: {name}", self.log));
            }
            let stored = stored_histories(&self.project, self.start);
            assert_same(&self.histories.lines(), &stored, &format!("{}again: snapshots", self.log));
        }
    }
}

/// The load time of the first batch's last day, and how far two batches lie apart.
const FIRST: i64 = 1_714_000_000;
const STEP: i64 = 86_400;

fn play(start: Start, seed: u64) {
    let mut random = Random(seed);
    let project = if start == Start::Shipped { shop::project() } else { shop::without_batches() };
    let mut history = History { project, start, histories: Histories::default(), log: String::new() };
    let first_load = format!("init --seed {seed} --scale 1200 --start 2023-10-01 --end 2024-03-22");
    let first_load: Vec<&str> = first_load.split(' ').collect();
    match start {
        Start::Shipped => {}
        Start::Clean => history.generate(&first_load),
        Start::Messy => history.generate(&[&first_load[..], &["--profile", "messy"]].concat()),
    }
    history.build(FIRST, &[]);
    let rounds = number("KARAT_BATCHES", 3);
    let mut now = FIRST;
    for round in 1..=rounds {
        let loaded = FIRST + STEP * i64::try_from(round).unwrap();
        // The clock of a run may stand still or go back.
        now = if random.percent(10) { now - STEP / 2 } else { loaded + STEP / 4 };
        let kind = random.below(3);
        if kind != 0 {
            history.journey(&mut random, loaded);
        }
        if kind != 1 {
            arrive(&mut random, &history.project, round, loaded);
        }
        if random.percent(20) {
            // A run was left out.
            arrive(&mut random, &history.project, 500 + round, loaded + 100);
        }
        if random.percent(20) && start != Start::Messy {
            let some = random.pick(&["stg_orders", "stg_events+1", "stg_order_items"]);
            history.run(&["build", "--select", some], now, 0);
        }
        if random.percent(30) && start != Start::Messy {
            // A negative amount is withheld with all that is made from it, and nothing of the batch is lost by that.
            let (table, [bad, corrected]) = bad_and_corrected(&mut random, &history.project, loaded);
            let header = parsed(&files(&history.project, "landing", table)["batch-000001.csv"]).remove(0).1;
            add(&history.project, table, &format!("batch-{round:06}-bad.csv"), &header, &[bad]);
            history.run(&["build"], now, 1);
            history.histories.build(&history.project, start, now, table);
            add(&history.project, table, &format!("batch-{round:06}-corrected.csv"), &header, &[corrected]);
            now += 60;
        }
        let flags: &[&str] = if random.percent(10) { &["--full-refresh"] } else { &[] };
        history.build(now, flags);
        history.check(now, round == rounds || rounds > 3);
    }
}

#[test]
fn proof_histories_of_the_plant_shop_end_as_a_rebuild_does() {
    for_seeds("KARAT_HISTORIES", 2, |seed| play(Start::Shipped, seed));
}

#[test]
fn proof_histories_of_a_generated_shop_end_as_a_rebuild_does() {
    for_seeds("KARAT_HISTORIES", 1, |seed| play(Start::Clean, seed));
}

#[test]
fn proof_histories_of_a_messy_shop_end_as_a_rebuild_does() {
    for_seeds("KARAT_HISTORIES", 1, |seed| play(Start::Messy, seed));
}

#[test]
fn proof_the_plant_shop_takes_another_landing_folder_and_the_first_again() {
    let project = shop::project();
    let random = &mut Random(number("KARAT_SEED", 1));
    // The other folder has files of the same names and some of the same keys.
    fs::rename(project.path("landing"), project.path("first")).unwrap();
    project.take(&project.path("first"), "landing");
    for table in &TABLES {
        let (name, text) = files(&project, "landing", table.name).pop_first().unwrap();
        let kept: Vec<&str> = text
            .lines()
            .enumerate()
            .filter(|(line, _)| *line == 0 || random.percent(50))
            .map(|(_, line)| line)
            .collect();
        project.write(&format!("landing/{}/{name}", table.name), &format!("{}\n", kept.join("\n")));
    }
    arrive(random, &project, 1, FIRST);
    for folder in ["first", "landing", "first"] {
        let vars = format!("{{landing: {folder}}}");
        project.ok(&["run", "--select", "bronze silver", "--vars", &vars]);
        let expected = origins(&project, folder);
        assert_same(&expected, &stored_origins(&project, &["--vars", &vars]), folder);
    }
}
