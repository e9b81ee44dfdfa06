//! While nodes run: tests, merges, snapshots.

use super::{Code, Stage};

pub(super) const CODES: &[Code] = &[
    Code {
        name: "bad-statement",
        stage: Stage::Running,
        exits: &[1, 2],
        title: "a statement cannot be done to the relation that it names",
        cause: "A statement of a hook, an operation or a template creates what is there already, changes the rows of a \
            view, names more columns than it gives values, or lets several rows change one.",
        fix: "Mend the statement as its message says. A statement that fails leaves the relation as it was.",
        example: Some(
            "create table if not exists audit.runs (model varchar, finished timestamp);
insert into audit.runs (model, finished) values ('orders', current_timestamp)",
        ),
    },
    Code {
        name: "change-withheld",
        stage: Stage::Running,
        exits: &[0],
        title: "what a statement made is not published",
        cause: "A statement of a hook read a relation that is held back, because it failed or a test of it did. What was \
            made from it is held back, too.",
        fix: "Mend the node that failed. A row that a hook is to leave behind in any case must not read what may be held \
            back.",
        example: None,
    },
    Code {
        name: "constraint-failed",
        stage: Stage::Running,
        exits: &[1],
        title: "rows break a constraint of the model's contract",
        cause: "The model has an enforced contract, and rows of its new table do not meet one of its constraints. The \
            table is not published, and what is made from it is skipped.",
        fix: "Mend the query or its input, or loosen the constraint. The message shows some of the rows or keys.",
        example: None,
    },
    Code {
        name: "constraint-not-enforced",
        stage: Stage::Running,
        exits: &[0],
        title: "a constraint has no effect",
        cause: "A view has no rows of its own to hold back, a `custom` constraint is text for other databases, and a \
            foreign key can only be looked up in a relation that is stored and named by `to`.",
        fix: "Make the model a table, write a test, or silence the warning with `warn_unsupported: false` \
            (`warn_unenforced: false` for a foreign key).",
        example: None,
    },
    Code {
        name: "duplicate-key",
        stage: Stage::Running,
        exits: &[1],
        title: "rows of a query share a key",
        cause: "The query of a merge or a snapshot gives several rows with the same `unique_key`, so which one wins \
            would be chance.",
        fix: "Make the key unique in the query, for example with `qualify row_number() over (partition by key order \
            by updated_at desc) = 1`.",
        example: None,
    },
    Code {
        name: "incomplete-docs",
        stage: Stage::Running,
        exits: &[0],
        title: "something is missing in the documentation",
        cause: "Some nodes could not be planned, so their columns or their compiled SQL are not known. The warnings \
            before this note say which and why. Everything else is documented.",
        fix: "Mend what the warnings name, and generate the documentation again.",
        example: None,
    },
    Code {
        name: "mass-deletion",
        stage: Stage::Running,
        exits: &[1],
        title: "a snapshot would close too many rows",
        cause: "So many keys are gone from the source that a broken source is more likely than a changed world: more \
            than `max_delete_fraction`, or all of them because the source is empty.",
        fix: "Check the source. If it is right, set `max_delete_fraction: 1.0` for this run.",
        example: None,
    },
    Code {
        name: "no-relation",
        stage: Stage::Running,
        exits: &[1],
        title: "a node has no relation",
        cause: "The node was to be stored, and is of a kind that has no place in the warehouse.",
        fix: "This should not happen: please report it.",
        example: None,
    },
    Code {
        name: "node-failed",
        stage: Stage::Running,
        exits: &[1],
        title: "a node failed",
        cause: "The node ended with an error that has no diagnostic of its own; the message gives the reason.",
        fix: "Look at the reason, and at `karat.log` for more.",
        example: None,
    },
    Code {
        name: "not-a-snapshot",
        stage: Stage::Running,
        exits: &[1],
        title: "the table of a snapshot was made by something else",
        cause: "The table lacks a column that a snapshot adds, such as `dbt_valid_from`, so its rows are no versions.",
        fix: "Rename the snapshot, or move the old table away.",
        example: None,
    },
    Code {
        name: "null-key",
        stage: Stage::Running,
        exits: &[1],
        title: "rows without a key cannot be versions",
        cause: "Rows of a snapshot's source have a null in the key, or in the time of change.",
        fix: "Leave such rows out in the snapshot's query, or give them a key.",
        example: None,
    },
    Code {
        name: "schema-change",
        stage: Stage::Running,
        exits: &[2, 1],
        title: "the columns of an incremental model have changed",
        cause: "The query of the model no longer has the columns of its table, and `on_schema_change` is `fail`, or \
            is `ignore` and a column is gone.",
        fix: "Run with `--full-refresh` to rebuild the table, or set `on_schema_change` to `append_new_columns` or \
            `sync_all_columns`.",
        example: None,
    },
    Code {
        name: "test-failed",
        stage: Stage::Running,
        exits: &[1],
        title: "a data test found rows that fail",
        cause: "The query of a data test gives rows. The node that it is declared on, and what is made from it, is \
            not published; readers see the last good version.",
        fix: "Look at the rows that are shown; all of them with `--store-failures`. Then mend the data or the model, \
            or relax the test with `severity: warn`, `warn_if` or `where`.",
        example: None,
    },
    Code {
        name: "test-not-counted",
        stage: Stage::Running,
        exits: &[1],
        title: "a data test does not count its failing rows",
        cause: "`fail_calc` gives null, which `sum` and `max` do where no row fails, or it gives no row or several. \
            The test has the status `error`, as under dbt.",
        fix: "Give a number for no rows, too: `coalesce(sum(failures), 0)`.",
        example: None,
    },
    Code {
        name: "test-warned",
        stage: Stage::Running,
        exits: &[0],
        title: "a data test found rows that fail, and only warns",
        cause: "The test has `severity: warn`, or fewer rows failed than `error_if` says.",
        fix: "Look at the rows that are shown.",
        example: None,
    },
    Code {
        name: "too-many-batches",
        stage: Stage::Running,
        exits: &[2],
        title: "a microbatch model would be made in too many batches",
        cause: "The time between `begin` and now, or the time that the command line asks for, holds more batches of \
            `batch_size` than one run makes.",
        fix: "Take a larger `batch_size` or a later `begin`, or make the history in parts with `--event-time-start` \
            and `--event-time-end`.",
        example: None,
    },
    Code {
        name: "unit-test-failed",
        stage: Stage::Running,
        exits: &[1],
        title: "a model gives other rows than its unit test expects",
        cause: "Over the rows that the test gives, the model's query gives rows that differ from the expected ones, \
            in whatever order. In a `build` the model and what is made from it are not built.",
        fix: "Look at the rows that are shown: `---` is expected and missing, `+++` is there and not expected, `→` \
            leads from what is expected to what is there. Mend the model or the expectation.",
        example: None,
    },
    Code {
        name: "unsupported-statement",
        stage: Stage::Running,
        exits: &[1, 2],
        title: "a statement is not supported",
        cause: "A hook, an operation or a template says a statement that would leave the warehouse, or that changes what \
            karat does not keep, such as rights, indexes or settings.",
        fix: "Do what the hint says. Tables and views of the warehouse can be created, filled, updated, merged into, \
            truncated, altered and dropped.",
        example: None,
    },
];
