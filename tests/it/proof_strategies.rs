//! Proof of the incremental strategies: random batches, each applied by karat and by a plain model of what dbt's
//! documentation says a strategy does; and random histories of landing folders, where the incremental way must end as
//! a rebuild does.
//!
//! The models are written down here and share no code with karat. What is a limit and not a promise is said where it
//! is tested.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::support::{Project, Random, for_seeds, lines};

// ---------------------------------------------------------------------------------------------------------------------
// What a strategy does with one batch

/// One row of a batch or a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    id: Option<i64>,
    part: Option<i64>,
    name: Option<&'static str>,
    amount: Option<i64>,
    gone: Option<bool>,
}

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "∅".to_owned(), |value| value.to_string())
}

impl Row {
    fn csv(&self) -> String {
        let text = |value: Option<String>| value.unwrap_or_default();
        let number = |value: Option<i64>| text(value.map(|value| value.to_string()));
        format!(
            "{},{},{},{},{}",
            number(self.id),
            number(self.part),
            self.name.unwrap_or(""),
            number(self.amount),
            text(self.gone.map(|gone| gone.to_string()))
        )
    }

    fn line(&self) -> String {
        let (id, part, amount) = (shown(self.id), shown(self.part), shown(self.amount));
        format!("{id}|{part}|{}|{amount}|{}", shown(self.name), shown(self.gone))
    }
}

/// The columns as one text, as [`Row::line`] writes them.
const LINE: &str = "concat_ws('|', coalesce(cast(id as varchar), '∅'), coalesce(cast(part as varchar), '∅'), \
                    coalesce(name, '∅'), coalesce(cast(amount as varchar), '∅'), coalesce(cast(gone as varchar), '∅'))";

type Key = Vec<String>;

/// The keys of a row; `None` if one of them is null, which matches nothing.
type KeyOf = fn(&Row) -> Option<Key>;

fn by_id(row: &Row) -> Option<Key> {
    Some(vec![row.id?.to_string()])
}

fn by_id_and_part(row: &Row) -> Option<Key> {
    Some(vec![row.id?.to_string(), row.part?.to_string()])
}

/// How a model changes its table.
#[derive(Clone, Copy)]
enum Strategy {
    Append,
    /// Rows with the same key are replaced, or some of their columns are.
    Merge {
        key: KeyOf,
        update: Option<fn(&mut Row, &Row)>,
    },
    /// All rows of a key are replaced by all rows of the batch with it.
    DeleteInsert {
        key: KeyOf,
    },
    /// Whole partitions are replaced.
    Overwrite {
        partition: fn(&Row) -> Key,
    },
}

/// One model of the project.
#[derive(Clone, Copy)]
struct Spec {
    name: &'static str,
    config: &'static str,
    strategy: Strategy,
    /// Whether the config has `delete_when='gone'`.
    deletes: bool,
    /// Further conditions of a match, on the table's row and the batch's.
    matches: fn(&Row, &Row) -> bool,
}

/// SQL's `and` of a comparison: null is not true.
fn later_part(stored: &Row, _: &Row) -> bool {
    stored.part.is_some_and(|part| part > 1)
}

fn not_less(stored: &Row, new: &Row) -> bool {
    matches!((stored.amount, new.amount), (Some(stored), Some(new)) if new >= stored)
}

fn specs() -> Vec<Spec> {
    let spec = |name, config, strategy| Spec { name, config, strategy, deletes: false, matches: |_, _| true };
    let merge = |key: KeyOf| Strategy::Merge { key, update: None };
    let only_amount: fn(&mut Row, &Row) = |stored, new| stored.amount = new.amount;
    let all_but_name: fn(&mut Row, &Row) = |stored, new| *stored = Row { name: stored.name, ..new.clone() };
    vec![
        spec("append", "incremental_strategy='append'", Strategy::Append),
        spec("unkeyed", "", Strategy::Append),
        spec("merge", "unique_key='id'", merge(by_id)),
        spec("merge_two", "incremental_strategy='merge', unique_key=['id', 'part']", merge(by_id_and_part)),
        spec("merge_expression", "unique_key='id * 100 + part'", merge(by_id_and_part)),
        spec("merge_partitioned", "unique_key='ID', partition_by=['part', 'name']", merge(by_id)),
        Spec { deletes: true, ..spec("merge_delete", "unique_key='id', delete_when='gone'", merge(by_id)) },
        Spec {
            deletes: true,
            ..spec("merge_two_delete", "unique_key=['id', 'part'], delete_when='gone'", merge(by_id_and_part))
        },
        spec(
            "merge_update",
            "unique_key='id', merge_update_columns=['AMOUNT']",
            Strategy::Merge { key: by_id, update: Some(only_amount) },
        ),
        Spec {
            deletes: true,
            ..spec(
                "merge_exclude",
                "unique_key='id', merge_exclude_columns=['name'], delete_when='gone'",
                Strategy::Merge { key: by_id, update: Some(all_but_name) },
            )
        },
        Spec {
            matches: later_part,
            ..spec(
                "merge_predicate",
                "unique_key='id', incremental_predicates=['DBT_INTERNAL_DEST.part > 1']",
                merge(by_id),
            )
        },
        Spec {
            matches: not_less,
            ..spec(
                "merge_predicate_update",
                "unique_key='id', merge_update_columns=['amount'], \
                 incremental_predicates=['DBT_INTERNAL_SOURCE.amount >= DBT_INTERNAL_DEST.amount']",
                Strategy::Merge { key: by_id, update: Some(only_amount) },
            )
        },
        spec(
            "delete_insert",
            "incremental_strategy='delete+insert', unique_key='id'",
            Strategy::DeleteInsert { key: by_id },
        ),
        Spec {
            deletes: true,
            ..spec(
                "delete_insert_two",
                "incremental_strategy='delete+insert', unique_key=['id', 'part'], delete_when='gone'",
                Strategy::DeleteInsert { key: by_id_and_part },
            )
        },
        Spec {
            matches: later_part,
            ..spec(
                "delete_insert_predicate",
                "incremental_strategy='delete+insert', unique_key='id', \
                 incremental_predicates=['DBT_INTERNAL_DEST.part > 1']",
                Strategy::DeleteInsert { key: by_id },
            )
        },
        spec(
            "overwrite",
            "incremental_strategy='insert_overwrite', partition_by=['part']",
            Strategy::Overwrite { partition: |row| vec![shown(row.part)] },
        ),
        spec(
            "overwrite_two",
            "incremental_strategy='insert_overwrite', partition_by=['name', 'part']",
            Strategy::Overwrite { partition: |row| vec![shown(row.name), shown(row.part)] },
        ),
    ]
}

/// A batch that a merge refuses: it has two rows with one key.
#[derive(Debug, PartialEq, Eq)]
struct Refused;

impl Spec {
    fn deletes(&self, row: &Row) -> bool {
        self.deletes && row.gone == Some(true)
    }

    /// What the first build, or a full refresh, makes: the result without what it deletes. Keys are not looked at, as
    /// in a `create table as`.
    fn made(&self, batch: &[Row]) -> Vec<Row> {
        batch.iter().filter(|row| !self.deletes(row)).cloned().collect()
    }

    /// What an incremental run makes of the table.
    fn applied(&self, table: &[Row], batch: &[Row]) -> Result<Vec<Row>, Refused> {
        let matching = |key: KeyOf, stored: &Row, new: &Row| {
            key(stored).is_some() && key(stored) == key(new) && (self.matches)(stored, new)
        };
        let replaced = |key: KeyOf| {
            let stays = |stored: &&Row| !batch.iter().any(|new| matching(key, stored, new));
            table.iter().filter(stays).cloned().chain(self.made(batch)).collect()
        };
        Ok(match self.strategy {
            Strategy::Append => table.iter().chain(batch).cloned().collect(),
            Strategy::Merge { key, update } => {
                let keys: Vec<Key> = batch.iter().filter_map(key).collect();
                if keys.iter().collect::<BTreeSet<_>>().len() < keys.len() {
                    return Err(Refused);
                }
                match update {
                    // A limit: a first build may have left several rows of a key; a match replaces them by one.
                    None => replaced(key),
                    Some(update) => {
                        let mut rows = Vec::new();
                        for stored in table {
                            match batch.iter().find(|new| matching(key, stored, new)) {
                                Some(new) if self.deletes(new) => {}
                                Some(new) => {
                                    let mut row = stored.clone();
                                    update(&mut row, new);
                                    rows.push(row);
                                }
                                None => rows.push(stored.clone()),
                            }
                        }
                        let is_new = |new: &&Row| !table.iter().any(|stored| matching(key, stored, new));
                        rows.extend(batch.iter().filter(is_new).filter(|row| !self.deletes(row)).cloned());
                        rows
                    }
                }
            }
            Strategy::DeleteInsert { key } => replaced(key),
            Strategy::Overwrite { partition } => {
                let touched: BTreeSet<Key> = batch.iter().map(partition).collect();
                let stays = |row: &&Row| !touched.contains(&partition(row));
                table.iter().filter(stays).chain(batch).cloned().collect()
            }
        })
    }
}

/// A batch: none of its rows, a few, or many; most often without duplicate keys, because merges refuse those.
fn random_batch(random: &mut Random) -> Vec<Row> {
    let unique = random.percent(75);
    let count = random.pick(&[0, 1, 3, 5, 8]);
    let mut rows: Vec<Row> = Vec::new();
    for _ in 0..count {
        let some = |random: &mut Random, below| random.percent(85).then(|| i64::try_from(random.below(below)).unwrap());
        let row = Row {
            id: some(random, 8),
            part: some(random, 4),
            name: random.pick(&[None, Some("a"), Some("b"), Some("Straße 7/8, 'x'=1")]).filter(|name| {
                // A comma would need quotes in the batch file.
                !name.contains(',')
            }),
            amount: some(random, 4),
            gone: random.pick(&[None, Some(false), Some(false), Some(true)]),
        };
        if !unique || row.id.is_none() || rows.iter().all(|other| other.id != row.id) {
            rows.push(row);
        }
    }
    rows
}

/// A project in which each model reads the batch file of the day, whole.
fn daily(specs: &[Spec]) -> Project {
    let sources = "
sources:
  - name: landing
    external: {location: 'landing/{name}.csv', format: csv}
    tables:
      - name: batch
        columns:
          - {name: id, data_type: bigint}
          - {name: part, data_type: bigint}
          - {name: name, data_type: varchar}
          - {name: amount, data_type: bigint}
          - {name: gone, data_type: boolean}
";
    let project = Project::new(&[("models/bronze/_sources.yml", sources)]);
    for spec in specs {
        let model = format!(
            "{{{{ config(materialized='incremental', {}) }}}}\n\
             select id, part, name, amount, gone from {{{{ source('landing', 'batch') }}}}\n",
            spec.config
        );
        project.write(&format!("models/silver/{}.sql", spec.name), &model);
    }
    project
}

/// The rows of all models in one query.
fn stored(project: &Project, names: &[&str], arguments: &[&str]) -> BTreeMap<String, Vec<String>> {
    let select = |name: &&str| format!("select '{name}' as model, {LINE} as line from silver.{name}");
    let sql = names.iter().map(select).collect::<Vec<_>>().join(" union all ");
    let mut found: BTreeMap<String, Vec<String>> = names.iter().map(|name| ((*name).to_owned(), Vec::new())).collect();
    for row in lines(&project.query_with(&sql, arguments)) {
        let (model, line) = row.split_once('|').unwrap();
        found.get_mut(model).unwrap().push(line.to_owned());
    }
    for rows in found.values_mut() {
        rows.sort();
    }
    found
}

fn sorted(rows: &[Row]) -> Vec<String> {
    let mut lines: Vec<String> = rows.iter().map(Row::line).collect();
    lines.sort();
    lines
}

fn play_batches(seed: u64) {
    let specs = specs();
    let names: Vec<&str> = specs.iter().map(|spec| spec.name).collect();
    let project = daily(&specs);
    let mut random = Random(seed);
    let mut tables: Vec<Option<Vec<Row>>> = vec![None; specs.len()];
    let mut batch = Vec::new();
    let mut log = String::new();
    for round in 1..=6 {
        // Sometimes the same batch comes again: these models have no mark, so it is applied again.
        if round == 1 || random.percent(85) {
            batch = random_batch(&mut random);
        }
        let refresh = round > 1 && random.percent(12);
        let chosen = if round > 1 && random.percent(20) { random.below(7) + 1 } else { 1 };
        let mut text = "id,part,name,amount,gone\n".to_owned();
        for row in &batch {
            writeln!(text, "{}", row.csv()).unwrap();
        }
        write!(log, "round {round} refresh {refresh} every {chosen}\n{text}").unwrap();
        project.write("landing/batch.csv", &text);

        let mut expected: BTreeMap<String, String> = BTreeMap::new();
        let mut arguments = vec!["run"];
        for (index, (spec, table)) in (0_u64..).zip(specs.iter().zip(&mut tables)) {
            if index % chosen != 0 {
                continue;
            }
            arguments.extend(["--select", spec.name]);
            let made = match table {
                Some(rows) if !refresh => spec.applied(rows, &batch),
                _ => Ok(spec.made(&batch)),
            };
            let status = if made.is_ok() { "success" } else { "error" };
            expected.insert(spec.name.to_owned(), status.to_owned());
            if let Ok(rows) = made {
                *table = Some(rows);
            }
        }
        if refresh {
            arguments.push("--full-refresh");
        }
        let refused = expected.values().any(|status| status == "error");
        let run = project.run(&arguments);
        assert_eq!(run.code, Some(i32::from(refused)), "{log}\n{}{}", run.stdout, run.stderr);
        assert_eq!(project.statuses(), expected, "{log}");
        let found = stored(&project, &names, &[]);
        for (spec, table) in specs.iter().zip(&tables) {
            assert_eq!(found[spec.name], sorted(table.as_ref().unwrap()), "{} after\n{log}", spec.name);
        }
    }
}

#[test]
fn proof_each_strategy_does_with_a_batch_what_dbt_says() {
    for_seeds("KARAT_CASES", 3, play_batches);
}

// ---------------------------------------------------------------------------------------------------------------------
// The incremental way and the rebuild

/// A line of a landing file: a row and when its source wrote it.
#[derive(Debug, Clone)]
struct Line {
    row: Row,
    version: i64,
}

/// Landing files by name; a line's number in its file is its place plus two, because of the header.
type Landing = BTreeMap<String, Vec<Line>>;

const HISTORY_SOURCES: &str = "
sources:
  - name: landing
    external: {location: 'landing/*.csv', format: csv}
    tables:
      - name: changes
        columns:
          - {name: id, data_type: bigint}
          - {name: part, data_type: bigint}
          - {name: name, data_type: varchar}
          - {name: amount, data_type: bigint}
          - {name: gone, data_type: boolean}
          - {name: version, data_type: bigint}
";

/// What a model has not seen: the lines behind the last one that it stores, file by file.
const TOUCHED: &str = "
{% macro touched(key) %}
select distinct {{ key }} as touched_key
from {{ ref('changes') }} as arrived
left join (select source_file as known_file, max(source_line) as known_line from {{ this }} group by 1) as known
    on arrived.source_file = known.known_file
where known.known_line is null or arrived.source_line > known.known_line
{% endmacro %}
{% macro only_touched(key) %}
{% if is_incremental() %}
join ({{ touched(key) }}) as touched on {{ key }} is not distinct from touched.touched_key
{% endif %}
{% endmacro %}
";

const COLUMNS: &str = "id, part, name, amount, gone, version, source_file, source_line";

/// Which rows a model has in the end, given all lines.
type Meaning = fn(&Landing) -> Vec<Row>;

/// All lines in the order in which versions win: the time of the source, then the file's name, then the line.
fn in_order(landing: &Landing) -> Vec<Line> {
    let mut all: Vec<(i64, &String, usize, &Line)> = Vec::new();
    for (file, lines) in landing {
        all.extend(lines.iter().enumerate().map(|(place, line)| (line.version, file, place, line)));
    }
    all.sort_by_key(|(version, file, place, _)| (*version, *file, *place));
    all.into_iter().map(|(_, _, _, line)| line.clone()).collect()
}

fn everything(landing: &Landing) -> Vec<Row> {
    landing.values().flatten().map(|line| line.row.clone()).collect()
}

/// The newest version of each id; deleted ids and rows without an id are left out.
fn newest(landing: &Landing) -> Vec<Row> {
    let mut newest: BTreeMap<i64, Row> = BTreeMap::new();
    for line in in_order(landing) {
        if let Some(id) = line.row.id {
            newest.insert(id, line.row);
        }
    }
    newest.into_values().filter(|row| row.gone != Some(true)).collect()
}

/// All lines of each id's newest version, but for the deleted ones.
fn newest_lines(landing: &Landing) -> Vec<Row> {
    let last =
        |id: i64| landing.values().flatten().filter(|line| line.row.id == Some(id)).map(|line| line.version).max();
    let is_newest = |line: &&Line| line.row.id.is_some_and(|id| last(id) == Some(line.version));
    let rows = landing.values().flatten().filter(is_newest).map(|line| line.row.clone());
    rows.filter(|row| row.gone != Some(true)).collect()
}

/// The newest version of each id within each part.
fn newest_in_part(landing: &Landing) -> Vec<Row> {
    let mut newest: BTreeMap<(Option<i64>, Option<i64>), Row> = BTreeMap::new();
    for line in in_order(landing) {
        newest.insert((line.row.part, line.row.id), line.row);
    }
    newest.into_values().collect()
}

const HISTORY: [(&str, &str, &str, Meaning); 4] = [
    (
        "all_lines",
        "incremental_strategy='append'",
        "select COLUMNS from {{ ref('changes') }} as c
         {% if is_incremental() %}
         left join (select source_file as known_file, max(source_line) as known_line from {{ this }} group by 1) as known
             on c.source_file = known.known_file
         where known.known_line is null or c.source_line > known.known_line
         {% endif %}",
        everything,
    ),
    (
        "newest",
        "unique_key='id', delete_when='gone', on_schema_change='fail'",
        "select COLUMNS from {{ ref('changes') }} {{ only_touched('id') }}
         where id is not null
         qualify row_number() over (partition by id order by version desc, source_file desc, source_line desc) = 1",
        newest,
    ),
    (
        "newest_lines",
        "incremental_strategy='delete+insert', unique_key='id', delete_when='gone'",
        "select COLUMNS from {{ ref('changes') }} {{ only_touched('id') }}
         where id is not null
         qualify version = max(version) over (partition by id)",
        newest_lines,
    ),
    (
        "newest_in_part",
        "incremental_strategy='insert_overwrite', partition_by='part'",
        "select COLUMNS from {{ ref('changes') }} {{ only_touched('part') }}
         qualify row_number() over (
             partition by part, id order by version desc, source_file desc, source_line desc) = 1",
        newest_in_part,
    ),
];

const NAMES: [&str; 4] = ["all_lines", "newest", "newest_lines", "newest_in_part"];

fn history_project() -> Project {
    let profiles = "
shop:
  target: dev
  outputs:
    dev: {type: karat, path: warehouse}
    second: {type: karat, path: second}
";
    let changes = format!(
        "{{{{ config(materialized='view') }}}}\nselect {} from {{{{ source('landing', 'changes') }}}}\n",
        COLUMNS
            .replace("source_file", "_karat_file as source_file")
            .replace("source_line", "_karat_line as source_line")
    );
    let tests = "
models:
  - name: newest
    columns: [{name: amount, data_tests: [no_negatives]}, {name: id, data_tests: [unique, not_null]}]
";
    let project = Project::new(&[
        ("profiles.yml", profiles),
        ("models/bronze/_sources.yml", HISTORY_SOURCES),
        ("models/bronze/changes.sql", &changes),
        ("models/silver/newest.yml", tests),
        ("macros/touched.sql", TOUCHED),
    ]);
    for (name, config, sql, _) in HISTORY {
        let sql = sql.replace("COLUMNS", COLUMNS);
        let model = format!("{{{{ config(materialized='incremental', {config}) }}}}\n{sql}\n");
        project.write(&format!("models/silver/{name}.sql"), &model);
    }
    let totals =
        "{{ config(materialized='table') }}\nselect count(*) as n, sum(amount) as amount from {{ ref('newest') }}";
    project.write("models/gold/totals.sql", totals);
    project
}

fn random_lines(random: &mut Random, round: i64, negative: bool) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for row in random_batch(random) {
        // Late records: some lines are of an older version than what has been loaded, or of the very same.
        let version = if random.percent(25) { i64::try_from(random.below(6)).unwrap() } else { round };
        lines.push(Line { row, version });
    }
    if !lines.is_empty() && random.percent(30) {
        lines.push(lines[0].clone());
    }
    if negative {
        let row = Row { id: Some(1), part: Some(1), name: None, amount: Some(-1), gone: None };
        lines.push(Line { row, version: round + 1 });
    }
    lines
}

fn land(project: &Project, landing: &Landing) {
    for (name, lines) in landing {
        let mut text = "id,part,name,amount,gone,version\n".to_owned();
        for line in lines {
            writeln!(text, "{},{}", line.row.csv(), line.version).unwrap();
        }
        project.write(&format!("landing/{name}.csv"), &text);
    }
}

/// Something arrives: a new file, one with a name before all others, more lines in a file, a header alone, or nothing.
fn arrive(random: &mut Random, landing: &mut Landing, round: i64, negative: bool) {
    let lines = random_lines(random, round, negative);
    match random.below(if negative { 3 } else { 6 }) {
        0 => drop(landing.insert(format!("b-{round}"), lines)),
        1 => drop(landing.insert(format!("a-{round}"), lines)),
        2 if !landing.is_empty() => {
            let files: Vec<String> = landing.keys().cloned().collect();
            let index = usize::try_from(random.below(files.len() as u64)).unwrap();
            landing.get_mut(&files[index]).unwrap().extend(lines);
        }
        3 => drop(landing.insert(format!("c-{round}"), Vec::new())),
        4 => {}
        _ => {
            landing.insert(format!("a-{round}"), lines);
            landing.insert(format!("d-{round}"), random_lines(random, round, false));
        }
    }
}

fn assert_history(project: &Project, arguments: &[&str], expected: &BTreeMap<&str, Vec<String>>, log: &str) {
    let found = stored(project, &NAMES, arguments);
    for name in NAMES {
        assert_eq!(found[name], expected[name], "{name} {arguments:?} after\n{log}");
    }
}

fn play_history(seed: u64) {
    let project = history_project();
    let mut random = Random(seed);
    let mut landing = Landing::from([("b-0".to_owned(), random_lines(&mut random, 0, false))]);
    // What readers see; a model that is withheld or not selected stays behind.
    let mut published: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut log = String::new();
    for round in 0..5 {
        let mut withheld = false;
        if round > 0 {
            let negative = random.percent(25);
            arrive(&mut random, &mut landing, round, negative);
            if random.percent(25) {
                // A run was left out.
                arrive(&mut random, &mut landing, round, false);
            }
            withheld = newest(&landing).iter().any(|row| row.amount.is_some_and(|amount| amount < 0));
        }
        land(&project, &landing);
        let mut arguments = vec!["build"];
        let some = round > 0 && random.percent(25);
        if some {
            arguments.extend(["--select", "changes", "--select", "newest_lines", "--select", "all_lines"]);
        }
        if round > 0 && random.percent(15) {
            arguments.push("--full-refresh");
        }
        writeln!(log, "round {round} {arguments:?} withheld {withheld}\n{landing:#?}").unwrap();
        for (name, _, _, meaning) in HISTORY {
            let skipped = some && !["newest_lines", "all_lines"].contains(&name);
            if !(skipped || withheld && name == "newest") {
                published.insert(name, sorted(&meaning(&landing)));
            }
        }
        let code = i32::from(withheld && !some);
        let run = project.run(&arguments);
        assert_eq!(run.code, Some(code), "{log}\n{}{}", run.stdout, run.stderr);
        assert_history(&project, &[], &published, &log);
        // The same state once more.
        let again: Vec<&str> = arguments.iter().copied().filter(|argument| *argument != "--full-refresh").collect();
        let run = project.run(&again);
        assert_eq!(run.code, Some(code), "{log}\n{}{}", run.stdout, run.stderr);
        assert_history(&project, &[], &published, &log);
    }
    // The last word: a corrected amount, so that nothing is withheld, and everything is built.
    let row = Row { id: Some(1), part: Some(1), name: None, amount: Some(5), gone: None };
    landing.insert("z".to_owned(), vec![Line { row, version: 100 }]);
    land(&project, &landing);
    writeln!(log, "end\n{landing:#?}").unwrap();
    let expected: BTreeMap<&str, Vec<String>> =
        HISTORY.into_iter().map(|(name, _, _, meaning)| (name, sorted(&meaning(&landing)))).collect();
    project.ok(&["build"]);
    assert_history(&project, &[], &expected, &log);
    project.ok(&["build", "--target", "second"]);
    assert_history(&project, &["--target", "second"], &expected, &log);
    project.ok(&["build", "--full-refresh"]);
    assert_history(&project, &[], &expected, &log);
}

#[test]
fn proof_incremental_histories_end_as_a_rebuild_does() {
    for_seeds("KARAT_CASES", 3, play_history);
}

/// What the strategies do not promise, so that a change of it is noticed.
#[test]
fn proof_limits_of_strategies_are_as_documented() {
    let row = |id, part, gone| Row { id: Some(id), part: Some(part), name: None, amount: None, gone: Some(gone) };
    let names = ["append", "merge_delete", "overwrite"];
    let specs: Vec<Spec> = specs().into_iter().filter(|spec| names.contains(&spec.name)).collect();
    let project = daily(&specs);
    let build = |rows: &[Row]| {
        let rows: Vec<String> = rows.iter().map(Row::csv).collect();
        project.write("landing/batch.csv", &format!("id,part,name,amount,gone\n{}\n", rows.join("\n")));
        project.run(&["run"])
    };
    build(&[row(1, 1, false), row(1, 1, false), row(2, 2, false)]).expect_code(0);
    // An append cannot delete, and the same batch again is added again; an overwrite cannot empty a partition, because
    // no row of the batch names it.
    build(&[row(2, 2, true)]).expect_code(0);
    build(&[row(2, 2, true)]).expect_code(0);
    let found = stored(&project, &names, &[]);
    assert_eq!(found["append"].len(), 5);
    assert_eq!(found["overwrite"], sorted(&[row(1, 1, false), row(1, 1, false), row(2, 2, true)]));
    // A merge that meets several stored rows of a key leaves one.
    assert_eq!(found["merge_delete"].len(), 2);
    build(&[row(1, 1, false)]).expect_code(0);
    assert_eq!(stored(&project, &names, &[])["merge_delete"].len(), 1);
    // A deletion and a new row of one key in one batch are two rows of a key: which of them is last is not known.
    let refused = build(&[row(3, 1, true), row(3, 1, false)]).expect_code(1);
    refused.expect_message(&["error[duplicate-key]", "id = 3: 2 rows"]);
    assert_eq!(stored(&project, &names, &[])["merge_delete"].len(), 1);
}
