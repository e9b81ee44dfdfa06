//! Proof of `on_schema_change`: each answer with each strategy over random sequences of added, dropped, retyped, renamed
//! (in case) and reordered columns mixed with changes of the data, against a plain model of which columns there are,
//! what old and new rows hold, and when a run is refused. A refused run changes nothing at all.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::support::{Project, Random, for_seeds, lines};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Bigint,
    Varchar,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Null,
    Number(i64),
    Text(String),
}

impl Value {
    fn text(&self) -> String {
        match self {
            Self::Null => "∅".to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }

    /// SQL's cast; `None` where it fails.
    fn cast(&self, to: Type) -> Option<Self> {
        Some(match (self, to) {
            (Self::Number(number), Type::Varchar) => Self::Text(number.to_string()),
            (Self::Text(text), Type::Bigint) => Self::Number(text.parse().ok()?),
            _ => self.clone(),
        })
    }
}

/// A column of a query or a table. Names that differ only in case are one column.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    name: String,
    data_type: Type,
}

impl Column {
    fn is(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
    }
}

/// Rows with their columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
}

impl Table {
    fn place(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }

    fn value(&self, row: &[Value], name: &str) -> Value {
        self.place(name).map_or(Value::Null, |place| row[place].clone())
    }

    /// The same rows in other columns: cast, null where there was none; `None` if a value does not fit.
    fn shaped(&self, columns: &[Column]) -> Option<Self> {
        let shape = |row: &Vec<Value>| {
            columns
                .iter()
                .map(|column| self.value(row, &column.name).cast(column.data_type))
                .collect::<Option<Vec<_>>>()
        };
        let rows = self.rows.iter().map(shape).collect::<Option<Vec<_>>>()?;
        Some(Self { columns: columns.to_vec(), rows })
    }

    fn sorted(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.rows.iter().map(|row| row.iter().map(Value::text).collect::<Vec<_>>().join("|")).collect();
        lines.sort();
        lines
    }

    fn described(&self) -> Vec<String> {
        let of = |column: &Column| format!("{} {:?}", column.name, column.data_type);
        self.columns.iter().map(of).collect()
    }
}

const STRATEGIES: [(&str, &str); 4] = [
    ("append", "incremental_strategy='append'"),
    ("merge", "unique_key='id'"),
    ("delete_insert", "incremental_strategy='delete+insert', unique_key='id'"),
    ("overwrite", "incremental_strategy='insert_overwrite', partition_by=['part']"),
];

const POLICIES: [&str; 4] = ["ignore", "fail", "append_new_columns", "sync_all_columns"];

/// One model: a strategy and an answer to other columns.
#[derive(Debug, Clone, Copy)]
struct Spec {
    strategy: &'static str,
    config: &'static str,
    policy: &'static str,
}

/// What becomes of a model in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Made(Table),
    /// The columns are refused before anything runs.
    Refused,
    /// A value does not fit its column's type.
    Failed,
}

impl Spec {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for (strategy, config) in STRATEGIES {
            all.extend(POLICIES.map(|policy| Self { strategy, config, policy }));
        }
        all
    }

    fn name(self) -> String {
        format!("{}_{}", self.strategy, self.policy)
    }

    /// The table's columns after a run; `None` if they are refused.
    fn columns(self, table: &[Column], query: &[Column]) -> Option<Vec<Column>> {
        let find = |columns: &[Column], wanted: &Column| columns.iter().find(|column| column.is(wanted)).cloned();
        let added: Vec<Column> = query.iter().filter(|column| find(table, column).is_none()).cloned().collect();
        let removed = table.iter().any(|column| find(query, column).is_none());
        let retyped =
            table.iter().any(|column| find(query, column).is_some_and(|new| new.data_type != column.data_type));
        match self.policy {
            "ignore" => (!removed).then(|| table.to_vec()),
            "fail" => (!removed && !retyped && added.is_empty()).then(|| table.to_vec()),
            "append_new_columns" => Some(table.iter().cloned().chain(added).collect()),
            _ => {
                // A column keeps its place and its spelling, and takes the query's type.
                let kept = table.iter().filter_map(|old| {
                    find(query, old).map(|new| Column { name: old.name.clone(), data_type: new.data_type })
                });
                Some(kept.chain(added).collect())
            }
        }
    }

    fn outcome(self, table: Option<&Table>, result: &Table) -> Outcome {
        let Some(table) = table else { return Outcome::Made(result.clone()) };
        let Some(columns) = self.columns(&table.columns, &result.columns) else { return Outcome::Refused };
        let (Some(stored), Some(new)) = (table.shaped(&columns), result.shaped(&columns)) else {
            return Outcome::Failed;
        };
        let key = if self.strategy == "overwrite" { "part" } else { "id" };
        let nulls_match = self.strategy == "overwrite";
        let key_of = |row: &Vec<Value>| stored.value(row, key);
        let matching = |left: &Vec<Value>, right: &Vec<Value>| {
            key_of(left) == key_of(right) && (nulls_match || key_of(left) != Value::Null)
        };
        let (mut kept, mut arrived) = (Vec::new(), new.rows.clone());
        for row in &stored.rows {
            let Some(place) = arrived.iter().position(|new| self.strategy != "append" && matching(row, new)) else {
                kept.push(row.clone());
                continue;
            };
            // A merge updates the columns that the query has; one that it no longer has keeps its value.
            for (column, stored) in columns.iter().zip(row).filter(|_| self.strategy == "merge") {
                if result.place(&column.name).is_none() {
                    let at = new.place(&column.name).unwrap();
                    arrived[place][at] = stored.clone();
                }
            }
        }
        Outcome::Made(Table { columns, rows: kept.into_iter().chain(arrived).collect() })
    }
}

const SOURCES: &str = "
sources:
  - name: landing
    external: {location: 'landing/{name}.csv', format: csv}
    tables:
      - name: batch
        columns:
          - {name: id, data_type: varchar}
          - {name: part, data_type: varchar}
          - {name: a, data_type: varchar}
          - {name: b, data_type: varchar}
          - {name: c, data_type: varchar}
";

/// The columns of the batch file.
const SOURCE: [&str; 5] = ["id", "part", "a", "b", "c"];

/// Other columns for the query: some come, go, change their type or the case of their name, or change places.
fn change(random: &mut Random, query: &mut Vec<Column>) {
    for name in &SOURCE[2..] {
        if random.percent(18) {
            match query.iter().position(|column| column.name.eq_ignore_ascii_case(name)) {
                Some(place) => drop(query.remove(place)),
                None => query
                    .push(Column { name: (*name).to_owned(), data_type: random.pick(&[Type::Bigint, Type::Varchar]) }),
            }
        }
    }
    for column in query.iter_mut() {
        if random.percent(10) {
            column.data_type = if column.data_type == Type::Bigint { Type::Varchar } else { Type::Bigint };
        }
        if random.percent(8) {
            let upper = column.name.to_uppercase();
            column.name = if column.name == upper { column.name.to_lowercase() } else { upper };
        }
    }
    if random.percent(40) {
        for place in (1..query.len()).rev() {
            let other = usize::try_from(random.below(place as u64 + 1)).unwrap();
            query.swap(place, other);
        }
    }
}

/// A batch: few rows with distinct keys; numbers, but for some words in the columns that come and go.
fn random_batch(random: &mut Random) -> Vec<[Option<String>; 5]> {
    let words = random.percent(25);
    let mut rows: Vec<[Option<String>; 5]> = Vec::new();
    for _ in 0..random.pick(&[0, 2, 4, 6]) {
        let number = |random: &mut Random, below| random.percent(85).then(|| random.below(below).to_string());
        let value = |random: &mut Random| {
            let word = words && random.percent(15);
            if word { Some("word".to_owned()) } else { number(random, 5) }
        };
        let row = [number(random, 7), number(random, 3), value(random), value(random), value(random)];
        if row[0].is_none() || rows.iter().all(|other| other[0] != row[0]) {
            rows.push(row);
        }
    }
    rows
}

/// What the query makes of a batch: a number that cannot be read is null.
fn result(query: &[Column], batch: &[[Option<String>; 5]]) -> Table {
    let value = |row: &[Option<String>; 5], column: &Column| {
        let place = SOURCE.iter().position(|name| column.name.eq_ignore_ascii_case(name)).unwrap();
        let text = row[place].clone().map_or(Value::Null, Value::Text);
        text.cast(column.data_type).unwrap_or(Value::Null)
    };
    let rows = batch.iter().map(|row| query.iter().map(|column| value(row, column)).collect()).collect();
    Table { columns: query.to_vec(), rows }
}

fn write_models(project: &Project, query: &[Column]) {
    let select: Vec<String> = query
        .iter()
        .map(|column| {
            let source = column.name.to_lowercase();
            match column.data_type {
                Type::Bigint => format!("try_cast({source} as bigint) as \"{}\"", column.name),
                Type::Varchar => format!("{source} as \"{}\"", column.name),
            }
        })
        .collect();
    for spec in Spec::all() {
        let model = format!(
            "{{{{ config(materialized='incremental', on_schema_change='{}', {}) }}}}\n\
             select {} from {{{{ source('landing', 'batch') }}}}\n",
            spec.policy,
            spec.config,
            select.join(", ")
        );
        project.write(&format!("models/silver/{}.sql", spec.name()), &model);
    }
}

fn assert_tables(project: &Project, tables: &BTreeMap<String, Table>, log: &str) {
    let described = "select table_name, column_name, data_type from information_schema.columns \
                     where table_schema = 'silver' order by table_name, ordinal_position";
    let mut columns: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in project.rows(described) {
        let parts: Vec<&str> = line.split('|').collect();
        let data_type = if parts[2] == "bigint" { Type::Bigint } else { Type::Varchar };
        columns.entry(parts[0].to_owned()).or_default().push(format!("{} {data_type:?}", parts[1]));
    }
    for (name, table) in tables {
        assert_eq!(columns[name], table.described(), "columns of {name} after\n{log}");
    }
    let select = |(name, table): (&String, &Table)| {
        let text = |column: &Column| format!("coalesce(cast(\"{}\" as varchar), '∅')", column.name);
        let texts: Vec<String> = table.columns.iter().map(text).collect();
        format!("select '{name}' as model, concat_ws('|', {}) as line from silver.{name}", texts.join(", "))
    };
    let sql: Vec<String> = tables.iter().map(select).collect();
    let mut found: BTreeMap<&str, Vec<String>> = tables.keys().map(|name| (name.as_str(), Vec::new())).collect();
    let rows = lines(&project.query(&sql.join(" union all ")));
    for row in &rows {
        let (model, line) = row.split_once('|').unwrap();
        found.get_mut(model).unwrap().push(line.to_owned());
    }
    for (name, table) in tables {
        let rows = found.get_mut(name.as_str()).unwrap();
        rows.sort();
        assert_eq!(*rows, table.sorted(), "{name} after\n{log}");
    }
}

fn play(seed: u64) {
    let specs = Spec::all();
    let project = Project::new(&[("models/bronze/_sources.yml", SOURCES)]);
    let mut random = Random(seed);
    let column = |name: &str, data_type| Column { name: name.to_owned(), data_type };
    let mut query = vec![column("id", Type::Bigint), column("part", Type::Bigint), column("a", Type::Bigint)];
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    let mut log = String::new();
    for round in 1..=6 {
        if round > 1 {
            change(&mut random, &mut query);
        }
        let batch = random_batch(&mut random);
        let mut text = format!("{}\n", SOURCE.join(","));
        for row in &batch {
            writeln!(text, "{}", row.clone().map(Option::unwrap_or_default).join(",")).unwrap();
        }
        writeln!(log, "round {round}\n{query:?}\n{text}").unwrap();
        project.write("landing/batch.csv", &text);
        write_models(&project, &query);
        let result = result(&query, &batch);

        let outcomes: BTreeMap<String, Outcome> =
            specs.iter().map(|spec| (spec.name(), spec.outcome(tables.get(&spec.name()), &result))).collect();
        let with = |wanted: &Outcome| {
            let names = outcomes.iter().filter(|(_, outcome)| *outcome == wanted);
            names.map(|(name, _)| name.clone()).collect::<Vec<String>>()
        };
        let (refused, failed) = (with(&Outcome::Refused), with(&Outcome::Failed));
        let mut arguments = vec!["run"];
        if !refused.is_empty() {
            let before = project.files();
            let run = project.run(&["run"]);
            assert_eq!(run.code, Some(2), "{log}\n{}", run.stderr);
            let named: BTreeSet<String> = specs
                .iter()
                .map(|spec| spec.name())
                .filter(|name| run.stderr.contains(&format!("models/silver/{name}.sql")))
                .collect();
            assert_eq!(named, refused.iter().cloned().collect(), "{log}\n{}", run.stderr);
            assert_eq!(project.files(), before, "a refused run changed something\n{log}");
            for name in &refused {
                arguments.extend(["--exclude", name]);
            }
        }
        let run = project.run(&arguments);
        assert_eq!(run.code, Some(i32::from(!failed.is_empty())), "{failed:?}\n{log}\n{}", run.stderr);
        let statuses = project.statuses();
        let bad: Vec<String> =
            statuses.iter().filter(|(_, status)| *status != "success").map(|(name, _)| name.clone()).collect();
        assert_eq!(bad, failed, "{log}\n{}", run.stderr);
        for (name, outcome) in &outcomes {
            if let Outcome::Made(table) = outcome {
                tables.insert(name.clone(), table.clone());
            }
        }
        if !refused.is_empty() && random.percent(50) {
            // The way out that the message names.
            let mut arguments = vec!["run", "--full-refresh"];
            for name in &refused {
                arguments.extend(["--select", name]);
                tables.insert(name.clone(), result.clone());
            }
            writeln!(log, "full refresh of {refused:?}").unwrap();
            project.ok(&arguments);
        }
        assert_tables(&project, &tables, &log);
    }
}

#[test]
fn proof_each_answer_to_other_columns_with_each_strategy() {
    for_seeds("KARAT_CASES", 3, play);
}
