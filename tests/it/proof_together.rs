//! Proof against two at once: runs of one project that start together wait or are refused with the holder named, and
//! where the lock does not hold, conflicts are refused. Nothing is ever applied twice, and nothing is lost.

#![expect(clippy::disallowed_methods, reason = "removes a lock")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::process::Child;
use std::time::Duration;

use crate::support::{Project, Random, Run, number};

const SOURCES: &str = "
sources:
  - name: landing
    external: {location: 'landing/{name}/*.csv', format: csv}
    tables:
      - name: items
        columns: [{name: id, data_type: bigint}, {name: price, data_type: bigint}]
";

const SNAPSHOT: &str = "
snapshots:
  - name: history
    relation: ref('items')
    config: {unique_key: id, strategy: check, check_cols: [price]}
";

/// Items by key, arrivals that are only added, their history, and a table that takes a while, so that runs do meet.
fn project(work: u64) -> Project {
    let slow = format!(
        "{{{{ config(materialized='table') }}}}\nselect count(*) as n, count(distinct md5(cast(value as varchar))) as m \
         from generate_series(1, {work})"
    );
    let project = Project::new(&[
        ("models/bronze/_sources.yml", SOURCES),
        (
            "models/silver/items.sql",
            "{{ config(materialized='incremental', unique_key='id') }}\n\
             select id, price, _karat_file as file from {{ source('landing', 'items') }}\n\
             {% if is_incremental() %}where _karat_file > (select max(file) from {{ this }}){% endif %}",
        ),
        (
            "models/silver/arrivals.sql",
            "{{ config(materialized='incremental', incremental_strategy='append') }}\n\
             select id, _karat_file as file from {{ source('landing', 'items') }}\n\
             {% if is_incremental() %}where _karat_file > (select max(file) from {{ this }}){% endif %}",
        ),
        ("models/gold/slow.sql", &slow),
        ("snapshots/history.yml", SNAPSHOT),
        ("landing/items/000.csv", "id,price\n1,10\n2,20\n"),
    ]);
    project.ok(&["build"]);
    project
}

/// A batch: item 1 has a new price, and an item is new.
fn land(project: &Project, number: u64) {
    project.write(
        &format!("landing/items/{number:03}.csv"),
        &format!("id,price\n1,{}\n{},5\n", 10 + number, 100 + number),
    );
}

/// All that is published.
fn state(project: &Project) -> Vec<String> {
    let mut rows = project.rows(
        "select concat_ws(' ', 'items', id, price) from {{ ref('items') }}
         union all select concat_ws(' ', 'arrivals', id, file) from {{ ref('arrivals') }}
         union all select concat_ws(' ', 'history', id, price, dbt_valid_to is null) from {{ ref('history') }}",
    );
    rows.sort();
    rows
}

/// The tables as another reader of Delta sees them, number by number.
fn commits(project: &Project) -> Vec<Vec<u64>> {
    ["silver/items", "silver/arrivals", "main/history"].map(|table| project.commits(table)).to_vec()
}

fn contiguous(numbers: &[u64]) -> bool {
    numbers.windows(2).all(|pair| pair[0] + 1 == pair[1])
}

fn ended(child: Child) -> (u32, Run) {
    let id = child.id();
    (id, Run::of(child.wait_with_output().unwrap()))
}

#[test]
fn proof_builds_at_once_wait_for_each_other() {
    let project = project(1);
    land(&project, 1);
    let undisturbed = project.copy();
    undisturbed.ok(&["build"]);
    let runs: Vec<Child> =
        [&["build"][..], &["snapshot"], &["build"]].into_iter().map(|arguments| project.start(arguments)).collect();
    for (_, run) in runs.into_iter().map(ended) {
        run.expect_code(0);
    }
    // A snapshot that comes first finds nothing new and a build then does; in any order the end is the same.
    assert_eq!(state(&project), state(&undisturbed));
    assert_eq!(project.entries("dev"), [1, 2, 3, 4]);
}

#[test]
fn proof_a_build_that_may_not_wait_names_who_holds_the_lock() {
    let project = project(400_000);
    let mut random = Random(number("KARAT_SEED", 1));
    let mut refused = 0;
    for round in 1..=number("KARAT_ROUNDS", 3) {
        land(&project, round);
        let verbs: [&[&str]; 3] = [&["build"], &["build"], &["snapshot"]];
        let mut children = Vec::new();
        for verb in verbs {
            children.push(project.start(&[verb, &["--lock-timeout", "0s"]].concat()));
            std::thread::sleep(Duration::from_millis(random.below(60)));
        }
        let runs: Vec<(u32, Run)> = children.into_iter().map(ended).collect();
        let winners: Vec<u32> = runs.iter().filter(|(_, run)| run.code == Some(0)).map(|(id, _)| *id).collect();
        assert!(!winners.is_empty(), "round {round}: nobody could run\n{runs:#?}");
        for (_, run) in runs.iter().filter(|(_, run)| run.code != Some(0)) {
            refused += 1;
            assert_eq!(run.code, Some(3), "round {round}: {run:?}");
            assert!(
                run.stderr.contains("error[environment-locked]: the environment `dev` is in use by "),
                "{}",
                run.stderr
            );
            let named = winners.iter().any(|id| run.stderr.contains(&format!("(process {id} on ")));
            assert!(named && run.stderr.contains(", since 20"), "{winners:?}\n{}", run.stderr);
        }
        // Whoever won, the next run brings all that has arrived, once.
        project.ok(&["build"]);
        let undisturbed = project.rows("select count(*), count(distinct id || file) from {{ ref('arrivals') }}");
        let lines = 2 * (round + 1);
        assert_eq!(undisturbed, [format!("{lines}|{lines}")], "round {round}");
        assert!(commits(&project).iter().all(|numbers| contiguous(numbers)));
    }
    assert!(refused > 0, "the runs have never met");
}

#[test]
fn proof_without_a_lock_conflicts_are_refused_and_nothing_is_applied_twice() {
    let project = project(400_000);
    let mut random = Random(number("KARAT_SEED", 1));
    let (mut refused, mut winners) = (0, 0);
    let rounds = number("KARAT_ROUNDS", 4);
    for round in 1..=rounds {
        land(&project, round);
        let lock = project.path("warehouse/_karat/env/dev.lock");
        let mut children = Vec::new();
        for _ in 0..2 {
            // A lock is advice: with its file gone, the next one takes another.
            let _ = std::fs::remove_file(&lock);
            children.push(project.start(&["build", "--lock-timeout", "0s"]));
            let begun = project.entries("dev").len();
            while !lock.exists() && project.entries("dev").len() == begun {
                std::thread::sleep(Duration::from_millis(2));
            }
            std::thread::sleep(Duration::from_millis(random.below(40)));
        }
        let before = project.entries("dev").len();
        let runs: Vec<(u32, Run)> = children.into_iter().map(ended).collect();
        let good = runs.iter().filter(|(_, run)| run.code == Some(0)).count();
        winners += good;
        for (_, run) in runs.iter().filter(|(_, run)| run.code != Some(0)) {
            refused += 1;
            assert_eq!(run.code, Some(3), "round {round}: {run:?}");
            let said =
                run.stderr.contains("error[publication-conflict]") || run.stderr.contains("error[environment-locked]");
            assert!(said && !run.stderr.contains("panicked"), "round {round}: {}", run.stderr);
        }
        if good == 0 {
            // Both may be refused, each by a table that the other one was first to commit; the next run brings it all.
            project.ok(&["build"]);
        }
        // One entry for each run that says it has published, and their rows are there once.
        assert!(project.entries("dev").len() >= before && contiguous(&project.entries("dev")));
        let counted = project.rows("select count(*), count(distinct id || file) from {{ ref('arrivals') }}");
        let lines = 2 * (round + 1);
        assert_eq!(counted, [format!("{lines}|{lines}")], "round {round}");
    }
    assert!(refused > 0, "the runs have never met");
    let before = state(&project);
    project.ok(&["build"]);
    assert_eq!(state(&project), before, "a run after the conflicts finds something to mend");
    // The same batches, one after the other and alone.
    let alone = self::project(1);
    for round in 1..=rounds {
        land(&alone, round);
        alone.ok(&["build"]);
    }
    assert_eq!(state(&alone), before);
    assert!(commits(&project).iter().all(|numbers| contiguous(numbers)));
    assert!(winners > 0);
}
