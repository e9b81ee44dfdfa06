//! Random histories: every strategy with every answer to a vanished key, against a plain model of what dbt's
//! documentation says.
//!
//! One project holds all the snapshots, so that one round of changes costs one call of the binary. A round may add,
//! change, remove and bring back keys; times of change may stand still or go back; values may be null.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;

use crate::support::{Project, Random};

const ROUNDS: i64 = 9;
const KEYS: u64 = 7;
/// Minutes between two rounds.
const ROUND: i64 = 1_000;
/// The end of current versions where it is not null, in minutes.
const FOREVER: i64 = 50_000_000;

/// One row of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    name: Option<&'static str>,
    amount: Option<i64>,
    /// Minutes since the epoch of the test.
    updated_at: i64,
}

type Source = BTreeMap<u64, Row>;

const NAMES: [Option<&str>; 4] = [None, Some("a"), Some("b"), Some("c")];

fn change(random: &mut Random, source: &mut Source, round: i64) {
    for key in 1..=KEYS {
        match (source.get_mut(&key), random.below(10)) {
            // Gone.
            (Some(_), 0 | 1) => {
                source.remove(&key);
            }
            // Changed once or several times inside of the round: only the last state can be seen.
            (Some(row), 2..=5) => {
                for _ in 0..=random.below(2) {
                    match random.below(3) {
                        0 => row.name = NAMES[usize::try_from(random.below(4)).unwrap()],
                        1 => row.amount = (random.below(3) > 0).then(|| i64::try_from(random.below(3)).unwrap()),
                        _ => {}
                    }
                    match random.below(5) {
                        // The time of change was forgotten, or went back.
                        0 => {}
                        1 => row.updated_at -= 7,
                        _ => row.updated_at = round * ROUND - i64::try_from(random.below(900)).unwrap(),
                    }
                }
            }
            // New, or back.
            (None, 0..=4) => {
                let row = Row {
                    name: NAMES[usize::try_from(random.below(4)).unwrap()],
                    amount: (random.below(3) > 0).then(|| i64::try_from(random.below(3)).unwrap()),
                    updated_at: round * ROUND - i64::try_from(random.below(2_500)).unwrap(),
                };
                source.insert(key, row);
            }
            _ => {}
        }
    }
    if random.below(12) == 0 {
        source.clear();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strategy {
    Timestamp,
    CheckName,
    CheckAll,
    CheckNameWithTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vanished {
    Ignore,
    Invalidate,
    NewRecord,
}

/// One snapshot of the project.
#[derive(Debug, Clone, Copy)]
struct Snapshot {
    strategy: Strategy,
    vanished: Vanished,
    /// Whether current versions end at [`FOREVER`] instead of null.
    forever: bool,
    /// Whether the key has two columns.
    two_keys: bool,
}

impl Snapshot {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        let strategies = [Strategy::Timestamp, Strategy::CheckName, Strategy::CheckAll, Strategy::CheckNameWithTime];
        for (index, strategy) in strategies.into_iter().enumerate() {
            for (number, vanished) in
                [Vanished::Ignore, Vanished::Invalidate, Vanished::NewRecord].into_iter().enumerate()
            {
                all.push(Self {
                    strategy,
                    vanished,
                    forever: (index + number) % 3 == 1,
                    two_keys: (index + number) % 2 == 1,
                });
            }
        }
        all
    }

    fn name(self) -> String {
        format!("{:?}_{:?}", self.strategy, self.vanished).to_lowercase()
    }

    fn yaml(self) -> String {
        let strategy = match self.strategy {
            Strategy::Timestamp => "strategy: timestamp, updated_at: updated_at",
            Strategy::CheckName => "strategy: check, check_cols: [name]",
            Strategy::CheckAll => "strategy: check, check_cols: all",
            Strategy::CheckNameWithTime => "strategy: check, check_cols: [name], updated_at: updated_at",
        };
        let vanished = match self.vanished {
            Vanished::Ignore => "ignore",
            Vanished::Invalidate => "invalidate",
            Vanished::NewRecord => "new_record",
        };
        let key = if self.two_keys { "[id, part]" } else { "id" };
        let forever = if self.forever {
            format!(", dbt_valid_to_current: 'to_timestamp({})'", FOREVER * 60)
        } else {
            String::new()
        };
        format!(
            "  - name: {}\n    relation: ref('items')\n    config: {{unique_key: {key}, {strategy}, hard_deletes: {vanished}, \
             max_delete_fraction: 1.0{forever}}}\n",
            self.name()
        )
    }
}

/// One version, as the table should hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    key: u64,
    row: Row,
    valid_from: i64,
    valid_to: Option<i64>,
    deleted: bool,
}

/// What the documentation says that one run does.
fn apply(history: &mut Vec<Version>, snapshot: Snapshot, source: &Source, now: i64) {
    let by_time = matches!(snapshot.strategy, Strategy::Timestamp | Strategy::CheckNameWithTime);
    let time_of = |row: &Row| if by_time { row.updated_at } else { now };
    let mut opening = Vec::new();
    let mut open: BTreeSet<u64> = BTreeSet::new();
    for version in history.iter_mut().filter(|version| version.valid_to.is_none()) {
        assert!(open.insert(version.key), "two open versions of {}", version.key);
        match source.get(&version.key) {
            Some(row) => {
                let time = time_of(row);
                let changed = match snapshot.strategy {
                    Strategy::Timestamp => time > version.valid_from,
                    Strategy::CheckName | Strategy::CheckNameWithTime => row.name != version.row.name,
                    Strategy::CheckAll => *row != version.row,
                };
                if changed || version.deleted {
                    version.valid_to = Some(time);
                    opening.push(Version {
                        key: version.key,
                        row: row.clone(),
                        valid_from: time,
                        valid_to: None,
                        deleted: false,
                    });
                }
            }
            None if snapshot.vanished == Vanished::Ignore || version.deleted => {}
            None => {
                version.valid_to = Some(now);
                if snapshot.vanished == Vanished::NewRecord {
                    opening.push(Version { valid_from: now, valid_to: None, deleted: true, ..version.clone() });
                }
            }
        }
    }
    for (key, row) in source.iter().filter(|(key, _)| !open.contains(key)) {
        opening.push(Version { key: *key, row: row.clone(), valid_from: time_of(row), valid_to: None, deleted: false });
    }
    history.extend(opening);
}

fn expected(history: &[Version], snapshot: Snapshot) -> Vec<String> {
    let number = |number: Option<i64>| number.map_or("∅".to_owned(), |number| number.to_string());
    let mut lines: Vec<String> = history
        .iter()
        .map(|version| {
            let end = version.valid_to.or(snapshot.forever.then_some(FOREVER));
            let deleted = match (snapshot.vanished, version.deleted) {
                (Vanished::NewRecord, true) => " True",
                (Vanished::NewRecord, false) => " False",
                _ => "",
            };
            format!(
                "{} p{} {} {} {} {}..{}{deleted}",
                version.key,
                version.key % 2,
                version.row.name.unwrap_or("∅"),
                number(version.row.amount),
                version.row.updated_at,
                version.valid_from,
                number(end),
            )
        })
        .collect();
    lines.sort();
    lines
}

/// All versions of all snapshots in one query.
fn stored(project: &Project, snapshots: &[Snapshot]) -> BTreeMap<String, Vec<String>> {
    let selects: Vec<String> = snapshots
        .iter()
        .map(|snapshot| {
            let deleted = if snapshot.vanished == Vanished::NewRecord { "' ' || dbt_is_deleted" } else { "''" };
            let minutes = |column: &str| {
                format!("coalesce(cast(cast(date_part('epoch', {column}) as bigint) / 60 as varchar), '∅')")
            };
            format!(
                "select '{}' as name, id || ' ' || part || ' ' || coalesce(name, '∅') || ' ' || coalesce(cast(amount as varchar), \
                 '∅') || ' ' || {} || ' ' || {} || '..' || {} || {deleted} as line from snapshots.{}",
                snapshot.name(),
                minutes("updated_at"),
                minutes("dbt_valid_from"),
                minutes("dbt_valid_to"),
                snapshot.name(),
            )
        })
        .collect();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in project.query(&selects.join(" union all ")) {
        let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap().to_owned();
        found.entry(text("name")).or_default().push(text("line"));
    }
    for lines in found.values_mut() {
        lines.sort();
    }
    found
}

fn instant(minutes: i64) -> String {
    chrono::DateTime::from_timestamp(minutes * 60, 0).unwrap().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn play(seed: u64) {
    let snapshots = Snapshot::all();
    let yaml: String = snapshots.iter().map(|snapshot| snapshot.yaml()).collect();
    let project = Project::new(&[
        ("project.yml", "name: shop\n"),
        (
            "models/sources.yml",
            "sources:\n  - name: landing\n    tables:\n      - name: items\n        external:\n          location: \
             landing/items.csv\n          columns: {id: bigint, part: varchar, name: varchar, amount: bigint, updated_at: \
             timestamp with time zone}\n",
        ),
        (
            "models/silver/items.sql",
            "{{ config(materialized='view') }}\nselect id, part, name, amount, updated_at from {{ source('landing', 'items') }}",
        ),
        ("snapshots/all.yml", &format!("snapshots:\n{yaml}")),
        ("landing/items.csv", "id,part,name,amount,updated_at\n"),
    ]);
    let mut random = Random(seed);
    let mut source = Source::new();
    let mut histories: Vec<Vec<Version>> = vec![Vec::new(); snapshots.len()];
    let mut log = format!("seed {seed}\n");
    for round in 1..=ROUNDS {
        change(&mut random, &mut source, round);
        let mut csv = "id,part,name,amount,updated_at\n".to_owned();
        for (key, row) in &source {
            let amount = row.amount.map_or(String::new(), |amount| amount.to_string());
            let time = instant(row.updated_at);
            let _ = writeln!(csv, "{key},p{},{},{amount},{time}", key % 2, row.name.unwrap_or(""));
        }
        let _ = write!(log, "round {round}\n{csv}");
        project.write("landing/items.csv", &csv);
        let now = round * ROUND;
        let verb = if round == 1 { "build" } else { "snapshot" };
        let run = project.run(&[verb, "--now", &instant(now)]);
        assert_eq!(run.code, Some(0), "{log}\n{}{}", run.stdout, run.stderr);
        for (snapshot, history) in snapshots.iter().zip(&mut histories) {
            apply(history, *snapshot, &source, now);
        }
        // Every third round and the last one: a difference stays in the history, so none is missed.
        if round % 3 != 0 && round != ROUNDS {
            continue;
        }
        let found = stored(&project, &snapshots);
        for (snapshot, history) in snapshots.iter().zip(&histories) {
            let expected = expected(history, *snapshot);
            let found = found.get(&snapshot.name()).cloned().unwrap_or_default();
            assert_eq!(found, expected, "{snapshot:?} after round {round}\n{log}");
        }
    }
}

#[test]
fn random_histories_follow_the_model() {
    play(1);
}

#[test]
fn random_histories_follow_the_model_again() {
    play(20_240_117);
}
